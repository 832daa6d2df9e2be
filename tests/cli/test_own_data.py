"""Every command of docs/own_data.md works, on small files of the names that the page uses."""

import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from supremix.cli.main import main
from supremix.settings import identity
from supremix.settings.compose import CONF, composed

PAGE = Path(__file__).parents[2] / "docs" / "own_data.md"
ROWS = 60
SMALL = [
    "tracking=none",
    "trainer.progress=off",
    "trainer.accelerator=cpu",
    "dataset.recipe.threads=1",
    "dataset.recipe.pretrain.epochs=1",
    "dataset.recipe.adapt.epochs=1",
    "dataset.recipe.vanilla.epochs=1",
]
SMALLER = {
    "images": ["dataset.pixels=16", "dataset.recipe.backbone.width=4"],
    "volumes": ["dataset.recipe.backbone.width=4"],
    "signals": ["dataset.recipe.backbone.width=4"],
    "texts": ["dataset.recipe.backbone.hidden=8"],
}


def sections():
    """Title → commands of its blocks."""
    found = {}
    for part in PAGE.read_text().split("\n## "):
        commands = [line for block in re.findall(r"```sh\n(.*?)```", part, re.DOTALL) for line in block.splitlines()]
        if commands:
            found[part.splitlines()[0].strip("# ")] = commands
    return found


def write_files(folder: Path) -> None:
    """Write what the page's commands read."""
    from PIL import Image

    random = np.random.default_rng(0)
    y_N = random.uniform(1, 9, ROWS).round(2)
    houses = pd.DataFrame({"area": (20 * y_N).round(), "kind": random.choice(["flat", "house"], ROWS), "price": y_N})
    houses.to_csv(folder / "houses.csv", index=False)
    houses.drop(columns="price").to_csv(folder / "new_houses.csv", index=False)
    (folder / "files").mkdir()
    for i, y in enumerate(y_N):
        Image.fromarray(np.full((12, 12), 25 * y, np.uint8)).save(folder / "files" / f"{i}.png")
        np.save(folder / "files" / f"v{i}.npy", random.uniform(0, y, (6, 6, 6)))
        np.save(folder / "files" / f"s{i}.npy", random.normal(0, y, (12 + i % 3, 2)))
    for name, column, cell, label in (
        ("photos.csv", "photo", "files/{}.png", "angle"),
        ("scans.csv", "scan", "files/v{}.npy", "age"),
        ("records.csv", "record", "files/s{}.npy", "speed"),
    ):
        pd.DataFrame({column: [cell.format(i) for i in range(ROWS)], label: y_N}).to_csv(folder / name, index=False)
    spectra = pd.DataFrame(random.normal(size=(ROWS, 20)), columns=[f"nm{i}" for i in range(20)])
    spectra.assign(fat=y_N).to_csv(folder / "spectra.csv", index=False)
    words = np.array(["good", "bad", "film", "story", "dull"])
    tweets = pd.DataFrame({"id": range(ROWS), "score": y_N, "text": [" ".join(random.choice(words, 6)) for _ in y_N]})
    tweets.to_csv(folder / "tweets.txt", sep="\t", header=False, index=False)
    (folder / "glove").mkdir()
    vectors = "\n".join(f"{word} {i} 1 {-i}" for i, word in enumerate(words))
    (folder / "glove" / "glove.6B.50d.txt").write_text(vectors + "\n")


@pytest.mark.parametrize("title", sections())
def test_the_commands_of_a_section_work(title, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, value in (("DATA", "."), ("PREPARED", "prepared"), ("RUNS", "runs")):
        monkeypatch.setenv(f"SUPREMIX_{name}", value)
    write_files(tmp_path)
    for command in sections()[title]:
        runs = sorted((tmp_path / "runs").glob("[!e]*/DONE"), key=lambda done: done.stat().st_mtime_ns)
        words = shlex.split(command.replace("RUN", str(runs[-1].parent) if runs else "RUN"))
        assert words.pop(0) == "supremix"
        if words[0] == "train":
            kind = next(word.partition("=")[2] for word in words if word.startswith("dataset="))
            small = [each for each in SMALL if "method=ridge" not in words or "recipe" not in each]
            words += [*small, *SMALLER.get(kind, [])]
        elif words[0] == "compare":
            words += ["--launcher", "basic", *SMALL]
        assert main(words) == 0, capsys.readouterr().err
        assert "error:" not in capsys.readouterr().err
    if "predict" in command:
        table = pd.read_csv(tmp_path / "predictions.csv")
        assert len(table) == ROWS
        assert table.filter(like="predicted_").notna().all().all()


def test_the_page_names_keys_that_are_there():
    keys = {*re.findall(r"`dataset\.(\w+)[=`]", PAGE.read_text())}
    text = "".join(path.read_text() for path in (CONF / "dataset").glob("*.yaml"))
    assert len(keys) > 10
    assert {key for key in keys if not re.search(rf"^  {key}:", text, re.MULTILINE)} == set()


def test_a_run_is_the_same_wherever_its_file_lies():
    def science(path, *overrides):
        given = ["dataset=table", f"dataset.path={path}", "dataset.label=y", *overrides]
        return identity.scientific(composed(CONF, given))

    assert science("a/houses.csv") == science("/data/b/houses.csv")
    assert science("a/houses.csv")["dataset"]["name"] == "houses"
    assert science("a/houses.csv") != science("a/houses.csv", "dataset.drop=[x]")
