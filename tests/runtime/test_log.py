"""Lines of progress: on stderr where an entry point asks for it, and in the log of each run."""

import logging
import os
import pty
import signal
import subprocess
import sys

import pytest

from supremix.errors import Stopped, UserError
from supremix.experiment import run as experiment
from supremix.runtime import log
from supremix.runtime.log import FILE_ONLY, RUN_LOG, kept
from supremix.store.folders import begun
from tests import processes
from tests.running import config, run_small, without_verdict

LOGGER = logging.getLogger("supremix.runtime.log")


def lines(folder):
    """The messages of a folder's log, without the times."""
    return [line[20:] for line in (folder / RUN_LOG).read_text().splitlines()]


def test_lines_are_plain_and_warnings_marked(capsys):
    log.show()
    log.show()
    LOGGER.info("epoch %s", 3)
    LOGGER.warning("two\n lines")
    LOGGER.info("for the file", extra=FILE_ONLY)
    LOGGER.debug("for nobody")
    LOGGER.info("epoch 3")
    assert capsys.readouterr() == ("", "epoch 3\nwarning: two lines\n")  # each once
    log.begin()
    LOGGER.info("epoch 3")
    assert capsys.readouterr().err == "epoch 3\n"


def test_another_rank_shows_its_warnings_alone(capsys, monkeypatch):
    monkeypatch.setattr("supremix.runtime.log.ranks.is_first", lambda: False)
    LOGGER.info("epoch 3")
    LOGGER.warning("trouble")
    assert capsys.readouterr().err == "warning: trouble\n"


def test_a_folder_keeps_the_lines_of_a_block_and_why_it_failed(tmp_path, capsys):
    with kept(tmp_path):
        LOGGER.info("first", extra=FILE_ONLY)
    with pytest.raises(UserError), kept(tmp_path):
        raise UserError("no\nspace")
    with pytest.raises(Stopped), kept(tmp_path):
        raise Stopped(signal.SIGTERM)
    with pytest.raises(ZeroDivisionError), kept(tmp_path):
        1 / 0  # noqa: B018
    LOGGER.info("after", extra=FILE_ONLY)
    name = tmp_path.name
    kept_lines = lines(tmp_path)
    assert kept_lines[:6] == [
        f"{name} begins", "first", f"{name} finished", f"{name} goes on", "error: no space", f"{name} goes on",
    ]  # fmt: skip
    assert kept_lines[6].startswith("error: stopped by SIGTERM")
    assert kept_lines[8].startswith("error: Traceback")
    assert (tmp_path / RUN_LOG).read_text().endswith("ZeroDivisionError: division by zero\n")
    assert capsys.readouterr().err == ""


def test_ranks_write_their_lines_once_and_each_why_it_failed(tmp_path, monkeypatch):
    monkeypatch.setattr("supremix.runtime.log.ranks.world_size", lambda: 2)
    for rank in range(2):
        monkeypatch.setattr("supremix.runtime.log.ranks.rank", lambda rank=rank: rank)
        monkeypatch.setattr("supremix.runtime.log.ranks.is_first", lambda rank=rank: rank == 0)
        with pytest.raises(UserError):
            _fail_in(tmp_path)
    assert lines(tmp_path)[1:] == ["epoch 1", "error: rank 0: lost", "error: rank 1: lost"]


def _fail_in(folder):
    with kept(folder):
        LOGGER.info("epoch 1", extra=FILE_ONLY)
        raise UserError("lost")


def test_a_log_that_cannot_be_written_stops_no_block(tmp_path):
    (tmp_path / RUN_LOG).mkdir()
    with kept(tmp_path):
        LOGGER.info("epoch 1", extra=FILE_ONLY)


def test_a_run_keeps_its_epochs_and_environment_though_it_shows_nothing(tmp_path, capsys):
    directory, _ = run_small(tmp_path)
    text = "\n".join(lines(directory))
    assert "dataset=diabetes backbone=mlp method=supremix protocol=linear_probe seed=0\nsupremix=" in text
    for line in ("pretrain epoch 2/2  loss", "linear_probe epoch 3/3", f"{directory.name} finished"):
        assert line in text
    shown = capsys.readouterr()
    assert shown.out == ""
    assert without_verdict(shown.err) == []
    before = (directory / RUN_LOG).read_bytes()
    run_small(tmp_path)
    assert (directory / RUN_LOG).read_bytes() == before


@pytest.mark.slow
def test_an_interrupted_run_has_both_parts(tmp_path):
    cfg = config(tmp_path)
    for batch, signum in ((12, signal.SIGTERM), (4, signal.SIGKILL)):
        process = processes.start(processes.run_until, cfg, "pretrain", batch, signum, log=tmp_path / "log")
        assert processes.code(process) != 0
    directory = experiment.run(cfg)
    kept_lines = lines(directory)
    assert [line.split()[1] for line in kept_lines if line.startswith(directory.name)] == [
        "begins", "goes", "goes", "finished",
    ]  # fmt: skip
    assert sum(line.startswith("error: stopped by SIGTERM") for line in kept_lines) == 1
    assert sum(line.startswith("pretrain goes on from") for line in kept_lines) == 2
    assert not list((tmp_path / "runs").rglob("*.partial"))


def test_a_failed_run_says_why_and_counts_as_not_begun(tmp_path):
    cfg = config(tmp_path, "method=vanilla", "protocol.optimizer.lr=1e30")
    with pytest.raises(UserError, match="became"):
        experiment.run(cfg)
    (folder,) = (tmp_path / "runs").glob("*.partial")
    assert lines(folder)[-1].startswith("error: the ")
    for path in folder.glob("*.ckpt"):
        path.unlink()
    (folder / "lock").unlink(missing_ok=True)
    assert not begun(folder.with_suffix(""))


def test_the_losses_alone_log_nothing_and_install_nothing():
    code = "import logging, supremix.losses, supremix.metrics; print(logging.root.handlers, [n for n in logging.root."
    code += "manager.loggerDict if n.startswith('supremix') and logging.getLogger(n).handlers])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (said.stdout, said.stderr) == ("[] []\n", "")


def test_at_a_terminal_lines_stand_above_the_bar(tmp_path):
    primary, secondary = pty.openpty()
    code = (
        "import logging; from supremix.runtime import log; from supremix.training.progress import stage_progress\n"
        "log.show()\n"
        "with stage_progress('auto', 'pretrain', 2, lambda epoch, row: None) as report:\n"
        "    report(1, {'loss': 1.0})\n"
        "    logging.getLogger('supremix.train').warning('trouble')\n"
        "    report(2, {'loss': 0.5})\n"
    )
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen([sys.executable, "-c", code], stdout=secondary, stderr=secondary, env=environment)
    os.close(secondary)
    shown = b""
    try:
        while chunk := os.read(primary, 4096):
            shown += chunk
    except OSError:  # the other end is closed
        pass
    assert process.wait() == 0
    text = shown.decode()
    assert "\x1b[2Kwarning: trouble" in text.replace("\r", "") or "\nwarning: trouble\r\n" in text
    assert "2/2" in text
    assert "loss 0.5" in text
    assert "pretrain epoch 2/2  loss" not in text  # the lines are for the file


@pytest.mark.parametrize("mode", ["plain", "off"])
def test_lines_of_a_stage_go_to_stderr_unless_off(tmp_path, capsys, mode):
    experiment.run(config(tmp_path, f"trainer.progress={mode}"))
    assert ("pretrain epoch 2/2" in capsys.readouterr().err) == (mode == "plain")
