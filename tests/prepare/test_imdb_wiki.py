"""data_prep/imdb_wiki.py: filters, ages and split of IMDB-WIKI, and what becomes of damaged archives."""

import csv
import datetime
import io
import random
import shutil
import subprocess
import sys
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from supremix.data.raw.pictures import decode
from supremix.prepare import imdb_wiki
from supremix.prepare.imdb_wiki import Entry
from supremix.prepare.shared.face_csv import read_rows
from tests.prepare.raw_faces import jpeg

PIXELS = 12
NAN = float("nan")


def day(year: int, month: int, day_: int) -> int:
    """MATLAB's day number."""
    return datetime.date(year, month, day_).toordinal() + 366


def cells(texts: list[str]) -> np.ndarray:
    array = np.empty((1, len(texts)), dtype=object)
    array[0, :] = texts
    return array


def metadata(part: str, shots: list[tuple[str, int, int, float, float]]) -> bytes:
    """A .mat of (path, day of birth, year taken, score, second score)."""
    paths, births, taken, scores, seconds = zip(*shots, strict=True)
    table = {
        "dob": np.array([births], dtype=np.int32),
        "photo_taken": np.array([taken], dtype=np.uint16),
        "full_path": cells(list(paths)),
        "gender": np.ones((1, len(shots))),
        "name": cells(["x"] * len(shots)),
        "face_score": np.array([scores]),
        "second_face_score": np.array([seconds]),
    }
    file = io.BytesIO()
    savemat(file, {part: table})
    return file.getvalue()


