"""Swept settings: those in which runs that are alike otherwise differ, and the metric by which such runs are ranked."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from supremix.metrics.regression import cost
from supremix.metrics.seeds import paired
from supremix.runtime.terminal import shown
from supremix.settings.overrides import written
from supremix.settings.repeat import flat
from supremix.store.records import Record

Values = tuple[str, ...]
Draw = tuple[Any, ...]
"""What runs of the same settings differ in: the seed, and others that are swept or the dataset has."""
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

    def of_shared_seeds(self) -> "Swept":
        """Return the runs of the seeds that all settings have, whose means compare; all runs where there is none."""
        common = shared(self.seeds().values())
        if not common:
            return self
        points = [(values, run) for values, run in self.points if run is None or self.draw(values, run) in common]
        return Swept(self.keys, points)

    def seeds(self) -> dict[Values, set[Draw]]:
        """Return settings → the seeds of their finished runs."""
        seeds: dict[Values, set[Draw]] = defaultdict(set)
        for values, record in self.points:
            if record is not None:
                seeds[self.settings(values)].add(self.draw(values, record))
        return seeds

    def draw(self, values: Values, record: Record) -> Draw:
        """Return a run's seed, and the other seeds by which it differs from runs of its settings: of splits, say."""
        swept = {key: value for key, value in zip(self.keys, values, strict=True) if key.endswith(SEEDS)}
        dataset = flat(record.get("config", {}).get("dataset", {}), "dataset")
        swept |= {key: written(value) for key, value in dataset.items() if key.endswith(SEEDS)}
        return record["seed"], *(swept[key] for key in sorted(swept.keys() - {"seed"}))

    def settings(self, values: Values) -> Values:
        """Return the values of a point's settings but seeds."""
        return tuple(value for key, value in zip(self.keys, values, strict=True) if not key.endswith(SEEDS))

    def over_seeds(self) -> dict[str, dict[Draw, float]]:
        """Return settings in words → seed → validation metric, the best mean first.

        Of the settings with the most seeds alone, and of those the seeds that all have, where there are such. Nothing
        unless seeds vary beside settings.
        """
        keys = self.settings(tuple(self.keys))
        if len(keys) in (0, len(self.keys)):
            return {}
        metrics: dict[str, dict[Draw, float]] = defaultdict(dict)
        for values, record in self.points:
            value = None if record is None else self.value(record, "val")
            if record is not None and value is not None and math.isfinite(value):
                named = zip(keys, self.settings(values), strict=True)
                metrics[" ".join(f"{key}={text}" for key, text in named)][self.draw(values, record)] = value
        most = max(map(len, metrics.values()), default=0)
        whole = {words: by_seed for words, by_seed in metrics.items() if len(by_seed) == most}
        if common := sorted(shared(whole.values())):
            whole = {words: {seed: by_seed[seed] for seed in common} for words, by_seed in whole.items()}
        return dict(sorted(whole.items(), key=lambda pair: cost(self.metric, mean(pair[1].values()))))

    def best_over_seeds(self) -> list[str]:
        """Say what the means over the seeds are, and whether the best is told apart from the next."""
        metrics = self.over_seeds()
        if not metrics:
            return []
        lines = [f"validation {self.metric}, mean ± standard deviation over seeds, the best first:"]
        for words, by_seed in metrics.items():
            spread = f" ± {shown(stdev(by_seed.values()))}" if len(by_seed) > 1 else ""
            lines.append(f"  {shown(mean(by_seed.values()))}{spread}  ({len(by_seed)})  {words}")
        best, *others = metrics
        if others and (apart := paired(metrics[others[0]], metrics[best])):
            verdict = "inside the noise" if apart.noise else "beyond the noise"
            lines.append(
                f"{best} is the best; {others[0]} differs by {apart.mean:+.4g} [{apart.low:+.4g}, {apart.high:+.4g}] "
                f"(95 %, paired over {apart.n} seeds): {verdict}"
            )
        return lines

    def value(self, record: Record, split: str) -> float | None:
        """Return the metric of a run on a split; None where it is undefined."""
        variants = record["metrics"][split]
        value: float | None = (variants.get("best") or variants["last"])[self.metric]
        return value


def shared(seeds: Iterable[Iterable[Draw]]) -> set[Draw]:
    """Return the seeds that all settings have; none where there are no settings."""
    each = [*map(set, seeds)]
    return set.intersection(*each) if each else set()


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
