"""Reads the YAML of specifications; what does not fit in them becomes one line that names the file and the key."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import TypeAdapter, ValidationError
from yaml import YAMLError

from supremix.errors import UserError
from supremix.settings.fields import PROBLEM, sentence
from supremix.suite.checks import problems
from supremix.suite.spec import Spec

PART = {"rows": "row", "panels": "panel", "seeds": "seed"}


def load(path: Path) -> Spec:
    """Read a table's specification; UserError naming the file and key where it does not fit."""
    with reading(path, "table") as raw:
        return built(raw)


@contextmanager
def reading(path: Path, what: str) -> Iterator[Any]:
    """Yield the content of a specification; what does not fit in it, found inside too, becomes a UserError.

    Args:
        path: of the YAML file.
        what: the kind of specification, for the message where there is no such file.
    """
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in path.parent.glob("*.yaml")))
        raise UserError(f"{path}: no such {what}; there are: {known}")
    try:
        content = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
        if not isinstance(content, dict) or not content:
            raise ValueError("it has no keys: write it like the others there")
        yield content
    except KeyError as error:
        raise UserError(f"{path}: the key {error} is missing") from None
    except (OmegaConfBaseException, YAMLError, TypeError, ValueError) as error:
        raise UserError(f"{path}: {error}") from None


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
    """Return the first mistake in words; a missing key comes before all others."""
    listed = error.errors()
    first = next((problem for problem in listed if problem["type"] == "missing"), listed[0])
    *parents, last = first["loc"]
    place = ""
    if len(parents) >= 2 and parents[0] in PART:
        part = raw[str(parents[0])][parents[1]]
        place = f"{PART[str(parents[0])]} {part.get('name', int(parents[1]) + 1)!r}: "
    if first["type"] == "missing":
        return f"{place}the key {last!r} is missing"
    if first["type"] == "unexpected_keyword_argument":
        return f"{place}nothing reads the key {last!r}: check the spelling"
    if parents == ["seeds"]:
        return f"seed {first['input']!r}: {sentence(first)}"
    key = next((part for part in first["loc"] if isinstance(part, str) and part not in ("rows", "panels")), last)
    if first["type"] == PROBLEM:
        return f"{place}{key}: {sentence(first)}"
    given = "it is empty" if first["input"] is None else f"{first['input']!r} does not fit"
    return f"{place}{key}: {given}: {sentence(first)}"
