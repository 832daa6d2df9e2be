"""Reads the YAML of specifications; what does not fit in them becomes one line that names the file and the key."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf.errors import OmegaConfBaseException
from pydantic import TypeAdapter, ValidationError

from supremix.errors import UserError
from supremix.settings.compose import specifications
from supremix.settings.fields import PROBLEM, sentence
from supremix.settings.written import read_yaml
from supremix.suite.checks import problems
from supremix.suite.spec import Spec

PART = {"rows": "row", "panels": "panel"}
TUNED = "tuned"  # folder beside the specifications, with what was found for rows of the table of the same name
MISSING, UNKNOWN = "missing", "unexpected_keyword_argument"  # as pydantic names errors in keys


def load(path: Path) -> Spec:
    """Read a table's specification; UserError naming the file and key where it does not fit."""
    with reading(path, "table") as raw:
        return built(tuned(path, raw))


@contextmanager
def reading(path: Path, what: str) -> Iterator[Any]:
    """Yield the content of a specification; what does not fit in it, found inside too, becomes a UserError.

    A ``${…}`` in it stays as it is: in an override it belongs to the config of the run.

    Args:
        path: of the YAML file.
        what: the kind of specification, for the message where there is no such file.
    """
    if not path.is_file():
        known = ", ".join(sorted(specifications(path.parents[1], path.parent.name)))
        raise UserError(f"{path}: no such {what}; there are: {known}; --config-dir names a folder with more")
    try:
        content = read_yaml(path)
        if not isinstance(content, dict) or not content:
            raise ValueError("it has no keys: write it like the others there")
        yield based(path, content)
    except KeyError as error:
        raise UserError(f"{path}: the key {error} is missing") from None
    except (OmegaConfBaseException, TypeError, ValueError) as error:
        raise UserError(f"{path}: {error}") from None


def based(path: Path, content: dict[str, Any]) -> dict[str, Any]:
    """Return a specification's content; with ``base: NAME``, what it leaves out is that of NAME, in the same folder.

    ``more_rows`` and ``more_panels`` come after the base's.
    """
    if (base := content.pop("base", None)) is None:
        return content
    file = path.with_name(f"{base}.yaml")
    if not file.is_file():
        raise ValueError(f"base: there is no {file.name} beside it")
    below = based(file, read_yaml(file))
    for part in ("rows", "panels"):
        if more := content.pop(f"more_{part}", None):
            below[part] = [*below.get(part, []), *more]
    return below | content


def tuned(path: Path, content: dict[str, Any]) -> dict[str, Any]:
    """Return a table's content with the settings that were tuned for its rows."""
    file = path.parent / TUNED / path.name
    if not file.is_file():
        return content
    settings = {name: row["overrides"] for name, row in read_yaml(file).items()}
    rows = [row | ({"tuned": settings[row["name"]]} if row["name"] in settings else {}) for row in content["rows"]]
    return content | {"rows": rows}


def built(raw: dict[str, Any]) -> Spec:
    """Make the specification with this content; ValueError where it does not fit."""
    try:
        spec = _adapter().validate_python({"panels": [{"name": ""}]} | raw)
    except ValidationError as error:
        raise ValueError(_message(error, raw)) from None
    for problem in problems(spec):
        raise ValueError(problem)
    return spec


@cache
def _adapter() -> TypeAdapter[Spec]:
    return TypeAdapter(Spec)


def _message(error: ValidationError, raw: dict[str, Any]) -> str:
    """Return the first mistake in words; keys that are missing or unknown come before values."""
    listed = error.errors()
    keys = {UNKNOWN: "nothing reads the key {!r}", MISSING: "the key {!r} is missing"}
    wrong = [keys[problem["type"]].format(problem["loc"][-1]) for problem in listed if problem["type"] in keys]
    if wrong:
        first = next(problem for problem in listed if problem["type"] in keys)
        return f"{_place(first['loc'], raw)}{', and '.join(wrong)}"
    first, parents = listed[0], listed[0]["loc"][:-1]
    if parents == ("seeds",):
        return f"seed {first['input']!r}: {sentence(first)}"
    place = _place(first["loc"], raw)
    key = next(part for part in first["loc"][2 if place else 0 :] if isinstance(part, str))
    if first["type"] == PROBLEM:
        return f"{place}{key}: {sentence(first)}"
    given = "it is empty" if first["input"] is None else f"{first['input']!r} does not fit"
    return f"{place}{key}: {given}: {sentence(first)}"


def _place(loc: tuple[int | str, ...], raw: dict[str, Any]) -> str:
    """Return the row or panel of a mistake, by its name or else its number; empty for the table itself."""
    if len(loc) < 3 or loc[0] not in PART:
        return ""
    part = raw[str(loc[0])][loc[1]]
    return f"{PART[str(loc[0])]} {part.get('name', int(loc[1]) + 1)!r}: "
