"""data_prep/agedb_dir.py: what it writes, what it leaves out and says so, and that an interruption costs nothing."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from supremix.data import images
from supremix.errors import UserError
from supremix.prepare import agedb_dir
from supremix.prepare.shared import face_images, faces
from supremix.prepare.shared.face_csv import read_rows
from supremix.prepare.shared.face_images import write_images
from supremix.prepare.shared.working_folder import resumable_folder
from supremix.runtime import progress
from tests.prepare.raw_faces import age_of, csv_lines, jpeg, name_of, split_of, write_agedb, write_csv, zipped

COUNT, PIXELS = 12, 16


@pytest.fixture
def source(tmp_path) -> Path:
    return write_agedb(tmp_path / "data" / "agedb_dir", COUNT)


@pytest.fixture
def main(tmp_path, capsys):
    """Run the command line; returns status, stdout, stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        fixed = ["--data", tmp_path / "data", "--out", tmp_path / "out", "--pixels", PIXELS]
        fixed += [] if "--workers" in arguments else ["--workers", 1]
        status = agedb_dir.main([str(argument) for argument in [*fixed, *arguments]])
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "out" / "agedb_dir"


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_prepared_folder_holds_the_resized_images(source, main, folder):
    status, out, err = main()
    assert (status, err) == (0, "")
    assert f"{COUNT} faces of 16×16 pixels" in out
    assert "train/val/test: 8/2/2; the paper's table 12: 12208/2140/2140: differ" in out
    assert sorted(contents(folder)) == ["faces.npy", "manifest.csv", "meta.json", "report.csv", "stamps.json"]

    faces = np.load(folder / "faces.npy")
    assert (faces.dtype, faces.shape) == (np.uint8, (COUNT, PIXELS, PIXELS, 3))
    for i, row in enumerate(read_csv(folder / "manifest.csv")):
        assert row == {"id": f"AgeDB/{name_of(i)}", "label": f"{age_of(i)}.0", "split": split_of(i), "row": str(i)}
        image = Image.open(source / "AgeDB" / name_of(i)).resize((PIXELS, PIXELS), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(faces[i], np.asarray(image))
    meta = json.loads((folder / "meta.json").read_text())
    assert (meta["name"], meta["rows"], meta["images"], meta["pixels"]) == ("agedb_dir", COUNT, COUNT, PIXELS)
    assert meta["synthetic"] is False
    assert "antialiasing" in meta["resizing"]
    assert sorted(meta["sha256"]) == sorted(meta["bytes"]) == ["faces.npy", "manifest.csv"]
    assert read_csv(folder / "report.csv") == []


def truncate(source: Path) -> None:
    path = source / "AgeDB" / name_of(3)
    path.write_bytes(path.read_bytes()[:-200])


def no_image(source: Path) -> None:
    (source / "AgeDB" / name_of(3)).write_text("<html>not found</html>")


def empty(source: Path) -> None:
    (source / "AgeDB" / name_of(3)).write_bytes(b"")


def dot(source: Path) -> None:
    (source / "AgeDB" / name_of(3)).write_bytes(jpeg(3, (1, 1)))


def remove(source: Path) -> None:
    (source / "AgeDB" / name_of(3)).unlink()


def rename(source: Path) -> None:
    (source / "AgeDB" / name_of(3)).rename(source / "AgeDB" / "3_AnnExample_f.jpg")


def change_row(text: str):
    def change(source: Path) -> None:
        lines = csv_lines(COUNT)
        lines[1 + 3] = text
        write_csv(source, lines)

    return change


def add_row(text: str):
    return lambda source: write_csv(source, [*csv_lines(COUNT), text])


def add_file(name: str):
    def add(source: Path) -> None:
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_bytes(jpeg(99))

    return add


THREE = f"AgeDB/{name_of(3)}"
UNREADABLE = (THREE, "dropped", "unreadable")


@pytest.mark.parametrize(
    ("damage", "expected", "detail"),
    [
        (truncate, [UNREADABLE], "truncated"),
        (no_image, [UNREADABLE], "22 bytes that are no image"),
        (empty, [UNREADABLE], "0 bytes that are no image"),
        (dot, [UNREADABLE], "only 1×1 pixels"),
        (remove, [(THREE, "dropped", "missing file")], ""),
        (
            rename,
            [
                ("AgeDB/3_AnnExample_f.jpg", "dropped", "not named id_Name_age_gender.jpg"),
                (THREE, "dropped", "missing file"),
            ],
            "",
        ),
        (
            change_row(f"nan,{THREE},train"),
            [(THREE, "dropped", "age missing or out of range"), (THREE, "dropped", "not in the csv")],
            "'nan' in the csv",
        ),
        (
            change_row(f",{THREE},train"),
            [(THREE, "dropped", "age missing or out of range"), (THREE, "dropped", "not in the csv")],
            "'' in the csv",
        ),
        (
            change_row(f"290,{THREE},train"),
            [(THREE, "dropped", "age missing or out of range"), (THREE, "dropped", "not in the csv")],
            "not 0 to 120",
        ),
        (
            change_row(f"29,{THREE},holdout"),
            [(THREE, "dropped", "unknown split"), (THREE, "dropped", "not in the csv")],
            "'holdout'",
        ),
        (
            change_row("29,,train"),
            [("agedb.csv, row 4", "dropped", "no path in the csv"), (THREE, "dropped", "not in the csv")],
            "age '29'",
        ),
        (
            change_row("29,AgeDB/face.jpg,train"),
            [
                ("AgeDB/face.jpg", "dropped", "not named id_Name_age_gender.jpg in the csv"),
                (THREE, "dropped", "not in the csv"),
            ],
            "",
        ),
        (add_row(csv_lines(COUNT)[4]), [(THREE, "dropped", "listed twice")], "row 13 repeats an earlier one"),
        (
            add_row(f"{age_of(3)},{THREE},test"),
            [(THREE, "dropped", "listed twice")],
            "row 13 repeats an earlier one with other values",
        ),
        (
            add_row(f"{age_of(3) + 1},{THREE},train"),
            [(THREE, "dropped", "listed twice")],
            "row 13 repeats an earlier one with other values",
        ),
        (
            add_row("31,AgeDB/77_NoOne_31_m.jpg,val"),
            [("AgeDB/77_NoOne_31_m.jpg", "dropped", "missing file")],
            "",
        ),
        (
            add_file("AgeDB/78_NoOne_32_f.jpg"),
            [("AgeDB/78_NoOne_32_f.jpg", "dropped", "not in the csv")],
            "",
        ),
        (
            add_file(f"copy/{name_of(3)}"),
            [(f"copy/{name_of(3)}", "dropped", "another file of this name")],
            f"{THREE} is used",
        ),
    ],
)
def test_what_is_left_out_is_named(source, main, folder, damage, expected, detail):
    damage(source)
    status, out, err = main()
    assert (status, err) == (0, "")
    report = read_csv(folder / "report.csv")
    assert [(line["file"], line["action"], line["reason"]) for line in report] == expected
    assert detail in report[0]["detail"]
    for _, action, reason in expected:
        assert f"{action}: {reason}" in out
    kept = {row["id"] for row in read_csv(folder / "manifest.csv")}
    bad = {file for file, _, reason in expected if reason not in ("listed twice", "another file of this name")}
    assert kept == {f"AgeDB/{name_of(i)}" for i in range(COUNT)} - bad

    data = images.load_images(folder, name="agedb_dir", pixels=PIXELS, bin_size=1, views=None, padding=1, flip=0.5)
    for split in (data.train, data.val, data.test):
        for row_id, one in zip(split.ids, split.fetch(np.arange(len(split))), strict=True):
            expected_image = face_images.decode((source / row_id).read_bytes(), PIXELS)
            np.testing.assert_array_equal(one.permute(1, 2, 0).numpy(), expected_image)


def test_other_age_in_the_name_is_kept_and_listed(source, main, folder):
    change_row(f"30,{THREE},train")(source)
    status, out, _ = main()
    assert status == 0
    assert "1 kept: another age in the file's name" in out
    (line,) = read_csv(folder / "report.csv")
    assert (line["file"], line["detail"]) == (THREE, "30 in the csv, which is used")
    assert read_csv(folder / "manifest.csv")[3]["label"] == "30.0"


def test_an_image_of_one_colour_is_kept_and_listed(source, main, folder):
    for number, colour in ((3, (200, 30, 30)), (4, (0, 0, 0))):
        Image.new("RGB", (30, 26), colour).save(source / "AgeDB" / name_of(number))
    noise = np.random.default_rng(0).integers(100, 104, (26, 30, 3)).astype(np.uint8)
    Image.fromarray(noise).save(source / "AgeDB" / name_of(5), quality=100, subsampling=0)
    status, out, _ = main()
    assert status == 0
    assert "3 kept: flat" in out
    lines = read_csv(folder / "report.csv")
    assert [(line["file"], line["action"], line["reason"]) for line in lines] == [
        (f"AgeDB/{name_of(i)}", "kept", "flat") for i in (3, 4, 5)
    ]
    assert lines[0]["detail"] == "its colours differ by 0 of 255"
    assert len(read_csv(folder / "manifest.csv")) == COUNT


def test_names_that_unpackers_spell_differently_are_matched_by_number(source, main, folder):
    lines = csv_lines(COUNT)
    lines[4] = f"29,AgeDB/3_StВphaneAudran_{age_of(3)}_m.jpg,train"  # as in the published csv
    lines[5] = f"{age_of(4)},AgeDB/4_BobSample _{age_of(4)}_f.jpg,train"
    write_csv(source, lines)
    (source / "AgeDB" / name_of(3)).rename(source / "AgeDB" / f"3_StéphaneAudran_{age_of(3)}_m.jpg")
    assert main()[0] == 0
    assert read_csv(folder / "report.csv") == []
    rows = np.load(folder / "faces.npy")
    np.testing.assert_array_equal(rows[3], face_images.decode(jpeg(3), PIXELS))
    np.testing.assert_array_equal(rows[4], face_images.decode(jpeg(4), PIXELS))


def test_zip_gives_the_same_as_the_folder(source, main, folder, tmp_path):
    assert main()[0] == 0
    archive = zipped(source, tmp_path / "AgeDB.zip")
    assert main("--source", archive, "--name", "from_zip")[0] == 0
    for file in ("faces.npy", "manifest.csv", "report.csv"):
        assert (folder / file).read_bytes() == (folder.with_name("from_zip") / file).read_bytes()


def test_damaged_member_of_a_zip_is_named(source, main, folder, tmp_path):
    archive = zipped(source, tmp_path / "AgeDB.zip")
    raw = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as opened:
        start = opened.getinfo(THREE).header_offset
    raw[start + 300 : start + 400] = bytes(100)
    archive.write_bytes(raw)
    assert main("--source", archive)[0] == 0
    assert [(line["file"], line["reason"]) for line in read_csv(folder / "report.csv")] == [(THREE, "unreadable")]


def empty_zip(path: Path) -> None:
    zipfile.ZipFile(path, "w").close()


def truncated_zip(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-300])


