"""Compile by numba where it can be had."""

import logging
import sys
from collections.abc import Callable
from functools import cache, wraps
from typing import Any

log = logging.getLogger(__name__)


@cache
def compiled_loops() -> Any:
    """Return the module of compiled loops, None where it cannot be had; the log says once why."""
    try:
        from supremix.losses import loops
    except ModuleNotFoundError:
        log.info("numba is not installed (extra fast): losses run as defined, slower", extra={"file_only": True})
        return None
    except (RuntimeError, OSError) as error:  # no folder for its cache
        log.warning("numba cannot keep compiled loops (%s), so that losses are slower: set NUMBA_CACHE_DIR", error)
        return None
    return loops


def compiled_where_possible(function: Callable) -> Callable:
    """Run a function of arrays compiled, to the same numbers, once loops are in use: to load numba takes a second."""
    compiled = cache(lambda loops: loops.njit(**loops.EXACT)(function))

    @wraps(function)
    def call(*args: Any) -> Any:
        loops = compiled_loops() if "supremix.losses.loops" in sys.modules else None
        return function(*args) if loops is None else compiled(loops)(*args)

    return call
