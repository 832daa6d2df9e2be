"""Runs and encoders that other code made: shown as such, run anew on request, and never lost."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from supremix.errors import UserError
from supremix.experiment import measure
from supremix.experiment.evaluate import evaluate
from supremix.experiment.stages import checkpoints_of
from supremix.settings.compose import CONF
from supremix.settings.provenance import PACKAGE, present_code
from supremix.store.folders import Store
from tests.running import SMALL, run_small

SHOWN = "trainer.progress=plain"
OLD = {"version": "0.0.1", "digest": "0" * 16}


def made_by_other_code(directory: Path) -> None:
    """Change what a record says of its code."""
    path = directory / "record.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"code": OLD}))


def test_a_record_names_its_code_and_its_encoders(tmp_path):
    _, record = run_small(tmp_path, "method=supcon")
    assert record["code"] == present_code()
    assert record["pretrain_code"] == present_code()["digest"]
    _, record = run_small(tmp_path, "method=constant")
    assert record["pretrain_code"] is None


@pytest.mark.whole
def test_a_run_of_other_code_is_shown_as_such_and_with_rerun_run_anew_once(tmp_path, capfd):
    directory, first = run_small(tmp_path, "method=supcon")
    encoder = tmp_path / "runs" / "encoders" / first["pretrain_id"]
    before = np.load(directory / "predictions.npz")
    for folder in (directory, encoder):
        made_by_other_code(folder)
    _, shown = run_small(tmp_path, "method=supcon", SHOWN)
    line = f"finished before, made by other code ({OLD['digest']}, version 0.0.1): rerun=true runs it anew"
    assert line in capfd.readouterr().out
    assert shown["code"] == OLD
    again, record = run_small(tmp_path, "method=supcon", SHOWN, "rerun=true")
    assert again == directory
    assert ": finished\n" in capfd.readouterr().out
    assert record["code"] == present_code()
    assert record["pretrain_code"] == present_code()["digest"]
    np.testing.assert_array_equal(np.load(directory / "predictions.npz")["test_best"], before["test_best"])
    superseded = tmp_path / "runs" / "superseded"
    assert {path.name for path in superseded.iterdir()} == {f"{directory.name}-1", f"{encoder.name}-1"}
    assert all(json.loads((path / "record.json").read_text())["code"] == OLD for path in superseded.iterdir())
    run_small(tmp_path, "method=supcon", SHOWN, "rerun=true")
    assert "finished before, nothing to do" in capfd.readouterr().out
    assert len(list(superseded.iterdir())) == 2


def test_a_new_run_says_that_it_takes_an_encoder_of_other_code(tmp_path, capfd):
    _, first = run_small(tmp_path, "method=supcon")
    made_by_other_code(tmp_path / "runs" / "encoders" / first["pretrain_id"])
    _, second = run_small(tmp_path, "method=supcon", "protocol.epochs=2")
    assert f"stored, made by other code ({OLD['digest']}, version 0.0.1)" in capfd.readouterr().err
    assert (second["code"], second["pretrain_code"]) == (present_code(), OLD["digest"])
    run_small(tmp_path, "method=supcon", "protocol.epochs=2", SHOWN)
    assert f"its encoder was made by other code ({OLD['digest']}): rerun=true" in capfd.readouterr().out
    _, third = run_small(tmp_path, "method=supcon", "protocol.epochs=2", "rerun=true")
    assert third["pretrain_code"] == present_code()["digest"]


def test_a_run_does_not_go_on_from_checkpoints_of_other_code(tmp_path, capfd):
    _, first = run_small(tmp_path, "method=supcon")
    encoder = tmp_path / "runs" / "encoders" / first["pretrain_id"]
    shutil.rmtree(encoder)
    other = encoder.with_name(f"{encoder.name}.partial") / OLD["digest"]
    other.mkdir(parents=True)
    (other / "pretrain-epoch-000002-step-000000001.ckpt").write_bytes(b"not read")
    run_small(tmp_path, "method=supcon", "protocol.epochs=2")
    assert f"pretrain does not go on from checkpoints of other code, which are left: {other}" in capfd.readouterr().err
    assert checkpoints_of("pretrain", tmp_path, None).folder == tmp_path / present_code()["digest"]
    assert not other.parent.exists()  # gone with the rest once the encoder is finished


def test_metrics_of_features_and_of_intervals_reach_old_runs(tmp_path):
    directory, before = run_small(tmp_path, "method=random")
    path = directory / "record.json"
    old = {key: value for key, value in before.items() if key not in ("representation", "interval")}
    path.write_text(json.dumps(old))
    assert evaluate(Store(tmp_path / "runs")) == (1, 1)
    assert json.loads(path.read_text())["representation"] == before["representation"]
    arrays = dict(np.load(directory / "predictions.npz"))
    arrays |= {
        f"{split}_{end}": np.full(88, at) for split in ("val", "test") for end, at in (("low", 0), ("high", 100))
    }
    np.savez(directory / "predictions.npz", **arrays, coverage=0.9)
    assert evaluate(Store(tmp_path / "runs")) == (1, 1)
    of_test = json.loads(path.read_text())["interval"]["test"]
    assert (of_test["nominal"], of_test["width"]) == (0.9, 100)
    assert of_test["coverage"] == pytest.approx((arrays["test_y"] <= 100).mean())
    assert evaluate(Store(tmp_path / "runs")) == (1, 0)


def test_a_new_metric_reaches_old_runs_and_their_groups(tmp_path, monkeypatch):
    directory, before = run_small(tmp_path, "method=constant")
    store = Store(tmp_path / "runs")
    assert evaluate(store) == (1, 0)
    assert any(name.startswith("mae_") for name in before["metrics"]["test"]["best"])
    times = {path: path.stat().st_mtime_ns for path in directory.iterdir()}
    plain = measure.regression_metrics
    monkeypatch.setattr(
        measure, "regression_metrics", lambda y, p: plain(y, p) | {"bias": float(np.mean(np.subtract(p, y)))}
    )
    assert evaluate(store, [directory.name]) == (1, 1)
    record = json.loads((directory / "record.json").read_text())
    arrays = np.load(directory / "predictions.npz")
    for split in ("val", "test"):
        bias = np.mean(arrays[f"{split}_best"] - arrays[f"{split}_y"])
        assert record["metrics"][split]["best"]["bias"] == pytest.approx(bias)
    assert record["evaluated"] == present_code()
    del record["metrics"]["val"]["best"]["bias"], record["metrics"]["test"]["best"]["bias"], record["evaluated"]
    assert record == json.loads(json.dumps(before))
    changed = {path.name for path in directory.iterdir() if times.get(path) != path.stat().st_mtime_ns}
    assert changed == {"record.json"}
    assert evaluate(store) == (1, 0)
    with pytest.raises(UserError, match="no finished run"):
        evaluate(store, ["0" * 16])


class Checkout:
    """A copy of the package and its configs, whose driver runs in processes of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.package = folder, folder / "src" / "supremix"
        shutil.copytree(PACKAGE, self.package, ignore=shutil.ignore_patterns("__pycache__", "conf"))
        shutil.copytree(CONF, folder / "conf")
        (folder / "numba.py").write_text("raise ModuleNotFoundError('numba')\n")  # which would compile for each copy

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace text in a file."""
        text = (self.folder / path).read_text()
        assert old in text, path
        (self.folder / path).write_text(text.replace(old, new))

    def train(self, *overrides: str) -> str:
        """Run the driver; what it shows of the run."""
        command = [sys.executable, "-m", "supremix.train", *SMALL, f"paths.runs={self.folder / 'runs'}", SHOWN]
        result = subprocess.run(
            [*command, *overrides], capture_output=True, text=True, check=False, timeout=120, cwd=self.folder,
            env=os.environ | {"PYTHONPATH": os.pathsep.join([str(self.folder / "src"), str(self.folder)])},
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
        return result.stdout

    def runs(self) -> int:
        """How many runs are finished."""
        return len(list((self.folder / "runs").glob("*/DONE")))


@pytest.fixture
def checkout(tmp_path) -> Checkout:
    """The copy."""
    return Checkout(tmp_path)


@pytest.mark.slow
def test_an_edit_of_a_loss_makes_its_finished_run_one_of_other_code_and_words_do_not(checkout):
    assert ": finished\n" in checkout.train("method=supcon")
    checkout.edit("src/supremix/losses/supcon.py", '"""SupCon', '# a comment\n"""The loss SupCon')
    assert "nothing to do" in checkout.train("method=supcon")
    checkout.edit("src/supremix/losses/supcon.py", "window=0.0", "window=0.25")
    assert "made by other code (" in checkout.train("method=supcon")
    assert checkout.runs() == 1


