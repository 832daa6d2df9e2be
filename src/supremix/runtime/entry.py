"""Frame the work of a command: its log lines, stop signals and exit code."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from supremix.errors import Stopped, UserError
from supremix.runtime import log, ranks
from supremix.runtime.output import Unheard
from supremix.runtime.signals import stoppable


@contextmanager
def entry_point() -> Iterator[None]:
    """Show progress and warnings on stderr, and turn a stop signal into one line and an exit code.

    The exit code is 128 + the signal's number, 143 for SIGTERM. With several ranks, only the first that ends reports
    why; the others end because they lost it.
    """
    log.begin()
    ranks.check_environment()
    try:
        with stoppable():
            yield
        ranks.close()
    except Stopped as stop:
        if ranks.should_report():
            if isinstance(stop.__cause__, UserError):  # which kept it from saving
                Unheard(sys.stderr).write(f"error: {stop.__cause__}\n")
            Unheard(sys.stderr).write(f"{stop}\n")
        sys.exit(stop.code)
    except (Exception, SystemExit) as error:
        if not getattr(error, "code", 1) or ranks.should_report():
            raise
        sys.exit(1)
