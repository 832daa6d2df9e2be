"""What the twin generators share."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Order:
    """Which twin to make. size: tiny (tests), demo (trains on a laptop's processor in minutes) or real."""

    name: str
    size: str
    seed: int
    out: Path
    workers: int

    @property
    def folder(self) -> Path:
        """The raw folder."""
        return self.out / f"{self.name}_twin"
