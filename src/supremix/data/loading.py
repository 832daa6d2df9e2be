"""Bring batches to the device: threads read ahead, and copies go through pinned memory without waiting."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import torch

Place = TypeVar("Place")
Item = TypeVar("Item")


def ahead(read: Callable[[Place], Item], places: Iterable[Place], workers: int) -> Iterator[Item]:
    """Yield ``read(place)`` for each place, in order, while threads read the next ones.

    An error of ``read`` is raised where its item is due.

    Args:
        read: reads an item; called in the threads.
        places: what to read, in order.
        workers: number of threads, and the most items that wait; 0 reads each item when it is due.
    """
    if workers == 0:
        yield from map(read, places)
        return
    with ThreadPoolExecutor(workers, "read-ahead") as threads:
        waiting: deque[Future[Item]] = deque()
        try:
            for place in places:
                waiting.append(threads.submit(read, place))
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def pinned(x: Any, device: torch.device) -> Any:
    """Pin the memory of a tensor, or of a dict's tensors, for a GPU; return them unchanged for other devices."""
    if isinstance(x, dict):
        return {key: pinned(value, device) for key, value in x.items()}
    return x.pin_memory() if device.type == "cuda" and x.device.type == "cpu" else x


def to_device(x: Any, device: torch.device) -> Any:
    """Copy a tensor, or a dict's tensors, to a device, without waiting for the copy."""
    if isinstance(x, dict):
        return {key: to_device(value, device) for key, value in x.items()}
    return pinned(x, device).to(device, non_blocking=True)