def good_shots(part: str, count: int) -> list[tuple[str, int, int, float, float]]:
    """Three of each age from 30, so that the rule gives one each to train, val and test."""
    return [
        (f"{i % 3:02d}/{part}{i}_1950-1-1_{1980 + i // 3}.jpg", day(1950, 1, 1), 1980 + i // 3, 2.0, NAN)
        for i in range(count)
    ]


def write_part(folder: Path, part: str, shots, missing=()) -> None:
    """Write <part>_crop.tar, with an image for each shot but the missing ones."""
    with tarfile.open(folder / f"{part}_crop.tar", "w") as archive:
        for name, content in [
            (f"{part}_crop/{part}.mat", metadata(part, shots)),
            *((f"{part}_crop/{shot[0]}", jpeg(i)) for i, shot in enumerate(shots) if i not in missing),
        ]:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


@pytest.fixture
def source(tmp_path) -> Path:
    folder = tmp_path / "data" / "imdb_wiki"
    folder.mkdir(parents=True)
    write_part(folder, "imdb", good_shots("imdb", 9))
    write_part(folder, "wiki", good_shots("wiki", 6))
    return folder


@pytest.fixture
def main(tmp_path, capsys):
    """Run the command line; returns status, stdout, stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        fixed = ["--data", tmp_path / "data", "--out", tmp_path / "out", "--pixels", PIXELS, "--workers", 1]
        status = imdb_wiki.main([str(argument) for argument in [*fixed, *arguments]])
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "out" / "imdb_wiki"


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_prepared_folder(source, main, folder):
    status, out, err = main()
    assert (status, err) == (0, "")
    assert "train/val/test: 5/5/5; the paper's table 12: 191509/11022/11022: differ" in out
    manifest = read_csv(folder / "manifest.csv")
    assert [row["id"] for row in manifest[:2]] == [
        "imdb_crop/00/imdb0_1950-1-1_1980.jpg",
        "imdb_crop/01/imdb1_1950-1-1_1980.jpg",
    ]
    assert [float(row["label"]) for row in manifest] == [30.0 + i // 3 for i in [*range(9), *range(6)]]
    faces = np.load(folder / "faces.npy")
    for i in range(9):
        np.testing.assert_array_equal(faces[i], decode(jpeg(i), PIXELS))
    for i in range(6):
        np.testing.assert_array_equal(faces[9 + i], decode(jpeg(i), PIXELS))
    table = read_csv(folder / "imdb_wiki.csv")
    assert [(row["path"], row["split"]) for row in table] == [(row["id"], row["split"]) for row in manifest]


@pytest.mark.parametrize(
    ("born", "taken", "age"),
    [
        (723671, 2009, 28),  # 1981-05-05, the data's own example of a day number
        (day(1980, 6, 30), 2000, 20),
        (day(1980, 7, 1), 2000, 19),  # in mid-year not yet 20
        (day(1980, 12, 31), 2000, 19),
        (day(1990, 1, 1), 1980, -10),  # uint16 must not wrap around
        (0, 2000, 1999),
        (NAN, 2000, None),
        (10**9, 2000, None),
    ],
)
def test_age(born, taken, age):
    assert imdb_wiki.age_of(np.float64(born), np.uint16(taken)) == age


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (Entry("a", 30, 1.0, NAN), None),
        (Entry("a", 30, 9.5, 0.0), None),
        (Entry("a", 0, 2.0, NAN), None),
        (Entry("a", 186, 2.0, NAN), None),  # wrong, but in the paper's data
        (Entry("a", 200, 2.0, NAN), None),
        (Entry("a", 201, 2.0, NAN), "age missing or out of range"),
        (Entry("a", -1, 2.0, NAN), "age missing or out of range"),
        (Entry("a", None, 2.0, NAN), "age missing or out of range"),
        (Entry("a", 30, 0.999, NAN), "face score too low"),
        (Entry("a", 30, -float("inf"), NAN), "face score too low"),
        (Entry("a", 30, NAN, NAN), "face score too low"),
        (Entry("a", 30, 2.0, 1.5), "a second face"),
    ],
)
def test_filters(entry, reason):
    kept, findings = imdb_wiki.usable([entry])
    assert [finding.reason for finding in findings] == ([] if reason is None else [reason])
    assert kept == ([(entry.path, entry.age)] if reason is None else [])


def test_split_is_the_published_rule():
    """The rule as its authors state it, over a table of paths and ages, spelt out again."""
    rng = np.random.default_rng(0)
    ages = np.concatenate([np.full(600, 40), np.full(2, 41), np.full(7, 0), np.full(9, 150), rng.integers(20, 60, 900)])
    kept = [(f"imdb_crop/{i}.jpg", int(age)) for i, age in enumerate(rng.permutation(ages))]
    random.seed(666)
    val: list[str] = []
    test: list[str] = []
    for value in range(121):
        paths = np.array([path for path, age in kept if age == value], dtype=object)
        random.shuffle(paths)
        size = min(len(paths) // 3, 150)
        val += list(paths[:size])
        test += list(paths[size : 2 * size])
    rows = imdb_wiki.draw_rows(kept)
    assert [(row.path, row.age) for row in rows] == [(path, float(age)) for path, age in kept]
    assert {row.path for row in rows if row.split == "val"} == set(val)
    assert {row.path for row in rows if row.split == "test"} == set(test)
    of_40 = Counter(row.split for row in rows if row.age == 40)
    assert of_40["val"] == of_40["test"] == 150
    assert {row.split for row in rows if row.age == 150} == {"train"}


def test_what_is_left_out_is_named(source, main, folder):
    shots = good_shots("imdb", 12)
    shots += [
        ("77/low_1950-1-1_1990.jpg", day(1950, 1, 1), 1990, 0.5, NAN),
        ("77/none_1950-1-1_1990.jpg", day(1950, 1, 1), 1990, -float("inf"), NAN),
        ("77/two_1950-1-1_1990.jpg", day(1950, 1, 1), 1990, 3.0, 2.0),
        ("77/early_1950-1-1_1940.jpg", day(1950, 1, 1), 1940, 3.0, NAN),
        ("77/undated_0-0-0_1990.jpg", 0, 1990, 3.0, NAN),
        shots[0],
    ]
    write_part(source, "imdb", shots, missing=[4])
    status, out, err = main()
    assert (status, err) == (0, "")
    reasons = [(line["file"], line["reason"]) for line in read_csv(folder / "report.csv")]
    assert reasons == [
        ("imdb_crop/77/low_1950-1-1_1990.jpg", "face score too low"),
        ("imdb_crop/77/none_1950-1-1_1990.jpg", "face score too low"),
        ("imdb_crop/77/two_1950-1-1_1990.jpg", "a second face"),
        ("imdb_crop/77/early_1950-1-1_1940.jpg", "age missing or out of range"),
        ("imdb_crop/77/undated_0-0-0_1990.jpg", "age missing or out of range"),
        (f"imdb_crop/{shots[0][0]}", "listed twice"),
        (f"imdb_crop/{shots[4][0]}", "missing file"),
    ]
    assert "2 dropped: face score too low" in out
    assert len(read_csv(folder / "manifest.csv")) == 12 - 1 + 6


def test_unpacked_folders_give_the_same_as_tars(source, main, folder):
    assert main()[0] == 0
    packed = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "stamps.json"}
    shutil.rmtree(folder)
    for part in ("imdb", "wiki"):
        with tarfile.open(source / f"{part}_crop.tar") as archive:
            archive.extractall(source, filter="data")
        (source / f"{part}_crop.tar").unlink()
    assert main()[0] == 0
    (folder / "stamps.json").unlink()  # of the raw files' own times
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == packed


@pytest.mark.parametrize("option", [True, False])
def test_given_split(source, main, folder, tmp_path, option):
    shots = [f"imdb_crop/{shot[0]}" for shot in good_shots("imdb", 9)]
    lines = ["age,path,split", *(f"{30 + i // 3},{path},train" for i, path in enumerate(shots))]
    lines[3] = f"99,{shots[2]},val"
    lines[4] = f"31,{shots[3]},test"
    lines += ["40,imdb_crop/88/nobody.jpg,train", f"nan,wiki_crop/{good_shots('wiki', 1)[0][0]},test"]
    path = (tmp_path if option else source) / "imdb_wiki.csv"
    path.write_text("\n".join([*lines, ""]))
    status, out, _ = main(*(["--split-csv", path] if option else []))
    assert status == 0
    assert "split: as in imdb_wiki.csv" in out
    assert "train/val/test: 7/1/1" in out
    assert [(line["file"], line["action"], line["reason"]) for line in read_csv(folder / "report.csv")] == [
        (f"wiki_crop/{good_shots('wiki', 1)[0][0]}", "dropped", "age missing or out of range"),
        (shots[2], "kept", "another age in the metadata"),
        ("imdb_crop/88/nobody.jpg", "kept", "in the csv, but not through the filters"),
        ("imdb_crop/88/nobody.jpg", "dropped", "missing file"),
    ]
    assert read_csv(folder / "manifest.csv")[2]["label"] == "99.0"


def test_written_table_gives_the_same_split_again(source, main, folder, tmp_path):
    assert main()[0] == 0
    assert main("--split-csv", folder / "imdb_wiki.csv", "--source", source, "--name", "again")[0] == 0
    again = folder.with_name("again")
    for file in ("faces.npy", "manifest.csv", "imdb_wiki.csv"):
        assert (again / file).read_bytes() == (folder / file).read_bytes()
    rows, findings = read_rows(folder / "imdb_wiki.csv", imdb_wiki.AGES)
    assert (len(rows), findings) == (15, [])


def shorten(bytes_: int):
    """Cut the archive this many bytes behind the start of its last image's 512-byte blocks."""

    def cut(source: Path) -> None:
        path = source / "imdb_crop.tar"
        with tarfile.open(path) as archive:
            start = archive.getmembers()[-1].offset_data
        path.write_bytes(path.read_bytes()[: start + bytes_])

    return cut


def spoil_metadata(source: Path) -> None:
    raw = bytearray((source / "imdb_crop.tar").read_bytes())
    raw[512 + 200 : 512 + 900] = bytes(700)
    (source / "imdb_crop.tar").write_bytes(raw)


def without_metadata(source: Path) -> None:
    with tarfile.open(source / "imdb_crop.tar", "w") as archive:
        entry = tarfile.TarInfo("imdb_crop/00/x.jpg")
        archive.addfile(entry, io.BytesIO())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda source: (source / "wiki_crop.tar").unlink(),
            "wiki_crop.tar: not there: get it from https://data.vision",
        ),
        (lambda source: (source / "imdb_crop.tar").write_bytes(b""), "imdb_crop.tar: damaged or not a"),
        (lambda source: (source / "imdb_crop.tar").write_text("<html>" * 200), "imdb_crop.tar: damaged or not a"),
        (shorten(-(-len(jpeg(8)) // 512) * 512), "truncated: its end mark is missing"),
        (shorten(300), "imdb_crop.tar: damaged or not a"),
        (shorten(-300), "imdb_crop.tar: damaged or not a"),
        (spoil_metadata, "imdb.mat: damaged"),
        (without_metadata, "no imdb_crop/imdb.mat: get imdb_crop.tar again"),
    ],
)
def test_unusable_archive(source, main, folder, damage, message):
    damage(source)
    status, _, err = main()
    assert status == 1
    assert err.splitlines()[-1].startswith("error: ")
    assert message in err
    assert not folder.exists()


def test_help_states_source_terms_and_filters():
    root = Path(__file__).parents[2]
    command = [sys.executable, "data_prep/imdb_wiki.py", "--help"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    for text in (
        "https://data.vision.ee.ethz.ch",
        "academic research only",
        "at least 1",
        "0 to 200 years",
        "seed 666",
    ):
        assert text in done.stdout
