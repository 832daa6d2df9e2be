"""The ranks of one run: processes, one a device, that run the same program on their part of every batch.

torchrun started them, or `spawn` did; both say so in the environment. Whatever is decided or written, rank 0 does
it, and tells the others. Quick to import.
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

PATIENCE = timedelta(days=365)  # rank 0 may wait long for a run that another process has in work
SECONDS_TO_STORE = 5


def world_size() -> int:
    """How many ranks there are; 1 where a process works alone."""
    return int(os.environ.get("WORLD_SIZE", 1)) if "LOCAL_RANK" in os.environ else 1


def rank() -> int:
    """Which of them this process is, from 0."""
    return int(os.environ["RANK"]) if world_size() > 1 else 0


def is_first() -> bool:
    """Whether this is rank 0, the one that writes and shows."""
    return rank() == 0


def check(devices: int) -> None:
    """Raise UserError where torchrun started another number of ranks on this machine than ``trainer.devices``."""
    here = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    if world_size() > 1 and devices not in (1, here):
        raise UserError(f"trainer.devices={devices}, but torchrun started {here} ranks here: leave one of the two out")


def check_alone() -> None:
    """Raise UserError where torchrun started a sweep or a table: each of its ranks would run all of it."""
    if world_size() > 1:
        raise UserError(
            f"torchrun started {world_size()} ranks, and ranks share one run, not a sweep or a table: "
            "leave torchrun out and set trainer.devices, which starts ranks for each run"
        )


def fabric(accelerator: str, precision: Any) -> "Fabric":
    """Fabric on this process's device; of several ranks, with DistributedDataParallel over all of them.

    Raises UserError where the accelerator is not there, or not for so many.
    """
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments import TorchElasticEnvironment
    from lightning_fabric.strategies import DDPStrategy
    from lightning_fabric.utilities.exceptions import MisconfigurationException
    from torch.accelerator import is_available
    from torch.cuda import device_count
    from torch.nn.parallel import DistributedDataParallel

    if precision == "16-mixed" and (accelerator == "cpu" or not is_available()):  # where Fabric takes bfloat16 instead
        raise UserError("trainer.precision=16-mixed needs a GPU: use bf16-mixed or 32-true on a processor")
    try:
        if world_size() == 1:
            return Fabric(accelerator=accelerator, devices=1, precision=precision)
        here, gpus = int(os.environ["LOCAL_WORLD_SIZE"]), device_count()
        if accelerator != "cpu" and 0 < gpus < here:  # which Fabric would not see under torchrun
            raise ValueError(f"GPUs on this machine: {gpus}")
        # Buffers are the same everywhere: batch norm is synchronised, and FDS sees the whole batch.
        renamed = "forward_sync_buffers" in signature(DistributedDataParallel).parameters  # in torch 2.14
        buffers: dict[str, Any] = {"forward_sync_buffers" if renamed else "broadcast_buffers": False}
        strategy = DDPStrategy(cluster_environment=TorchElasticEnvironment(), **buffers)
        made = Fabric(
            accelerator=accelerator,
            devices=here,
            num_nodes=world_size() // here,
            strategy=strategy,
            precision=precision,
        )
    except (ValueError, TypeError, RuntimeError, ImportError, MisconfigurationException) as error:
        chosen = f"trainer.accelerator={accelerator} trainer.precision={precision}, {world_size()} ranks"
        raise UserError(f"{chosen}: {error}; trainer.accelerator=cpu trainer.precision=32-true always works") from error
    _control()
    made.launch()
    return made


def close() -> None:
    """Part from the other ranks, once all is done."""
    if world_size() > 1:
        from torch import distributed

        if distributed.is_initialized():
            distributed.destroy_process_group()


def from_first(make: Callable[[], T]) -> T:
    """What ``make`` gives on rank 0, on every rank; it is called there alone. All ranks wait for it."""
    if world_size() == 1:
        return make()
    from torch import distributed

    told: list[Any] = [make() if is_first() else None]
    distributed.broadcast_object_list(told, src=0, group=_control())
    return told[0]


@contextmanager
def stopping_together() -> Iterator[None]:
    """A block, or by ``@stopping_together()`` a function, in which ranks stop only where all do: in `stop_if_asked`."""
    if world_size() == 1:
        yield
    else:
        with unbroken():
            yield


def stop_if_asked() -> None:
    """Raise Stopped on all ranks, once a stop signal came to one of them; alone, nothing: that stops by itself."""
    if world_size() == 1:
        return
    import torch

    signum = torch.tensor(received() or 0)
    torch.distributed.all_reduce(signum, torch.distributed.ReduceOp.MAX, group=_control())
    if signum:
        raise Stopped(int(signum))


def should_report() -> bool:
    """Whether this is the rank that says why the run ends: the first to ask. The others end because of it."""
    if world_size() == 1:
        return True
    from torch import distributed

    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    key = f"supremix/ended/{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}"
    try:
        store = distributed.TCPStore(address, port, timeout=timedelta(seconds=SECONDS_TO_STORE))
        return store.add(key, 1) == 1
    except RuntimeError:  # it was kept by a rank that is gone
        return False


@cache
def _control() -> Any:
    """The group for decisions: between processors, whatever the device, and as patient as it takes; joined once."""
    from torch import distributed

    distributed.init_process_group()  # for what is computed: gloo between processors, NCCL between GPUs
    return distributed.new_group(backend="gloo", timeout=PATIENCE)
