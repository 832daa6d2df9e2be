"""Whether a prepared folder is current is decided by the content of its sources, in every preparation."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from supremix.data.prepared.folder import sha256_file
from supremix.prepare import agedb_dir, hcp_aging, hcp_series, imdb_wiki, stsb_dir, uci_airfoil, ukb
from supremix.prepare.shared import archives, sources
from supremix.prepare.twins import command as make_twin
from supremix.runtime import stamps
from tests.prepare.raw_faces import write_agedb, zipped
from tests.prepare.test_imdb_wiki import good_shots, write_part

OPENED: list[str] = []
sys.addaudithook(lambda event, arguments: OPENED.append(str(arguments[0])) if event == "open" else None)


@dataclass(frozen=True)
class Case:
    """A preparation of a small source below `data`, and the file of it whose content is to change."""

    main: Callable[[list[str]], int]
    data: Path
    changes: Path
    options: tuple[object, ...] = ()
    refusal: str = "made from other files than these, of the same names"

    @property
    def folder(self) -> Path:
        (folder,) = [path for path in (self.data / "out").iterdir() if not path.name.startswith(".")]
        return folder

    def run(self) -> int:
        arguments = ["--data", self.data, "--out", self.data / "out", *self.options]
        return self.main([str(argument) for argument in arguments])

    def flip(self, at: int | None = None) -> None:
        """Change one byte and nothing that `ls` shows."""
        before = self.changes.stat()
        content = bytearray(self.changes.read_bytes())
        content[len(content) // 2 if at is None else at] ^= 1
        self.changes.write_bytes(content)
        os.utime(self.changes, ns=(before.st_atime_ns, before.st_mtime_ns))


def twin(name: str, data: Path) -> Path:
    assert make_twin.main([name, "--size", "tiny", "--out", str(data), "--workers", "1"]) == 0
    return data / f"{name}_tiny"


def series(data: Path) -> Case:
    raw = twin("hcp_aging", data)
    return Case(hcp_aging.main, data, sorted(raw.glob("*.npy"))[3], ("--name", raw.name, "--workers", 1))


def zips(data: Path) -> Case:
    raw = twin("ukb", data)
    return Case(ukb.main, data, sorted(raw.glob("*.zip"))[3], ("--name", raw.name, "--workers", 1))


def volumes(data: Path) -> Case:
    raw = data / "ukb"
    raw.mkdir()
    for i in range(4):
        voxels = np.random.default_rng(i).integers(1, 1000, (9, 9, 9)).astype(np.int16)
        nib.Nifti1Image(voxels, np.diag([2.0, 2, 2, 1])).to_filename(raw / f"100000{i}.nii")
    (raw / "ages.csv").write_text("eid,age\n" + "".join(f"100000{i},{50 + i}\n" for i in range(4)))
    return Case(ukb.main, data, raw / "1000001.nii", ("--side", 8, "--workers", 1))


def faces(data: Path) -> Case:
    raw = write_agedb(data / "agedb_dir")
    return Case(agedb_dir.main, data, sorted((raw / "AgeDB").iterdir())[2], ("--pixels", 16, "--workers", 1))


def zipped_faces(data: Path) -> Case:
    archive = zipped(write_agedb(data / "agedb_dir"), data / "AgeDB.zip")
    return Case(agedb_dir.main, data, archive, ("--source", archive, "--pixels", 16, "--workers", 1))


def faces_in_tars(data: Path) -> Case:
    raw = data / "imdb_wiki"
    raw.mkdir()
    for part in ("imdb", "wiki"):
        write_part(raw, part, good_shots(part, 9))
    return Case(imdb_wiki.main, data, raw / "wiki_crop.tar", ("--pixels", 12, "--workers", 1))


def words(data: Path) -> Case:
    raw = twin("stsb_dir", data)
    return Case(stsb_dir.main, data, raw / "vectors.50d.txt", ("--split", "tiny"))


def sentences(data: Path) -> Case:
    raw = twin("stsb_dir", data)
    return Case(stsb_dir.main, data, raw / "dev_new.tsv", ("--split", "tiny"), "made from another source")


def rows(data: Path) -> Case:
    raw = twin("uci_airfoil", data)
    return Case(uci_airfoil.main, data, next(raw.glob("*.dat")), ("--name", raw.name), "made from another source")


CASES = [series, zips, volumes, faces, zipped_faces, faces_in_tars, words, sentences, rows]


@pytest.fixture(params=CASES, ids=lambda make: make.__name__)
def case(request, tmp_path) -> Case:
    made = request.param(tmp_path)
    assert made.run() == 0
    return made


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def spot(case: Case) -> int | None:
    """Where to change: in a tar, which has empty blocks, within an image."""
    return case.changes.read_bytes().index(b"\xff\xd8\xff") + 400 if case.changes.suffix == ".tar" else None


def test_other_content_of_the_same_size_and_time_is_another_source(case, capsys):
    before = contents(case.folder)
    case.flip(spot(case))
    capsys.readouterr()
    for _ in range(2):  # the refusal leaves no note by which the second call would pass
        assert case.run() == 1
        out, err = capsys.readouterr()
        assert "already prepared" not in out
        lines = [line for line in err.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1
        assert case.refusal in lines[0]
        assert f"move or delete {case.folder} and run" in lines[0]
        assert contents(case.folder) == before
    case.flip(spot(case))  # back again
    assert case.run() == 0
    assert "already prepared" in capsys.readouterr().out


def replaced(case: Case) -> None:
    copy = case.changes.with_name("copy")
    shutil.copy2(case.changes, copy)
    copy.replace(case.changes)


@pytest.mark.parametrize("touch", [lambda case: os.utime(case.changes), replaced], ids=["touched", "replaced"])
def test_the_same_content_at_another_time_is_the_same_source(case, capsys, touch):
    before = contents(case.folder)
    touch(case)
    capsys.readouterr()
    assert case.run() == 0
    assert "already prepared" in capsys.readouterr().out
    after = contents(case.folder)
    noted = before.pop("stamps.json", None), after.pop("stamps.json", None)
    assert (noted[0] != noted[1]) == (case.refusal.startswith("made from other files"))
    assert after == before


@pytest.mark.parametrize("make", [series, zips, volumes, faces], ids=lambda make: make.__name__)
def test_what_did_not_change_is_not_read_again(make, tmp_path):
    case = make(tmp_path)
    files = {str(path) for path in case.changes.parent.glob(f"*{case.changes.suffix}")}
    assert case.run() == 0
    for touched in (False, True, False):
        if touched:
            os.utime(case.changes)
        OPENED.clear()
        assert case.run() == 0
        assert (files & set(OPENED)) == (files if touched else set())


@pytest.mark.parametrize("make", [zipped_faces, faces_in_tars], ids=lambda make: make.__name__)
def test_members_of_archives_are_not_read_again(make, tmp_path, monkeypatch):
    case, read = make(tmp_path), []
    assert case.run() == 0
    original = archives.Place.read
    monkeypatch.setattr(archives.Place, "read", lambda place: read.append(place) or original(place))
    assert case.run() == 0
    assert all(place.path.endswith("_crop.tar") for place in read)
    assert len(read) == (2 if make is faces_in_tars else 0)  # the tables of metadata


def test_word_vectors_are_not_hashed_again(tmp_path, monkeypatch):
    case, hashed = words(tmp_path), []
    assert case.run() == 0
    original = stsb_dir.sha256_file
    monkeypatch.setattr(stsb_dir, "sha256_file", lambda path: hashed.append(path.name) or original(path))
    assert case.run() == 0
    assert sorted(hashed) == ["dev_new.tsv", "test_new.tsv", "train_new.tsv"]
    case.changes.touch()
    assert case.run() == 0
    assert "vectors.50d.txt" in hashed


def test_an_interrupted_preparation_takes_no_piece_of_other_content(tmp_path, monkeypatch):
    """Stopped in the second piece; then a series of the first one is replaced by one of the same size and time."""
    case = series(tmp_path)
    monkeypatch.setattr(hcp_aging, "PER_PIECE", 8)
    standardised, calls = hcp_series.standardised, []

    def interrupted(series_TP):
        calls.append(len(series_TP))
        if len(calls) == 10:
            raise KeyboardInterrupt
        return standardised(series_TP)

    monkeypatch.setattr(hcp_series, "standardised", interrupted)
    assert case.run() == 130
    before = case.changes.stat()
    table = np.load(case.changes)
    np.save(case.changes, table[:, ::-1].copy())
    os.utime(case.changes, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert case.run() == 0
    resumed = contents(case.folder)
    shutil.rmtree(case.folder)
    assert case.run() == 0
    assert contents(case.folder) == resumed


def test_folders_without_a_note_of_content_are_refused_by_name(case, capsys):
    if case.main is uci_airfoil.main:
        pytest.skip("always compared by content")
    meta = case.folder / "meta.json"
    content = json.loads(meta.read_text())
    del content["source"]["listing"]
    meta.write_text(json.dumps(content))
    assert case.run() == 1
    assert "made by a version that noted no content of its sources: move or delete" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["", "[", '["0", "0"]', "3"])
def test_a_damaged_note_of_stamps_costs_a_reading_and_nothing_else(tmp_path, damage, capsys):
    case = series(tmp_path)
    assert case.run() == 0
    good = (case.folder / "stamps.json").read_text()
    (case.folder / "stamps.json").write_text(damage)
    assert case.run() == 0
    assert "already prepared" in capsys.readouterr().out
    assert (case.folder / "stamps.json").read_text() == good


def test_the_published_file_is_compared_where_it_is_there(tmp_path, capsys, monkeypatch):
    """A folder that is whole does not hide that the file named on the command line is another one."""
    raw = twin("uci_airfoil", tmp_path)
    source = shutil.copy(next(raw.glob("*.dat")), tmp_path / "published.dat")
    monkeypatch.setattr(uci_airfoil, "SHA256", sha256_file(source))
    monkeypatch.setattr(uci_airfoil, "ROWS", len(source.read_text().splitlines()))
    monkeypatch.setattr(uci_airfoil.prepare, "__kwdefaults__", {"expected_sha256": uci_airfoil.SHA256})
    arguments = ["--source", str(source), "--out", str(tmp_path / "out")]
    assert uci_airfoil.main(arguments) == 0
    assert uci_airfoil.main(arguments) == 0
    text = source.read_text()
    source.write_text(text.replace("1", "2", 1))
    capsys.readouterr()
    assert uci_airfoil.main(arguments) == 1
    assert "its SHA-256 differs" in capsys.readouterr().err


def test_files_are_waited_for_before_they_are_read(monkeypatch):
    waited = []
    monkeypatch.setattr(sources, "let_settle", waited.append)
    sources.find_source(["x"], [(1, 2, 3, 4)], pytest.fail)
    assert waited == [[(1, 2, 3, 4)]]


@pytest.mark.parametrize(
    ("age_ns", "expected"),
    [(0, [0.05]), (10**7, [0.05]), (10**8, []), (-(10**7), [0.05])],
)
def test_a_file_changed_a_moment_ago_is_waited_for(monkeypatch, age_ns, expected):
    now, slept = 1_700_000_000_123_456_789, []
    monkeypatch.setattr(stamps.time, "time_ns", lambda: now)
    monkeypatch.setattr(stamps.time, "sleep", slept.append)
    stamps.let_settle([(1, now - age_ns, now - age_ns, 1), (1, 5, 5, 2)])
    assert slept == expected


@pytest.mark.parametrize(("age_s", "expected"), [(1, [2.0]), (3, [])])
def test_file_systems_that_count_whole_seconds_are_waited_for_longer(monkeypatch, age_s, expected):
    now, slept = 1_700_000_000 * 10**9, []
    monkeypatch.setattr(stamps.time, "time_ns", lambda: now)
    monkeypatch.setattr(stamps.time, "sleep", slept.append)
    written = now - age_s * 10**9
    stamps.let_settle([(1, written, written, 1)])
    assert slept == expected
