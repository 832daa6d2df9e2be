"""Each odd raw file ends with the right value, a line in report.csv, or one line with file, place and way out."""

from pathlib import Path

import pytest

from supremix.cli.main import main
from supremix.data.tabular import load_table
from supremix.errors import UserError
from supremix.runtime import stamps
from tests.corpus import RAW, Odd, ages, archives, faces, measurements, pairs, series, tables, vectors, volumes

FORMATS = {
    module.__name__.rpartition(".")[2]: module
    for module in (ages, archives, faces, measurements, pairs, series, vectors, volumes)
}
CORPUS = [pytest.param(name, case, id=f"{name}: {case.name}") for name, m in FORMATS.items() for case in m.CASES]


@pytest.fixture(autouse=True)
def at_rest(monkeypatch, tmp_path):
    """No waiting until a file's times are those of the past: nothing changes these while they are read.

    Raw data that the machine has is out of sight.
    """
    monkeypatch.setattr(stamps, "TICK", 0)
    monkeypatch.setenv("SUPREMIX_DATA", str(tmp_path / "data"))


@pytest.mark.parametrize(("name", "case"), CORPUS)
def test_each_is_read_rightly_or_refused_by_name(name: str, case: Odd, tmp_path: Path, capsys):
    raw, out = tmp_path / "raw", tmp_path / "out"
    raw.mkdir()
    FORMATS[name].sound(raw)
    case.write(raw)
    given = [*FORMATS[name].COMMAND, *case.arguments]
    code = main(["prepare", *(argument.replace(RAW, str(raw)) for argument in given), "--out", str(out)])
    said = capsys.readouterr().err.splitlines()
    folders = [path for path in out.glob("*") if not path.name.startswith(".")] if out.exists() else []
    if case.refused:
        assert code == 1, said
        assert [line for line in said if line.startswith("error: ")] == said[-1:], said
        assert all(word in said[-1] for word in case.refused), said[-1]
        assert said[-1].isprintable()
        assert folders == []
        return
    assert code == 0, said
    (folder,) = folders
    report = folder / "report.csv"
    lines = report.read_text(encoding="utf-8").splitlines()[1:] if report.exists() else []
    if case.report:
        assert any(all(word in line for word in case.report) for line in lines), lines
    else:
        assert lines == []
    case.right(folder)


@pytest.mark.parametrize("case", tables.CASES, ids=lambda case: case.name)
def test_a_table_of_ones_own_is_read_rightly_or_refused_by_name(case: Odd, tmp_path: Path):
    tables.sound(tmp_path)
    case.write(tmp_path)
    tables.seal(tmp_path)
    settings = {"sizes": None, "split_seed": 0, "scaling": "standard", "bin_size": None}
    if case.refused:
        with pytest.raises(UserError) as caught:
            load_table(tmp_path, name="mine", **settings)
        assert all(word in str(caught.value) for word in case.refused), caught.value
        assert str(caught.value).isprintable()
        return
    data = load_table(tmp_path, name="mine", **settings)
    assert [*data.train.y, *data.val.y, *data.test.y] == tables.LABELS
    assert [*data.train.ids, *data.val.ids, *data.test.ids] == tables.NAMES


def test_the_sound_files_are_prepared_without_a_word(tmp_path, capsys):
    for name, module in FORMATS.items():
        raw, out = tmp_path / name / "raw", tmp_path / name / "out"
        raw.mkdir(parents=True)
        module.sound(raw)
        assert main(["prepare", *(a.replace(RAW, str(raw)) for a in module.COMMAND), "--out", str(out)]) == 0, name
        (folder,) = out.iterdir()
        report = folder / "report.csv"
        assert not report.exists() or len(report.read_text().splitlines()) == 1, name
        assert "error" not in capsys.readouterr().err


def test_the_corpus_is_large_and_its_cases_differ():
    names = [*(param.id for param in CORPUS), *(f"tables: {case.name}" for case in tables.CASES)]
    assert len(names) == len(set(names)) >= 400
