"""Every table and figure at SIZE=small from an empty store: minutes, so `make test-tables` runs it, not `make test`."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from PIL import Image

from supremix.cli.main import main
from supremix.figures import spec as figure_spec
from supremix.settings.compose import CONF
from supremix.suite import size as sizes
from supremix.suite.reading import load
from supremix.tables.computed import kind
from supremix.tables.files import NAMES
from tests.tables.test_rendering import check_latex

TABLES = [str(number) for number in range(1, 17)]
COMPUTED = [number for number in TABLES if kind(CONF / "table" / f"{number}.yaml")]
FIGURES = ["2", "3", "4", "5"]
EXTENDED = ["uci_airfoil", "stsb_dir", "agedb_dir", "imdb_wiki", "ukb", "hcp_aging"]
BEYOND = [
    *(f"extended_{name}" for name in EXTENDED),
    *(f"{what}_{name}" for what in ("ablation", "helps") for name in ("uci_airfoil", "stsb_dir")),
]
KILLED = "16"  # with the most work in a run
AT_SIZE = ["--size", "small", "--jobs", "2"]
QUIET = ["trainer.accelerator=cpu", "tracking=none"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder to work in, with prepared data and a store that all tables share, both empty at first."""
    root = tmp_path_factory.mktemp("twin")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("SUPREMIX_PREPARED", str(root / "prepared"))
        patch.setenv("SUPREMIX_RUNS", str(root / "runs"))
        yield root


def stamps(store: Path) -> dict[str, int]:
    """When each run and encoder of a store was finished."""
    return {str(done.relative_to(store)): done.stat().st_mtime_ns for done in store.rglob("DONE")}


def runs(finished: dict[str, int]) -> list[str]:
    """The runs among them."""
    return [name for name in finished if not name.startswith("encoders/")]


def written(folder: Path) -> dict[str, bytes]:
    """The files of a rendered table or figure."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def told(capfd):
    """Say what was made, in how much time, past pytest's capture."""
    began = time.monotonic()

    def say(what: str, runs: int) -> None:
        with capfd.disabled():
            print(f"\n{what}: {runs} runs made, {time.monotonic() - began:.0f} s", end="", flush=True)

    return say


