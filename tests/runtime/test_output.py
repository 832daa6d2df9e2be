"""Output that nobody takes: runs go on and are saved, lists end by the code of SIGPIPE or with one line."""

import io
import os
import signal

import pytest

from supremix.runtime.output import Unheard, ending
from tests import processes
from tests.running import SMALL, run_small

SIGPIPE = 128 + signal.SIGPIPE
FULL = "error: stdout: cannot be written (No space left on device): send it somewhere else"
WORDY = [part for part in SMALL if "progress" not in part]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store with a finished run."""
    directory, _ = run_small(tmp_path_factory.mktemp("store"), "method=ridge")
    return directory


def ended(tmp_path, arguments, cut):
    """The command's exit code, and what it could still write."""
    log = tmp_path / "log"
    return processes.code(processes.start(processes.command_cut, arguments, cut, log=log)), log.read_text().splitlines()


@pytest.mark.whole
@pytest.mark.parametrize("cut", ["pipe", "full", "closed"])
def test_a_run_goes_on_and_is_saved_though_nobody_takes_what_it_says(tmp_path, cut):
    places = {1: cut, 2: cut}
    arguments = ["train", *WORDY, "trainer.progress=plain", f"paths.runs={tmp_path / 'runs'}"]
    assert ended(tmp_path, arguments, places) == (0, [])
    assert len(list((tmp_path / "runs").glob("*/DONE"))) == 1
    (log,) = (tmp_path / "runs").glob("*/run.log")
    assert "linear_probe epoch 3/3" in log.read_text()


@pytest.mark.whole
@pytest.mark.parametrize(("cut", "code", "says"), [("pipe", SIGPIPE, []), ("full", 1, [FULL]), ("closed", 0, [])])
@pytest.mark.parametrize("command", ["ls", "show", "evaluate", "table", "train"])
def test_what_is_asked_for_its_output_ends_as_others_do(store, tmp_path, command, cut, code, says):
    arguments = {
        "ls": ["--store", str(store.parent)],
        "show": [store.name, "--store", str(store.parent)],
        "evaluate": ["--store", str(store.parent)],
        "table": ["quickstart", "--plan", f"paths.runs={store.parent}"],
        "train": ["dataset=diabetes", "--cfg", "job"],
    }[command]
    assert ended(tmp_path, [command, *arguments], {1: cut}) == (code, says)


@pytest.mark.parametrize("cut", ["pipe", "full"])
def test_a_mistake_has_its_own_code_though_its_line_is_lost(tmp_path, cut):
    for arguments in (["ls", "--store", "nowhere"], ["train", "method.temprature=1"]):
        assert ended(tmp_path, arguments, {1: cut, 2: cut}) == (1, [])


class Terminal(io.StringIO):
    """A terminal that is gone after some writes."""

    def __init__(self, writes):
        super().__init__()
        self.left = writes

    def isatty(self):
        return True

    def write(self, text):
        if self.left == 0:
            raise OSError(5, os.strerror(5))
        self.left -= 1
        return super().write(text)


def test_a_bar_at_a_terminal_that_is_gone_stops_nothing(monkeypatch):
    from supremix.training.progress import stage_progress

    rows = []
    monkeypatch.setattr("sys.stderr", Terminal(3))
    with stage_progress("bar", "pretrain", 3, lambda epoch, row: rows.append(epoch)) as report:
        for epoch in (1, 2, 3):
            report(epoch, {"loss": 1.0})
    assert rows == [1, 2, 3]


def test_a_stream_that_was_never_there_takes_everything():
    assert Unheard(None).write("text") == 4
    assert not Unheard(None).isatty()


@pytest.mark.parametrize(("raised", "code"), [(SystemExit(3), 3), (SystemExit("error: no"), 1), (SystemExit(), 0)])
def test_a_process_whose_output_is_taken_ends_with_its_code(capsys, raised, code):
    with pytest.raises(SystemExit) as end, ending():
        raise raised
    assert end.value.code == code
    assert capsys.readouterr().err == ("error: no\n" if code == 1 else "")


def test_an_error_that_is_not_of_the_output_keeps_its_traceback():
    with pytest.raises(FileNotFoundError), ending():
        raise FileNotFoundError(2, "none")
