"""Swept settings: those in which runs that are alike otherwise differ, and the metric by which such runs are ranked."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from supremix.metrics.regression import cost
from supremix.runtime.terminal import shown
from supremix.settings.repeat import flat, written
from supremix.store.records import Record

Values = tuple[str, ...]
ABSENT = "–"
SEEDS = ("seed", "random_state")
"""How names of seeds end; the second is scikit-learn's."""


@dataclass(frozen=True)
class Swept:
    """Runs, and the settings that vary between them.

    Args:
        keys: of the settings, dotted.
        points: values of these settings, as overrides have them, and the record of a run; None for a failed run.
    """

    keys: list[str]
    points: list[tuple[Values, Record | None]]

    @property
    def metric(self) -> str:
        """The metric that all runs chose their epoch by, or MAE."""
        records = [record for _, record in self.points if record is not None]
        chosen = {(record["selection"] or {"metric": "mae"})["metric"] for record in records}
        return chosen.pop() if len(chosen) == 1 else "mae"

    def ranked(self) -> list[tuple[Values, Record | None]]:
        """Return the points, the best on validation first, failed runs last."""

        def rank(point: tuple[Values, Record | None]) -> tuple[float, Values]:
            values, record = point
            return cost(self.metric, None if record is None else self.value(record, "val")), values

        return sorted(self.points, key=rank)

    def best_over_seeds(self) -> str | None:
        """Return in words which settings have the best mean on validation; None unless seeds vary beside them."""
        at = [place for place, key in enumerate(self.keys) if not key.endswith(SEEDS)]
        if len(at) in (0, len(self.keys)):
            return None
        of_settings: dict[Values, list[float]] = defaultdict(list)
        for values, record in self.points:
            value = None if record is None else self.value(record, "val")
            of_settings[tuple(values[k] for k in at)].append(math.nan if value is None else value)
        means = {values: sum(found) / len(found) for values, found in of_settings.items()}
        means = {values: mean for values, mean in means.items() if math.isfinite(mean)}
        if not means:
            return None
        values = min(means, key=lambda one: cost(self.metric, means[one]))
        line = " ".join(f"{self.keys[k]}={value}" for k, value in zip(at, values, strict=True))
        seeds = len(of_settings[values])
        return f"best mean on validation, over {seeds} seeds: {line}: {self.metric} {shown(means[values])}"

    def value(self, record: Record, split: str) -> float | None:
        """Return the metric of a run on a split; None where it is undefined."""
        variants = record["metrics"][split]
        value: float | None = (variants.get("best") or variants["last"])[self.metric]
        return value


def swept_among(records: Sequence[Record]) -> Swept:
    """Find the settings in which the configs of runs differ, seeds aside.

    Settings that always change together count as one, by the shortest name.
    """
    leaves = [settings_of(record["config"]) for record in records]
    names: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for key in sorted({key for leaf in leaves for key in leaf}):
        values = [leaf.get(key, ABSENT) for leaf in leaves]
        if len(set(values)) > 1:
            names[tuple(map(values.index, values))].append(key)  # the same for settings that change together
    keys = [min(together, key=len) for together in names.values()]
    values_of = [tuple(leaf.get(key, ABSENT) for key in keys) for leaf in leaves]
    return Swept(keys, list(zip(values_of, records, strict=True)))


def settings_of(config: dict[str, Any]) -> dict[str, str]:
    """Return a config's settings but seeds: dotted key → value as an override has it."""
    return {key: written(value) for key, value in flat(config).items() if not key.endswith(SEEDS)}


def in_order(values: Iterable[str]) -> list[str]:
    """Return the distinct values of a setting: numbers by their size, then others by the alphabet."""
    return sorted(set(values), key=_rank)


def _rank(value: str) -> tuple[bool, float, str]:
    try:
        return False, float(value), value
    except ValueError:
        return True, 0.0, value
