"""Reading ahead: the order, how far, errors, an early end, stop signals; the same batches whatever the workers."""

import os
import signal
import threading
import time
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from supremix.data import images
from supremix.data.dataset import Data, Split, TargetScale, read_ahead
from supremix.data.loading import ahead
from supremix.data.rows import rows_of
from supremix.errors import Stopped, UserError
from supremix.runtime.signals import stoppable
from supremix.training import adapt
from supremix.training.batches import Items, Stream, apply, batches_of
from supremix.training.mixing import Mixup
from tests.face_views import colour_views

CPU = torch.device("cpu")
ROWS, SIDE = 26, 12
LONG = 60.0  # seconds; a test that waits as long has hung


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("read-ahead")]


def faces(workers: int, note=lambda index_B: None) -> Split:
    """Images on disk, as far as the split knows; ``note`` is told of what is fetched."""
    stored = np.random.default_rng(0).integers(0, 256, (ROWS, SIDE, SIDE, 3), dtype=np.uint8)

    def fetch(index_B):
        note(index_B)
        return images.fetch(stored, np.arange(ROWS), index_B)

    return Split(np.arange(ROWS).astype(str), np.arange(float(ROWS)), fetch, on_disk=True, workers=workers)


@pytest.mark.parametrize("workers", [0, 1, 2, 5])
def test_everything_comes_once_and_in_order(workers):
    def read(place):
        time.sleep(0.002 * (place % 3))  # the later one is ready first
        return place * 10

    assert list(ahead(read, range(20), workers)) == [place * 10 for place in range(20)]
    assert list(ahead(read, [], workers)) == []
    assert not threads()


def test_as_many_as_there_are_workers_are_read_before_they_are_asked_for():
    read, both = [], threading.Barrier(2)

    def noted(place):
        read.append(place)
        if place in (1, 2):
            both.wait(LONG)  # passes only if two threads are here at once
        return place

    items = ahead(noted, range(9), 2)
    assert next(items) == 0
    both_read = time.monotonic() + LONG
    while sorted(read) != [0, 1, 2] and time.monotonic() < both_read:
        time.sleep(0.001)
    time.sleep(0.02)
    assert sorted(read) == [0, 1, 2]
    assert list(items) == list(range(1, 9))


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_is_raised_where_its_item_would_come(workers):
    error = UserError("faces.npy: rows are missing")

    def read(place):
        if place == 3:
            raise error
        return place

    items = ahead(read, range(9), workers)
    assert [next(items) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(UserError) as caught:
        next(items)
    assert caught.value is error
    assert not threads()


def test_who_stops_asking_leaves_no_thread_behind():
    read = []
    items = ahead(read.append, range(1000), 2)
    next(items)
    items.close()
    assert not threads()
    assert len(read) <= 4


@pytest.mark.parametrize("where", ["waiting", "stepping"])
def test_a_stop_signal_ends_it_at_once(where):
    stepped, second = [], threading.Event()

    def read(place):
        if place == 2 and where == "waiting":
            second.wait(LONG)
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.05)  # a slow disk: what is being read is waited for, nothing else
        return place

    def train():
        for place in ahead(read, range(10**6), 2):
            stepped.append(place)
            if place == 1:
                second.set()
                if where == "stepping":
                    signal.raise_signal(signal.SIGTERM)

    started = time.monotonic()
    with pytest.raises(Stopped), stoppable():
        train()
    assert stepped == [0, 1]
    assert not threads()
    assert time.monotonic() - started < LONG


def mixup() -> Mixup:
    mixing = Mixup(2.0, None, "features")
    mixing.fit(np.arange(float(ROWS)))
    return mixing


@pytest.mark.parametrize(
    "settings",
    [{}, {"augment": colour_views(flip=0.5, grey=0.2), "views": 2}, {"mixing": mixup()}],
    ids=["plain", "views", "mixed"],
)
def test_batches_are_the_same_bits_whatever_the_workers_and_wherever_they_begin(settings):
    def batches(workers, first=0):
        split = faces(workers)
        return list(batches_of(Items(split, split.y, **settings), 4, Stream(0, "test"), CPU)(3, first))

    expected = batches(0)
    assert len(expected) == 7
    for workers, first in ((1, 0), (2, 0), (5, 0), (2, 5)):
        got = batches(workers, first)
        assert len(got) == 7 - first
        for (x, y_B), (x_expected, y_expected_B) in zip(got, expected[first:], strict=True):
            for part, expected_part in zip([*x], [*x_expected], strict=True):
                assert torch.equal(part, expected_part)
            assert torch.equal(y_B, y_expected_B)


def test_what_was_trained_on_before_an_interruption_is_not_read_again():
    read = []
    split = faces(2, lambda index_B: read.extend(index_B))
    rest = [int(y) for _, y_B in batches_of(Items(split, split.y), 4, Stream(0, "test"), CPU)(1, 4) for y in y_B]
    assert sorted(read) == sorted(rest)
    assert len(read) == ROWS - 16


def test_evaluation_reads_ahead_and_keeps_the_order():
    by = set()
    split = faces(2, lambda index_B: by.add(threading.current_thread().name))
    model = torch.nn.Flatten()
    got = apply(model, split, 4, CPU, lambda x: x.float())
    assert torch.equal(got, split.fetch(np.arange(ROWS)).float().flatten(1))
    assert all(name.startswith("read-ahead") for name in by - {"MainThread"})
    assert by - {"MainThread"}


def test_only_rows_on_disk_are_read_ahead():
    stored = faces(0)
    in_memory = replace(stored, on_disk=False)
    data = Data("toy", stored, stored, in_memory, None, TargetScale(0.0, 1.0), {}, "0", True, flatten=images.flat)
    data = read_ahead(data, 2)
    assert (data.train.workers, data.val.workers, data.test.workers) == (2, 2, 0)
    assert rows_of(data.train, np.arange(3)).workers == 2  # a smaller training set is on disk as well
    features = adapt.on_features(data, torch.nn.Flatten(), CPU, 8)
    assert (features.train.workers, features.val.workers) == (0, 0)


def test_the_loaded_datasets_say_where_their_rows_are(tmp_path):
    from supremix.data import volumes
    from supremix.prepare import agedb_dir, ukb
    from supremix.prepare.twins import command as make_twin

    for name, prepare in (("agedb_dir", agedb_dir.main), ("ukb", ukb.main)):
        arguments = [name, "--size", "tiny", "--out", str(tmp_path / "raw"), "--workers", "1"]
        assert make_twin.main(arguments) == 0
        places = ["--name", f"{name}_tiny", "--data", str(tmp_path / "raw"), "--out", str(tmp_path / "prepared")]
        assert prepare([*places, "--workers", "1"]) == 0
    face_data = images.load_images(
        tmp_path / "prepared" / "agedb_dir_tiny",
        name="t",
        pixels=32,
        bin_size=1,
        views=colour_views(),
        padding=2,
        flip=0.5,
    )
    volume_data = volumes.load_volumes(tmp_path / "prepared" / "ukb_tiny", name="t", bin_size=1, views=None)
    for data in (face_data, volume_data):
        ahead_of = partial(getattr, read_ahead(data, 3))
        assert [ahead_of(split).workers for split in ("train", "val", "test")] == [3, 3, 3]
