"""The mirror of a run that ``tracking`` chooses."""

from pathlib import Path
from typing import Any, Protocol

from supremix.tracking.mirror import Tracker, run_name, run_tags
from supremix.tracking.tensorboard import TensorBoard
from supremix.tracking.trackio import Trackio


class Mirror(Protocol):
    """What a run tells of itself while it lasts. It never raises: the record on disk is complete without it."""

    def where(self) -> str:
        """Return in one line where the run can be watched; an empty text where it cannot."""

    def log(self, stage: str, epoch: int, row: dict[str, float]) -> None:
        """Mirror an epoch's values."""

    def finish(self, summary: dict[str, Any] | None, exit_code: int = 0) -> None:
        """Mirror the final metrics, None where the run failed, and end."""


def mirror_of(cfg: Any, run_id: str, config: dict[str, Any]) -> Mirror:
    """Begin the mirror of a run.

    Args:
        cfg: the composed config.
        run_id: of the run in the store.
        config: what is shown as the run's settings.
    """
    if cfg.tracking.mode == "tensorboard":
        return TensorBoard(Path(cfg.tracking.dir) / run_id, config)
    if cfg.tracking.mode == "trackio":
        return Trackio(cfg.tracking, f"{run_name(cfg)}-{run_id[:8]}", config)
    return Tracker(cfg.tracking, run_id, config, run_tags(cfg), run_name(cfg))
