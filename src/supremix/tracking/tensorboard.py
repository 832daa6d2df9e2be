"""Mirror a run to TensorBoard: settings, curves and final metrics. Never stops a run, and is never read back."""

from pathlib import Path
from shlex import quote
from typing import Any

from supremix.errors import needs
from supremix.tracking.calls import UntilFailure, numbers_in


class TensorBoard:
    """One run's event files, from construction to ``finish``.

    Args:
        folder: of the run's event files. Those of an interrupted run are replaced: its whole history is mirrored again.
        config: what is shown as the run's hyperparameters.
    """

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        self._config, self._folder, self._calls = config, folder, UntilFailure("TensorBoard")
        self._calls(self._start)

    def where(self) -> str:
        """Return the command that shows the run."""
        return f"TensorBoard: tensorboard --logdir {quote(str(self._folder.parent))}" if self._calls.on else ""

    def log(self, stage: str, epoch: int, row: dict[str, float]) -> None:
        """Write an epoch's values as ``stage/name``.

        Args:
            stage: pretrain or adapt.
            epoch: from 1.
            row: name → value.
        """

        def write() -> None:
            for name, value in row.items():
                self._writer.add_scalar(f"{stage}/{name}", value, epoch)

        self._calls(write)

    def finish(self, summary: dict[str, Any] | None, exit_code: int = 0) -> None:
        """Write settings and final metrics, where there are any, and close the files."""
        numbers = numbers_in(summary)
        if numbers:
            settings = hyperparameters(self._config)
            self._calls(lambda: self._writer.add_hparams(settings, numbers, run_name="."))  # beside the curves
        self._calls(lambda: self._writer.close())

    def _start(self) -> None:
        needs("tensorboard", "tensorboard")
        from torch.utils.tensorboard import SummaryWriter

        for path in self._folder.glob("events.out.tfevents.*"):
            path.unlink()
        self._writer = SummaryWriter(str(self._folder))


def hyperparameters(config: dict[str, Any], at: str = "") -> dict[str, Any]:
    """Return every setting by its dotted key, as the numbers and texts that TensorBoard takes."""
    settings: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, dict):
            settings |= hyperparameters(value, f"{at}{key}.")
        elif value is not None:
            settings[f"{at}{key}"] = value if isinstance(value, bool | int | float | str) else str(value)
    return settings
