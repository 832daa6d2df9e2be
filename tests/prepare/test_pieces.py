"""Long preparations: pieces that survive an interruption, and are the same whatever the number of workers."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from supremix.data.prepared.making import Piece, cut, make_pieces, read_record
from supremix.errors import UserError
from supremix.prepare.shared.working_folder import resumable_folder
from supremix.runtime.parallel import in_parallel

ITEMS = [[f"item-{i}", i] for i in range(7)]


def double(items):
    """A good item doubles its number; number 3 is damaged."""
    good = [number for _, number in items if number != 3]
    results = [{"reason": "damaged"} if number == 3 else {"ok": name} for name, number in items]
    return (np.array(good) * 2 if good else None), results


def die(task):
    os.kill(os.getpid(), signal.SIGKILL)


def pieces(size: int = 2, settings=None) -> list[Piece]:
    return cut(ITEMS, size, settings)


def test_pieces_hold_all_items_in_order(tmp_path):
    records = make_pieces(tmp_path, pieces(), double, 1, "items")
    arrays = [np.load(tmp_path / f"{piece.key}.npy") for piece in pieces()]
    assert np.concatenate(arrays).tolist() == [0, 2, 4, 8, 10, 12]
    assert [result for record in records for result in record["result"]][3] == {"reason": "damaged"}
    assert not list(tmp_path.glob("*.tmp"))


def test_a_piece_without_a_good_item_has_no_array(tmp_path):
    records = make_pieces(tmp_path, cut(ITEMS[3:4], 2, None), double, 1, "items")
    assert records == [{"result": [{"reason": "damaged"}], "sha256": None, "bytes": None}]
    assert not list(tmp_path.glob("*.npy"))


def test_workers_change_nothing(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    one = make_pieces(tmp_path / "one", pieces(), double, 1, "items")
    two = make_pieces(tmp_path / "two", pieces(), double, 2, "items")
    assert one == two
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "two").iterdir())
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path, capsys):
    seen: list[int] = []

    def interrupted(items, stop):
        if len(seen) >= stop:
            raise KeyboardInterrupt
        seen.extend(number for _, number in items)
        return double(items)

    with pytest.raises(KeyboardInterrupt):
        make_pieces(tmp_path, pieces(), partial(interrupted, stop=4), 1, "items")
    assert seen == [0, 1, 2, 3]
    records = make_pieces(tmp_path, pieces(), partial(interrupted, stop=99), 1, "items")
    assert seen == [0, 1, 2, 3, 4, 5, 6]
    (tmp_path / "fresh").mkdir()
    assert records == make_pieces(tmp_path / "fresh", pieces(), double, 1, "items")
    assert "4 of 7 done by an interrupted run" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["truncated array", "zeros", "no array", "truncated record", "no record"])
def test_a_damaged_piece_is_made_again(tmp_path, damage):
    make_pieces(tmp_path, pieces(), double, 1, "items")
    piece = pieces()[2]
    array, record = tmp_path / f"{piece.key}.npy", tmp_path / f"{piece.key}.json"
    content = array.read_bytes()
    if damage == "truncated array":
        array.write_bytes(content[:-1])
    elif damage == "zeros":  # what a loss of power may leave
        array.write_bytes(content[:-8] + bytes(8))
    elif damage == "no array":
        array.unlink()
    elif damage == "truncated record":
        record.write_text(record.read_text()[:-5])
    else:
        record.unlink()
    assert damage == "zeros" or read_record(tmp_path, piece) is None
    make_pieces(tmp_path, pieces(), double, 1, "items")
    assert array.read_bytes() == content


def test_other_settings_or_items_are_other_pieces():
    keys = {piece.key for piece in pieces()}
    assert not keys & {piece.key for piece in pieces(settings={"side": 8})}
    assert not keys & {piece.key for piece in pieces(size=3)[:2]}
    assert [piece.key for piece in cut([*ITEMS[:6], ["new", 6]], 2, None)][:3] == [piece.key for piece in pieces()][:3]


def test_a_killed_worker_is_told_in_one_line():
    with pytest.raises(UserError, match=r"killed.*fewer --workers") as caught:
        list(in_parallel(die, [1, 2, 3], 2))
    assert "\n" not in str(caught.value)


def test_an_error_in_a_worker_comes_through():
    with pytest.raises(ZeroDivisionError):
        list(in_parallel(partial(divmod, 1), [0, 1, 0], 2))


def test_a_place_that_cannot_be_written_to_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(UserError, match="file/x: cannot be written"),
        resumable_folder(tmp_path / "file" / "x", "key"),
    ):
        pass


def test_no_workers_are_refused():
    with pytest.raises(UserError, match="--workers 0"):
        list(in_parallel(double, [1], 0))


@pytest.mark.whole
def test_interrupting_the_command_line_keeps_what_is_done(tmp_path):
    """Ctrl-C with two workers: what is done or in work stays, and the same command finishes."""
    root = Path(__file__).parents[2]
    run = [sys.executable, "-c", SLOW, str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": f"{root / 'src'}{os.pathsep}{Path(__file__).parent}"}
    environment["INTERRUPTED"] = str(tmp_path / "interrupted")
    started = subprocess.Popen(run, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 300
    while not list(tmp_path.glob("*.json")) and started.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(started.pid, signal.SIGINT)
    _, err = started.communicate(timeout=300)
    assert started.returncode == 130
    assert err.splitlines()[-1].startswith("interrupted: run the same command again to go on")
    assert "Traceback" not in err
    assert not (tmp_path / "interrupted").exists()
    done = len(list(tmp_path.glob("*.json")))
    assert 3 <= done < len(MANY)  # the first, and at least the two in work
    finished = subprocess.run(run, env=environment, capture_output=True, text=True)
    assert finished.returncode == 0
    assert f"{done} of {len(MANY)} done by an interrupted run" in finished.stderr


MANY = [[f"item-{i}", i] for i in range(14)]


def slow(items):
    try:
        time.sleep(0.4)
    except KeyboardInterrupt:
        Path(os.environ["INTERRUPTED"]).touch()
        raise
    return double(items)


SLOW = """
import signal, sys
from pathlib import Path
from supremix.prepare.shared.command import exit_code
from supremix.data.prepared.making import cut, make_pieces
from test_pieces import MANY, slow

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the tests run in the background of a shell
    sys.exit(exit_code(lambda: make_pieces(Path(sys.argv[1]), cut(MANY, 1, None), slow, 2, "items")))
"""
