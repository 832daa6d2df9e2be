"""End a process: with a stop signal's exit code, and with one message for all ranks."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from supremix.errors import Stopped, UserError
from supremix.runtime import log, ranks
from supremix.runtime.signals import stoppable


@contextmanager
def ending_on_signals() -> Iterator[None]:
    """End the process on a stop signal, with one line on stderr and exit code 128 + its number (143 for SIGTERM).

    Entry points put their work in here, so it also shows progress and warnings on stderr (`log.show`).
    With several ranks, only the first that ends reports why; the others end because they lost it.
    """
    log.show()
    try:
        with stoppable():
            yield
        ranks.close()
    except Stopped as stop:
        if ranks.should_report():
            if isinstance(stop.__cause__, UserError):  # which kept it from saving
                print(f"error: {stop.__cause__}", file=sys.stderr)
            print(stop, file=sys.stderr)
        sys.exit(stop.code)
    except (Exception, SystemExit) as error:
        if not getattr(error, "code", 1) or ranks.should_report():
            raise
        sys.exit(1)
