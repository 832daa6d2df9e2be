"""Batches on their way to the device: read ahead by threads, through pinned memory, without waiting for the device."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import torch

Place = TypeVar("Place")
Item = TypeVar("Item")


def ahead(read: Callable[[Place], Item], places: Iterable[Place], workers: int) -> Iterator[Item]:
    """What ``read`` gives for each place, in order, while so many threads read what comes next; 0 reads when asked.

    At most ``workers`` items wait. An error of ``read`` is raised where its item would come.
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
    """A tensor, or a dict's tensors, in memory that a GPU copies from by itself; unchanged for other devices."""
    if isinstance(x, dict):
        return {key: pinned(value, device) for key, value in x.items()}
    return x.pin_memory() if device.type == "cuda" and x.device.type == "cpu" else x


def to_device(x: Any, device: torch.device) -> Any:
    """Move a tensor, or a dict's tensors, to a device; the copy waits for the device's turn, the caller does not."""
    if isinstance(x, dict):
        return {key: to_device(value, device) for key, value in x.items()}
    return pinned(x, device).to(device, non_blocking=True)