def encrypted_zip(path: Path) -> None:
    raw = path.read_bytes()  # the flag of every entry, in both places it stands
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        parts = raw.split(mark)
        raw = mark.join([parts[0], *(p[: offset - 4] + b"\x01" + p[offset - 3 :] for p in parts[1:])])
    path.write_bytes(raw)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (empty_zip, "holds no files"),
        (truncated_zip, "damaged or not a .zip"),
        (encrypted_zip, "protected by a password: unpack it"),
        (lambda path: path.write_text("password required"), "damaged or not a .zip"),
        (lambda path: path.unlink(), "not there"),
    ],
)
def test_unusable_archive(source, main, folder, tmp_path, damage, message):
    archive = zipped(source, tmp_path / "AgeDB.zip")
    damage(archive)
    status, out, err = main("--source", archive)
    assert (status, out) == (1, "")
    assert err.startswith(f"error: {archive}: ")
    assert message in err
    assert err.count("\n") == 1
    assert not folder.exists()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda source: (source / "agedb.csv").unlink(), "get it from https://github.com/YyzHarry"),
        (lambda source: write_csv(source, ["years,file", "3,x"]), "header is 'years,file', it must have age,path"),
        (lambda source: (source / "agedb.csv").write_bytes(b"\xff\xfe\x00"), "not readable as CSV"),
        (lambda source: shutil.rmtree(source / "AgeDB"), "none of the 12 images of the csv is there: unpack"),
        (lambda source: write_csv(source, csv_lines(2)), "no test image is left"),
        (lambda source: (source / "SYNTHETIC").write_text("{"), "SYNTHETIC: not readable as JSON"),
    ],
)
def test_unusable_source(source, main, folder, damage, message):
    damage(source)
    status, _, err = main()
    assert status == 1
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1
    assert not folder.exists()


