"""Kill a table's processes at random moments until it is finished all the same, and compare it with one left alone.

Two processes work on the quick start's table over one store; each that is killed is started again. At the end every
prediction, weight and curve, and the rendered table, must be those of the same table made without a kill, bit for bit.
"""

import argparse
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

CONTEXT = multiprocessing.get_context("forkserver")  # a process is a fork of one that has everything imported
PRELOADED = ["supremix.experiment.run", "supremix.experiment.record", "supremix.tables.reproduce"]
SETTINGS = ["tracking=none", "trainer.accelerator=cpu", "trainer.checkpoint.minutes=0.003"]
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP)
PAUSE = (0.3, 4.0)  # seconds from one kill to the next
STRAY = 0.2  # share of the moments with nobody inside a run at which one is killed all the same
BETWEEN = "between runs"
PATIENCE = 120  # seconds a process may take to end after a signal that it saves on
CHECKPOINT = re.compile(r"(\w+)-epoch-(\d+)-step-(\d+)\.ckpt")


def work(folder: Path, seeds: list[int]) -> None:
    """One process: bring the table up to date; what it prints goes to the folder's log."""
    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it would be ignored
    from supremix.runtime.entry import entry_point
    from supremix.settings.compose import CONF
    from supremix.suite.launchers import named
    from supremix.tables.reproduce import reproduce

    with entry_point():
        overrides = [*SETTINGS, f"paths.runs={folder / 'runs'}"]
        reproduce("quickstart", CONF, folder / "table", named("joblib", 1), overrides, seeds)


def start(folder: Path, seeds: list[int]) -> Any:
    """A process that works on the table."""
    process = CONTEXT.Process(target=work, args=(folder, seeds))
    process.start()
    return process


def disturbed(folder: Path, kills: int, processes: int, draw: random.Random) -> tuple[list[int], list[dict[str, Any]]]:
    """Make the table under fire, seed by seed until there were enough kills; the seeds, and what each kill hit."""
    seeds: list[int] = []
    hits: list[dict[str, Any]] = []
    while len(hits) < kills:
        seeds.append(len(seeds))
        alive = [start(folder, seeds) for _ in range(processes)]
        while alive:
            until = time.monotonic() + draw.uniform(*PAUSE)
            while time.monotonic() < until and any(process.is_alive() for process in alive):
                time.sleep(0.02)
            alive = [process for process in alive if not ended(process, folder)]
            in_work = [process for process in alive if at_work(folder / "runs", process.pid)["stage"] != BETWEEN]
            victims = in_work or (alive if draw.random() < STRAY else [])
            if victims and len(hits) < kills:
                victim = draw.choice(victims)
                alive.remove(victim)
                hits.append(kill(victim, draw.choice(SIGNALS), folder))
                print(f"[{len(hits)}/{kills}] " + "  ".join(str(part) for part in hits[-1].values()), flush=True)
                alive.append(start(folder, seeds))
    return seeds, hits


def ended(process: Any, folder: Path) -> bool:
    """Whether it has finished its work; SystemExit where it failed."""
    if process.is_alive():
        return False
    if process.exitcode != 0:
        sys.exit(f"error: a process failed with code {process.exitcode}; see {folder / 'log'}")
    return True


def kill(process: Any, number: signal.Signals, folder: Path) -> dict[str, Any]:
    """Send the signal, wait for the end; what the process was at, as far as the store tells."""
    held = at_work(folder / "runs", process.pid)
    os.kill(process.pid, number)
    process.join(PATIENCE)
    expected = (-number, 0) if number == signal.SIGKILL else (128 + number, -number, 0)
    if process.exitcode not in expected:  # 0: it had just finished; -SIGTERM: it had not begun to listen
        sys.exit(f"error: after {number.name} a process ended with {process.exitcode}; see {folder / 'log'}")
    return {"signal": number.name, **held, "exit": process.exitcode}


def at_work(store: Path, pid: int) -> dict[str, Any]:
    """Stage and epoch of a process: the newest checkpoint of what it has locked, an encoder before its run."""
    for pattern in ("encoders/*.partial/lock", "*.partial/lock"):
        for lock in store.glob(pattern):
            try:
                if not lock.read_text().startswith(f"process {pid} "):
                    continue
                saved = sorted(
                    match.groups() for path in lock.parent.rglob("*.ckpt") if (match := CHECKPOINT.match(path.name))
                )
            except FileNotFoundError:  # finished at this moment
                continue
            if saved:
                stage, epoch, _ = saved[-1]
                return {"stage": stage, "epoch": int(epoch)}
            return {"stage": "pretrain" if "encoders" in pattern else "run", "epoch": None}
    return {"stage": BETWEEN, "epoch": None}


