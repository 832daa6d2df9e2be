"""Commands at a terminal that knows ASCII alone."""

import io
import sys
from pathlib import Path

import pytest

from supremix.cli.main import main
from supremix.runtime import terminal
from supremix.settings.overrides import spelt
from supremix.store.records import read_record
from tests.running import run_small


class Terminal(io.TextIOWrapper):
    """What is written, as bytes of ASCII; strict, as Python makes the streams of such a terminal."""

    def __init__(self):
        super().__init__(io.BytesIO(), encoding="ascii", errors="strict", write_through=True)

    @property
    def text(self):
        self.flush()
        return self.buffer.getvalue().decode("ascii")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "undefined"),
        (-0.5, "-0.5000"),
        (999.5, "999.5000"),
        (18460.42, "18460"),
        (5.16003e8, "5.16e+08"),
        (0.0, "0.0000"),
        (-2.04e-7, "-2.04e-07"),
    ],
)
def test_a_number_of_any_size_fits_its_column(value, text):
    assert terminal.shown(value) == text


def test_what_it_lacks_is_a_question_mark(tmp_path, monkeypatch):
    _, record = run_small(tmp_path, "method=ridge")
    rows = "\n".join(f"{i},{'Straße' if i % 2 else 'Weg'},{i % 7}" for i in range(40))
    (tmp_path / "größen.csv").write_text(f"nr,Ort,Höhe\n{rows}\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    out, err = Terminal(), Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    store = ["--store", str(tmp_path / "runs")]
    commands = [["inspect", "größen.csv", "--label", "Höhe"], ["ls", *store], ["show", record["id"], "--plots", *store]]
    for command in commands:
        assert main(command) == 0
    assert "gr??en.csv" in out.text
    assert "H?he" in out.text
    assert main(["inspect", "größen.csv", "--label", "Länge"]) == 1
    assert "L?nge" in err.text
    assert "Traceback" not in err.text


def test_letters_beyond_ascii_need_no_quotes_of_hydras(tmp_path, monkeypatch, capsys):
    rows = "\n".join(f"{i % 5},{i % 7}" for i in range(40))
    (tmp_path / "größen.csv").write_text(f"Länge,Höhe\n{rows}\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    given = ["dataset=table", "dataset.path=größen.csv", "dataset.label=Höhe", "method=ridge", "paths.runs=läufe"]
    assert main(["train", *given]) == 0
    (record,) = Path("läufe").glob("*/record.json")
    assert read_record(record.parent)["config"]["dataset"]["label"] == "Höhe"
    assert main(["inspect", "größen.csv", "--label", "Höhe"]) == 0
    assert "supremix train dataset=table dataset.path=größen.csv dataset.label=Höhe" in shown(capsys)


def shown(capsys):
    return capsys.readouterr().out.replace("'", "")  # of the shell


@pytest.mark.parametrize("argument", ["a=[ä,ö]", "a='ä'", "a=ä,ö", "--cfg=ä", "a=b", "${ä}", "a=${ä}", "a=b=c"])
def test_other_arguments_stay(argument):
    assert spelt(argument) == argument
