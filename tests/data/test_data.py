"""The data contract, the split, and loading a prepared table: good, damaged and changed folders."""

import hashlib
import json
import pickle
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from supremix.data import tabular
from supremix.data.check import check_trainable
from supremix.data.dataset import Data, Split, TargetScale
from supremix.data.splits import draw_split
from supremix.errors import UserError

N = 12
SIZES = {"train": 8, "val": 2, "test": 2}
FEATURES = ["chord_m", "velocity_m_s", "constant"]


def table() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    x = np.column_stack([rng.normal(5, 2, N), rng.normal(-300, 40, N), np.full(N, 0.1)])
    return x, rng.uniform(100, 140, N).round(3)


def seal(folder: Path, **changes) -> None:
    """Write meta.json for what the folder holds, as the format prescribes."""
    sums = {f: hashlib.sha256((folder / f).read_bytes()).hexdigest() for f in ("manifest.csv", "features.npy")}
    meta = {"name": "toy", "format": 1, "rows": N, "features": FEATURES, "label": "dB", "synthetic": True}
    meta |= {"source": {"file": "toy.dat", "sha256": "0" * 64, "url": ""}, "sha256": sums} | changes
    (folder / "meta.json").write_text(json.dumps(meta))


def write_folder(folder: Path, split: list[str] | None = None) -> Path:
    x, y = table()
    folder.mkdir()
    rows = [f"toy-{i + 1},{float(y[i])!r}" + (f",{split[i]}" if split else "") for i in range(N)]
    header = "id,label,split" if split else "id,label"
    (folder / "manifest.csv").write_text("\n".join([header, *rows, ""]))
    np.save(folder / "features.npy", x)
    seal(folder)
    return folder


@pytest.fixture
def folder(tmp_path) -> Path:
    return write_folder(tmp_path / "toy")


def load(folder: Path, **changes) -> Data:
    settings = {"name": "toy", "sizes": SIZES, "split_seed": 0, "scaling": "raw", "bin_size": 1.0}
    return tabular.load_table(folder, **settings | changes)


def whole(data: Data) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """ids, y and x of all splits, in the manifest's order."""
    splits = [data.train, data.val, data.test]
    ids = np.concatenate([s.ids for s in splits])
    order = np.argsort([int(i.split("-")[1]) for i in ids])
    x = torch.cat([s.fetch(np.arange(len(s))) for s in splits]).numpy()
    return ids[order], np.concatenate([s.y for s in splits])[order], x[order]


# ---- contract


def test_label_bins_round_halves_up_despite_float_noise():
    data = make_data(bin_size=0.1)
    y = np.array([0.15, 0.25, 0.35, 1.45, 0.1499, 4.2 - 0.05, -0.05, 0.3])
    np.testing.assert_allclose(data.label_bins(y), [0.2, 0.3, 0.4, 1.5, 0.1, 4.2, 0.0, 0.3], atol=1e-12)
    assert make_data(bin_size=1.0).label_bins(np.array([126.5, 125.499])).tolist() == [127.0, 125.0]


def test_label_bins_without_a_bin_size_are_the_labels():
    y = np.array([0.123, 4.56])
    np.testing.assert_array_equal(make_data(bin_size=None).label_bins(y), y)


def make_data(bin_size: float | None = None, y: tuple[float, ...] = (3.0, 1.5, 7.25)) -> Data:
    split = Split(np.array(["a", "b", "c"]), np.array(y), lambda index: torch.zeros(len(index), 1))
    return Data("toy", split, split, split, bin_size, TargetScale(0.0, 1.0), {"in_features": 1}, "0", True)


def test_label_range_is_of_unrounded_training_labels():
    assert make_data(bin_size=5.0).label_range == 5.75
    assert make_data(y=(2.0, 2.0, 2.0)).label_range == 1.0