def check_marked(folder: Path, stem: str) -> list[dict[str, str]]:
    """What the Markdown, CSV and LaTeX of a table say of the data; the lines of the CSV."""
    text = (folder / f"{stem}.md").read_text()
    assert text.splitlines()[0].endswith("(SIZE=small, synthetic data)")
    assert not re.search(r"\| (missing|failed) \||: missing,|^Missing:|Data not there", text, re.MULTILINE)
    with (folder / f"{stem}.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert lines
    assert {line["synthetic"] for line in lines} == {"True"}
    assert not any(line.get("paper") for line in lines)
    return lines


@pytest.mark.parametrize("number", [number for number in TABLES if number not in COMPUTED])
def test_a_table_runs_start_to_finish(place, told, number):
    folder = place / "results" / "small" / f"table_{number}"
    spec = sizes.load(CONF, "small").spec(load(CONF / "table" / f"{number}.yaml"))
    cells = len(spec.cells()) * len(spec.seeds)
    before = stamps(place / "runs")
    assert main(["table", number, *AT_SIZE, *QUIET]) == 0
    after = stamps(place / "runs")
    assert before.items() <= after.items()  # what tables share was not made again
    told(f"table {number}", len(runs(after)) - len(runs(before)))
    lines = check_marked(folder, "table")
    assert len(lines) == sum(len(spec.metrics_of(panel)) for panel, _ in spec.cells())
    assert {line["n"] for line in lines if line["column"] == "best/mae"} <= {str(len(spec.seeds))}
    state = json.loads((folder / "state.json").read_text())
    assert state == {"failed": [], "unprepared": {}, "seeds": spec.seeds, "synthetic": True}
    records = [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]
    assert len(records) == cells
    assert all(record["synthetic"] for record in records)
    check_latex((folder / "table.tex").read_text())
    assert "\nsynthetic data & " in (folder / "table.tex").read_text()
    assert "Synthetic data, not to be compared." in (folder / "table.tex").read_text()


@pytest.mark.parametrize("name", BEYOND)
def test_a_table_of_ours_runs_start_to_finish(place, told, name):
    """One seed, since it has over thirty rows; in a folder of its own, as the overview is of the paper's tables."""
    folder = place / "beyond" / name
    before = stamps(place / "runs")
    assert main(["table", name, *AT_SIZE, *QUIET, "--seeds", "0", "--out", str(folder)]) == 0
    after = stamps(place / "runs")
    told(f"table {name}", len(runs(after)) - len(runs(before)))
    lines = check_marked(folder, "table")
    spec = sizes.load(CONF, "small").spec(load(CONF / "table" / f"{name}.yaml"))
    assert len(lines) == sum(len(spec.metrics_of(panel)) for panel, _ in spec.cells())
    check_latex((folder / "table.tex").read_text())


@pytest.mark.parametrize("number", COMPUTED)
def test_a_computed_table(place, told, number):
    folder = place / "results" / "small" / f"table_{number}"
    assert main(["table", number, *AT_SIZE]) == 0
    told(f"table {number}", 0)
    assert all(line["here"] for line in check_marked(folder, "table"))
    assert "paper" not in (folder / "table.md").read_text()
    check_latex((folder / "table.tex").read_text())


@pytest.mark.parametrize("number", FIGURES)
def test_a_figure_runs_start_to_finish(place, told, number):
    folder = place / "results" / "small" / f"figure_{number}"
    spec = sizes.load(CONF, "small").spec(figure_spec.load(CONF / "figure" / f"{number}.yaml").spec)
    before = stamps(place / "runs")
    assert main(["figure", number, *AT_SIZE, *QUIET]) == 0
    after = stamps(place / "runs")
    assert before.items() <= after.items()
    told(f"figure {number}", len(runs(after)) - len(runs(before)))
    check_marked(folder, "figure")
    text = (folder / "figure.md").read_text()
    assert text.count(" · seed ") == len(spec.cells()) * len(spec.seeds)
    assert "paper" not in text.partition("not to be compared with the paper.")[2]
    with Image.open(folder / "figure.png") as image:
        image.load()
        assert image.text["Title"] == "Synthetic data"
    drawing = (folder / "figure.svg").read_text()
    assert ElementTree.fromstring(drawing).tag == "{http://www.w3.org/2000/svg}svg"
    assert "SYNTHETIC DATA" in drawing


def test_running_all_again_repeats_nothing_and_gives_the_same_files(place, told, capfd):
    finished = stamps(place / "runs")
    everything = [*(("table", number) for number in TABLES), *(("figure", number) for number in FIGURES)]
    for what, number in everything:
        folder = place / "results" / "small" / f"{what}_{number}"
        before = written(folder)
        assert main([what, number, *AT_SIZE, *QUIET]) == 0
        assert written(folder) == before, folder
    assert stamps(place / "runs") == finished
    told("all again", 0)
    capfd.readouterr()
    for number in TABLES:
        assert main(["table", number, *AT_SIZE, "--plan", *QUIET]) == 0
        said = capfd.readouterr().out
        assert "it has no runs" in said or " 0 begun, 0 missing" in said


def test_the_overview_of_all(place):
    results = place / "results" / "small"
    before = {number: written(results / f"table_{number}") for number in TABLES}
    assert main(["table", "--render-all", "--size", "small", *QUIET]) == 0
    assert {number: written(results / f"table_{number}") for number in TABLES} == before
    lines = (results / "README.md").read_text().splitlines()
    assert all(any(f"(table_{number}/table.md)" in line for line in lines) for number in TABLES)
    assert not any("| missing |" in line for line in lines)
    assert list((place / "results").iterdir()) == [results]  # no table of the real data's was touched


def test_a_killed_table_goes_on_without_repeating_a_finished_cell(place, told):
    store, out = place / "killed" / "runs", place / "killed" / "table"
    arguments = [KILLED, *AT_SIZE, *QUIET, f"--out={out}", f"paths.runs={store}"]
    with (place / "killed.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "supremix.cli", "table", *arguments], stdout=log, stderr=log, start_new_session=True
        )
        until = time.monotonic() + 300
        while len(list(store.glob("*/DONE"))) < 3 and time.monotonic() < until and process.poll() is None:
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, (place / "killed.log").read_text()
    before, cells = stamps(store), 8
    assert 3 <= len(runs(before)) < cells
    assert not out.exists()
    assert main(["table", *arguments]) == 0
    after = stamps(store)
    assert before.items() <= after.items()
    assert len(runs(after)) == cells
    told(f"table {KILLED}, killed after {len(runs(before))} of {cells} runs and begun again", cells)
    left = {path.stem for path in store.glob("*.partial")}  # of a run killed between its end and its tidying up
    assert left <= {Path(name).parent.name for name in before}
    alone = place / "results" / "small" / f"table_{KILLED}"
    assert {name: (out / name).read_bytes() for name in ("table.md", "table.csv", "table.tex")} == {
        name: (alone / name).read_bytes() for name in NAMES if name.startswith("table.")
    }
