"""What is compared on a page: for each task and name the best of the settings that ran most, with its repetitions."""

from collections.abc import Sequence
from dataclasses import dataclass

from supremix.metrics.regression import cost
from supremix.report.gather import Run


@dataclass(frozen=True)
class Group:
    """Runs of one task that differ by their seeds alone: those of a name with the most runs, and of these with the
    best validation MAE: the mean of few runs is low by luck.

    Attributes:
        name: of each run.
        runs: the best on validation first.
    """

    name: str
    runs: list[Run]


def groups(runs: Sequence[Run]) -> dict[str, list[Group]]:
    """Return task → what is compared on it, one group for each name, the lowest mean validation MAE first."""
    together: dict[tuple[str, str], dict[tuple[str, ...], list[Run]]] = {}
    for run in runs:
        of_name = together.setdefault((run.task, run.name), {})
        of_name.setdefault(run.settings, []).append(run)
    by_task: dict[str, list[Group]] = {}
    for (task, name), of_name in together.items():
        chosen = min(of_name.values(), key=lambda some: (-len(some), _mean(some)))
        by_task.setdefault(task, []).append(Group(name, chosen))
    return {task: sorted(some, key=lambda group: _mean(group.runs)) for task, some in by_task.items()}


def _mean(runs: Sequence[Run]) -> float:
    return sum(cost("mae", run.validation) for run in runs) / len(runs)