def test_target_scale_decodes_what_it_encodes():
    scale = TargetScale(mean=120.0, std=4.0)
    y = np.array([100.0, 120.0, 128.0])
    np.testing.assert_allclose(scale.encode(y), [-5, 0, 2])
    np.testing.assert_allclose(scale.decode(scale.encode(y)), y)


def test_user_error_is_one_line():
    assert str(UserError("file: broken\nhere:\r\nmend it")) == "file: broken here: mend it"


# ---- splits


def test_split_covers_every_row_once():
    rows = draw_split(1503, {"train": 1203, "val": 150, "test": 150}, split_seed=3)
    assert {split: len(part) for split, part in rows.items()} == {"train": 1203, "val": 150, "test": 150}
    assert sorted(np.concatenate(list(rows.values()))) == list(range(1503))
    assert all(part.dtype == np.int64 and (np.diff(part) > 0).all() for part in rows.values())


def test_split_is_settled_by_its_seed():
    assert draw_split(N, SIZES, 0)["test"].tolist() == draw_split(N, SIZES, 0)["test"].tolist()
    sizes = {"train": 800, "val": 100, "test": 100}
    assert len({tuple(draw_split(1000, sizes, seed)["test"]) for seed in range(9)}) == 9


def test_split_of_seed_0_never_changes():
    # Published runs rest on it: a change here changes every recorded result.
    rows = {split: part.tolist() for split, part in draw_split(N, SIZES, 0).items()}
    assert rows == {"train": [0, 1, 2, 4, 5, 6, 8, 10], "val": [7, 9], "test": [3, 11]}


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"train": 8, "val": 2, "test": 3}, "sum to 13, but the data has 12 rows"),
        ({"train": 10, "val": 2, "test": 0}, "test=0"),
        ({"train": 13, "val": -2, "test": 1}, "val=-2"),
        ({"train": 8.0, "val": 2, "test": 2}, "train=8.0"),
        ({"train": 10, "test": 2}, "give exactly train, val and test"),
    ],
)
def test_sizes_that_do_not_fit(sizes, message):
    with pytest.raises(UserError, match=message):
        draw_split(N, sizes, 0)


# ---- a good folder


def test_raw_loads_what_the_folder_holds(folder):
    data = load(folder)
    x, y = table()
    ids, loaded_y, loaded_x = whole(data)
    assert ids.tolist() == [f"toy-{i + 1}" for i in range(N)]
    np.testing.assert_array_equal(loaded_y, y)
    assert loaded_y.dtype == np.float64
    np.testing.assert_array_equal(loaded_x, x.astype(np.float32))
    assert data.target == TargetScale(0.0, 1.0)
    assert data.sizes == SIZES
    assert len(data.val) == 2
    assert data.input_spec == {"in_features": 3}
    assert (data.name, data.synthetic, data.bin_size) == ("toy", True, 1.0)


def test_fetch_takes_the_rows_asked_for_and_can_be_pickled(folder):
    split = load(str(folder)).train
    everything = split.fetch(np.arange(len(split)))
    assert everything.dtype == torch.float32
    fetch = pickle.loads(pickle.dumps(split.fetch))
    torch.testing.assert_close(fetch(np.array([5, 0, 5])), everything[[5, 0, 5]], rtol=0, atol=0)


def test_standard_scales_by_training_rows_only(folder):
    data = load(folder, scaling="standard")
    raw = load(folder)
    x_train = raw.train.fetch(np.arange(8)).double().numpy()
    mean, std = x_train.mean(axis=0), x_train.std(axis=0)
    std[2] = 1
    for split in ("train", "val", "test"):
        scaled, plain = getattr(data, split), getattr(raw, split)
        rows = np.arange(len(plain))
        expected = (plain.fetch(rows).numpy() - mean) / std
        np.testing.assert_allclose(scaled.fetch(rows).numpy(), expected, atol=1e-4)
        np.testing.assert_array_equal(scaled.y, plain.y)  # labels stay in their units
    assert (data.train.fetch(np.arange(8))[:, 2] == 0).all()
    assert data.target.mean == pytest.approx(raw.train.y.mean())
    assert data.target.std == pytest.approx(raw.train.y.std())
    assert data.label_range == raw.label_range


