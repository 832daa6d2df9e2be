"""Read YAML that a user has written; a slip in it becomes one line that names the file, its line, and what to do."""

from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from supremix.errors import UserError, one_line

BYTES_AT_MOST = 1_000_000
DEPTH_AT_MOST = 50
VALUES_AT_MOST = 100_000
"""Values of a file with its aliases written out; far more than any config has."""


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file as plain values, with ``${…}`` as it stands; None for an empty file."""
    try:
        content = path.read_bytes()
        text = content[:BYTES_AT_MOST].decode("utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}): correct the path or its permissions") from None
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UserError(f"{path}: line {line} is not in UTF-8: save the file in this encoding") from None
    if text.startswith("\ufeff"):
        raise UserError(f"{path}: it begins with a byte order mark: save the file as UTF-8 without BOM")
    if len(content) > BYTES_AT_MOST:
        raise UserError(f"{path}: more than {BYTES_AT_MOST:,} bytes, which is no config: name another file")
    try:
        _check_size(text)
        return OmegaConf.to_container(OmegaConf.load(path))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        tab = mark is not None and [*text.split("\n"), ""][mark.line][mark.column :].startswith("\t")
        what = "a tab: indent with spaces" if tab else f"{error.problem or error.context}: {_way_out(error)}"
        raise UserError(f"{path}: {where}{what}") from None
    except (yaml.YAMLError, OmegaConfBaseException, ValueError, OSError) as error:
        raise UserError(f"{path}: {one_line(error)}: correct it") from None


def _check_size(text: str) -> None:
    """Raise ValueError where values are nested too deep, or their aliases would make too many of them."""
    sizes: dict[str, int] = {}
    open_parts: list[tuple[str | None, int]] = []  # anchors, with the values that were there before them
    values = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            values += sizes.get(event.anchor, 1)
        elif isinstance(event, yaml.ScalarEvent):
            values += 1
        elif isinstance(event, yaml.CollectionStartEvent):
            open_parts.append((event.anchor, values))
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_parts.pop()
            if anchor is not None:
                sizes[anchor] = values - before
        if len(open_parts) > DEPTH_AT_MOST:
            raise ValueError(f"more than {DEPTH_AT_MOST} levels of brackets or indentation")
        if values > VALUES_AT_MOST:
            raise ValueError(f"more than {VALUES_AT_MOST:,} values, its aliases written out")


def _way_out(error: yaml.MarkedYAMLError) -> str:
    problem = str(error.problem)
    if "duplicate key" in problem:
        return "leave out one of the two"
    if "tag:yaml.org" in problem:
        return "leave out the tag"
    return "correct indentation, brackets and quotes there"
