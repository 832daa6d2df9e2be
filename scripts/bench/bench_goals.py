"""A whole run by the command line, and all goals beside what was measured."""

import os
import statistics
import subprocess
import sys
import time
from tempfile import TemporaryDirectory

RUN = ["train", "dataset=uci_airfoil", "method=supremix", "seed=0", "tracking=none"]
FIRST_STEP = """
import os
from supremix.runtime.imports import put_off_compiler
put_off_compiler()
from supremix.training import loop
loop._Fit._step = lambda *given: os._exit(0)
from supremix.cli.main import command
command()
"""


def measure_fit() -> dict:
    """Seconds and memory of SupReMix on UCI-airfoil, one thread; why not, where its data is not prepared.

    A process starts with the memory of the one that starts it as its most: call this before anything large.
    """
    with TemporaryDirectory() as store:
        try:
            run = seconds_and_megabytes(["-m", "supremix.cli"], store)
        except RuntimeError as error:
            return {"why_not": str(error)}
        starts = [seconds_and_megabytes(["-c", FIRST_STEP], f"{store}/{number}")["seconds"] for number in range(3)]
        imports = [seconds_and_megabytes(["-c", "import torch"], store)["seconds"] for _ in range(3)]
    return run | {"start": statistics.median(starts), "import_torch": statistics.median(imports)}


def seconds_and_megabytes(python: list[str], store: str) -> dict[str, float]:
    """What a run takes of wall time and memory; RuntimeError says why it failed."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "SUPREMIX_RUNS": store}
    command, started = [sys.executable, *python, *RUN], time.perf_counter()
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        said = process.stderr.read() if process.stderr else ""
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(said.strip().splitlines()[-1])
    unit = 1e6 if sys.platform == "darwin" else 1e3  # bytes there, kilobytes elsewhere
    return {"seconds": time.perf_counter() - started, "megabytes": usage.ru_maxrss / unit}


def goals(measured: dict) -> list[dict]:
    """Each goal with what was measured; all are met by less."""
    batches, cost, fit = measured["batches"], measured["cost"], measured["fit"]
    rows = [(f"SupReMix, {name}, λ given, ms", row["given"], row["goal"]) for name, row in batches.items()]
    rows.append(("SupReMix, N = 128, λ given, over the cosines alone", batches["N = 128"]["over_bare"], 1.5))
    rows += [
        (f"drawing λ, {name}, over the loss with λ given", row["drawn"] / row["given"] - 1, 1 / 3)
        for name, row in batches.items()
    ]
    rows += [
        (f"SupReMix, N = {peak['n']}, memory, MB", peak["megabytes"], 400)
        for peak in cost["peaks"]
        if peak["n"] == 4096 and peak["megabytes"] is not None
    ]
    rows.append(("SupCR, N = 512, ms", 1e3 * measured["supcr"]["seconds"], 5))
    if "seconds" in fit:
        rows.append(("SupReMix on UCI-airfoil, a run, s", fit["seconds"], 25))
        rows.append((f"… to its first step, s ({fit['import_torch']:.1f} import PyTorch)", fit["start"], 4))
        rows.append(("… resident memory, MB", fit["megabytes"], 800))
    return [{"name": name, "value": value, "at_most": most, "met": value <= most} for name, value, most in rows]


def table(measured: dict) -> str:
    """The goals as text."""
    lines = ["Goals, on a quiet machine: measured, at most"]
    for goal in measured["goals"]:
        met = "met" if goal["met"] else "MISSED"
        lines.append(f"  {goal['name']:54s} {goal['value']:8.3g} {goal['at_most']:8.3g}  {met}")
    if "why_not" in measured["fit"]:
        lines.append(f"  SupReMix on UCI-airfoil: not measured: {measured['fit']['why_not']}")
    return "\n".join(lines)
