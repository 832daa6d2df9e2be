"""Random settings and labels through `supremix train`, in this process, on tables of a few rows.

Whatever they are: an exit code of 0 or 1, no traceback, one line of error, less than a minute and 4 GB; and what a run
records is what NumPy computes anew from its predictions and from the table.
"""

import io
import json
import resource
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra._internal.hydra import Hydra
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from supremix.cli.main import main
from supremix.prepare.shared.prepared import write_manifest, write_meta
from supremix.settings.overrides import quoted

EXAMPLES = 525  # of each of the two tests
SECONDS, MEMORY = 60, 4 << 30
ENDED: Counter[str] = Counter()
campaign = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
    phases=[Phase.generate, Phase.shrink],  # not explain, which traces every line
)
METHODS = ("vanilla", "random", "supcon", "supcr", "supremix", "constant", "linear", "ridge", "knn", "boosting")
QUICK = [f"dataset.recipe.{stage}.epochs=1" for stage in ("pretrain", "adapt", "vanilla")]
FIXED = [
    "dataset=uci_airfoil",
    "dataset.load.sizes=null",
    "dataset.recipe.backbone.hidden=[4]",
    "dataset.recipe.projection.hidden=4",
    "tracking=none",
    "trainer.progress=off",
    "trainer.accelerator=cpu",
]

odd = st.one_of(
    st.sampled_from(["null", "true", "abc", "nan", "inf", "-inf", "[]", "{}", "[1,2]", "{a: 1}", "''", "1e400", "-0"]),
    st.integers(-(2**70), 2**70).map(str),
    st.floats(allow_nan=True).map(repr),
    st.text(max_size=12).filter(lambda text: "\x00" not in text and "\n" not in text).map(quoted),
)
"""Values that a key may get and few keys can use."""


def positive(low: float, high: float) -> st.SearchStrategy[str]:
    """Numbers of every magnitude between two powers of ten."""
    return st.floats(low, high).map(lambda power: f"{10.0**power:.6g}")


KEYS: dict[str, st.SearchStrategy[str]] = {
    "seed": st.integers(0, 2**63 - 1).map(str),
    "method.temperature": positive(-7, 7),
    "method.window": positive(-12, 14),
    "method.beta": st.tuples(positive(-2, 7), positive(-2, 7)).map(lambda pair: f"[{','.join(pair)}]"),
    "method.labels": st.sampled_from(["raw", "binned"]),
    "method.projection_head": st.sampled_from(["true", "false"]),
    "method.mix_neg": st.sampled_from(["true", "false"]),
    "method.mix_pos": st.sampled_from(["true", "false"]),
    "method.weight": st.sampled_from(["true", "false"]),
    "method/fidelity": st.sampled_from(["paper", "release"]),
    "method.pretrain.batch_size": st.integers(2, 40).map(str),
    "method.pretrain.sampler": st.sampled_from(["shuffled", "paired"]),
    "method.pretrain.optimizer.lr": positive(-12, 12),
    "method.pretrain.optimizer.weight_decay": positive(-12, 12),
    "method.pretrain.clip": positive(-12, 12),
    "method.pretrain.histograms": st.integers(1, 50).map(lambda bins: f"{{bins: {bins}, hardest: 5, epochs: [1]}}"),
    "protocol": st.sampled_from(["linear_probe", "finetune", "end_to_end", "none"]),
    "protocol.batch_size": st.integers(1, 40).map(str),
    "protocol.optimizer.lr": positive(-12, 12),
    "protocol.clip": positive(-12, 12),
    "protocol.loss": st.sampled_from(["l1", "mse"]),
    "protocol.select": st.sampled_from(["mae", "rmse", "mse", "gm", "pearson", "spearman", "r2"]),
    "protocol.bias_init": st.sampled_from(["mean", "zero"]),
    "imbalance": st.sampled_from(["none", "lds", "fds", "lds_fds"]),
    "dataset.scaling": st.sampled_from(["raw", "standard"]),
    "dataset.load.bin_size": st.one_of(st.just("null"), positive(-13, 13)),
    "dataset.permute_labels": st.integers(0, 2**63 - 1).map(str),
    "dataset.subset.train_size": st.integers(2, 30).map(str),
    "trainer.precision": st.sampled_from(["32-true", "bf16-mixed"]),
    "trainer.threads": st.sampled_from(["1", "null"]),
    "trainer.log_every": st.integers(1, 100).map(str),
    "trainer.representation_every": st.integers(1, 3).map(str),
    "trainer.workers": st.integers(0, 4).map(str),
    "trainer.deterministic": st.sampled_from(["true", "false"]),
}
"""Values that make sense, as far as one can tell without the others."""