def test_split_left_without_images_names_the_first_fault(source, main):
    for i in range(COUNT):
        if split_of(i) == "val":
            (source / "AgeDB" / name_of(i)).write_bytes(b"")
    status, _, err = main()
    assert status == 1
    assert f"no val image is left (2 inputs with faults, the first: AgeDB/{name_of(1)}: unreadable" in err


@pytest.mark.parametrize("option", ["--pixels", "--workers"])
def test_impossible_option(source, main, option):
    status, _, err = main(option, "0")
    assert status == 1
    assert f"error: {option} 0: give a whole number" in err


def test_result_is_the_same_for_any_number_of_workers(source, main, folder, monkeypatch):
    truncate(source)
    monkeypatch.setattr(faces, "PER_PIECE", 4)
    assert main()[0] == 0
    one = contents(folder)
    shutil.rmtree(folder)
    assert main("--workers", 3)[0] == 0
    assert contents(folder) == one


@pytest.fixture
def decoded(monkeypatch) -> list[bytes]:
    """What was decoded, in order; decoding stops as by Ctrl-C at the tenth image, once."""
    seen: list[bytes] = []
    decode = face_images.decode

    def watched(content: bytes, pixels: int) -> np.ndarray:
        seen.append(content)
        if len(seen) == 10:
            raise KeyboardInterrupt
        return decode(content, pixels)

    monkeypatch.setattr(faces, "PER_PIECE", 4)
    monkeypatch.setattr(face_images, "decode", watched)
    return seen


