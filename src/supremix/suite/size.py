"""A size other than the paper's at which tables and figures run, from conf/size/<name>.yaml."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from supremix.errors import UserError
from supremix.settings.compose import specification
from supremix.suite.reading import reading
from supremix.suite.spec import Spec

REHEARSAL = "A rehearsal: small networks on synthetic data for few epochs go the whole way and learn little or nothing."


@dataclass(frozen=True)
class Size:
    """Synthetic datasets that stand in place of the real ones: ``dataset=NAME`` becomes ``dataset=NAME_<size>``.

    Without a name it is the paper's size, and nothing changes.

    Args:
        name: of the size, which ends the names of its datasets.
        seeds: the most seeds that a table keeps; None keeps all.
        raw: folder of the generated raw files.
        prepare: dataset of this size → the commands that prepare it, in order.
    """

    name: str = ""
    seeds: int | None = None
    raw: str = ""
    prepare: dict[str, list[str]] = field(default_factory=dict)

    def spec(self, spec: Spec) -> Spec:
        """Return the table at this size, with its rows, panels and columns; its notes, about real data, make way."""
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
            rows=[replace(row, overrides=self.line(row.overrides), tuned=None) for row in spec.rows],
            remark=REHEARSAL,
            notes=[self.note],
        )

    def title(self, title: str) -> str:
        """Return the title with what the reader must know first."""
        return f"{title} (SIZE={self.name}, synthetic data)"

    @property
    def note(self) -> str:
        """The note under every table and figure of this size."""
        return (
            "Synthetic twins of the datasets, small networks, few epochs: "
            f"conf/dataset/NAME_{self.name}.yaml states what differs from NAME."
        )

    def line(self, overrides: list[str]) -> list[str]:
        """Return the overrides with each dataset at this size; UserError for a dataset that does not have it."""
        return [self._at_size(override) for override in overrides] if self.name else overrides

    def _at_size(self, override: str) -> str:
        group, _, dataset = override.partition("=")
        if group not in ("dataset", "transfer"):
            return override
        if f"{dataset}_{self.name}" not in self.prepare:
            real = ", ".join(name.removesuffix(f"_{self.name}") for name in self.prepare)
            raise UserError(f"SIZE={self.name} has nothing in place of {override}: use {group}= one of {real}")
        return f"{override}_{self.name}"


PAPER = Size()


def load(conf: Path, name: str | None) -> Size:
    """Read conf/size/<name>.yaml; without a name, return the paper's size.

    Raises UserError naming the file where it does not fit.
    """
    if name is None:
        return PAPER
    with reading(specification(conf, "size", name), "size") as raw:
        values: Any = OmegaConf.to_container(OmegaConf.create(raw), resolve=True)
        return Size(**values)
