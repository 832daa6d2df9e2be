"""supremix: contrastive representation learning for regression."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from supremix.estimator import SupReMixRegressor as SupReMixRegressor
    from supremix.inference.load import load as load

__version__ = "0.2.0"
__all__ = ["SupReMixRegressor", "load"]


def __getattr__(name: str) -> Any:
    """Import what the package offers once it is asked for, so that ``import supremix`` is quick."""
    if name == "load":
        from supremix.inference.load import load

        return load
    if name == "SupReMixRegressor":
        from supremix.estimator import SupReMixRegressor

        return SupReMixRegressor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List what is imported once it is asked for, too."""
    return sorted({*globals(), *__all__})
