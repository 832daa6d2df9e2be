"""Images, volumes, signals and texts of one's own: read, cached by content, and read again from what is stored."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from supremix.data.own import stored
from supremix.data.own.assemble import Plan
from supremix.data.own.images import _auto_pixels, load_images
from supremix.data.own.layout import Layout
from supremix.data.own.signals import load_signals, read_signal
from supremix.data.own.texts import load_texts
from supremix.data.own.volumes import load_volumes
from supremix.errors import UserError

ROWS = 24
PLAN = Plan({"train": 0.7, "val": 0.15, "test": 0.15}, 0, "standard", "none", "auto", "auto", 16)


def table(folder: Path, column: str, cells: list[str]) -> str:
    """Write a table of cells with a label each; its path."""
    path = folder / "table.csv"
    pd.DataFrame({column: cells, "y": np.linspace(1, 5, len(cells)).round(2)}).to_csv(path, index=False)
    return str(path)


def images(folder: Path):
    from PIL import Image

    for i in range(ROWS):
        pixels = np.random.default_rng(i).integers(0, 255, (12, 9 + i % 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
    path = table(folder, "photo", [f"{i}.png" for i in range(ROWS)])
    load = partial(load_images, input=None, pixels=8, views=None, padding=0, flip=0.0, folder=str(folder / "cache"))
    return path, load, "photo"


def volumes(folder: Path):
    import nibabel as nib

    for i in range(ROWS):
        voxels = np.random.default_rng(i).uniform(1, 100, (6, 7, 8)).astype(np.float32)
        np.save(folder / f"{i}.npy", voxels)
    nib.save(nib.Nifti1Image(voxels, np.diag([2.0, 2, 2, 1])), folder / "0.nii.gz")
    path = table(folder, "scan", ["0.nii.gz", *(f"{i}.npy" for i in range(1, ROWS))])
    load = partial(load_volumes, input=None, side=4, voxel="auto", views=None, folder=str(folder / "cache"))
    return path, load, "scan"


def signals(folder: Path):
    for i in range(ROWS):
        steps = np.random.default_rng(i).normal(3, 2, (10 + i, 2)).round(3)
        if i % 2:
            np.save(folder / f"{i}.npy", steps)
        else:
            pd.DataFrame(steps, columns=["x", "z"]).to_csv(folder / f"{i}.csv", index=False)
    path = table(folder, "record", [f"{i}.{'npy' if i % 2 else 'csv'}" for i in range(ROWS)])
    return path, partial(load_signals, input=None, folder=str(folder / "cache")), "record"


def columns(folder: Path):
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(ROWS, 12)), columns=[f"nm{i}" for i in range(12)])
    frame.loc[2, "nm3"] = np.nan
    frame["y"] = frame["nm1"] + frame["nm2"]
    frame.to_csv(folder / "table.csv", index=False)
    return str(folder / "table.csv"), partial(load_signals, input=None, folder=str(folder / "cache")), "nm1"


def texts(folder: Path):
    words = ["good", "bad", "film", "story", "boring", "bright"]
    vectors = "\n".join(f"{word} {i} {-i} 0.5" for i, word in enumerate(words))
    (folder / "vectors.txt").write_text(vectors + "\n")
    random = np.random.default_rng(0)
    path = table(folder, "review", [" ".join(random.choice(words, 5)) + " !" for _ in range(ROWS)])
    load = partial(load_texts, input=None, vectors=str(folder / "vectors.txt"), folder=str(folder), max_length=4)
    return path, load, "review"


def pairs(folder: Path):
    path, load, _ = texts(folder)
    frame = pd.read_csv(path)
    frame["reply"] = frame["review"][::-1].to_numpy()
    frame.to_csv(path, index=False)
    return path, load, "reply"


def read_again(data, frame, folder):
    """What the stored reader gives for rows of a table."""
    folder.mkdir()
    stored.save_state(folder, stored.state_of(data))
    return stored.restored(stored.load_state(folder)).reader.read(frame)


@pytest.mark.parametrize("kind", [images, volumes, signals, columns, texts, pairs])
def test_rows_are_read_again_as_training_read_them(kind, tmp_path):
    path, load, column = kind(tmp_path)
    data = load(name="own", path=path, layout=Layout("y"), plan=PLAN)
    assert sum(data.sizes.values()) == ROWS
    frame = pd.read_csv(path)
    frame.index = [f"line {i + 2}" for i in range(ROWS)]
    frame.attrs["folder"] = str(tmp_path)
    again = read_again(data, frame.loc[data.test.ids], tmp_path / "run")
    expected = data.to_input(data.test.fetch(np.arange(len(data.test))))
    if isinstance(expected, dict):
        assert again.keys() == expected.keys()
        assert all(torch.equal(again[key], expected[key]) for key in expected)
    else:
        assert torch.equal(again, expected)
    assert torch.isfinite(torch.as_tensor(data.flatten(data.val.fetch(np.arange(len(data.val)))))).all()
    with pytest.raises(UserError, match="the rows have no column"):
        stored.restored(stored.state_of(data)).reader.read(frame.drop(columns=column))


@pytest.mark.parametrize(("sides", "expected"), [([20, 28, 30], 32), ([40, 48, 500], 48), ([300], 64), ([], 64)])
def test_images_keep_the_side_that_most_have_within_limits(tmp_path, sides, expected):
    from PIL import Image

    for side in sides:
        Image.new("L", (side + 9, side)).save(tmp_path / f"{side}.png")
    (tmp_path / "broken.png").write_bytes(b"none")
    assert _auto_pixels([tmp_path / "broken.png", *(tmp_path / f"{side}.png" for side in sides)]) == expected


@pytest.mark.parametrize("kind", [images, volumes, signals])
def test_files_are_decoded_once_and_again_where_they_change(kind, tmp_path):
    path, load, _ = kind(tmp_path)
    load = partial(load, name="own", path=path, layout=Layout("y"), plan=PLAN)
    first = load()
    cached = sorted((tmp_path / "cache").rglob("*.npy"))
    stamps = [file.stat().st_mtime_ns for file in cached]
    assert load().sha256 == first.sha256
    assert [file.stat().st_mtime_ns for file in cached] == stamps
    (tmp_path / "1.png" if kind is images else tmp_path / "1.npy").write_bytes(
        (tmp_path / "3.png" if kind is images else tmp_path / "3.npy").read_bytes()
    )
    assert load().sha256 != first.sha256


@pytest.mark.parametrize("kind", [images, volumes, signals])
def test_files_that_are_gone_or_damaged_are_named_and_left_out(kind, tmp_path):
    path, load, _ = kind(tmp_path)
    ending = "png" if kind is images else "npy"
    (tmp_path / f"1.{ending}").write_bytes(b"nothing")
    (tmp_path / f"3.{ending}").unlink()
    data = load(name="own", path=path, layout=Layout("y"), plan=PLAN)
    assert sum(data.sizes.values()) == ROWS - 2
    gone, damaged = data.extras["problems"]
    assert "no file at the path" in gone
    assert f"line 5 ('3.{ending}')" in gone
    assert "no usable" in damaged
    assert "line 3" in damaged
    assert not {"line 3", "line 5"} & {*data.train.ids, *data.val.ids, *data.test.ids}
    for file in tmp_path.glob(f"*.{ending}"):
        file.unlink()
    for file in tmp_path.glob("*.csv"):
        if file.name != "table.csv":
            file.unlink()
    for file in tmp_path.glob("*.gz"):
        file.unlink()
    with pytest.raises(UserError, match=r"none of the files in .* is there, such as .*: paths count from the table"):
        load(name="own", path=path, layout=Layout("y"), plan=PLAN)


def test_signals_are_scaled_by_the_training_rows(tmp_path):
    path, load, _ = signals(tmp_path)
    data = load(name="own", path=path, layout=Layout("y"), plan=PLAN)
    batch = data.train.fetch(np.arange(len(data.train)))
    steps = torch.cat([x[:, :n] for x, n in zip(batch["x"], batch["length"], strict=True)], dim=1)
    torch.testing.assert_close(steps.mean(1), torch.zeros(2), atol=1e-4, rtol=0)
    torch.testing.assert_close(steps.std(1), torch.ones(2), atol=1e-2, rtol=0)


def test_texts_are_told_apart_by_their_vectors_wherever_these_lie(tmp_path):
    path, load, _ = texts(tmp_path)
    vectors = tmp_path / "vectors.txt"

    def sha256(file):
        return load(name="own", path=path, layout=Layout("y"), plan=PLAN, vectors=str(file)).sha256

    first = sha256(vectors)
    (tmp_path / "elsewhere.txt").write_text(vectors.read_text())
    assert sha256(tmp_path / "elsewhere.txt") == first
    vectors.write_text(vectors.read_text().replace("0.5", "0.25"))
    assert sha256(vectors) != first


@pytest.mark.parametrize("kind", [columns, signals])
def test_what_is_constant_in_training_is_not_blown_up(kind, tmp_path):
    path, load, _ = kind(tmp_path)
    if kind is columns:
        frame = pd.read_csv(path)
        frame["split"] = ["test", "val"] + ["train"] * (ROWS - 2)
        frame["nm0"] = [0.2] + [0.1] * (ROWS - 1)
        frame.to_csv(path, index=False)
    else:
        for file in tmp_path.glob("*.csv"):
            if file.name != "table.csv":
                pd.read_csv(file).assign(x=0.1).to_csv(file, index=False)
        for file in tmp_path.glob("*.npy"):
            signal = np.load(file)
            signal[:, 0] = np.nextafter(np.float32(0.1), np.float32(1)) if file.stem == "1" else np.float32(0.1)
            np.save(file, signal)
    data = load(name="own", path=path, layout=Layout("y"), plan=PLAN)
    for part in (data.train, data.val, data.test):
        first = part.fetch(np.arange(len(part)))["x"][:, 0]
        assert (first[:, 0] if kind is columns else first).abs().max() < 0.11


def test_words_of_other_rows_are_unknown(tmp_path):
    path, load, _ = texts(tmp_path)
    frame = pd.read_csv(path).assign(split=["test", "val"] + ["train"] * (ROWS - 2))
    frame.loc[:1, "review"] = "a good film"
    frame.to_csv(path, index=False)
    with (tmp_path / "vectors.txt").open("a") as file:
        file.write("a 7 7 7\n")
    data = load(name="own", path=path, layout=Layout("y"), plan=PLAN)
    known = data.reader.read(["a good film"])["a"]
    assert known[0, 0] == 0  # "a" stands in no training row
    assert (known[0, 1:] > 0).all()
    assert data.reader.read([None, "film"])["a_length"].tolist() == [1, 1]


def test_new_signals_that_are_no_numbers_as_in_training_are_told(tmp_path):
    path, load, _ = columns(tmp_path)
    reader = load(name="own", path=path, layout=Layout("y"), plan=PLAN).reader
    frame = pd.read_csv(path).astype(str)
    frame.loc[1, "nm5"] = "1,5"
    again, doubts = reader.parsed(frame)
    assert doubts == ["1 steps, such as '1,5': no number as in training, and count as the mean"]
    assert torch.equal(reader.read(again)["x"], reader.read(frame)["x"])
    with pytest.raises(UserError, match="no step of any row is a number as in training, such as '0,12"):
        reader.parsed(frame.map(lambda cell: str(cell).replace(".", ",")))
    with pytest.raises(UserError, match="the model reads rows of a table by their columns: give a DataFrame"):
        reader.read(np.zeros((2, 12)))
    with pytest.raises(UserError, match="column 'nm5' has a number beyond float32: correct it"):
        reader.read(frame.assign(nm5="1e39"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("s.npy", b"", "the file is empty"),
        ("s.txt", "\n".join(f"{i},234" for i in range(9)).encode(), "lines such as '0,234' are one number or two"),
        ("s.txt", b"0.5 1.5\n0.5 nan\n" * 5, "step 2 has a value that is no finite number"),
        ("s.txt", b"0.5 1.5\n0.5 1e39\n" * 5, "step 2 has a value that is no finite number, or beyond float32"),
    ],
)
def test_a_signal_that_cannot_be_told_names_its_fault(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_signal(tmp_path / name, None)
    np.savez(tmp_path / "two.npz", a=np.zeros(9))
    (tmp_path / "two.npz").rename(tmp_path / "two.npy")
    with pytest.raises(ValueError, match="several arrays in one file"):
        read_signal(tmp_path / "two.npy", None)