def test_standard_does_not_scale_up_what_rounding_leaves(tmp_path):
    folder = write_folder(tmp_path / "toy")
    x_NF = np.load(folder / "features.npy")
    x_NF[:, 1] = [0.3, 0.1 + 0.2] * (len(x_NF) // 2)
    x_NF[:, 2] = 1e6 * (1 + np.arange(len(x_NF)) * 1e-9)  # small differences, and yet more than rounding
    np.save(folder / "features.npy", x_NF)
    seal(folder)
    train = load(folder, scaling="standard").train
    scaled = train.fetch(np.arange(len(train))).numpy()
    assert np.abs(scaled[:, 1]).max() < 1e-15
    assert scaled[:, 2].std() == pytest.approx(1)


def test_split_column_settles_the_split(tmp_path):
    column = ["test", "train", "val"] + ["train"] * 9
    folder = write_folder(tmp_path / "toy", column)
    for seed in (0, 1):
        data = load(folder, sizes=None, split_seed=seed)
        assert data.test.ids.tolist() == ["toy-1"]
        assert data.val.ids.tolist() == ["toy-3"]
        assert len(data.train) == 10
    assert load(folder, sizes={"train": 10, "val": 1, "test": 1}).sizes == data.sizes
    with pytest.raises(UserError, match="split column disagrees with"):
        load(folder, sizes=SIZES)


def test_sha256_follows_the_content_alone(folder, tmp_path):
    original = load(folder)
    moved = Path(shutil.copytree(folder, tmp_path / "moved"))
    assert load(moved, split_seed=5, scaling="standard", name="other").sha256 == original.sha256
    x, _ = table()
    x[0, 0] += 1e-9
    np.save(moved / "features.npy", x)
    seal(moved)
    changed = load(moved).sha256
    assert changed != original.sha256
    edit(moved, "toy-1,", "toy-01,")
    seal(moved)
    assert load(moved).sha256 not in (original.sha256, changed)


def test_diabetes():
    sizes = {"train": 300, "val": 71, "test": 71}
    data = tabular.diabetes(name="diabetes", sizes=sizes, split_seed=0, scaling="standard", bin_size=5.0)
    assert data.sizes == sizes
    assert data.input_spec == {"in_features": 10}
    assert not data.synthetic
    x = data.train.fetch(np.arange(300))
    torch.testing.assert_close(x.mean(dim=0), torch.zeros(10), atol=1e-5, rtol=0)
    torch.testing.assert_close(x.std(dim=0, correction=0), torch.ones(10), atol=1e-5, rtol=0)
    assert data.target.std == pytest.approx(data.train.y.std())
    ids = np.concatenate([data.train.ids, data.val.ids, data.test.ids])
    assert len(set(ids)) == 442
    again = tabular.diabetes(name="diabetes", sizes=sizes, split_seed=1, scaling="raw", bin_size=None)
    assert again.sha256 == data.sha256
    assert again.train.ids.tolist() != data.train.ids.tolist()
    assert again.train.fetch([0])[0, 0] > 18  # an age in years, not a standardised one


# ---- damaged folders: each message names the file and the place


def edit(folder: Path, old: str, new: str, file: str = "manifest.csv") -> None:
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1))


def label_of(row: int) -> str:
    return f"toy-{row},{float(table()[1][row - 1])!r}"


def fails(folder: Path, *parts: str, **changes) -> None:
    with pytest.raises(UserError) as caught:
        load(folder, **changes)
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