def test_interrupted_run_goes_on_where_it_stopped(source, main, folder, decoded, tmp_path):
    truncate(source)
    status, out, err = main()
    assert (status, out) == (130, "")
    assert err == "interrupted: run the same command again to go on\n"
    assert not folder.exists()
    with pytest.raises(UserError, match=r"no prepared data: run `supremix prepare agedb_dir --out"):
        images.load_images(folder, name="agedb_dir", pixels=PIXELS, bin_size=1, views=None, padding=1, flip=0.5)
    assert main()[0] == 0
    assert len(decoded) == 10 + 4  # the four of the last chunk, and nothing twice besides
    assert [line["reason"] for line in read_csv(folder / "report.csv")] == ["unreadable"]  # noted before the stop
    again = contents(folder)
    assert [path.name for path in folder.parent.iterdir()] == ["agedb_dir"]
    shutil.rmtree(folder)
    assert main()[0] == 0
    assert contents(folder) == again


def test_interruption_at_the_very_end(source, main, folder, monkeypatch):
    write_report = faces.write_report

    def interrupted(*_) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(faces, "write_report", interrupted)
    assert main()[0] == 130
    assert not folder.exists()
    monkeypatch.setattr(faces, "write_report", write_report)
    monkeypatch.setattr(face_images, "decode", interrupted)  # nothing is left to decode
    assert main()[0] == 0
    assert sorted(json.loads((folder / "meta.json").read_text())["sha256"]) == ["faces.npy", "manifest.csv"]


def test_half_written_note_counts_as_not_done(source, main, folder, decoded):
    assert main()[0] == 130
    first, _ = folder.parent.rglob(".agedb_dir.partial/pieces/*.json")
    first.write_text(first.read_text()[:-3])
    assert main()[0] == 0
    assert len(decoded) == 10 + 8
    rows = np.load(folder / "faces.npy")
    for i in range(COUNT):
        np.testing.assert_array_equal(rows[i], face_images.decode(jpeg(i), PIXELS))


def test_images_are_decoded_again_where_their_array_is_gone(source, main, folder, decoded):
    assert main()[0] == 130
    (array,) = folder.parent.rglob(".agedb_dir.partial/folder/faces.npy")
    array.unlink()
    assert main()[0] == 0
    assert len(decoded) == 10 + COUNT
    np.testing.assert_array_equal(np.load(folder / "faces.npy")[0], face_images.decode(jpeg(0), PIXELS))


def test_leftovers_of_another_source_are_not_used(source, main, folder, decoded):
    assert main()[0] == 130
    write_csv(source, csv_lines(COUNT)[:-1])
    assert main()[0] == 0
    assert len(decoded) == 10 + COUNT - 1
    assert len(np.load(folder / "faces.npy")) == COUNT - 1


def test_second_run_leaves_a_good_folder_alone(source, main, folder):
    assert main()[0] == 0
    before = contents(folder)
    status, out, _ = main()
    assert (status, out) == (0, f"{folder}: already prepared, left as it is\n")
    shutil.rmtree(source)  # not needed any more
    assert main()[1] == f"{folder}: already prepared, left as it is\n"
    assert contents(folder) == before


