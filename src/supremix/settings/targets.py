"""How a ``_target_`` counts in a run's identity: by a name that stays when code moves, a user's own by its code too."""

import ast
from collections.abc import Iterator
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, resolve_name
from pathlib import Path
from sysconfig import get_path
from typing import Any

from supremix.settings.syntax import PROJECT, files_digest, parsed

INSTALLED = ("site-packages", "dist-packages")
STANDARD_LIBRARY = Path(get_path("stdlib")).resolve()


def with_stable_names(value: Any) -> Any:
    """Return a config's plain values, with each ``_target_`` replaced by its stable name."""
    if isinstance(value, list):
        return [with_stable_names(item) for item in value]
    if not isinstance(value, dict):
        return value
    named = {key: with_stable_names(item) for key, item in value.items()}
    if isinstance(target := named.get("_target_"), str):
        named["_target_"] = stable_name(target)
    return named


def stable_name(target: str) -> str:
    """Return what identifies a target.

    Of the project: the name that it registers. Of an installed package or the standard library: its address. Of the
    user: its own name and the digest of its file and of the user's files that this one imports.

    A target that is not there keeps its address: building it gives the message.
    """
    if target.partition(".")[0] == PROJECT:
        return _registered(target)
    module, name = _module(target)
    if module is None or not _is_users(module):
        return target
    return f"{name}@{files_digest(users_files(module))}"


def users_files(module: ModuleSpec) -> set[Path]:
    """Return the files of a user's module and of all the user's modules that it imports."""
    files: set[Path] = set()
    waiting = [module]
    while waiting:
        current = waiting.pop()
        file = Path(str(current.origin))
        if file not in files:
            files.add(file)
            waiting += [spec for spec in _imported(current, file) if _is_users(spec)]
    return files


def _registered(target: str) -> str:
    """Return the registered name, with the rest of the address, such as a class method."""
    parts, attributes = target.split("."), list[str]()
    item: Any = None
    while parts:
        try:
            item = import_module(".".join(parts))
            break
        except ImportError:
            attributes.insert(0, parts.pop())
    for index, attribute in enumerate(attributes, 1):
        item = getattr(item, attribute, None)
        # Not by getattr: a subclass is other code and must not answer with its parent's name.
        if name := getattr(item, "__dict__", {}).get("registered_name"):
            return ".".join([name, *attributes[index:]])
    return target


def _module(target: str) -> tuple[ModuleSpec | None, str]:
    """Split a target's address into its module and the rest."""
    parts = target.split(".")
    for count in range(len(parts) - 1, 0, -1):
        if spec := _spec(".".join(parts[:count])):
            return spec, ".".join(parts[count:])
    return None, target


def _spec(name: str) -> ModuleSpec | None:
    try:
        return find_spec(name)
    except (ImportError, AttributeError, ValueError):  # no such parent, a parent that is no package, __main__
        return None


def _is_users(module: ModuleSpec) -> bool:
    if module.name.partition(".")[0] == PROJECT or not module.has_location or not str(module.origin).endswith(".py"):
        return False
    file = Path(str(module.origin)).resolve()
    return not (file.is_relative_to(STANDARD_LIBRARY) or any(part in INSTALLED for part in file.parts))


def _imported(module: ModuleSpec, file: Path) -> Iterator[ModuleSpec]:
    """Return the modules that a file imports, with the packages around them and around itself."""
    names = [module.name.rpartition(".")[0]]
    package = module.name if module.submodule_search_locations is not None else names[0]
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.Import):
            names += [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), package) if node.level else str(node.module)
            names += [base, *(f"{base}.{name.name}" for name in node.names)]
    for name in filter(None, names):
        parts = name.split(".")
        # From the outermost package on: the first that is not the user's ends it, before anything is imported.
        for count in range(1, len(parts) + 1):
            spec = _spec(".".join(parts[:count]))
            if spec is None or not (_is_users(spec) or spec.origin is None):
                break
            if spec.origin is not None:
                yield spec
