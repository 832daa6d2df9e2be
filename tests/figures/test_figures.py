"""From a specification and a frozen store to the drawn figure; what is missing is named and left out."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure as Picture
from omegaconf import OmegaConf

from supremix.cli.main import main
from supremix.errors import UserError
from supremix.figures import canvas, error_by_size, logits, spec
from supremix.figures.reproduce import DRAW, reproduce, stored_run, write
from supremix.settings.compose import CONF
from supremix.store.folders import Store
from supremix.suite.launchers import named
from supremix.suite.plan import Cell, plan
from supremix.suite.run import read_finished
from tests.records import whole
from tests.running import SMALL

FILES = ("figure.png", "figure.svg", "figure.csv", "figure.md")


def figure(number, seeds):
    loaded = spec.load(CONF / "figure" / f"{number}.yaml")
    return replace(loaded, spec=replace(loaded.spec, seeds=list(seeds)))


class Frozen:
    """A store of made-up finished runs, and the cells of a figure that they belong to."""

    def __init__(self, root, what):
        self.figure, self.store, self.cells = what, Store(root / "runs"), []

    def add(self, row, panel="", seed=0, mae=5.0, rows=100, synthetic=False, history=None, histograms=None):
        """A finished run, and where there is a history its encoder."""
        run_id = f"run-{len(self.cells)}"
        self.cells.append(Cell(panel, row, seed, [], run_id))
        folder, encoder = self.store.run(run_id), None
        folder.mkdir(parents=True)
        if history is not None or histograms is not None:
            encoder = f"encoder-{len(self.cells)}"
            self.store.encoder(encoder).mkdir(parents=True)
            lines = ["epoch,loss,positive_logit,negative_logit", *(history or [])]
            (self.store.encoder(encoder) / "history.csv").write_text("\n".join(lines) + "\n")
            if histograms is not None:
                np.savez(self.store.encoder(encoder) / "logits.npz", **histograms)
        record = whole(run_id) | {"dataset": "toy", "seed": seed, "synthetic": synthetic, "pretrain_id": encoder}
        record["data"]["sizes"]["train"] = rows
        for split in ("val", "test"):
            record["metrics"][split]["best"]["mae"] = mae
        (folder / "record.json").write_text(json.dumps(record))
        draw = np.random.default_rng(seed)
        np.savez(folder / "predictions.npz", test_features=draw.normal(size=(20, 3)), test_y=np.arange(20.0))
        (folder / "DONE").touch()
        return self

    def missing(self, row, panel="", seed=0, run_id="never-run"):
        self.cells.append(Cell(panel, row, seed, [], run_id))
        return self

    def runs(self):
        return [stored_run(self.store, *pair) for pair in read_finished(self.store, self.cells)[0]]

    def write(self, folder):
        write(self.figure, self.cells, self.store, folder, [])
        with (folder / "figure.csv").open(newline="") as file:
            return list(csv.DictReader(file)), (folder / "figure.md").read_text()


def epochs(*pairs):
    return [f"{epoch},1.0,{positive},{negative}" for epoch, (positive, negative) in enumerate(pairs, 1)]


def histograms(peaks=(3, 7)):
    edges = np.linspace(-1, 1, 11)
    counts = np.array([[100 if k == peak else 1 for k in range(10)] for peak in peaks])
    return {"epochs": np.array([1, 10]), "edges": edges, "positive": counts, "hardest": 2 * counts}


def by_size(root, **changes):
    """Figure 4 with two seeds: Vanilla at 5.6 and 9.2, SupReMix at 5.4 and 8.0, at 190000 and 4000 rows."""
    frozen = Frozen(root, figure(4, [0, 1]))
    for row, errors in (("Vanilla", {190000: 5.6, 4000: 9.2}), ("SupReMix", {190000: 5.4, 4000: 8.0})):
        for size, mae in errors.items():
            for seed, off in ((0, -0.1), (1, 0.1)):
                frozen.add(row, f"{size} rows", seed, mae + off, size, **changes)
    return frozen


def gaps(root):
    frozen = Frozen(root, figure(5, [0, 1]))
    for seed, off in ((0, 0.0), (1, 0.1)):
        frozen.add("SupCon", seed=seed, history=epochs((0.5 + off, 0.4), (0.6 + off, 0.2)))
        frozen.add("SupReMix", seed=seed, history=epochs((0.5 + off, 0.3), (0.8 + off, 0.1)))
    return frozen


def test_every_specification_loads_and_has_a_drawing():
    for path in (CONF / "figure").glob("[0-9]*.yaml"):
        loaded = spec.load(path)
        assert loaded.spec.cells()
        assert loaded.spec.name == f"figure_{path.stem}"
        assert loaded.spec.prepare in {f"prepare {path.stem}" for path in (CONF / "dataset").glob("*.yaml")}
        assert all(loaded.labels.values())
    assert set(DRAW) == set(spec.DRAWINGS)


@pytest.mark.parametrize("number", [2, 3, 4, 5])
def test_every_run_of_a_figure_composes(number, tmp_path):
    # Without data nothing has an id; that the overrides compose is what counts.
    cells = plan(figure(number, [0]).spec, CONF, [f"paths.prepared={tmp_path}", "tracking=none"])
    assert len(cells) == len({tuple(cell.overrides) for cell in cells}) == {2: 4, 3: 2, 4: 14, 5: 2}[number]
    assert all(cell.run_id is None for cell in cells)


def test_a_wrong_specification_names_the_file_and_the_way_out(tmp_path):
    text = (CONF / "figure" / "5.yaml").read_text()
    for old, new, message in (
        ("drawing: gap", "drawing: pie", "5.yaml: drawing 'pie': use one of tsne, histograms, sizes, gap"),
        ("{x: epoch", "{z: epoch", "5.yaml: labels: give x and y"),
        ("seeds:", "sedes:", "5.yaml: .*sedes"),
    ):
        path = tmp_path / "5.yaml"
        path.write_text(text.replace(old, new, 1))
        with pytest.raises(UserError, match=message):
            spec.load(path)
    with pytest.raises(UserError, match=r"no such figure; there are: 2, 3, 4, 5"):
        spec.load(CONF / "figure" / "9.yaml")


def test_figure_four_holds_means_deviations_and_gaps(tmp_path):
    numbers, text = by_size(tmp_path).write(tmp_path / "out")
    assert all((tmp_path / "out" / name).stat().st_size for name in FILES)
    at = {(line["row"], int(line["train_rows"])): line for line in numbers}
    assert float(at["SupReMix", 4000]["mae"]) == pytest.approx(8.0)
    assert float(at["SupReMix", 4000]["std"]) == pytest.approx(np.std([7.9, 8.1], ddof=1))
    assert at["SupReMix", 4000]["n"] == "2"
    assert "Gap Vanilla − SupReMix in MAE: +0.20 at 190000, +1.20 at 4000 training rows" in text
    assert "from 0.17 at 191.5k training rows to 1.24 at 4k" in text
    assert "Missing" not in text
    assert "Hollow" not in text
    assert "| Vanilla · 190000 rows · seed 0 | run-0 | – |" in text


def test_figure_four_draws_what_there_is_and_names_the_rest(tmp_path):
    frozen = by_size(tmp_path).missing("SupReMix", "8k rows", 1).missing("Vanilla", "12k rows", 0, run_id=None)
    frozen.add("SupReMix", "8k rows", 0, 7.0, 8000)
    frozen.add("Vanilla", "8k rows", 0, 7.0, 8000).add("Vanilla", "8k rows", 1, 7.0, 8000)
    numbers, text = frozen.write(tmp_path / "out")
    point = next(line for line in numbers if (line["row"], line["train_rows"]) == ("SupReMix", "8000"))
    assert (point["mae"], point["std"], point["n"], point["planned"]) == ("7.0", "nan", "1", "2")
    assert "Hollow, as not all seeds are finished: SupReMix at 8000 (1)" in text
    assert "Missing: 2" in text
    assert "- SupReMix · 8k rows · seed 1: not finished" in text
    assert "- Vanilla · 12k rows · seed 0: its data is not prepared" in text
    assert "8000" not in next(line for line in text.splitlines() if "Gap" in line)  # no mean over a part of the seeds


def test_synthetic_records_are_marked_and_kept_from_the_papers_numbers(tmp_path):
    _, text = by_size(tmp_path, synthetic=True).write(tmp_path / "out")
    assert "**Synthetic data**" in text
    assert "The paper" not in text
    assert "1.24" not in text
    _, plain = by_size(tmp_path / "real").write(tmp_path / "real" / "out")
    assert "Synthetic" not in plain
    picture = Picture()
    for synthetic in (False, True):
        canvas.save(picture, tmp_path / "mark", synthetic)
        assert [text.get_text() for text in picture.texts] == ["SYNTHETIC DATA"] * synthetic
    marked, unmarked = ((root / "figure.png").read_bytes() for root in (tmp_path / "out", tmp_path / "real" / "out"))
    assert marked != unmarked


def test_figure_five_is_the_mean_gap_over_the_seeds(tmp_path):
    numbers, text = gaps(tmp_path).write(tmp_path / "out")
    line = next(line for line in numbers if (line["row"], line["epoch"]) == ("SupReMix", "2"))
    assert float(line["gap"]) == pytest.approx(0.75)
    assert float(line["std"]) == pytest.approx(np.std([0.7, 0.8], ddof=1))
    assert (float(line["positive"]), float(line["negative"])) == pytest.approx((0.85, 0.1))
    assert "SupCon: gap 0.150 after the first epoch, 0.450 after epoch 2" in text
    assert "| SupReMix · seed 1 | run-3 | encoder-4 |" in text


def test_figure_five_ends_with_the_shortest_run(tmp_path):
    frozen = Frozen(tmp_path, figure(5, [0, 1])).add("SupCon", history=epochs((0.5, 0.4), (0.6, 0.2), (0.7, 0.1)))
    numbers, _ = frozen.add("SupCon", seed=1, history=epochs((0.5, 0.4), (0.6, 0.2))).write(tmp_path / "out")
    assert [line["epoch"] for line in numbers] == ["1", "2"]


def test_figure_five_counts_whole_epochs(tmp_path):
    (axis,) = logits.draw_gap(figure(5, [0, 1]), gaps(tmp_path).runs()).picture.axes
    assert all(float(tick).is_integer() for tick in axis.get_xticks())


def test_an_encoder_of_an_earlier_version_is_named_and_left_out(tmp_path):
    frozen = gaps(tmp_path)
    history = frozen.store.encoder("encoder-3") / "history.csv"
    history.write_text("epoch,loss\n1,2.0\n")
    numbers, text = frozen.write(tmp_path / "out")
    assert {line["n"] for line in numbers if line["row"] == "SupCon"} == {"1"}
    assert f"{history}: no mean logits, as in runs of earlier versions; remove {history.parent}" in text
    assert "| SupReMix · seed 1 | run-3 |" in text
    assert "| SupCon · seed 1 |" not in text  # which is no run that the figure is made of


def test_figure_three_holds_the_counts_that_the_encoders_kept(tmp_path):
    frozen = Frozen(tmp_path, figure(3, [0])).add("SupCon", histograms=histograms()).add("SupReMix", history=[])
    numbers, text = frozen.write(tmp_path / "out")
    assert {line["row"] for line in numbers} == {"SupCon"}
    picked = next(line for line in numbers if (line["pairs"], line["epoch"], line["count"]) == ("hardest", "10", "200"))
    assert (float(picked["from"]), float(picked["to"])) == pytest.approx((0.4, 0.6))
    assert "SupCon, positive pairs: mean logit -0.27 (epoch 1), 0.45 (epoch 10)" in text
    encoder, run = frozen.store.encoder("encoder-2"), frozen.store.run("run-1")
    assert f"{encoder / 'logits.npz'}: not histograms of logits" in text
    assert f"remove {encoder} and {run}, and run again" in text


def test_figure_three_is_of_the_first_seed(tmp_path):
    frozen = Frozen(tmp_path, figure(3, [0, 1])).add("SupCon", histograms=histograms())
    _, text = frozen.add("SupCon", seed=1, histograms=histograms((5, 5))).write(tmp_path / "out")
    assert "SupCon, positive pairs: mean logit -0.27 (epoch 1), 0.45 (epoch 10)" in text


def test_a_figure_says_which_code_made_its_runs(tmp_path):
    frozen = (
        Frozen(tmp_path, figure(5, [0])).add("SupCon", history=["1,0,0.5,0.1"]).add("SupReMix", history=["1,0,1,0"])
    )
    _, text = frozen.write(tmp_path / "out")
    assert "- Code: c0de\n" in text
    other = frozen.store.run("run-1") / "record.json"
    other.write_text(other.read_text().replace("c0de", "beef"))
    _, text = frozen.write(tmp_path / "out")
    assert "- Code: 2 different ones: c0de (SupCon); beef (SupReMix)\n" in text


def test_a_run_with_a_damaged_record_is_named_and_the_others_drawn(tmp_path):
    frozen = (
        Frozen(tmp_path, figure(5, [0])).add("SupCon", history=["1,0,0.5,0.1"]).add("SupReMix", history=["1,0,1,0"])
    )
    (frozen.store.run("run-1") / "record.json").write_text("{}")
    numbers, text = frozen.write(tmp_path / "out")
    assert {line["row"] for line in numbers} == {"SupCon"}
    assert f"- SupReMix · seed 0: {frozen.store.run('run-1') / 'record.json'}: not a readable record" in text


def test_figure_two_marks_a_missing_panel(tmp_path):
    frozen = Frozen(tmp_path, figure(2, [0]))
    frozen.add("SupCon", "true labels").missing("SupReMix", "true labels")
    drawn = DRAW["tsne"](frozen.figure, frozen.runs())
    shown = {axis.get_title(): [text.get_text() for text in axis.texts] for axis in drawn.picture.axes[:4]}
    assert shown["SupCon, true labels"] == []
    assert shown["SupReMix, true labels"] == shown["SupCon, permuted labels"] == ["missing"]
    assert len(drawn.numbers) == 20
    assert "rank correlation" in drawn.says[0]
    (run,) = frozen.runs()
    (run.folder / "predictions.npz").unlink()
    (said,) = DRAW["tsne"](frozen.figure, [run]).unusable.values()
    assert said.endswith(f"; remove {run.folder} and run again")


def test_series_differ_without_colour_and_axes_have_labels(tmp_path):
    for drawn in (
        error_by_size.draw(figure(4, [0, 1]), by_size(tmp_path / "4").runs()),
        logits.draw_gap(figure(5, [0, 1]), gaps(tmp_path / "5").runs()),
    ):
        (axis,) = drawn.picture.axes
        handles = axis.get_legend().legend_handles
        assert len({(line.get_linestyle(), line.get_marker()) for line in handles}) == len(handles) == 2
        assert axis.get_xlabel()
        assert axis.get_ylabel()
    assert len({(style["linestyle"], style["marker"]) for style in canvas.STYLES}) == len(canvas.STYLES)
    assert error_by_size.draw(figure(4, [0, 1]), by_size(tmp_path / "log").runs()).picture.axes[0].get_xscale() == "log"


def test_the_same_runs_give_the_same_bytes(tmp_path):
    for folder in ("a", "b"):
        gaps(tmp_path / folder).write(tmp_path / folder / "out")
    for name in FILES:
        assert (tmp_path / "a" / "out" / name).read_bytes() == (tmp_path / "b" / "out" / name).read_bytes()


def test_nothing_to_draw_is_one_line_that_names_the_preparation(tmp_path, capsys):
    frozen = Frozen(tmp_path, figure(5, [0])).missing("SupCon", run_id=None).missing("SupReMix", run_id=None)
    with pytest.raises(UserError, match=r"nothing to draw, no run is finished: .* see supremix prepare agedb_dir"):
        frozen.write(tmp_path / "out")
    frozen.add("SupCon", history=["1,2.0"])
    with pytest.raises(UserError, match=r"nothing to draw; .*history\.csv: no mean logits"):
        frozen.write(tmp_path / "out")
    assert not (tmp_path / "out").exists()
    arguments = ["5", "--stored", f"--out={tmp_path / 'out'}", f"paths.prepared={tmp_path}", "tracking=none"]
    assert main(["figure", *arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: Figure 5")
    assert error.count("\n") == 1
    assert main(["figure", *arguments, "--size", "small"]) == 1
    assert "its data is not prepared, made before the first run at SIZE=small\n" in capsys.readouterr().err


def test_a_figure_of_more_runs_or_of_other_settings_is_kept_in_its_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    more, fewer = gaps(tmp_path / "more"), Frozen(tmp_path / "fewer", figure(5, [0, 1]))
    fewer.add("SupCon", history=epochs((0.5, 0.4)))

    def drawn(frozen, settings=(), out=None):
        return write(frozen.figure, frozen.cells, frozen.store, out, list(settings))

    own = Path("results/figure_5")
    assert drawn(fewer)[1] == own
    assert drawn(more)[1] == own
    before = {name: (own / name).read_bytes() for name in FILES}
    text, folder = drawn(fewer)
    assert folder is None
    assert "| SupCon · seed 0 | run-0 |" in text
    assert "it holds 4 runs as specified; this has 1 run as specified; --out FOLDER" in capsys.readouterr().err
    text, folder = drawn(more, ["method.window=9"])
    assert folder is None
    assert "\n**Settings**: `method.window=9`\n" in text
    assert "this has 4 runs with `method.window=9`" in capsys.readouterr().err
    assert before == {name: (own / name).read_bytes() for name in FILES}
    assert drawn(more, ["method.window=9"], own)[1] == own
    assert drawn(more, ["method.window=9"])[1] == own
    assert drawn(more)[1] is None


@pytest.mark.whole
def test_a_figure_runs_what_is_missing_once_and_draws_it(tmp_path, capsys):
    conf = tmp_path / "conf"
    shutil.copytree(CONF, conf)
    node = OmegaConf.load(conf / "figure" / "3.yaml")
    kept = "method.pretrain.histograms={bins: 50, hardest: 1000, epochs: [1, 5, 10, 25, 50, 75, 100]}"
    node.update({"overrides": ["dataset=diabetes", kept], "prepare": None})
    OmegaConf.save(node, conf / "figure" / "small.yaml")
    overrides = [*SMALL, f"paths.runs={tmp_path / 'runs'}"]
    with pytest.raises(UserError, match="nothing to draw"):
        reproduce("small", conf, tmp_path / "out", overrides=overrides, stored_only=True)
    text, folder = reproduce("small", conf, tmp_path / "out", named("joblib", 1), overrides)
    written = {name: (folder / name).read_bytes() for name in FILES}
    assert b"SupReMix" in written["figure.csv"]
    assert "**Settings**: `dataset=diabetes dataset.recipe.adapt.epochs=3 " in text
    assert "tracking" not in text
    capsys.readouterr()
    reproduce("small", conf, tmp_path / "out", named("joblib", 1), overrides)
    assert "2 of 2 runs finished" in capsys.readouterr().err
    assert written == {name: (folder / name).read_bytes() for name in FILES}
