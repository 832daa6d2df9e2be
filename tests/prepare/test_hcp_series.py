"""Tables of series as NumPy, pandas and R write them: labels are no values, and the axis of the parcels is no guess."""

import csv
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from supremix.prepare import hcp_aging
from supremix.prepare.hcp_series import PARCELS, read_series, standardised

T = 40
HEADER, NAMES, INDEX = "header line left out", "column of names left out", "column of an index left out"
ATLAS = [f"7Networks_LH_Vis_{i}" for i in range(PARCELS)]


def series(frames: int = T, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(100, 5, (frames, PARCELS))


def text(frame: pd.DataFrame, **options) -> bytes:
    return frame.to_csv(**options).encode()


def reasons(found) -> list[str]:
    return [doubt.partition(" (")[0] for doubt in found.doubts]


def frame(values: np.ndarray, columns=None, index=None) -> pd.DataFrame:
    return pd.DataFrame(values, columns=columns, index=index)


SECONDS = np.arange(T) * 0.72
IDS = np.random.default_rng(0).permutation(np.arange(2001, 2001 + PARCELS))


@pytest.mark.parametrize("turned", [False, True], ids=["columns", "rows"])
@pytest.mark.parametrize(
    ("columns", "index", "options", "expected"),
    [
        (None, None, {"header": False, "index": False}, []),
        (None, None, {"index": False}, [HEADER]),
        (None, None, {"header": False}, [INDEX]),
        (None, None, {}, [HEADER, INDEX]),
        (None, None, {"index_label": "frame"}, [HEADER, INDEX]),
        (range(1, PARCELS + 1), range(1, T + 1), {}, [HEADER, INDEX]),
        (range(1, PARCELS + 1), None, {"index": False}, [HEADER]),
        (ATLAS, None, {"index": False}, [HEADER]),
        (ATLAS, None, {}, [HEADER, INDEX]),
        (ATLAS, [f"f{t}" for t in range(T)], {}, [HEADER, NAMES]),
        (None, [f"f{t}" for t in range(T)], {"header": False}, [NAMES]),
        (None, SECONDS, {"header": False}, [INDEX]),
        (ATLAS, SECONDS, {}, [HEADER, INDEX]),
        (IDS, None, {"index": False}, [HEADER]),
        (IDS, [*range(20), *range(20)], {}, [HEADER, INDEX]),
        (ATLAS, None, {"quoting": csv.QUOTE_ALL}, [HEADER, INDEX]),
    ],
)
def test_headers_and_indices_of_pandas_are_no_values(turned, columns, index, options, expected):
    values = series()
    table = frame(values, columns, index)
    if turned:
        table = table.T
        options = options.copy()
        for here, there in (("header", "index"), ("index", "header")):
            if here in options and there not in options:
                options[there] = options.pop(here)
                break
    found = read_series(text(table, **options), ".csv", None)
    np.testing.assert_array_equal(found.frames_TP, values)
    assert found.parcels_in == ("rows" if turned else "columns")
    assert len(found.doubts) == len(expected)
    if not turned:
        assert reasons(found) == expected


@pytest.mark.parametrize("suffix", [".tsv", ".txt"])
def test_tabs_spaces_comments_and_a_byte_order_mark(suffix):
    values = series()
    expected = read_series(text(frame(values), header=False, index=False), ".csv", None).frames_TP
    for sep in "\t ":
        for options in ({}, {"header": False, "index": False}, {"index": False}):
            raw = b"\xef\xbb\xbf# made by hand\n\n" + text(frame(values, ATLAS), sep=sep, **options)
            if sep == " " and not options:
                continue  # a corner without a name is no cell between spaces; R's own form is the next test
            np.testing.assert_array_equal(read_series(raw, suffix, None).frames_TP, expected)


def test_tables_of_r_have_no_corner():
    values = series()
    lines = [" ".join(f'"V{i + 1}"' for i in range(PARCELS))]
    lines += [f'"{t + 1}" ' + " ".join(map(str, row)) for t, row in enumerate(values)]
    found = read_series("\n".join(lines).encode(), ".txt", None)
    np.testing.assert_array_equal(found.frames_TP, values)
    assert reasons(found) == [HEADER, NAMES]


@pytest.mark.parametrize("row", [np.arange(PARCELS), np.arange(1, PARCELS + 1), IDS])
def test_labels_in_arrays_are_no_values(row):
    values = series()
    buffer = io.BytesIO()
    np.save(buffer, np.vstack([row, values]))
    found = read_series(buffer.getvalue(), ".npy", None)
    np.testing.assert_array_equal(found.frames_TP, values)
    assert reasons(found) == [HEADER]


def test_whole_numbers_are_values_where_all_are_whole():
    values = series().round()
    found = read_series(text(frame(values), header=False, index=False), ".csv", None)
    np.testing.assert_array_equal(found.frames_TP, values)
    assert found.doubts == []
    assert reasons(read_series(text(frame(values)), ".csv", None)) == [HEADER, INDEX]


def test_an_index_cannot_make_parcels_of_frames():
    """400 frames and an index make 400 × 401 numbers, which are not 401 frames of 400 parcels."""
    values = series(frames=PARCELS)
    raw = text(frame(values), header=False)
    with pytest.raises(ValueError, match=r"cannot be told apart \(400×400 values; --parcels-in states the axis\)"):
        read_series(raw, ".csv", None)
    np.testing.assert_array_equal(read_series(raw, ".csv", "columns").frames_TP, values)
    np.testing.assert_array_equal(read_series(raw, ".csv", "rows").frames_TP, values.T)


@pytest.mark.parametrize(
    ("shape", "parcels_in", "message"),
    [
        ((360, 400), "rows", r"no 400 parcels in rows \(360×400 values\)"),
        ((400, 360), "columns", r"no 400 parcels in columns \(400×360 values\)"),
        ((360, 360), "rows", r"no 400 parcels \(360×360 values\)"),
        ((400, 20), "rows", r"fewer than 32 frames \(20\)"),
    ],
)
def test_a_stated_axis_counts(shape, parcels_in, message):
    raw = text(frame(np.random.default_rng(0).normal(size=shape)), header=False, index=False)
    with pytest.raises(ValueError, match=message):
        read_series(raw, ".csv", parcels_in)


@pytest.mark.parametrize("raw", [b"1,2\n3\n", b"a,b\nc,d\n", b"\xff\xfe\x00", b"x\n", b"# only\n", b"1;2;3\n4;5;6\n"])
def test_what_is_no_table_is_refused_by_name(raw):
    with pytest.raises(ValueError, match=r"not readable as a table of numbers|no 400 parcels"):
        read_series(raw, ".csv", None)


def test_a_short_row_under_names_is_refused():
    lines = text(frame(series(), ATLAS, [f"f{t}" for t in range(T)])).decode().splitlines()
    lines[5] += ",7"
    with pytest.raises(ValueError, match="rows of other lengths than 401"):
        read_series("\n".join(lines).encode(), ".csv", None)


# ---- values


@pytest.mark.parametrize(
    ("scale", "refused"), [(1e30, False), (1e39, True), (1e200, True), (1e-30, False), (1e-45, True)]
)
def test_values_beyond_single_precision_are_refused_by_name(scale, refused):
    values = series() - 100
    values[:, 7] *= scale
    if refused:
        with pytest.raises(ValueError, match=r"values beyond single precision \(the first: parcel 8\)"):
            standardised(values)
    else:
        np.testing.assert_allclose(standardised(values), standardised(series() - 100), atol=1e-5)


@pytest.mark.parametrize("level", [1.0, 1e-20, -1e6])
def test_parcels_that_differ_by_rounding_alone_are_constant(level):
    values = series() - 100
    values[:, 3] = level * (1 + 1e-8 * np.random.default_rng(1).normal(size=T))
    with pytest.raises(ValueError, match=r"constant parcels \(1 of 400: 4\)"):
        standardised(values)
    values[:, 3] = level * (1 + 1e-4 * np.random.default_rng(1).normal(size=T))
    assert standardised(values)[:, 3].std() == pytest.approx(1, abs=1e-4)


# ---- a cohort


def cohort(folder: Path, shapes: list[tuple[int, int]]) -> list[str]:
    source = folder / "raw"
    source.mkdir()
    for i, shape in enumerate(shapes):
        np.save(source / f"s{i}.npy", np.random.default_rng(i).normal(size=shape))
    rows = "".join(f"s{i},{40 + i}\n" for i in range(len(shapes)))
    (source / "ages.csv").write_text("subject,age\n" + rows)
    return ["--source", str(source), "--out", str(folder / "out"), "--workers", "1"]


def report(folder: Path) -> list[tuple[str, str, str]]:
    lines = csv.DictReader((folder / "out" / "hcp_aging" / "report.csv").open())
    return [(line["id"], line["action"], line["reason"]) for line in lines]


@pytest.mark.parametrize(
    "shapes",
    [
        [(360, 400)] * 4,  # of 360 frames, or of another atlas
        [(400, 200)] * 4,
        [(400, 50), (400, 60), (400, 70), (360, 400)],  # one file lies the other way
        [(50, 400), (60, 400), (70, 400), (400, 1000)],
    ],
)
def test_a_matrix_that_may_be_of_another_atlas_is_refused_until_the_axis_is_stated(tmp_path, capsys, shapes):
    arguments = cohort(tmp_path, shapes)
    assert hcp_aging.main(arguments) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert line.endswith("state the axis with --parcels-in rows or --parcels-in columns")
    axis = "rows" if shapes[0][0] == 400 else "columns"
    assert hcp_aging.main([*arguments, "--parcels-in", axis]) == 0
    right = [shape for shape in shapes if shape[axis == "columns"] == 400]
    expected = [("s3", "dropped", f"no 400 parcels in {axis}")] if len(right) < len(shapes) else []
    assert report(tmp_path) == expected


@pytest.mark.parametrize(
    "shapes",
    [
        [(50, 400)] * 4,  # of no common atlas
        [(400, 360), (400, 200), (400, 1000)],  # lengths differ along the columns, so these are time
        [(478, 400)] * 3,
    ],
)
def test_what_cannot_be_another_atlas_needs_no_statement(tmp_path, shapes):
    assert hcp_aging.main(cohort(tmp_path, shapes)) == 0
    assert report(tmp_path) == []


def test_a_file_that_lies_the_other_way_is_listed(tmp_path):
    assert hcp_aging.main(cohort(tmp_path, [(50, 400), (60, 400), (400, 70), (80, 400)])) == 0
    assert report(tmp_path) == [("s2", "kept", "parcels in rows, in most files in columns")]


def test_labels_left_out_are_in_the_report(tmp_path):
    arguments = cohort(tmp_path, [(50, 400)] * 4)
    (tmp_path / "raw" / "s1.npy").unlink()
    frame(series()).to_csv(tmp_path / "raw" / "s1.csv")
    assert hcp_aging.main(arguments) == 0
    assert report(tmp_path) == [("s1", "kept", HEADER), ("s1", "kept", INDEX)]
    stored = np.load(tmp_path / "out" / "hcp_aging" / "frames-0000.npy")[50 : 50 + T]
    np.testing.assert_array_equal(stored, standardised(series()))


def test_another_axis_is_another_setting(tmp_path, capsys):
    arguments = cohort(tmp_path, [(50, 400)] * 4)
    assert hcp_aging.main(arguments) == 0
    assert hcp_aging.main([*arguments, "--parcels-in", "columns"]) == 1
    assert "made from another source or with other settings" in capsys.readouterr().err
