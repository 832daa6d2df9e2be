"""Broken input by theme: each module has a table of cases, which tests/cli/test_bad_input.py runs."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = "HERE"
"""Stands for the case's folder in arguments and words."""


@dataclass(frozen=True)
class Case:
    """A mistake, and what must be said of it.

    Args:
        words: stand in the one line: file, row or key, and the way out.
        arguments: of the command line.
        damage: breaks something below the case's folder, which holds a store with finished runs, ``runs``.
        during: what else is wrong while the command runs.
        command: a sub-command of ``supremix``, with what comes before the arguments.
        code: exit code; 2 for a usage error of argparse, which shows the usage before its line.
    """

    name: str
    words: Sequence[str]
    arguments: Sequence[str] = ()
    damage: Callable[[Path], Any] = lambda folder: None
    during: Callable[[Path], AbstractContextManager[Any]] = nullcontext
    command: str = "train"
    code: int = 1
