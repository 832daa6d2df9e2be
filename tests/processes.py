"""Runs in processes of their own, quickly: a server has everything imported, and each process is a fork of it."""

import itertools
import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    ["tests.processes", "supremix.experiment.run", "supremix.experiment.record", "supremix.train"]
)


def start(work: Callable[..., None], *arguments: Any, log: Path) -> Any:
    """Start ``work`` in a process; what it prints goes to the end of ``log``."""
    process = CONTEXT.Process(target=_logged, args=(log, work, *arguments))
    process.start()
    return process


def code(process: Any) -> int:
    """Its exit code; minus the signal that killed it."""
    process.join(120)
    assert process.exitcode is not None, "still running after two minutes"
    return process.exitcode


def _logged(path: Path, work: Callable[..., None], *arguments: Any) -> None:
    from supremix.runtime import log

    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    log.show()
    work(*arguments)


def run_all(configs: list[DictConfig], journal: Path) -> None:
    """Run the configs in turn; a line in the journal for each run and encoder that is written."""
    from supremix.experiment import run as experiment
    from supremix.store.folders import Store

    writing = Store.writing

    def noted(self: Store, target: Path) -> Any:
        with journal.open("a") as file:
            file.write(f"{target.name}\n")
        return writing(self, target)

    Store.writing = noted  # type: ignore[method-assign]
    for cfg in configs:
        experiment.run(cfg)


def run_until(cfg: DictConfig, stage: str, batch: int, signum: int) -> None:
    """Run, saving after every third step, and send this process a signal before the stage's batch of that number."""
    interrupt(stage, batch, signum)
    from supremix.experiment import run as experiment

    experiment.run(cfg)


def train_until(overrides: list[str], stage: str, batch: int, signum: int) -> None:
    """The same through the command line."""
    import sys

    from supremix.train import cli

    signal.signal(signum, signal.SIG_DFL)  # which a suite started by nohup ignores
    interrupt(stage, batch, signum)
    sys.argv = ["train", *overrides]
    cli()


def command_cut(arguments: list[str], cut: dict[int, str]) -> None:
    """The command ``supremix``, with a pipe that nobody reads, a full disk or nothing in the place of its streams.

    Args:
        arguments: of the command.
        cut: 1 for stdout, 2 for stderr → "pipe", "full" or "closed".
    """
    import sys

    from supremix.cli.main import main

    for number, how in cut.items():
        reader, writer = os.pipe()
        os.close(reader)
        os.dup2(os.open("/dev/full", os.O_WRONLY) if how == "full" else writer, number)
        if how == "closed":
            os.close(number)
            setattr(sys, {1: "stdout", 2: "stderr"}[number], None)
    sys.argv = ["supremix", *arguments]
    main()


def stopped_once(cfg: DictConfig) -> str:
    """A cell that is sent a scheduler's signal in pre-training, the first time it is run."""
    from supremix.suite.launch import run_cell

    mark = Path(cfg.paths.runs).parent / "signalled"
    if cfg.method.loss is not None and not mark.exists():
        mark.touch()
        interrupt("pretrain", 12, signal.SIGUSR2)
    return run_cell(cfg)


def search_until(arguments: tuple[Any, ...], run: int) -> None:
    """Search, and kill this process when its run of that number begins."""
    from supremix.search.study import search
    from supremix.suite import launch

    original, begun = launch.run_free_cell, itertools.count(1)

    def run_or_die(cfg: DictConfig) -> str:
        if next(begun) == run:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(cfg)

    launch.run_free_cell = run_or_die
    search(*arguments)


def interrupt(stage: str, batch: int, signum: int) -> None:
    """Arrange for the signal, in this process only."""
    from supremix.training import adapt, pretrain
    from supremix.training.checkpoint import Checkpoints

    module = {"pretrain": pretrain, "adapt": adapt}[stage]
    original, asked, served = module.batches_of, itertools.count(1), itertools.count()

    def batches_of(*arguments: Any, **keywords: Any) -> Callable[..., Any]:
        batches = original(*arguments, **keywords)

        def epoch_batches(epoch: int, first: int = 0) -> Any:
            for one in batches(epoch, first):
                if next(served) == batch:
                    os.kill(os.getpid(), signum)
                yield one

        return epoch_batches

    module.batches_of = batches_of
    Checkpoints.due = lambda self: next(asked) % 3 == 0  # type: ignore[method-assign]