@pytest.mark.slow
def test_a_moved_module_leaves_the_run_as_it_is(checkout):
    checkout.train("method=supcon")
    (checkout.package / "losses" / "supcon.py").rename(checkout.package / "losses" / "moved.py")
    checkout.edit("src/supremix/losses/__init__.py", "supremix.losses.supcon import", "supremix.losses.moved import")
    checkout.edit("conf/method/supcon.yaml", "supremix.losses.SupConLoss", "supremix.losses.moved.SupConLoss")
    assert "nothing to do" in checkout.train("method=supcon")
    assert checkout.runs() == 1


@pytest.mark.slow
def test_an_edit_of_a_users_loss_is_another_run_and_words_in_it_are_not(checkout):
    own = checkout.folder / "own_loss.py"
    own.write_text("from supremix.losses import SupConLoss\n\n\nclass Loss(SupConLoss):\n    pass\n")
    chosen = ("method=supcon", "method.loss._target_=own_loss.Loss")
    checkout.train(*chosen)
    checkout.edit("own_loss.py", "    pass", '    """What it does."""\n\n    pass  # nothing more')
    assert "nothing to do" in checkout.train(*chosen)
    checkout.edit("own_loss.py", "    pass", "    def forward(self, z, y):\n        return 2 * super().forward(z, y)")
    assert ": finished\n" in checkout.train(*chosen)
    assert checkout.runs() == 2
