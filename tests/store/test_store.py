"""The store: what replaces a finished run, what an interrupted replacement leaves, what a file is blamed for."""

import fcntl
import os
import shutil
import socket
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from torch import nn

from supremix.errors import Busy, UserError
from supremix.runtime.locks import acquired, is_at
from supremix.runtime.log import RUN_LOG
from supremix.store.files import load_weights, read_history, reading, save_weights, write_history
from supremix.store.folders import Store, begun, finished, work_folder


def written(store, target, text, usable=None):
    """Make the target with this content; whether it was made."""
    with store.making(target, usable=usable) as work:
        if work is None:
            return False
        with store.writing(target) as folder:
            (folder / "content").write_text(text)
    return True


def replaced(directory):
    """As ``rerun=true`` has it for a run of other code."""
    return (directory / "content").read_text() == "new"


def test_what_stands_is_left_and_what_does_not_moves_to_superseded(tmp_path):
    store = Store(tmp_path)
    target = store.run("a")
    assert written(store, target, "old")
    assert not written(store, target, "new")
    assert written(store, target, "older than new", usable=replaced)
    assert written(store, target, "new", usable=replaced)
    assert not written(store, target, "newer", usable=replaced)
    assert (target / "content").read_text() == "new"
    kept = {path.name: (path / "content").read_text() for path in (tmp_path / "superseded").iterdir()}
    assert kept == {"a-1": "old", "a-2": "older than new"}
    assert all(finished(path) for path in (tmp_path / "superseded").iterdir())
    assert not work_folder(target).exists()
    assert store.finished_runs() == [target]


def test_a_replacement_that_fails_leaves_the_finished_one_in_its_place(tmp_path):
    store = Store(tmp_path)
    target = store.run("a")
    written(store, target, "old")

    def interrupted():
        with store.making(target, usable=replaced), store.writing(target) as folder:
            (folder / "content").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (target / "content").read_text() == "old"
    assert finished(target)
    assert not begun(target)
    assert not (tmp_path / "superseded").exists()
    assert not work_folder(target).exists()


def test_what_a_killed_process_had_half_written_is_no_part_of_what_is_written_next(tmp_path):
    store = Store(tmp_path)
    target = store.run("a")
    half = work_folder(target) / "finished"
    half.mkdir(parents=True)
    (half / "other").touch()
    assert written(store, target, "new")
    assert {path.name for path in target.iterdir()} == {"content", "DONE"}


def test_what_is_finished_is_shown_without_waiting_while_another_process_makes_it_anew(tmp_path):
    store = Store(tmp_path)
    target = store.run("a")
    written(store, target, "old")
    with store.making(target, usable=replaced), store.making(target, wait=False) as work:
        assert work is None


def test_an_interrupted_replacement_keeps_its_checkpoints_whoever_asks_for_the_run_meanwhile(tmp_path):
    store = Store(tmp_path)
    target = store.run("a")
    written(store, target, "old")
    with suppress(KeyboardInterrupt), store.making(target, usable=replaced) as work:
        (work / "saved.ckpt").touch()
        raise KeyboardInterrupt
    assert not written(store, target, "new")  # without rerun=true it is shown
    with store.making(target, usable=replaced) as work:
        assert (work / "saved.ckpt").exists()
        with store.writing(target) as folder:
            (folder / "content").write_text("new")
    assert not work_folder(target).exists()


def test_what_a_process_left_that_was_killed_once_all_was_written_is_tidied_up(tmp_path):
    store = Store(tmp_path)
    target = store.run("a")
    written(store, target, "old")
    work_folder(target).mkdir()
    (work_folder(target) / "saved.ckpt").touch()
    assert not written(store, target, "new")
    assert not work_folder(target).exists()


def test_a_work_folder_that_somebody_removed_is_made_again_and_nothing_is_lost(tmp_path):
    store = Store(tmp_path / "runs")
    target = store.run("a")
    with store.making(target) as work:
        shutil.rmtree(store.root)  # the whole store, and its parent's name with it
        with store.writing(target) as folder:
            (folder / "content").write_text("new")
        assert not work.joinpath("lock").exists()
    assert (target / "content").read_text() == "new"
    assert [path.name for path in store.root.iterdir()] == ["a"]


