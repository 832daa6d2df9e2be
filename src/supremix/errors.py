"""What ends a run from outside it: a mistake of the user's, a stop signal, another process that has the same run."""

import errno
import importlib
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import SequenceMatcher, get_close_matches
from pathlib import Path
from typing import Any

from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

INTERNALS = ("object_type", "Config search", "provider=", "^")


class UserError(Exception):
    """A mistake in the data or the settings; its message says what is wrong, where, and what to do.

    The message is always one line. Command lines print it as ``error: <message>`` on stderr and exit with
    status 1, without a traceback.
    """

    def __init__(self, message: str) -> None:
        # Messages quote file contents and other libraries' errors, either of which may span lines.
        super().__init__(visible(" ".join(message.splitlines())))


def visible(text: str) -> str:
    """Write out what a terminal does not show, or obeys: a byte order mark, unusual blanks, control characters."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


@contextmanager
def writing_to(place: Path, way_out: str) -> Iterator[None]:
    """Turn what the system has against writing there (a full disk, no permission, a file in the way) into UserError."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{place}: cannot be written ({error.strerror or error}): {way_out}") from error


def needs(module: str, extra: str) -> None:
    """Check that an optional package is installed, before the import that needs it.

    Args:
        module: top-level name of the package, as it is imported.
        extra: extra of supremix that installs it.

    Raises UserError, in one line with the command that installs it, where it is missing.
    """
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise UserError(f"{error.name or module} is not installed: pip install 'supremix[{extra}]'") from error


class Busy(Exception):
    """Another process has the run in work."""


class Stopped(BaseException):
    """A signal asked this process to end; no ``except Exception`` on the way holds it up.

    Command lines print it and exit with ``code``, 128 and the signal's number, as a shell has it.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum
        self.code = 128 + signum

    def __str__(self) -> str:
        return f"stopped by {signal.Signals(self.signum).name}: the same command goes on from what is saved"


def mistake_in_path(error: OSError) -> str | None:
    """Return what is wrong with the name of a path, whatever was done with it; None where the name is not at fault."""
    if error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
        what = "is too long" if error.errno == errno.ENAMETOOLONG else "is a link to itself"
        return f"{shortened(str(error.filename))}: a part of this path {what}: name another one"
    if error.errno == errno.ENOENT and error.filename is None:  # of os.getcwd
        return "the working directory is gone: change to one that is there"
    return None


def means_damage(error: Exception) -> bool:
    """Return whether an error says that the file being read is damaged.

    A UserError says itself what is wrong, and where memory ran out or a GPU failed the file may be whole.
    """
    if isinstance(error, RuntimeError):  # of PyTorch, which has no type of its own where a processor's memory runs out
        return not any(text in str(error) for text in ("DefaultCPUAllocator", "out of memory", "CUDA error"))
    return not isinstance(error, UserError | MemoryError)


MISTAKES = (UserError, HydraException, OmegaConfBaseException)
"""What a wrong setting raises. Commands print it in one line, by `one_line`, and exit with code 1."""


def one_line(error: BaseException) -> str:
    """Return a library's error and its cause as one line, without hints on internals."""
    if isinstance(error.__cause__, ConfigAttributeError | ConfigKeyError) and "Could not override" in str(error):
        return _unknown_key(error.__cause__)
    text = str(error) + (f"\n{error.__cause__}" if isinstance(error.__cause__, OmegaConfBaseException) else "")
    text = text.partition("Exception raised from")[0]  # after which PyTorch lists addresses
    return shortened(" ".join(filter(None, (_plain(line.strip()) for line in text.splitlines()))), 2000)


def _unknown_key(error: ConfigAttributeError | ConfigKeyError) -> str:
    """Say that a config lacks a key, with keys of about its name from anywhere in the config."""
    given = str(error.full_key)
    keys = [key for key in _keys(error.parent_node._get_root()) if not key.startswith("hydra.")]
    by_name = {key: key.rpartition(".")[2] for key in keys}
    names = get_close_matches(given.rpartition(".")[2], {*by_name.values()}, 1, 0.7)
    named = (key for key in keys if by_name[key] in names)
    near = sorted(named, key=lambda key: SequenceMatcher(None, given, key).ratio(), reverse=True)[:3]
    meant = f": did you mean {' or '.join(near)}?" if near else ""
    return f"{shortened(given)}: no such key{meant} (`supremix train --cfg job` shows all keys)"


def _keys(group: Any, above: str = "") -> list[str]:
    """List the dotted keys of a config, those of groups too."""
    keys = []
    for key in group if OmegaConf.is_dict(group) else ():
        keys += [f"{above}{key}", *_keys(group._get_node(key), f"{above}{key}.")]
    return keys


def shortened(text: str, most: int = 200) -> str:
    """Return a text without its end where it is longer than ``most`` characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _plain(line: str) -> str:
    if line.startswith("To append to your config"):
        return "(`supremix train --cfg job` shows all keys)"
    if line.startswith("full_key: "):
        return f"({line.removeprefix('full_key: ')})"
    return "" if line.startswith(INTERNALS) else line
