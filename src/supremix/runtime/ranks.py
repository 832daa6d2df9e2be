"""The ranks of a run: one process per device, each working on its share of every batch.

torchrun or `spawn` starts them and describes them in the environment. Rank 0 decides and writes, and sends its
decisions to the others. Quick to import.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from inspect import signature
from typing import TYPE_CHECKING, Any, TypeVar

from supremix.errors import Stopped, UserError
from supremix.runtime.signals import received, unbroken

if TYPE_CHECKING:
    from lightning_fabric import Fabric

T = TypeVar("T")

DEVICES_ANYWHERE = 8  # ranks that may share a machine with fewer processors, as in trials
PATIENCE = timedelta(days=365)  # rank 0 may wait long for a run that another process works on
SECONDS_TO_STORE = 5


def world_size() -> int:
    """Return the number of ranks; 1 for a process on its own."""
    return int(os.environ.get("WORLD_SIZE", 1)) if "LOCAL_RANK" in os.environ else 1


def rank() -> int:
    """Return this process's rank, from 0."""
    return int(os.environ["RANK"]) if world_size() > 1 else 0


def is_first() -> bool:
    """Return whether this is rank 0, which writes and shows."""
    return rank() == 0


def check_environment() -> None:
    """Raise UserError where the environment describes ranks as torchrun never does."""
    if "LOCAL_RANK" not in os.environ:
        return
    numbers = ("LOCAL_RANK", "WORLD_SIZE", "RANK", "LOCAL_WORLD_SIZE", "MASTER_PORT")
    needed = ("WORLD_SIZE",) if os.environ.get("WORLD_SIZE", "1") == "1" else (*numbers, "MASTER_ADDR")
    for name in needed:
        value = os.environ.get(name, "1" if name == "WORLD_SIZE" else None)
        if value is None or (name in numbers and not (value.isascii() and value.isdecimal())):
            raise UserError(
                f"LOCAL_RANK is in the environment, and {name} is {'not there' if value is None else repr(value)}: "
                "start ranks by torchrun, or unset LOCAL_RANK"
            )


def check(devices: int) -> None:
    """Raise UserError if torchrun started another number of ranks here than ``trainer.devices``, or they are too many.

    Each is a process of its own, so that more of them than the machine has processors would only stand in each
    other's way.
    """
    most = max(os.cpu_count() or 1, DEVICES_ANYWHERE)
    if devices > most:
        raise UserError(f"trainer.devices={devices}: this machine has {os.cpu_count()} processors: give at most {most}")
    here = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    if world_size() > 1 and devices not in (1, here):
        raise UserError(f"trainer.devices={devices}, but torchrun started {here} ranks here: leave one of the two out")


def check_alone() -> None:
    """Raise UserError if torchrun started a sweep or a table: each rank would run all of it."""
    if world_size() > 1:
        raise UserError(
            f"torchrun started {world_size()} ranks, and ranks share one run, not a sweep or a table: "
            "leave torchrun out and set trainer.devices, which starts ranks for each run"
        )


def fabric(accelerator: str, precision: Any) -> "Fabric":
    """Return Fabric on this process's device, with DistributedDataParallel if there are several ranks.

    Args:
        accelerator: ``trainer.accelerator``: auto, cpu, gpu, …
        precision: ``trainer.precision``: 32-true, bf16-mixed, …

    Raises:
        UserError: the accelerator is missing, lacks the precision, or has fewer devices than ranks.
    """
    from lightning_fabric import Fabric
    from lightning_fabric.utilities.exceptions import MisconfigurationException
    from torch.accelerator import is_available

    if precision == "16-mixed" and (accelerator == "cpu" or not is_available()):  # Fabric would take bfloat16
        raise UserError("trainer.precision=16-mixed needs a GPU: use bf16-mixed or 32-true on a processor")
    if not is_available():  # Fabric had PyTorch ask the driver's library, which each optimizer step would load in vain
        os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"
    try:
        if world_size() == 1:
            return Fabric(accelerator=accelerator, devices=1, precision=precision)
        made = _of_ranks(accelerator, precision)
    except (ValueError, TypeError, RuntimeError, ImportError, MisconfigurationException) as error:
        chosen = f"trainer.accelerator={accelerator} trainer.precision={precision}, {world_size()} ranks"
        raise UserError(f"{chosen}: {error}; trainer.accelerator=cpu trainer.precision=32-true always works") from error
    _control()
    made.launch()
    return made


def _of_ranks(accelerator: str, precision: Any) -> "Fabric":
    """Return Fabric with DistributedDataParallel for the ranks that the environment describes."""
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments import TorchElasticEnvironment
    from lightning_fabric.strategies import DDPStrategy
    from torch.cuda import device_count
    from torch.nn.parallel import DistributedDataParallel

    here, gpus = int(os.environ["LOCAL_WORLD_SIZE"]), device_count()
    if accelerator != "cpu" and 0 < gpus < here:  # Fabric does not check this under torchrun
        raise ValueError(f"GPUs on this machine: {gpus}")
    # Buffers are the same everywhere: batch norm is synchronised, and FDS sees the whole batch.
    renamed = "forward_sync_buffers" in signature(DistributedDataParallel).parameters  # in torch 2.14
    buffers: dict[str, Any] = {"forward_sync_buffers" if renamed else "broadcast_buffers": False}
    strategy = DDPStrategy(cluster_environment=TorchElasticEnvironment(), **buffers)
    nodes = int(os.environ["WORLD_SIZE"]) // here
    return Fabric(accelerator=accelerator, devices=here, num_nodes=nodes, strategy=strategy, precision=precision)


def close() -> None:
    """Leave the group of ranks, at the end."""
    if world_size() > 1:
        from torch import distributed

        if distributed.is_initialized():
            distributed.destroy_process_group()


def from_first(make: Callable[[], T]) -> T:
    """Call ``make`` on rank 0 and return its value on every rank; all ranks wait for it."""
    if world_size() == 1:
        return make()
    from torch import distributed

    values: list[Any] = [make() if is_first() else None]
    distributed.broadcast_object_list(values, src=0, group=_control())
    return values[0]


@contextmanager
def stopping_together() -> Iterator[None]:
    """Let ranks stop only together, in `stop_if_asked`, inside this block; also a decorator of a function."""
    if world_size() == 1:
        yield
    else:
        with unbroken():
            yield


def stop_if_asked() -> None:
    """Raise Stopped on all ranks after one got a stop signal; a single process stops without this."""
    if world_size() == 1:
        return
    import torch

    signum = torch.tensor(received() or 0)
    torch.distributed.all_reduce(signum, torch.distributed.ReduceOp.MAX, group=_control())
    if signum:
        raise Stopped(int(signum))


def should_report() -> bool:
    """Return whether this rank reports why the run ends: the first that asks. The others end because of it."""
    if world_size() == 1:
        return True
    from torch import distributed

    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    key = f"supremix/ended/{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}"
    try:
        store = distributed.TCPStore(address, port, timeout=timedelta(seconds=SECONDS_TO_STORE))
        return store.add(key, 1) == 1
    except RuntimeError:  # the rank that hosted it is gone
        return False


@cache
def _control() -> Any:
    """Return the group in which ranks share decisions: gloo on any device, waiting up to `PATIENCE`; joined once."""
    from torch import distributed

    distributed.init_process_group()  # for tensors: gloo between processors, NCCL between GPUs
    return distributed.new_group(backend="gloo", timeout=PATIENCE)
