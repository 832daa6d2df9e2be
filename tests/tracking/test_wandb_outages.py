"""W&B going away in the middle of a run: the run goes on at once, ends within seconds, and its record is complete."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from supremix.tracking import mirror, uploads
from supremix.tracking.mirror import GRACE
from tests.running import run_small
from tests.tracking.wandb_mirror import FINISH_TIMEOUT, service

ROOT = Path(__file__).parents[2]
RUN = "0123456789abcdef"
pytestmark = pytest.mark.usefixtures("wandb_folders", "wandb_key")
SLOW_MACHINE = 15.0  # seconds on top of every limit, for a busy one


class Mirror:
    """A process that mirrors a run."""

    def __init__(self, mode, folder):
        self.folder = folder
        # Files, since the helper process keeps a pipe open even where it is stopped.
        with (folder / "out").open("w") as out, (folder / "err").open("w") as err:
            command = [sys.executable, "-m", "tests.tracking.wandb_mirror", mode, str(folder), RUN]
            env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
            env.pop("WANDB_SERVICE", None)  # the helper of this process, where a test that logged in it left one
            streams = {"stdin": subprocess.PIPE, "stdout": out, "stderr": err}
            self.process = subprocess.Popen(command, cwd=ROOT, env=env, text=True, **streams)
        while not self.said() and self.process.poll() is None:
            time.sleep(0.05)
        self.service = self.said()[0]["service"]
        assert self.said()[0]["started"]

    def said(self):
        return [json.loads(line) for line in (self.folder / "out").read_text().splitlines()]

    @property
    def errors(self):
        return (self.folder / "err").read_text()

    def go_on(self):
        """Let it mirror the rest; its times, with that from the last line to the end of the process."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        began = time.monotonic()
        try:
            assert self.process.wait(90) == 0, self.errors
        finally:
            self.process.kill()
            with_end = time.monotonic() - began
        times = self.said()[1]
        assert times["log"] < 1.0 + SLOW_MACHINE / 10
        assert with_end - times["log"] - times["finish"] < 2 * GRACE + SLOW_MACHINE
        assert "Traceback" not in self.errors
        return times

    @property
    def run(self):
        (folder,) = (self.folder / "wandb").glob("*run-*")
        return folder


def test_a_healthy_server_gets_everything_and_the_folder_is_marked(tmp_path, wandb_server):
    mirror = Mirror("online", tmp_path)
    mirror.go_on()
    assert [row["pretrain/epoch"] for row in wandb_server.rows[RUN]] == list(range(1, 31))
    assert wandb_server.runs[RUN]["tags"] == ["a tag"]
    assert uploads.is_uploaded(mirror.run)


@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGSTOP])
def test_a_helper_process_that_is_killed_or_stopped(tmp_path, signum):
    mirror = Mirror("offline", tmp_path)
    os.kill(mirror.service, signum)
    try:
        times = mirror.go_on()
    finally:
        if Path(f"/proc/{mirror.service}").exists():
            os.kill(mirror.service, signal.SIGKILL)
    assert times["finish"] < FINISH_TIMEOUT + 2 * GRACE + SLOW_MACHINE
    assert "warning: W&B" in mirror.errors


@pytest.mark.parametrize("status", [401, 500])
def test_a_server_that_refuses_the_key_or_fails(tmp_path, wandb_server, status):
    mirror = Mirror("online", tmp_path)
    wandb_server.status = wandb_server.status_of_rows = status
    assert mirror.go_on()["finish"] < FINISH_TIMEOUT + GRACE + SLOW_MACHINE
    assert not uploads.is_uploaded(mirror.run)


@pytest.mark.whole
def test_a_server_that_takes_everything_and_never_answers(tmp_path, wandb_server):
    mirror = Mirror("online", tmp_path)
    wandb_server.silent = True
    assert mirror.go_on()["finish"] < FINISH_TIMEOUT + GRACE + SLOW_MACHINE
    assert not uploads.is_uploaded(mirror.run)
    assert "warning: W&B: TimeoutError" in mirror.errors


def test_a_full_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        (tmp_path / "wandb").symlink_to(disk)
        mirror = Mirror("offline", tmp_path)
        with pytest.raises(OSError, match="No space"):
            (disk / "fill").write_bytes(bytes(2**20))
        assert mirror.go_on()["finish"] < FINISH_TIMEOUT + GRACE + SLOW_MACHINE
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.slow
def test_a_whole_run_whose_helper_process_hangs_has_the_same_record(tmp_path, monkeypatch, capsys):
    log = mirror.Tracker.log

    def stopping(self, stage, epoch, row):
        if (stage, epoch) == ("adapt", 1):
            stopped.append(service())
            os.kill(stopped[-1], signal.SIGSTOP)
        log(self, stage, epoch, row)

    stopped = []
    mirrored = ("tracking=wandb", "tracking.mode=offline")
    with monkeypatch.context() as patch:
        patch.setattr(mirror.Tracker, "log", stopping)
        directory, record = run_small(tmp_path / "a", *mirrored, "tracking.finish_timeout=0.5")
    assert len(stopped) == 1
    assert "W&B does not answer" in capsys.readouterr().err
    assert (directory / "DONE").exists()
    _, undisturbed = run_small(tmp_path / "b", *mirrored)
    assert record["metrics"] == undisturbed["metrics"]
    assert list((tmp_path / "b/runs/wandb").glob("offline-run-*"))  # the next run of the process has W&B again
