"""Tables 12 and 13: the datasets as prepared and the hyper-parameters as composed, beside the paper's."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from supremix.cli.main import main
from supremix.errors import UserError
from supremix.prepare.shared.prepared import write_manifest, write_meta
from supremix.settings.compose import CONF, composed
from supremix.tables import computed, index
from supremix.tables.reproduce import compute


def airfoil(root, labels, synthetic=False):
    """A prepared folder uci_airfoil with these labels and nothing else that the table reads."""
    folder = root / "uci_airfoil"
    folder.mkdir(parents=True)
    write_manifest(folder, {"id": [f"row-{i}" for i in range(len(labels))], "label": labels})
    label = "scaled sound pressure level, dB"
    write_meta(folder, name="uci_airfoil", rows=len(labels), label=label, source={}, synthetic=synthetic)


def made(tmp_path, table, *overrides):
    """The Markdown of a table's columns or rows for UK Biobank and UCI-airfoil."""
    spec = yaml.safe_load((CONF / "table" / f"{table}.yaml").read_text())
    if table == "12":
        spec["datasets"] = [one for one in spec["datasets"] if one["dataset"] in ("ukb", "uci_airfoil")]
    else:
        spec["datasets"] = {name: shown for name, shown in spec["datasets"].items() if name in ("ukb", "uci_airfoil")}
        for row in spec["rows"]:
            row["paper"] = [row["paper"][3], row["paper"][5]]
    path = tmp_path / f"{table}.yaml"
    path.write_text(yaml.safe_dump(spec, sort_keys=False))
    computed.write(computed.compute(path, CONF, [f"paths.prepared={tmp_path}", *overrides]), tmp_path / "out")
    return (tmp_path / "out" / "table.md").read_text()


def test_a_prepared_dataset_is_computed_and_the_others_name_their_script(tmp_path):
    airfoil(tmp_path, np.linspace(103.38, 140.987, 1503).tolist())
    text = made(tmp_path, "12")
    assert "| UCI-airfoil | scaled sound pressure level, dB | 103.38 to 140.987 | 1 | 1203 | 150 | 150 |" in text
    assert "- UCI-airfoil: as in the paper" in text
    assert "- UK Biobank: not prepared: supremix prepare ukb" in text
    assert "| UK Biobank | – (paper: brain age) | – (paper: 42 to 82) |" in text


def test_differences_from_the_paper_are_named(tmp_path):
    airfoil(tmp_path, [101.4, *np.linspace(103.38, 140.987, 1502)])
    text = made(tmp_path, "12")
    assert "- UCI-airfoil: range 101.4 to 140.987, in the paper 103 to 141\n" in text
    assert "| 101.4 to 140.987 (paper: 103 to 141) | 1 | 1203 | 150 | 150 |" in text


def test_synthetic_data_never_stands_beside_the_paper(tmp_path):
    airfoil(tmp_path, np.linspace(1, 2, 1503).tolist(), synthetic=True)
    text = made(tmp_path, "12")
    assert "| UCI-airfoil | scaled sound pressure level, dB | 1 to 2 | 1 | 1203 | 150 | 150 |" in text
    assert "- UCI-airfoil: synthetic data, not to be compared with the paper" in text
    rows = list(csv.DictReader((tmp_path / "out" / "table.csv").open()))
    assert {row["paper"] for row in rows if row["row"] == "UCI-airfoil"} == {""}
    assert all(row["paper"] for row in rows if row["row"] != "UCI-airfoil")


def test_splits_of_a_manifest_are_counted(tmp_path):
    from supremix.data.prepared.manifest import read_manifest

    splits = ["train"] * 5 + ["val"] * 2 + ["test"]
    write_manifest(tmp_path, {"id": list("abcdefgh"), "label": range(8), "split": splits})
    found = computed.facts("age, years", read_manifest(tmp_path / "manifest.csv", 8), 1, None)
    assert found == {"target": "age, years", "range": [0, 7], "bin size": 1, "train": 5, "val": 2, "test": 1}
    same = {e.column: e.same for e in computed.compare_facts("x", found, found | {"target": "brain age", "val": 3})}
    assert same == {"target": False, "range": True, "bin size": True, "train": True, "val": False, "test": True}


def test_the_real_airfoil_data_is_what_the_paper_says(tmp_path, real_data):
    source = real_data("uci_airfoil/airfoil_self_noise.dat")
    assert main(["prepare", "uci_airfoil", "--source", str(source), "--out", str(tmp_path)]) == 0
    assert "- UCI-airfoil: as in the paper" in made(tmp_path, "12")