@pytest.mark.parametrize(
    "spoil", ["other csv", "other age", "other pixels", "short array", "changed manifest", "foreign folder"]
)
def test_bad_folder_is_refused_not_replaced(source, main, folder, spoil):
    arguments: list[object] = []
    if spoil == "foreign folder":
        folder.mkdir(parents=True)
        (folder / "thesis.tex").write_text("precious")
    else:
        assert main()[0] == 0
    if spoil == "other csv":
        write_csv(source, csv_lines(COUNT)[:-1])
    elif spoil == "other age":
        change_row(f"{age_of(3) + 1},{THREE},train")(source)
    elif spoil == "other pixels":
        arguments = ["--pixels", 8]
    elif spoil == "short array":
        (folder / "faces.npy").write_bytes((folder / "faces.npy").read_bytes()[:-1])
    elif spoil == "changed manifest":
        (folder / "manifest.csv").write_text("id,label,split,row\n")
    before = contents(folder)
    status, _, err = main(*arguments)
    assert status == 1
    assert f"move or delete {folder} and run" in err
    assert contents(folder) == before


def test_two_preparations_at_once_are_refused(tmp_path):
    with (
        resumable_folder(tmp_path / "x", "key"),
        pytest.raises(UserError, match="another preparation is at work"),
        resumable_folder(tmp_path / "x", "key"),
    ):
        pass


def test_too_little_space_is_said_before_anything_is_written(source, main, folder, monkeypatch):
    usage = shutil.disk_usage(source)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    status, _, err = main()
    assert status == 1
    assert "0.0 GB are needed" in err
    assert not folder.exists()


def test_what_an_interrupted_call_has_written_needs_no_space_again(tmp_path, monkeypatch):
    with suppress(KeyboardInterrupt), resumable_folder(tmp_path / "x", "key", 1000) as (working, _):
        np.save(working / "faces.npy", np.zeros(900, np.uint8))
        raise KeyboardInterrupt
    usage = shutil.disk_usage(tmp_path)._replace(free=100)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with resumable_folder(tmp_path / "x", "key", 1000):
        pass
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["faces.npy"]


def die_at_row_8(items, **settings):
    """Stand-in for `write_images` whose process is killed, as by the system for want of memory."""
    if items[0][0] == 8:
        while not list(settings["path"].parents[1].glob("pieces/*.json")):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)
    return write_images(items, **settings)


@pytest.mark.whole
def test_killed_worker_is_one_line_and_the_same_command_goes_on(source, main, folder, monkeypatch):
    truncate(source)
    monkeypatch.setattr(faces, "PER_PIECE", 4)
    monkeypatch.setattr(face_images, "write_images", die_at_row_8)
    status, _, err = main("--workers", 2)
    assert status == 1
    assert "a worker process was killed" in err
    assert err.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in err
    monkeypatch.setattr(face_images, "write_images", write_images)
    status, _, err = main("--workers", 2)
    assert status == 0
    assert f"of {COUNT} done by an interrupted run" in err
    resumed = contents(folder)
    shutil.rmtree(folder)
    assert main()[0] == 0
    assert contents(folder) == resumed


def test_long_preparation_shows_lines_without_a_terminal(capsys):
    now = iter(range(0, 1000, 3))
    with progress.meter("decoding faces", 8, clock=lambda: next(now)) as advance:
        for _ in range(4):
            advance(2)
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["decoding faces: 4 of 8 (50%)", "decoding faces: 8 of 8 (100%)"]


def test_help_states_source_and_terms_without_heavy_imports():
    code = (
        "import runpy, sys; sys.argv = ['agedb_dir.py', '--help']\n"
        "try: runpy.run_path('data_prep/agedb_dir.py', run_name='__main__')\n"
        "except SystemExit: print(sorted({'PIL', 'scipy', 'torch'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert "https://ibug.doc.ic.ac.uk/resources/agedb/" in done.stdout
    assert "non-commercial research" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_real_split(real_data):
    rows, findings = read_rows(real_data("agedb_dir/agedb.csv"), agedb_dir.AGES)
    assert findings == []
    assert {split: sum(row.split == split for row in rows) for split in agedb_dir.PAPER} == agedb_dir.PAPER
    files = {row.path.removeprefix("AgeDB/"): row for row in rows}
    faces, unmatched = agedb_dir.collect(rows, files)
    assert (len(faces), unmatched) == (16488, [])
    assert (min(face.label for face in faces), max(face.label for face in faces)) == (1, 101)