@st.composite
def settings_of_a_run(draw: st.DrawFn) -> list[str]:
    """A method and a few overrides, one of which may be odd."""
    chosen = draw(st.lists(st.sampled_from(sorted(KEYS)), max_size=5, unique=True))
    values = {key: draw(KEYS[key]) for key in chosen}
    if chosen and draw(st.integers(0, 3)) == 0:
        values[chosen[0]] = draw(odd)
    return [f"method={draw(st.sampled_from(METHODS))}", *(f"{key}={value}" for key, value in values.items())]


@st.composite
def labels(draw: st.DrawFn) -> np.ndarray:
    """Labels of every scale: with ties, of one value, in vastly different magnitudes, now and then not finite."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows, scale = draw(st.integers(6, 40)), 10.0 ** draw(st.integers(-12, 12))
    kind = draw(st.sampled_from(["normal", "ties", "constant", "two", "huge", "offset", "close", "outlier", "broken"]))
    y_N = {
        "normal": lambda: rng.normal(size=rows),
        "ties": lambda: rng.integers(0, draw(st.integers(2, 6)), rows).astype(float),
        "constant": lambda: np.full(rows, rng.normal()),
        "two": lambda: rng.permutation(np.arange(rows) % 2).astype(float),
        "huge": lambda: 10.0 ** rng.uniform(-12, 12, rows) * rng.choice([-1, 1], rows),
        "offset": lambda: 1e6 + rng.normal(size=rows),
        "close": lambda: 1.0 + np.arange(rows) * 1e-15,
        "outlier": lambda: np.append(rng.normal(size=rows - 1), 1e9),
        "broken": lambda: np.append(rng.normal(size=rows - 1), draw(st.sampled_from([np.nan, np.inf, 1e39, 1e300]))),
    }[kind]() * scale
    return y_N


def table(folder: Path, y_N: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Write a prepared table with these labels; its features (N, 3) and splits (N,)."""
    rng, rows = np.random.default_rng(seed), len(y_N)
    split_N = np.array((["train"] * 4 + ["val", "test"]) * rows)[:rows]
    x_NF = rng.normal(size=(rows, 3)) * 10.0 ** rng.integers(-3, 4, 3)
    folder.mkdir(parents=True)
    columns = {"id": [f"r{i}" for i in range(rows)], "label": y_N.tolist(), "split": split_N.tolist()}
    write_manifest(folder, columns)
    np.save(folder / "features.npy", x_NF)
    source = {"file": "x", "sha256": "0", "url": ""}
    write_meta(folder, name="t", rows=rows, label="y", source=source, synthetic=True, features=list("abc"))
    return x_NF, split_N


@contextmanager
def limited() -> Iterator[None]:
    """A minute, and 4 GB for the whole process."""

    def late(*_: Any) -> None:
        raise AssertionError(f"still running after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10 < MEMORY


def train(folder: Path, overrides: list[str]) -> Path | None:
    """Run the command; the run's folder, or None where it refuses in one line."""
    places = [f"paths.prepared={folder / 'prepared'}", f"paths.runs={folder / 'runs'}"]
    arguments = ["train", *FIXED, *QUICK, *places, *overrides]
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, limited(), redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["supremix", *arguments])
        patch.setattr(Hydra, "get_mode", lambda *_, **__: None)  # spares composing twice
        try:
            code: Any = main(arguments)
        except SystemExit as stop:
            code = stop.code
    torch.use_deterministic_algorithms(False)
    said = err.getvalue().splitlines()
    if isinstance(code, str):  # the interpreter prints it and exits with 1
        said, code = [*said, *code.splitlines()], 1
    assert not any("Traceback" in line for line in said), said
    assert code in (None, 0, 1), (code, said)
    wrong = [line for line in said if line.startswith("error: ")]
    if code == 1:
        assert wrong == said[-1:], said
        ENDED["refused"] += 1
        return None
    assert not wrong, said
    (directory,) = [done.parent for done in (folder / "runs").glob("*/DONE")]
    ENDED["finished"] += 1
    return directory


def close(value: float | None, expected: float, size: float = 0.0) -> bool:
    """Whether a recorded number is the expected one, up to rounding of values of this size; None is NaN."""
    if value is None:
        return not np.isfinite(expected)
    return bool(np.isclose(value, expected, rtol=1e-6, atol=1e-9 * size))


