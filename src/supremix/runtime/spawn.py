"""Start the ranks of a run from inside a job, one process per device, and wait for them.

The ranks are forks of a server that has imported everything, so the runs of a sweep start quickly.
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
from supremix.runtime import log, ranks
from supremix.runtime.signals import SIGNALS, stoppable

PRELOADED = ["supremix.experiment.run", "supremix.experiment.record", "supremix.training.pretrain", "hydra"]
HOST = "127.0.0.1"
SECONDS_TO_END = 10  # for the other ranks, after one failed
MESSAGE_AT_MOST = 20_000  # characters: what a pipe holds while nobody reads it


def start(devices: int, work: Callable[..., Any], *arguments: Any) -> None:
    """Run ``work(*arguments)`` on several ranks; return when all have succeeded.

    If a rank fails, the others are ended, and its exception is raised here. A stop signal to this process goes on to
    the ranks, which save; Stopped is raised after they end.

    Args:
        devices: number of ranks.
        work: a function that can be pickled.
        arguments: its arguments.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    forkserver.ensure_running()  # outside `_blocked`: its forks would inherit blocked signals
    store = distributed.TCPStore(HOST, 0, is_master=True, wait_for_workers=False)
    common = {"MASTER_ADDR": HOST, "MASTER_PORT": str(store.port), "TORCHELASTIC_USE_AGENT_STORE": "True"}
    common |= {"WORLD_SIZE": str(devices), "LOCAL_WORLD_SIZE": str(devices), "GROUP_RANK": "0"}
    receivers: dict[BaseProcess, Connection] = {}
    with _ended(receivers):
        for rank in range(devices):
            receiver, sender = context.Pipe(duplex=False)
            environment = {**os.environ, **common, "RANK": str(rank), "LOCAL_RANK": str(rank)}
            process = context.Process(target=_rank, args=(environment, sender, work, arguments), daemon=True)
            with _blocked():
                process.start()
            sender.close()
            receivers[process] = receiver
        failed = _first_failure(list(receivers))
        if failed is not None:
            raise _why(failed, receivers[failed])


@contextmanager
def _blocked() -> Iterator[None]:
    """Block stop signals in here, and in a server that starts in here.

    Schedulers signal the server too, and it must outlive the ranks, whose end it reports.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


@contextmanager
def _ended(processes: Any) -> Iterator[None]:
    """End all processes: on a stop signal after they have saved, otherwise within a few seconds."""
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
    """Wait until a process fails, and return it; None after all have succeeded."""
    running: dict[Any, BaseProcess] = {process.sentinel: process for process in processes}
    while running:
        ended = [running.pop(sentinel) for sentinel in wait(list(running))]
        failed = [process for process in ended if process.exitcode != 0]
        if failed:  # of two, the killed process: the other failed by its loss
            return min(failed, key=lambda process: process.exitcode or 0)
    return None


def _why(failed: BaseProcess, receiver: Connection) -> BaseException:
    try:
        return receiver.recv()
    except EOFError:
        code = failed.exitcode or 0
        how = f"exit code {code}" if code > 0 else f"signal {-code}"
        return UserError(
            f"one of the ranks ended with {how} (killed? out of memory?): the same command goes on from what is saved"
        )


def _rank(
    environment: dict[str, str], sender: Connection, work: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    """Run a rank in this process, and send its error to the parent."""
    log.show()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    os.setpgrp()  # Ctrl-C goes to the parent alone, which passes it on
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
        why: BaseException = UserError(str(error)[:MESSAGE_AT_MOST])
    except (Busy, Stopped) as error:
        why = error
    except (HydraException, OmegaConfBaseException) as error:
        why = UserError(one_line(error))
    except Exception:
        why = RuntimeError(f"on rank {ranks.rank()}:\n{traceback.format_exc()[-MESSAGE_AT_MOST:]}")
    with suppress(BrokenPipeError):  # the parent was killed
        sender.send(why)
    raise SystemExit(1)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
