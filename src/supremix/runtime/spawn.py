"""Starts the ranks of a run inside a job, as torchrun does outside: a process for each device, and this one waits.

They are forks of a server that has everything imported, so that the runs of a sweep start quickly.
"""

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

import torch
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException
from torch import distributed

from supremix.errors import Busy, Stopped, UserError, one_line
from supremix.runtime import ranks
from supremix.runtime.signals import SIGNALS, stoppable

PRELOADED = ["supremix.experiment.run", "supremix.experiment.record", "supremix.training.pretrain", "hydra"]
HOST = "127.0.0.1"
SECONDS_TO_END = 10  # for ranks that have lost one of them
TOLD_AT_MOST = 20_000  # characters: no more than a pipe holds that nobody reads


def start(devices: int, work: Callable[..., Any], *arguments: Any) -> None:
    """Run ``work(*arguments)`` on so many ranks; return when all have ended well.

    Where one fails the others are ended, and its exception is raised here. A stop signal to this process is passed on
    to the ranks, which save; Stopped is raised when they have ended.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    forkserver.ensure_running()  # here, so that it does not begin with signals blocked, as what it forks then would
    store = distributed.TCPStore(HOST, 0, is_master=True, wait_for_workers=False)
    common = {"MASTER_ADDR": HOST, "MASTER_PORT": str(store.port), "TORCHELASTIC_USE_AGENT_STORE": "True"}
    common |= {"WORLD_SIZE": str(devices), "LOCAL_WORLD_SIZE": str(devices), "GROUP_RANK": "0"}
    reports: dict[BaseProcess, Connection] = {}
    with _ended(reports):
        for rank in range(devices):
            report, told = context.Pipe(duplex=False)
            environment = {**os.environ, **common, "RANK": str(rank), "LOCAL_RANK": str(rank)}
            process = context.Process(target=_rank, args=(environment, told, work, arguments), daemon=True)
            with _blocked():
                process.start()
            told.close()
            reports[process] = report
        failed = _first_failure(list(reports))
        if failed is not None:
            raise _why(failed, reports[failed])


@contextmanager
def _blocked() -> Iterator[None]:
    """Keep stop signals waiting. The server starts in here and keeps it so: schedulers signal it too, and it must not
    end before the ranks, whose end it reports."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


@contextmanager
def _ended(processes: Any) -> Iterator[None]:
    """Leave no process behind: on a stop signal they are given the time to save, else a few seconds."""
    try:
        yield
    except Stopped as stop:
        for process in processes:
            if process.is_alive():
                os.kill(process.pid, stop.signum)
        for process in processes:
            process.join()
        raise
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.join(SECONDS_TO_END)
            process.kill()


def _first_failure(processes: list[BaseProcess]) -> BaseProcess | None:
    """The first process that ended badly, once it has; None when all have ended well."""
    running: dict[Any, BaseProcess] = {process.sentinel: process for process in processes}
    while running:
        ended = [running.pop(sentinel) for sentinel in wait(list(running))]
        failed = [process for process in ended if process.exitcode != 0]
        if failed:  # of two at once, one that was killed: the other has only lost it
            return min(failed, key=lambda process: process.exitcode or 0)
    return None


def _why(failed: BaseProcess, report: Connection) -> BaseException:
    try:
        return report.recv()
    except EOFError:
        code = failed.exitcode or 0
        how = f"exit code {code}" if code > 0 else f"signal {-code}"
        return UserError(
            f"one of the ranks ended with {how} (killed? out of memory?): the same command goes on from what is saved"
        )


def _rank(environment: dict[str, str], told: Connection, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    """What a rank does, in a process of its own."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    os.setpgrp()  # Ctrl-C reaches the process that waits, which passes it on: once, not twice
    os.environ.clear()
    os.environ.update(environment)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, torch.get_num_threads() // ranks.world_size()))
    try:
        with stoppable():
            work(*arguments)
        ranks.close()
        return
    except UserError as error:
        why: BaseException = UserError(str(error)[:TOLD_AT_MOST])
    except (Busy, Stopped) as error:
        why = error
    except (HydraException, OmegaConfBaseException) as error:
        why = UserError(one_line(error))
    except Exception:
        why = RuntimeError(f"on rank {ranks.rank()}:\n{traceback.format_exc()[-TOLD_AT_MOST:]}")
    with suppress(BrokenPipeError):  # of a process that was killed while it waited
        told.send(why)
    raise SystemExit(1)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