@pytest.mark.parametrize("bad", ["nan", "NaN", "inf", "", "12 dB", "1e39"])
def test_label_that_is_no_number(folder, bad):
    edit(folder, label_of(7), f"toy-7,{bad}")
    seal(folder)
    (folder / "features.npy").write_bytes(b"unread: labels come first")
    fails(folder, "manifest.csv", "row 7", "'toy-7'", repr(bad))


def test_bad_label_tells_more_than_a_wrong_sum(folder):
    edit(folder, label_of(7), "toy-7,nan")
    fails(folder, "row 7", "'toy-7'")


def test_duplicate_id(folder):
    edit(folder, "toy-9,", "toy-3,")
    seal(folder)
    fails(folder, "manifest.csv", "'toy-3'", "row 3", "row 9")


def test_missing_id(folder):
    edit(folder, "toy-9,", ",")
    fails(folder, "manifest.csv", "row 9 has no id")


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("id,label", "id,age", "no column label"),
        ("id,label", "name,label", "no column id"),
        ("id,label", "label,label", "column 'label' occurs twice"),
        (label_of(4), "toy-4", "row 4 has 1 fields"),
        (label_of(4), label_of(4) + ",7", "row 4 has 3 fields"),
        (label_of(4) + "\n", "", "11 rows, but meta.json says 12"),
        ("id,label", '"id,label', "not readable as CSV"),
    ],
)
def test_manifest_of_the_wrong_form(folder, old, new, part):
    edit(folder, old, new)
    seal(folder)
    fails(folder, "manifest.csv", part)


def test_manifest_that_is_no_text(folder):
    (folder / "manifest.csv").write_bytes(b"\xff\xfe\x00")
    fails(folder, "manifest.csv", "not readable as CSV")


@pytest.mark.parametrize("content", ["", "id,label\n"])
def test_manifest_without_rows(folder, content):
    (folder / "manifest.csv").write_text(content)
    fails(folder, "manifest.csv")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e39])
def test_feature_that_is_no_number(folder, bad):
    x, _ = table()
    x[4, 1] = bad
    np.save(folder / "features.npy", x)
    seal(folder)
    fails(folder, "features.npy", "row 5", "'velocity_m_s'", str(bad))


def test_features_cut_anywhere(folder):
    content = (folder / "features.npy").read_bytes()
    for length in (0, 5, 9, 60, 127, 128, 200, len(content) - 1):
        (folder / "features.npy").write_bytes(content[:length])
        fails(folder, "features.npy", "truncated")


def test_features_with_any_header_byte_flipped(folder):
    content = bytearray((folder / "features.npy").read_bytes())
    for i in range(128):
        flipped = content.copy()
        flipped[i] ^= 0x15
        (folder / "features.npy").write_bytes(flipped)
        fails(folder, "features.npy")


@pytest.mark.parametrize(
    ("array", "part"),
    [
        (table()[0][:11], "float64 (11, 3)"),
        (table()[0][:, :2], "float64 (12, 2)"),
        (table()[0].astype(np.float32), "float32 (12, 3)"),
        (table()[0].ravel(), "float64 (36,)"),
    ],
)
def test_features_of_another_form(folder, array, part):
    np.save(folder / "features.npy", array)
    seal(folder)
    fails(folder, "features.npy", part, "expected float64 (12, 3)")


class Payload:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_pickled_features_are_not_executed(folder):
    (folder / "features.npy").write_bytes(pickle.dumps(Payload(folder / "executed")))
    seal(folder)
    fails(folder, "features.npy", "not a .npy file")
    assert not (folder / "executed").exists()


@pytest.mark.parametrize("file", ["manifest.csv", "features.npy", "meta.json"])
def test_missing_file(folder, file):
    (folder / file).unlink()
    fails(folder, file, "missing", f"write {folder} anew, as README.md says")


def test_missing_folder(tmp_path):
    fails(tmp_path / "uci_airfoil", f"run `supremix prepare uci_airfoil --out {tmp_path}`")


