"""What is written is on disk, content and names, before anything says that it is there."""

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from supremix.prepare.shared.face_images import create_array, write_images
from supremix.runtime import disk
from supremix.runtime.disk import put, replacing
from supremix.store.folders import Store
from supremix.store.records import replace_json


@pytest.fixture
def journal(monkeypatch, tmp_path):
    """What is flushed and moved, in order, by paths below the test's folder."""
    events = []
    flush_one, replace = disk._flush_one, os.replace

    def name(path):
        return str(Path(path).relative_to(tmp_path))

    def flushed(path):
        events.append(f"flush {name(path)}")
        flush_one(path)

    def moved(source, target):
        events.append(f"move to {name(target)}")
        replace(source, target)

    monkeypatch.setattr(disk, "_flush_one", flushed)
    monkeypatch.setattr(os, "replace", moved)
    return events


def test_a_folder_is_flushed_with_all_that_is_in_it_before_it_moves_and_its_new_name_after(tmp_path, journal):
    (tmp_path / "new" / "inner").mkdir(parents=True)
    (tmp_path / "new" / "inner" / "file").write_text("x")
    put(tmp_path / "new", tmp_path / "old")
    assert journal == ["flush new/inner/file", "flush new/inner", "flush new", "move to old", "flush ."]
    assert (tmp_path / "old" / "inner" / "file").read_text() == "x"


def test_the_content_of_a_run_is_flushed_before_it_is_done(tmp_path, journal):
    store = Store(tmp_path)
    target = store.run("a")
    with store.claimed(target), store.writing(target) as folder:
        (folder / "record.json").write_text("{}")
    inside = "a.partial/finished"
    assert journal[:2] == [f"flush {inside}/record.json", f"flush {inside}"]  # and then DONE is written
    assert set(journal[2:5]) == {f"flush {inside}/record.json", f"flush {inside}/DONE", f"flush {inside}"}
    assert journal[5:7] == ["move to a", "flush ."]


def test_a_json_file_is_flushed_before_it_replaces_another(tmp_path, journal):
    replace_json(tmp_path / "x.json", {})
    assert journal == ["flush .x.json.new", "move to x.json", "flush ."]


def test_images_are_flushed_before_it_is_noted_that_they_are_done(tmp_path, journal):
    create_array(tmp_path / "faces.npy", 1, 4)
    no_image = SimpleNamespace(read=lambda: b"")
    _, result = write_images([(0, no_image)], path=tmp_path / "faces.npy", pixels=4)
    assert len(result["failed"]) == 1
    assert journal == ["flush faces.new", "move to faces.npy", "flush .", "flush faces.npy"]


def test_files_are_replaced_together_or_not_at_all(tmp_path, journal):
    (tmp_path / "a").write_text("old")
    with pytest.raises(ZeroDivisionError), replacing(tmp_path) as scratch:
        (scratch / "a").write_text(f"new {1 / 0}")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "old"
    with replacing(tmp_path) as scratch:
        for name in "ab":
            (scratch / name).write_text("new")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "new", "b": "new"}
    assert [event for event in journal if "move" in event] == ["move to a", "move to b"]


@pytest.mark.parametrize(("code", "is_folder", "passes"), [
    (errno.EINVAL, True, True), (errno.EINVAL, False, False), (errno.EIO, True, False),
])  # fmt: skip
def test_only_a_file_system_that_cannot_flush_folders_is_excused(tmp_path, monkeypatch, code, is_folder, passes):
    path = tmp_path if is_folder else tmp_path / "file"
    if not is_folder:
        path.touch()

    def refuse(descriptor):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    if passes:
        disk._flush_one(path)
    else:
        with pytest.raises(OSError, match=os.strerror(code)):
            disk._flush_one(path)


def test_whatever_is_made_for_good_is_put():
    """No file or folder gets its final name in another way."""
    source = Path(disk.__file__).parents[1]
    others = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*.py")
        if any(word in path.read_text() for word in ("os.replace(", "os.rename(", ".rename(", "shutil.move("))
    }
    assert others == {"runtime/disk.py", "store/folders.py"}  # the latter's run.log, which no result depends on
