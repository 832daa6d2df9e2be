"""The page on using a run: its blocks do what they say, in order."""

import re
import shlex
from pathlib import Path

import pytest
from sklearn.datasets import load_diabetes

from supremix.cli.main import main
from supremix.store.folders import Store

PAGE = Path(__file__).parents[2] / "docs" / "use_a_run.md"
# Quicker than the page's runs; overrides that come later win.
QUICK = ["dataset.recipe.pretrain.epochs=2", "dataset.recipe.adapt.epochs=2", "dataset.recipe.vanilla.epochs=2"]
QUICK += ["tracking=none", "trainer.progress=off", "trainer.accelerator=cpu"]


@pytest.mark.slow
def test_every_block_of_the_page_runs(tmp_path, monkeypatch):
    for package in ("onnxruntime", "onnxscript", "matplotlib"):
        pytest.importorskip(package, reason="pip install 'supremix[all]'")
    monkeypatch.chdir(tmp_path)
    frame = load_diabetes(scaled=False, as_frame=True).frame.rename(columns={"target": "label"})
    frame.iloc[:60].to_csv("patients.csv", index=False)
    names, run = {}, ""
    for kind, block in re.findall(r"```(shell|python)\n(.*?)```", PAGE.read_text(), re.S):
        if kind == "python":
            exec(block, names)
            continue
        for line in block.splitlines():
            command = shlex.split(line.replace("RUN", run))
            assert command[0] == "supremix"
            assert main([*command[1:], *(QUICK if command[1] == "train" else _store(command[1]))]) == 0, line
            if not run:
                (directory,) = Store("runs").finished_runs()
                run = names["RUN"] = str(directory)
    assert {"predictions", "ridge", "features", "prediction", "scores", "best"} <= names.keys()


def _store(command):
    return [] if command == "ls" else ["--store", "runs"]
