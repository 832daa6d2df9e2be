"""Names that stand for the project's own code in a run's identity, so that the code can move."""

from collections.abc import Callable
from typing import TypeVar

Function = TypeVar("Function", bound=Callable[..., object])


def registered(name: str) -> Callable[[Function], Function]:
    """Give a function the name by which configs that call it are identified; a class has the attribute itself."""

    def named(function: Function) -> Function:
        function.registered_name = name  # type: ignore[attr-defined]
        return function

    return named
