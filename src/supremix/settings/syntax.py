"""A digest of source files that comments, docstrings, formatting and moved modules of the project leave alone."""

import ast
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from supremix.errors import UserError

PROJECT = __name__.partition(".")[0]
NOT_CODE = ("ctx", "kind", "type_comment", "type_ignores")
"""Fields of a syntax tree that say nothing, or differ between versions of Python."""


def files_digest(paths: Iterable[Path]) -> str:
    """Return 16 hexadecimal digits for the files' syntax trees, independent of the files' names and order.

    Of an import from the project only the imported names count, not their module.
    """
    trees = sorted(_file_digest(path) for path in paths)
    return hashlib.sha256(" ".join(trees).encode()).hexdigest()[:16]


def parsed(path: Path) -> ast.Module:
    """Parse a file; raise UserError if its syntax is wrong."""
    try:
        return ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"{path}: not readable as Python ({error}): correct it and run again") from None


def _file_digest(path: Path) -> str:
    imported: set[str] = set()
    content = json.dumps([_plain(parsed(path), imported), sorted(imported)])
    return hashlib.sha256(content.encode()).hexdigest()


def _plain(node: Any, imported: set[str]) -> Any:
    """Turn a part of a syntax tree into lists and texts; move names imported from the project to ``imported``."""
    if isinstance(node, list):
        return [_plain(item, imported) for item in node if not (_is_text(item) or _names(item, imported))]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = [(name, value) for name, value in ast.iter_fields(node) if name not in NOT_CODE]
    # An empty field is left out: newer versions of Python have fields that older ones lack.
    return [
        type(node).__name__,
        *([name, _plain(value, imported)] for name, value in fields if value not in (None, [])),
    ]


def _is_text(item: Any) -> bool:
    """Return whether a statement is only a string, such as a docstring."""
    return isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant) and isinstance(item.value.value, str)


def _names(item: Any, imported: set[str]) -> bool:
    """Return whether a statement imports from the project, and add its names to ``imported``."""
    if isinstance(item, ast.ImportFrom):
        ours = item.level == 0 and (item.module or "").partition(".")[0] == PROJECT
    else:
        ours = isinstance(item, ast.Import) and all(name.name.partition(".")[0] == PROJECT for name in item.names)
    if ours:
        imported |= {f"{name.name.rpartition('.')[2]} as {name.asname}" for name in item.names}
    return ours
