"""Every block of code in README.md and docs/ runs as it stands, but for what says that it does not, and why."""

import re
import subprocess
import sys

import pandas as pd
import pytest

from scripts import readme_table
from supremix.settings.compose import CONF
from supremix.suite.reading import load
from supremix.suite.terms import TERMS
from tests.docs.own_files import ROWS, write_files
from tests.docs.pages import REASONS, ROOT, run, sections

PAGES = ["README.md", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md"))]
WHOLE = (
    "docs/use_a_run.md",
    "docs/own_table.md",
    "docs/own_images.md",
    "docs/own_texts.md",
    "docs/add_a_method.md",
    "docs/add_a_dataset.md",
)
"""Pages whose sections need those before them."""
SLOW = {
    "README.md": {
        "Install, and two commands",
        "Your own data",
        "Sweeps and search",
        "Reproduce the paper",
        "Several devices, and clusters",
    },
    "docs/cluster.md": {"Several devices"},
    "docs/own_data.md": {"Comparing methods"},
    "docs/own_images.md": {""},
    "docs/own_table.md": {""},
    "docs/reproduce.md": {"One cell", "Without the data"},
    "docs/sweeps.md": {"A sweep"},
    "docs/use_a_run.md": {""},
}  # fmt: skip
"""Page → its sections that take over ten seconds; "" for a whole page."""


def cases():
    """Page and section; of pages that are run as a whole, the section is empty."""
    for page in PAGES:
        for title in [""] if page in WHOLE else sections(page):
            if all(block.reason for block in blocks_of(page, title)):
                continue
            marks = [pytest.mark.slow] if title in SLOW.get(page, ()) else []
            yield pytest.param(page, title, marks=marks, id=f"{page}-{title}")


def blocks_of(page, title):
    found = sections(page)
    return found[title] if title else [block for blocks in found.values() for block in blocks]


@pytest.mark.parametrize(("page", "title"), [*cases()])
def test_blocks_run(page, title, tmp_path, monkeypatch, real_data):
    blocks = blocks_of(page, title)
    text = "".join(block.text for block in blocks if not block.reason)
    if re.search(r"table[- ][25]\b|figure-2|render-all", text):
        data = real_data("uci_airfoil/airfoil_self_noise.dat").absolute().parents[1]
        monkeypatch.setenv("SUPREMIX_DATA", str(data))
        real_data("stsb_dir/train_new.tsv")
    else:
        monkeypatch.setenv("SUPREMIX_DATA", ".")
    for name in ("PREPARED", "RUNS"):
        monkeypatch.setenv(f"SUPREMIX_{name}", name.lower())
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("WANDB_MODE", "offline")
    write_files(tmp_path)
    printed = run(blocks, tmp_path)
    assert [line for block in blocks for line in block.shown if line not in printed] == []
    if "-o predictions.csv" in text:
        table = pd.read_csv(tmp_path / "predictions.csv")
        assert len(table) >= ROWS
        assert table.filter(like="predicted_").notna().all().all()


@pytest.mark.parametrize("page", PAGES)
def test_a_block_that_is_not_run_says_why(page):
    text = (ROOT / page).read_text()
    blocks = [block for blocks in sections(page).values() for block in blocks]
    assert len(blocks) == len(re.findall(r"^```(?:bash|python)$", text, re.MULTILINE))
    assert set(re.findall(r"^```([a-z]+)", text, re.MULTILINE)) <= {"bash", "python", "text", "bibtex"}
    assert {block.reason for block in blocks if block.reason and not block.reason.startswith(REASONS)} == set()


def test_the_readme_is_short_and_shows_what_results_hold():
    page, index = (ROOT / "README.md").read_text(), (ROOT / "results" / "README.md").read_text()
    assert len(page.splitlines()) < 200
    assert readme_table.with_table(page, index) == page, "run: python scripts/readme_table.py"
    assert len(re.findall(r"^\| \[\d+\]\(results/", page, re.MULTILINE)) >= 7


def test_the_readme_shows_the_rows_of_the_quick_start():
    shown = re.findall(r"^\| (.+?) \| \d \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert shown == [row.name for row in load(CONF / "table" / "quickstart.yaml").rows]


def test_the_page_on_own_data_names_keys_that_are_there():
    keys = {*re.findall(r"`dataset\.(\w+)[=`]", (ROOT / "docs" / "own_data.md").read_text())}
    text = "".join(path.read_text() for path in (CONF / "dataset").glob("*.yaml"))
    assert len(keys) > 10
    assert {key for key in keys if not re.search(rf"^  {key}:", text, re.MULTILINE)} == set()


@pytest.mark.slow
def test_the_site_builds_without_warnings_and_needs_no_network(tmp_path):
    pytest.importorskip("sphinx", reason="pip install 'supremix[docs]'")
    line = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--quiet", str(ROOT / "docs"), str(tmp_path)]
    done = subprocess.run(line, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    for page in tmp_path.rglob("*.html"):
        assert re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=\"(?:https?:)?//", page.read_text()) == [], (
            page
        )
    assert "<math" in (tmp_path / "mathematics.html").read_text()


def test_the_terms_are_those_of_terminal_and_report():
    text = (ROOT / "docs/terms.md").read_text()
    assert re.findall(r"^- \*\*(.+)\*\*: (.+)$", text, re.MULTILINE) == [*TERMS.items()]