def content(folder: Path) -> dict[str, Any]:
    """What must not depend on interruptions: arrays as bytes, curves, the rendered table."""
    import numpy as np
    from safetensors.numpy import load_file

    parts: dict[str, Any] = {}
    for done in sorted((folder / "runs").rglob("DONE")):
        for path in sorted(done.parent.iterdir()):
            name = str(path.relative_to(folder))
            if path.suffix in (".npz", ".safetensors"):
                arrays = np.load(path) if path.suffix == ".npz" else load_file(path)
                parts |= {f"{name}:{key}": (str(arrays[key].dtype), arrays[key].tobytes()) for key in arrays}
            elif path.name == "history.csv":
                parts[name] = path.read_text()
    return parts | {name: (folder / "table" / name).read_text() for name in ("table.md", "table.csv", "table.tex")}


def compare(folder: Path, alone: Path) -> dict[str, Any]:
    """Counts of what was compared, the names of what differs, and what was left lying about."""
    here, there = content(folder), content(alone)
    return {
        "runs": len(list((folder / "runs").glob("*/DONE"))),
        "encoders": len(list((folder / "runs" / "encoders").glob("*/DONE"))),
        "compared": len(here),
        "different": sorted(name for name in here.keys() | there.keys() if here.get(name) != there.get(name)),
        "left_over": sorted(path.name for path in (folder / "runs").rglob("*.partial")),
    }


def markdown(report: dict[str, Any]) -> str:
    """The report for people."""
    compared, hits = report["comparison"], report["kills"]
    places = Counter((hit["stage"], hit["signal"]) for hit in hits)
    epochs: dict[str, list[int]] = {}
    for hit in hits:
        if hit["epoch"] is not None:
            epochs.setdefault(hit["stage"], []).append(hit["epoch"])
    lines = [
        "# Fault campaign",
        "",
        f"{report['processes']} processes over one store, killed {len(hits)} times at random moments and started again:"
        f" the quick start's table over {len(report['seeds'])} seeds, {compared['runs']} runs and"
        f" {compared['encoders']} encoders.",
        f"Stages went on from a checkpoint {report['resumes']} times;"
        f" {report['damaged']} damaged checkpoints were refused.",
        f"{report['seconds']['disturbed']:.0f} s under fire, {report['seconds']['alone']:.0f} s for the same table in"
        " one process left alone.",
        "",
        f"Compared with that table, bit for bit: {compared['compared']} arrays, curves and files,"
        f" {len(compared['different'])} differ. Unfinished folders left over: {len(compared['left_over'])}.",
        "",
        "| killed during | " + " | ".join(number.name for number in SIGNALS) + " | epochs of the last checkpoint |",
        "|---|" + "---:|" * len(SIGNALS) + "---|",
    ]
    for stage in sorted({stage for stage, _ in places}):
        counts = " | ".join(str(places[stage, number.name]) for number in SIGNALS)
        hit_epochs = epochs.get(stage)
        lines.append(f"| {stage} | {counts} | {f'{min(hit_epochs)} to {max(hit_epochs)}' if hit_epochs else '–'} |")
    lines += [
        "",
        "`run`: a run before its second stage's first checkpoint; `between runs`: planning, waiting, starting.",
    ]
    return "\n".join([*lines, *(f"- differs: {name}" for name in compared["different"])]) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code, 1 where anything differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="least number of kills (default %(default)s)")
    parser.add_argument("--processes", type=int, default=2, help="at a time (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments and signals (default %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("results/fault_campaign"), help="folder (%(default)s)")
    options = parser.parse_args(arguments)

    CONTEXT.set_forkserver_preload(PRELOADED)
    scratch = Path(tempfile.mkdtemp(prefix="fault-campaign-"))  # stays where something failed: its log says what
    folder, alone = scratch / "disturbed", scratch / "alone"
    folder.mkdir()
    alone.mkdir()
    times = [time.monotonic()]
    seeds, hits = disturbed(folder, options.kills, options.processes, random.Random(options.seed))
    times.append(time.monotonic())
    reference = start(alone, seeds)
    reference.join()
    ended(reference, alone)
    times.append(time.monotonic())
    log = (folder / "log").read_text()
    report = {
        "processes": options.processes,
        "seeds": seeds,
        "kills": hits,
        "resumes": len(re.findall(r"^\w+ goes on from ", log, re.MULTILINE)),
        "damaged": log.count("not a whole checkpoint"),
        "seconds": {"disturbed": times[1] - times[0], "alone": times[2] - times[1]},
        "comparison": compare(folder, alone),
    }
    shutil.rmtree(scratch, ignore_errors=True)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    (options.out / "report.md").write_text(markdown(report))
    print(f"{markdown(report)}\n{options.out / 'report.md'}")
    return 1 if report["comparison"]["different"] or report["comparison"]["left_over"] else 0


if __name__ == "__main__":
    sys.exit(main())
