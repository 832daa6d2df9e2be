"""Optuna, and the file that it keeps a study in."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from supremix.errors import UserError, needs


def installed() -> Any:
    """Return the library, which says no more than warnings; UserError where it is not installed."""
    needs("optuna", "sweep")
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


@contextmanager
def kept(database: Path) -> Iterator[None]:
    """Turn what the study's file has against being read or written into UserError; runs are not in it."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (StorageInternalError, SQLAlchemyError) as error:
        cause = error.__cause__ or error
        raise UserError(
            f"{database}: cannot be read or written ({str(cause).splitlines()[0]}): make space, or remove the file to "
            "draw the trials anew, whose finished runs are used"
        ) from None