def check(directory: Path, x_NF: np.ndarray, y_N: np.ndarray, split_N: np.ndarray) -> None:
    """Compare a run's record with its predictions, and the predictions of references with plain formulas."""
    record, arrays = json.loads((directory / "record.json").read_text()), np.load(directory / "predictions.npz")
    permuted = record["config"]["dataset"]["permute_labels"] is not None
    size = float(np.abs(y_N).max())
    for split in ("val", "test"):
        label_M = arrays[f"{split}_y"]
        assert len(label_M) == (split_N == split).sum()
        if not permuted:
            np.testing.assert_array_equal(label_M, y_N[split_N == split])
        for variant, recorded in record["metrics"][split].items():
            predicted_M = arrays[f"{split}_{variant}"].astype(float)
            assert np.isfinite(predicted_M).all()
            error_M = predicted_M - label_M
            assert close(recorded["mae"], np.abs(error_M).mean(), size)
            assert close(recorded["rmse"], np.sqrt((error_M**2).mean()), size)
            assert close(recorded["mse"], (error_M**2).mean(), size**2)
            spread = ((label_M - label_M.mean()) ** 2).sum()
            if recorded["r2"] is not None:
                assert close(recorded["r2"], 1 - (error_M**2).sum() / spread, 1e9 * (error_M**2).sum() / spread * 1e-6)
            if recorded["pearson"] is not None:
                with np.errstate(all="ignore"):
                    assert close(recorded["pearson"], np.corrcoef(label_M, predicted_M)[0, 1], 1e6)
    selection = record["selection"]
    if selection is not None:
        assert 1 <= selection["best_epoch"] <= selection["epochs"] == 1
    whole = not permuted and record["config"]["dataset"]["subset"]["train_size"] is None
    train_N, test_N = split_N == "train", split_N == "test"
    if whole and train_N.sum() >= 8 and record["method"] in REFERENCES:  # of fewer rows, rounding decides
        unit_NF = (x_NF - x_NF[train_N].mean(0)) / x_NF[train_N].std(0)
        expected = REFERENCES[record["method"]](unit_NF[train_N], y_N[train_N], unit_NF[test_N])
        right = [np.allclose(arrays["test_best"], M, rtol=1e-3, atol=1e-4 * size) for M in expected]
        assert any(right), (arrays["test_best"], expected)


def solved(x_NF: np.ndarray, y_N: np.ndarray, x_MF: np.ndarray, strength: float) -> tuple[np.ndarray, float]:
    """Ridge regression by normal equations on centred features: predictions (M,), squared leave-one-out error."""
    inverse_FF = np.linalg.inv(x_NF.T @ x_NF + strength * np.eye(x_NF.shape[1]))
    weight_F = inverse_FF @ x_NF.T @ (y_N - y_N.mean())
    lever_N = 1 / len(y_N) + np.einsum("nf,fg,ng->n", x_NF, inverse_FF, x_NF)
    left_out_N = (y_N - y_N.mean() - x_NF @ weight_F) / (1 - lever_N)
    return x_MF @ weight_F + y_N.mean(), float((left_out_N**2).mean())


def ridge(x_NF: np.ndarray, y_N: np.ndarray, x_MF: np.ndarray) -> list[np.ndarray]:
    """Ridge regression of the strength with the least leave-one-out error; of all that are as good but for rounding."""
    found = [solved(x_NF, y_N, x_MF, 10.0**power) for power in range(-2, 6)]
    least = min(error for _, error in found)
    return [predicted_M for predicted_M, error in found if error <= least * (1 + 1e-6)]


REFERENCES = {
    "constant": lambda x_NF, y_N, x_MF: [np.full(len(x_MF), y_N.mean())],
    "linear": lambda x_NF, y_N, x_MF: [solved(x_NF, y_N, x_MF, 0.0)[0]],
    "ridge": ridge,
}
"""Predictions of plain formulas: any of them is right."""


@pytest.fixture(scope="module", autouse=True)
def counted() -> Iterator[None]:
    """How many examples finished, and how many were refused in one line."""
    yield
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"\n{sum(ENDED.values())} examples: {dict(ENDED)}, at most {peak} MB")


@campaign
@given(settings_of_a_run())
def test_random_settings(overrides: list[str]) -> None:
    """On labels in order."""
    with tempfile.TemporaryDirectory() as scratch:
        y_N = np.random.default_rng(0).integers(0, 12, 36) + 100.0
        x_NF, split_N = table(Path(scratch, "prepared", "uci_airfoil"), y_N, 0)
        if directory := train(Path(scratch), overrides):
            check(directory, x_NF, y_N, split_N)


@campaign
@given(labels(), settings_of_a_run(), st.integers(0, 2**32 - 1))
def test_random_labels(y_N: np.ndarray, overrides: list[str], seed: int) -> None:
    """With random settings too."""
    with tempfile.TemporaryDirectory() as scratch:
        x_NF, split_N = table(Path(scratch, "prepared", "uci_airfoil"), y_N, seed)
        if directory := train(Path(scratch), overrides):
            check(directory, x_NF, y_N, split_N)