def test_hyper_parameters_are_the_composed_ones(tmp_path, capsys):
    assert main(["table", "13", "--out", str(tmp_path)]) == 0
    text = (tmp_path / "table.md").read_text()
    assert text in capsys.readouterr().out
    assert "| window γ | 5 | 5 | 1 | 3 | 5 | 7 |" in text
    assert "- UCI-airfoil: as in the paper" in text
    assert "- AgeDB-DIR: projection head 2-layer MLP with batch norm, in the paper 2-layer MLP" in text
    tex = (tmp_path / "table.tex").read_text()
    assert {line.count("&") for line in tex.splitlines() if line.endswith(r"\\")} == {6}
    assert "γ" not in tex
    assert sorted(path.name for path in tmp_path.iterdir()) == ["table.csv", "table.md", "table.tex"]


def test_deviations_are_named(tmp_path):
    text = made(tmp_path, "13", "method.window=9", "method.pretrain.views=2")
    assert "- UCI-airfoil: augmentation 2, in the paper none; window γ 9, in the paper 7" in text
    assert "| window γ | 9 (paper: 3) | 9 (paper: 7) |" in text


def test_equality_is_of_values_not_of_their_text():
    cfg = composed(CONF, ["dataset=stsb_dir"])
    assert computed.setting(cfg, ["method.window"], {}) == 1
    assert computed.setting(cfg, ["method.beta"], {}) == [2, 8]
    assert computed.setting(cfg, ["nowhere.at_all", "protocol.name"], {"linear_probe": "probe"}) == "probe"


def test_only_these_tables_are_of_this_kind(tmp_path):
    kinds = {path.stem: computed.kind(path) for path in (CONF / "table").glob("*.yaml")}
    found = {name: kind for name, kind in kinds.items() if kind and not name.startswith("_")}
    assert found == {"12": "datasets", "13": "hyperparameters"}
    wrong = tmp_path / "x.yaml"
    wrong.write_text(yaml.safe_dump({"kind": "other"}))
    with pytest.raises(UserError, match=r"x\.yaml: kind 'other': use one of datasets, hyperparameters"):
        computed.compute(wrong, CONF, [])
    wrong.write_text(yaml.safe_dump({"kind": "datasets", "name": "x"}))
    with pytest.raises(UserError, match=r"x\.yaml: KeyError: 'datasets'"):
        computed.compute(wrong, CONF, [])


def test_a_table_with_more_datasets_than_are_prepared_here_is_kept(tmp_path, monkeypatch):
    conf = tmp_path / "conf"
    shutil.copytree(CONF, conf)
    for path in (conf / "table").glob("*.yaml"):
        path.unlink()
    spec = yaml.safe_load((CONF / "table" / "12.yaml").read_text())
    spec["datasets"] = spec["datasets"][-1:]
    (conf / "table" / "12.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))
    out = tmp_path / "results"
    airfoil(tmp_path / "prepared", np.linspace(103.38, 140.987, 1503).tolist())
    here = [f"paths.prepared={tmp_path / 'prepared'}", f"paths.runs={tmp_path / 'runs'}"]
    assert list(index.render_stored(conf, out, here)) == [f"{spec['title']}: computed"]
    written = (out / "table_12" / "table.md").read_text()
    assert "as in the paper" in written
    assert "(table_12/table.md) |  | computed |" in (out / "README.md").read_text()
    empty = [f"paths.prepared={tmp_path / 'empty'}", here[1]]
    (line,) = index.render_stored(conf, out, empty)
    assert "computed; " in line
    assert "table_12 is left as it is: it holds 6 values as specified; this has 0 values as specified; --out" in line
    monkeypatch.chdir(tmp_path)
    table, folder = compute("12", conf, None, empty)
    assert folder is None
    assert "not prepared" in table.notes[0]
    assert (out / "table_12" / "table.md").read_text() == written
    assert compute("12", conf, None, here)[1] == Path("results/table_12")

    # one written by hand, or by another version, counts for nothing
    (out / "table_12" / "table.csv").write_text("table,row,column\ntable_12,a,b\n")
    (line,) = index.render_stored(conf, out, empty)
    assert line.endswith(": computed")


@pytest.mark.whole
def test_a_computed_table_of_other_settings_says_so_and_takes_no_place_but_one_of_its_own(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert main(["table", "13"]) == 0
    before = (tmp_path / "results" / "table_13" / "table.md").read_text()
    assert "Settings" not in before
    assert main(["table", "13", "method.window=9", "tracking=none"]) == 0
    said = capsys.readouterr()
    assert "- **Settings**: `method.window=9`\n" in said.out
    assert "as specified; this has 60 values with `method.window=9`; --out FOLDER" in said.err
    assert (tmp_path / "results" / "table_13" / "table.md").read_text() == before
    assert main(["table", "13", "method.window=9", "--out", "mine"]) == 0
    assert "% Settings: `method.window=9`\n" in (tmp_path / "mine" / "table.tex").read_text()