def test_a_work_folder_that_is_gone_at_the_end_is_no_error(tmp_path):
    store = Store(tmp_path)
    with suppress(KeyboardInterrupt), store.making(store.run("a")) as work:
        shutil.rmtree(work)
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_claim_that_another_process_took_since_is_left_to_it(tmp_path):
    store = Store(tmp_path)
    target = store.run("a")
    with store.making(target) as work:
        shutil.rmtree(work)
        work.mkdir()
        (work / "lock").write_text("process 1 on another machine")
        (work / "its.ckpt").touch()
        with store.writing(target) as folder:
            (folder / "content").write_text("new")
    assert (target / "content").read_text() == "new"
    assert {path.name for path in work.iterdir()} == {"lock", "its.ckpt"}


def test_the_log_of_a_finished_run_is_that_of_the_process_that_made_it(tmp_path):
    store = Store(tmp_path)
    target = store.run("a")
    with store.making(target) as work:
        (work / RUN_LOG).write_text("made")
        with store.writing(target) as folder:
            (folder / "content").touch()
    with store.claimed(target) as work:
        (work / RUN_LOG).write_text("waited")
    assert (target / RUN_LOG).read_text() == "made"
    assert not work_folder(target).exists()


def once(monkeypatch, owner, name, first):
    """Have the first call of a function of an object made between two others."""
    function = getattr(owner, name)

    def call(*arguments, **settings):
        monkeypatch.setattr(owner, name, function)
        return first(lambda: function(*arguments, **settings))

    monkeypatch.setattr(owner, name, call)


@pytest.mark.parametrize(("owner", "name", "before"), [(Path, "mkdir", False), (fcntl, "flock", True)])
def test_a_lock_that_its_holder_removes_meanwhile_is_taken_anew(tmp_path, monkeypatch, owner, name, before):
    folder = tmp_path / "a.partial"

    def amid_removal(function):
        if not before:
            function()
        shutil.rmtree(folder)
        if before:
            function()

    once(monkeypatch, owner, name, amid_removal)
    with acquired(folder, wait=True) as lock:
        assert is_at(lock, folder / "lock")
        with pytest.raises(Busy):
            acquired(folder, wait=False)


def test_a_lock_names_its_holder_alone_though_one_before_was_killed(tmp_path):
    (tmp_path / "a.partial").mkdir()
    (tmp_path / "a.partial" / "lock").write_text("process 1 on another machine")
    holder = f"a is in work in process {os.getpid()} on {socket.gethostname()}"
    with acquired(tmp_path / "a.partial", wait=False), pytest.raises(Busy, match=f"^{holder}$"):
        acquired(tmp_path / "a.partial", wait=False)


def test_a_file_is_not_called_damaged_where_there_is_no_memory_to_read_it(tmp_path):
    with pytest.raises(RuntimeError, match="allocate memory"), reading(tmp_path / "last.safetensors", "its weights"):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 100000000 bytes")


def test_weights_are_read_back_and_refused_where_they_are_others_or_not_finite(tmp_path):
    state = {"head.weight": torch.arange(6.0).reshape(3, 2).T, "head.bias": torch.ones(2), "other": torch.ones(1)}
    module, path = nn.Linear(3, 2), tmp_path / "last.safetensors"
    sums = save_weights({"last": state}, tmp_path)
    load_weights(module, path, sums, "head.")
    assert torch.equal(module.weight, state["head.weight"])
    save_weights({"last": state | {"head.bias": torch.zeros(2)}}, tmp_path)
    with pytest.raises(UserError, match="its SHA-256 is not the one in its record"):
        load_weights(module, path, sums, "head.")
    sums = save_weights({"last": state | {"head.bias": torch.full((2,), torch.nan)}}, tmp_path)
    with pytest.raises(UserError, match="bias has a number that is not finite"):
        load_weights(module, path, sums, "head.")


def test_a_history_is_read_back_and_refused_where_an_epoch_is_missing(tmp_path):
    history = [{"loss": 0.1 + 0.2, "val": float("inf")}, {"loss": 1e-9, "val": 2.0}, {"loss": 0.0, "val": 1.0}]
    write_history(tmp_path, history)
    assert read_history(tmp_path) == [{"epoch": epoch, **row} for epoch, row in enumerate(history, 1)]
    lines = (tmp_path / "history.csv").read_text().splitlines(keepends=True)
    (tmp_path / "history.csv").write_text("".join([*lines[:2], *lines[3:]]))
    with pytest.raises(UserError, match="its epochs do not follow one another"):
        read_history(tmp_path)
