"""A size other than the paper's at which tables and figures run: conf/size/<name>.yaml says all that it changes."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from supremix.errors import UserError
from supremix.suite.reading import reading
from supremix.suite.spec import Spec


@dataclass(frozen=True)
class Size:
    """What stands in place of the real datasets: synthetic ones, and the settings that suit them.

    seeds: at most so many of a table's. raw: folder of the generated raw files. prepare: dataset → the commands that
    make it ready. overrides: an override → those in its place. Without a name it is the paper's size, and nothing
    changes.
    """

    name: str = ""
    seeds: int | None = None
    raw: str = ""
    prepare: dict[str, list[str]] = field(default_factory=dict)
    overrides: dict[str, list[str]] = field(default_factory=dict)

    def spec(self, spec: Spec) -> Spec:
        """The table at this size. It keeps its rows, panels and columns; notes, which are on real data, make way."""
        if not self.name:
            return spec
        return replace(
            spec,
            size=self.name,
            title=self.title(spec.title),
            seeds=spec.seeds[: self.seeds],
            prepare=self.prepare,
            overrides=self.line(spec.overrides),
            panels=[replace(panel, prepare=None, overrides=self.line(panel.overrides)) for panel in spec.panels],
            rows=[replace(row, overrides=self.line(row.overrides)) for row in spec.rows],
            notes=[self.note],
        )

    def title(self, title: str) -> str:
        """The title, with what the reader must know first."""
        return f"{title} (SIZE={self.name}, synthetic data)"

    @property
    def note(self) -> str:
        """What stands under every table and figure."""
        return (
            f"Synthetic twins of the datasets, small networks, few epochs: conf/size/{self.name}.yaml lists all of it."
        )

    def line(self, overrides: list[str]) -> list[str]:
        """The overrides, with others in place of those that the size replaces; UserError for data it does not have."""
        return [new for old in overrides for new in self._instead(old)] if self.name else overrides

    def _instead(self, override: str) -> list[str]:
        group, _, dataset = override.partition("=")
        if group == "transfer":
            return [_below_transfer(one) for one in self._instead(f"dataset={dataset}")]
        if group == "dataset" and override not in self.overrides:
            known = ", ".join(key for key in self.overrides if key.startswith("dataset="))
            raise UserError(f"SIZE={self.name} has nothing in place of {override}: use one of {known}")
        return self.overrides.get(override, [override])


PAPER = Size()


def _below_transfer(override: str) -> str:
    """The override of a run's dataset as one of the dataset that its encoder comes from."""
    key, _, value = override.partition("=")
    if key == "dataset":
        return f"transfer={value}"
    return f"transfer.{override}" if "." in key else f"{key}@transfer.{override}"


def load(conf: Path, name: str | None) -> Size:
    """Read conf/size/<name>.yaml; the paper's size without a name. UserError naming the file where it does not fit."""
    if name is None:
        return PAPER
    with reading(conf / "size" / f"{name}.yaml", "size") as raw:
        return Size(**raw)
