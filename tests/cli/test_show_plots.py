"""Plots of a run: in characters, and as pictures in a folder."""

import numpy as np
import pytest

from supremix.cli.main import main
from supremix.cli.text_plots import HEIGHT, bars, scatter
from supremix.metrics.by_label import error_by_label
from tests.running import run_small


def test_errors_are_means_over_equal_ranges_of_the_label():
    y_N, prediction_N = np.array([0.0, 1.0, 9.0, 10.0]), np.array([1.0, 3.0, 9.0, 7.0])
    low, high = error_by_label(y_N, prediction_N, ranges=5)
    assert low == (0.0, 2.0, 2, 1.5)
    assert high == (8.0, 10.0, 2, 1.5)
    (only,) = error_by_label(np.ones(3), np.zeros(3))
    assert (only.rows, only.mae) == (3, 1.0)


def test_a_scatter_has_its_points_where_they_belong():
    title, *lines, axis, ends = scatter([0, 1, 1, 2, np.inf], [0, 5, 5, 10, 1], "y over x")
    assert title == "y over x"
    assert len(lines) == HEIGHT
    assert lines[0].startswith("        10 |")
    assert lines[0].endswith(".")
    assert lines[-1].startswith("         0 |.")
    assert sum(line.count(":") for line in lines) == 1  # two points in one cell
    assert axis.endswith("-" * 60)
    assert ends.split() == ["0", "2"]
    assert scatter([], [], "none")[1] == "  nothing to show"


def test_bars_are_as_long_as_their_values():
    _, one, two = bars([("a", 1.0, "x"), ("bb", 2.0, "y")], "title")
    assert one == "   a #################### 1  x"
    assert two.count("#") == 40


@pytest.mark.whole
@pytest.mark.parametrize("method", ["supremix", "ridge"])
def test_show_plots_in_the_terminal_and_in_a_folder(tmp_path, capsys, method):
    directory, record = run_small(tmp_path, f"method={method}")
    store = ["--store", str(directory.parent)]
    assert main(["show", record["id"], "--plots", *store]) == 0
    said = capsys.readouterr().out
    assert "predicted over true label, 88 test rows" in said
    assert "mean absolute error by label" in said
    assert "test best" in said.partition("predicted over true")[0]
    assert "settings:" not in said
    assert "  GM: geometric mean of the absolute errors" in said
    assert ("  rank: effective rank" in said) == (method == "supremix")  # a reference has no features
    assert ("pretrain: training loss over epochs" in said) == (method == "supremix")
    pytest.importorskip("matplotlib", reason="pip install 'supremix[plots]'")
    assert main(["show", record["id"], "--plots", str(tmp_path / "pictures"), *store]) == 0
    names = {"predicted", "error_by_label"} | ({"curves"} if method == "supremix" else set())
    assert {path.stem for path in (tmp_path / "pictures").iterdir()} == names
