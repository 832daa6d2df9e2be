"""Mirror a run to Trackio, a local dashboard. Never stops a run, and is never read back."""

import io
import os
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import Any

from supremix.errors import needs
from supremix.tracking.calls import UntilFailure, numbers_in

QUIET = {"embed": False, "auto_log_gpu": False, "auto_log_cpu": False}


class Trackio:
    """One Trackio run, from construction to ``finish``.

    Args:
        settings: the config group ``tracking``.
        name: that Trackio shows; a run of this name, left by an interruption, is replaced.
        config: what is shown as the run's settings.
    """

    def __init__(self, settings: Any, name: str, config: dict[str, Any]) -> None:
        self._folder, self._project = Path(settings.dir).absolute(), settings.project
        self._calls = UntilFailure("Trackio")
        self._calls(lambda: self._start(name, settings.group, config))

    def where(self) -> str:
        """Return the command that shows the run."""
        return f"Trackio: TRACKIO_DIR={self._folder} trackio show --project {self._project}" if self._calls.on else ""

    def log(self, stage: str, epoch: int, row: dict[str, float]) -> None:
        """Mirror an epoch's values as ``stage/name``.

        Args:
            stage: pretrain or adapt.
            epoch: from 1.
            row: name → value.
        """
        named = {f"{stage}/{name}": value for name, value in row.items()} | {f"{stage}/epoch": epoch}
        self._calls(lambda: self._log(named))

    def finish(self, summary: dict[str, Any] | None, exit_code: int = 0) -> None:
        """Mirror the final metrics, where there are any, and end the run."""
        if numbers := numbers_in(summary):
            self._calls(lambda: self._log(numbers))
        self._calls(_finish)

    def _start(self, name: str, group: str, config: dict[str, Any]) -> None:
        needs("trackio", "trackio")
        os.environ["TRACKIO_DIR"] = str(self._folder)  # read when it is imported
        with redirect_stdout(io.StringIO()):
            import trackio

            with suppress(ValueError):  # there is no such project yet
                for run in trackio.Api().runs(self._project):
                    if run.name == name:
                        run.delete()
            self._run = trackio.init(project=self._project, name=name, group=group, config=config, **QUIET)

    def _log(self, values: dict[str, Any]) -> None:
        self._run.log(values)


def _finish() -> None:
    with redirect_stdout(io.StringIO()):
        import trackio

        trackio.finish()