def test_changed_features(folder):
    x, _ = table()
    x[3, 0] += 1
    np.save(folder / "features.npy", x)
    fails(folder, "features.npy", "SHA-256", "changed after preparation")


def test_changed_label(folder):
    edit(folder, label_of(2), "toy-2,131.0")
    fails(folder, "manifest.csv", "SHA-256")


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"format": 2}, "format 2"),
        ({"rows": "12"}, "rows"),
        ({"synthetic": None}, "synthetic"),
        ({"sha256": None}, "sha256"),
        ({"features": None}, "features"),
        ({"features": ["chord_m"]}, "expected float64 (12, 1)"),
        ({"sha256": {"manifest.csv": "0"}}, "SHA-256"),
        ({"sha256": {}}, "SHA-256"),
    ],
)
def test_meta_of_the_wrong_form(folder, changes, part):
    seal(folder, **changes)
    fails(folder, part)


@pytest.mark.parametrize("content", ["{", "[]", '{"format": 1'])
def test_meta_that_is_no_json_object(folder, content):
    (folder / "meta.json").write_text(content)
    fails(folder, "meta.json")


# ---- impossible settings


def test_no_split_at_all(folder):
    fails(folder, "no split column", "dataset.load.sizes", sizes=None)


@pytest.mark.parametrize(
    ("column", "parts"),
    [
        (["train"] * 11 + ["val"], ("no row has the split test",)),
        (["train"] * 10 + ["val", "Test"], ("row 12", "'toy-12'", "'Test'")),
    ],
)
def test_bad_split_column(tmp_path, column, parts):
    fails(write_folder(tmp_path / "toy", column), "manifest.csv", *parts, sizes=None)


def test_single_training_label(tmp_path):
    folder = write_folder(tmp_path / "toy", ["train", "val", "test"] + ["val"] * 9)
    fails(folder, "toy: all 1 training rows have the label", sizes=None)


def test_bin_that_swallows_every_label(folder):
    fails(folder, "bin_size=1000", "one bin", bin_size=1000.0)


@pytest.mark.parametrize("split", ["train", "val", "test"])
@pytest.mark.parametrize(("label", "bin_size"), [(1e16, 1.0), (-1e300, 1.0), (1.0, 1e-16), (5.0, 5e-324)])
def test_a_label_that_no_bin_number_holds_is_refused(split, label, bin_size):
    parts = {name: Split(np.array(["a", "b"]), np.array([0.0, bin_size]), lambda index_B: index_B) for name in SIZES}
    parts[split] = Split(np.array(["a", "b"]), np.array([0.0, label]), lambda index_B: index_B)
    data = Data("toy", **parts, bin_size=bin_size, target=TargetScale(0, 1), input_spec={}, sha256="0", synthetic=True)
    said = rf"toy: bin_size={bin_size:g}: label {re.escape(f'{label:g}')} is 2\^50 or more bins from 0, .* choose"
    with pytest.raises(UserError, match=said):
        check_trainable(data)
    with pytest.raises(UserError, match=said):
        data.label_bins(parts[split].y)


def test_bins_are_exact_up_to_where_they_are_refused():
    numbers = np.array([2.0**50 - 1, 2.0**50 - 2, 1 - 2.0**50])
    np.testing.assert_array_equal(make_data(bin_size=1.0).label_bins(numbers), numbers)


@pytest.mark.parametrize("bin_size", [0.0, -1.0, float("nan"), float("inf")])
def test_bin_size_that_is_no_width(folder, bin_size):
    fails(folder, f"bin_size={bin_size}", bin_size=bin_size)


def test_unknown_scaling(folder):
    fails(folder, "scaling='minmax'", "raw, standard", scaling="minmax")
    fitting = {"train": 342, "val": 50, "test": 50}
    with pytest.raises(UserError, match="scaling='minmax'"):
        tabular.diabetes(name="diabetes", sizes=fitting, split_seed=0, scaling="minmax", bin_size=None)
