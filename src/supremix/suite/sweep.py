"""A sweep of the driver (``-m``): its jobs by number and overrides, and at its end a table of what was swept.

Jobs may run in other processes and on other machines. Each leaves a note of its run in ``<store>/sweeps/<name>/jobs``,
and the process that was called collects them.
"""

import csv
import json
import logging
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from supremix.errors import UserError, writing_to
from supremix.runtime.log import show
from supremix.runtime.output import say
from supremix.runtime.terminal import print_table, shown
from supremix.settings.driver import sweep_name
from supremix.settings.overrides import count_of_runs, key_of

if TYPE_CHECKING:
    from supremix.suite.swept import Swept

log = logging.getLogger(__name__)

OF_ITS_OWN = ("hydra/sweeper", "hydra.sweeper")  # which may add jobs to those of the command line
SPLITS = ("val", "test")
_folder: Path | None = None  # of the sweep that began in this process


class Jobs(Callback):
    """Hydra's callback that announces each job and notes its run.

    Args:
        name: of the sweep, and of its folder in the store.
        keys: of the overrides that vary.
        count: of jobs; None where the command line does not tell.
    """

    def __init__(self, name: str, keys: Sequence[str], count: int | None) -> None:
        self.name, self.keys, self.count = name, list(keys), count

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Forget the jobs of an earlier call, which may have numbered them otherwise."""
        global _folder
        _folder = folder_of(config, self.name)
        shutil.rmtree(_folder / "jobs", ignore_errors=True)

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Say which job begins."""
        show()  # a launcher may have started a process for the job
        of = "" if self.count is None else f"/{self.count}"
        varied = " ".join(f"{key}={value}" for key, value in self._varied(config).items())
        log.info("job %d%s: %s", config.hydra.job.num + 1, of, varied)

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """Note the job's run, or that it failed; of a mistake Hydra hears nothing, since it is told at the end."""
        from supremix.store.records import replace_json

        run = job_return.return_value if job_return.status == JobStatus.COMPLETED else None
        mistake = job_return._return_value if isinstance(job_return._return_value, UserError) else None
        file = folder_of(config, self.name) / "jobs" / f"{config.hydra.job.num}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_json(file, {"overrides": self._varied(config), "run": run, "mistake": mistake and str(mistake)})
        if mistake:
            log.warning("job %d failed: %s", config.hydra.job.num + 1, mistake)
            job_return.return_value, job_return.status = None, JobStatus.COMPLETED

    def _varied(self, config: DictConfig) -> dict[str, str]:
        task = config.hydra.overrides.task
        return {key_of(text): text.partition("=")[2] for text in task if key_of(text) in self.keys}


def folder_of(config: DictConfig, name: str) -> Path:
    """Return the folder of a sweep."""
    return Path(config.paths.runs) / "sweeps" / name


@contextmanager
def summed_up() -> Iterator[None]:
    """Frame Hydra's main: where the command line has a sweep, count its jobs and end it with a table and a CSV."""
    given = get_args_parser().parse_args(sys.argv[1:])
    if not given.multirun or given.cfg or given.info or given.hydra_help or given.help:
        yield
        return
    parsed = OverridesParser.create().parse_overrides(given.overrides)
    keys = [override.key_or_group for override in parsed if override.is_sweep_override()]
    certain = not any(text.startswith(OF_ITS_OWN) or "glob(" in text for text in given.overrides)
    name, count = sweep_name(given.overrides), count_of_runs(given.overrides)
    settings = {"name": name, "keys": keys, "count": count if certain else None}
    sys.argv.append("+hydra.callbacks.sweep._target_=supremix.suite.sweep.Jobs")
    sys.argv += [f"+hydra.callbacks.sweep.{key}={json.dumps(value)}" for key, value in settings.items()]
    global _folder
    _folder = None
    try:
        yield
    except Exception:  # of a job: the others have their results
        with suppress(UserError):  # less than that
            _sum_up()
        raise
    _sum_up()


def _sum_up() -> None:
    if _folder is None or (swept := collected(_folder)) is None:
        return
    header, lines = table_of(swept)
    file = _folder / "sweep.csv"
    with writing_to(file, "set paths.runs to a folder that can be written"), file.open("w", newline="") as stream:
        csv.writer(stream).writerows([header, *lines])
    texts = [[_text(value, "undefined" if line[-1] else "failed") for value in line] for line in lines]
    print_table(header, texts, right=header[:-1], wrapped=header[:-1])
    for text in swept.best_over_seeds():
        say(text)
    say(f"sweep: {file}")
    if mistakes := _mistakes(_folder):
        raise UserError(f"{len(mistakes)} of {len(lines)} jobs failed: {mistakes[0]}")


def _mistakes(folder: Path) -> list[str]:
    """Return what the jobs that failed say, by number."""
    return [
        f"{' '.join([f'job {number}', *(f'{key}={value}' for key, value in note['overrides'].items())])}: "
        f"{note['mistake']}"
        for number, note in _notes(folder).items()
        if note["mistake"]
    ]


def _notes(folder: Path) -> dict[int, dict[str, Any]]:
    """Return number, from 1, → note of the jobs that ended."""
    paths = sorted((folder / "jobs").glob("*.json"), key=lambda path: int(path.stem))
    return {int(path.stem) + 1: json.loads(path.read_text()) for path in paths}


def collected(folder: Path) -> "Swept | None":
    """Read the notes of a sweep's jobs and the records of their runs; None where no job ended."""
    from supremix.store.folders import Store  # these are slow to import, and every run imports this module
    from supremix.store.records import read_record
    from supremix.suite.swept import Swept

    store = Store(folder.parents[1])
    if not (notes := [*_notes(folder).values()]):
        return None
    keys = list(dict.fromkeys(key for note in notes for key in note["overrides"]))
    records = [None if note["run"] is None else read_record(store.run(note["run"])) for note in notes]
    values = [tuple(note["overrides"].get(key, "") for key in keys) for note in notes]
    return Swept(keys, list(zip(values, records, strict=True)))


def table_of(swept: "Swept") -> tuple[list[str], list[list[Any]]]:
    """Return the heading of a sweep's table, and a line per job: what varies, validation, test, id.

    The best on validation comes first. What is undefined is None, and where there is no run there is no id.
    """
    lines: list[list[Any]] = []
    for values, record in swept.ranked():
        measured = [None if record is None else swept.value(record, split) for split in SPLITS]
        lines.append([*values, *measured, "" if record is None else record["id"]])
    return [*swept.keys, *(f"{split} {swept.metric}" for split in SPLITS), "run"], lines


def _text(value: Any, nothing: str) -> str:
    if value is None:
        return nothing
    return shown(value) if isinstance(value, float) else str(value)
