"""Imports that libraries make and most runs do not need: PyTorch's compiler, 150 MB and 2 s, and pandas, 60 MB.

Lightning Fabric imports the compiler for one class, and optimizers at their first step for two functions that do
nothing outside of compiled code. scikit-learn imports pandas where it is installed, whether or not there is a frame.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

NAME = "torch._dynamo"


def import_sklearn() -> None:
    """Import scikit-learn without pandas, which it finds later where something else imports it."""
    if "pandas" in sys.modules:
        import_module("sklearn.utils")
        return
    sys.modules["pandas"] = None  # type: ignore[assignment]
    try:
        import_module("sklearn.utils")
    finally:
        del sys.modules["pandas"]


def put_off_compiler() -> None:
    """Let a stand-in answer for the compiler; once anything else of it is asked for, it is imported as ever."""
    if NAME not in sys.modules:
        sys.modules[NAME] = stand_in = _StandIn(NAME)
        stand_in.__path__ = []  # a package, whose modules `_Inside` finds
        sys.meta_path.insert(0, _Inside())


def compiler() -> ModuleType:
    """Import and return the compiler."""
    if isinstance(sys.modules.get(NAME), _StandIn):
        del sys.modules[NAME]
        sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Inside)]
    return import_module(NAME)


class _Compiled(type):
    def __instancecheck__(cls, instance: object) -> bool:
        module = sys.modules.get(NAME)
        return not isinstance(module, _StandIn | None) and isinstance(instance, module.OptimizedModule)


class _OptimizedModule(metaclass=_Compiled):
    """Tells a compiled module by the compiler's own class, without which there is none."""


class _StandIn(ModuleType):
    """Has what is asked of the compiler outside of compiled code."""

    OptimizedModule = _OptimizedModule

    @staticmethod
    def disable(function: Any, *args: Any, **kwargs: Any) -> Any:
        """Return the function as it is."""
        return function

    @staticmethod
    def graph_break(*args: Any, **kwargs: Any) -> None:
        """Do nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # of whoever looks through all modules
            raise AttributeError(name)
        return getattr(compiler(), name)


class _Inside(MetaPathFinder, Loader):
    """Finds a module inside of the compiler, whose import has imported the compiler, and perhaps that module too."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return what gives the module that is imported already; None for any other."""
        if name.startswith(f"{NAME}.") and compiler() and name in sys.modules:
            return ModuleSpec(name, self)
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the module as it is, and keep its own specification."""
        module = sys.modules[spec.name]
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Give the module its own specification back."""
        spec = module.__spec__
        module.__spec__ = spec.loader_state if spec is not None else None
