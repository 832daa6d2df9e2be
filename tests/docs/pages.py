"""Run the blocks of a page as a reader would: bash runs them in order, with commands answered by this process."""

import contextlib
import io
import json
import os
import re
import select
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from supremix.cli.main import main
from tests.running import forget_modules

ROOT = Path(__file__).parents[2]
RELAY = Path(__file__).with_name("relay.py")
SMALL = [
    "tracking=none",
    "trainer.progress=off",
    "trainer.accelerator=cpu",
    *(f"dataset.recipe.{stage}.epochs=1" for stage in ("pretrain", "adapt", "vanilla")),
]
"""What makes every run of a page short."""
SMALLER = {
    "images": ["dataset.pixels=16", "dataset.recipe.backbone.width=4"],
    "volumes": ["dataset.recipe.backbone.width=4"],
    "signals": ["dataset.recipe.backbone.width=4"],
    "texts": ["dataset.recipe.backbone.hidden=8"],
}
"""What makes networks of a kind of data small."""
ONE = {
    "compare": ["--launcher", "basic", "--seeds", "0"],
    "table": ["--launcher", "basic", "--seeds", "0"],
    "figure": ["--launcher", "basic", "--seeds", "0"],
    "search": ["--launcher", "basic", "--seeds", "0", "--trials", "2"],
}
"""What makes one run a method or trial of a command; options that come later win."""
REASONS = ("a cluster", "licensed data", "a GPU", "a network", "a server", "minutes", "this is the test")
"""Why a block may stay without a run, as `<!-- not run: … -->` before it says."""


class Block(NamedTuple):
    """A block of code.

    Attributes:
        kind: bash or python.
        text: its lines.
        reason: why it is not run; empty for a block that is.
        shown: lines that the page shows as printed by it.
    """

    kind: str
    text: str
    reason: str
    shown: list[str]


def sections(page: str) -> dict[str, list[Block]]:
    """Return the blocks of code below each second-level title of a page, in order; titles without any are left out."""
    found = {}
    for part in re.split(r"^## ", (ROOT / page).read_text(), flags=re.MULTILINE):
        blocks = re.findall(
            r"(?:<!-- not run: ([^>]*) -->\n+)?```(bash|python)\n(.*?)```(?:\n+```text\n(.*?)```)?", part, re.DOTALL
        )
        if blocks:
            found[part.splitlines()[0].strip("# ")] = [
                Block(kind, text, why, [line for line in shown.splitlines() if line != "…"])
                for why, kind, text, shown in blocks
            ]
    return found


def run(blocks: list[Block], folder: Path) -> list[str]:
    """Run the blocks of a page in a folder, as one script; a line that fails is an AssertionError.

    Args:
        blocks: those with a reason are left out.
        folder: where bash begins; store, prepared data and results are below it.

    Returns:
        The lines that were printed.
    """
    names: dict[str, Any] = {"__name__": "page"}
    blocks = [block for block in blocks if not block.reason]
    lines = [block.text if block.kind == "bash" else f"block {number}\n" for number, block in enumerate(blocks)]
    with (
        tempfile.TemporaryDirectory() as place,
        socket.socket(socket.AF_UNIX) as server,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.syspath_prepend(folder)  # as the command has it
        server.bind(f"{place}/socket")
        server.listen()
        for name in ("supremix", "block", "make", "torchrun"):
            write(Path(place) / name, f'exec "{sys.executable}" -SE "{RELAY}" {name} "$@"')
        write(Path(place) / "python", f'exec "{sys.executable}" "$@"')
        environment = os.environ | {"PATH": f"{place}:{os.environ['PATH']}", "PAGE_SOCKET": f"{place}/socket"}
        script = ["bash", "-exuo", "pipefail", "-c", "".join(lines)]
        with tempfile.TemporaryFile("w+") as output:
            process = subprocess.Popen(script, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
            while process.poll() is None:
                if select.select([server], [], [], 0.05)[0]:
                    answer(server.accept()[0], blocks, names)
            output.seek(0)
            forget_modules(folder)
            printed = output.read()
    assert process.returncode == 0, printed
    return printed.splitlines()


def write(path: Path, line: str) -> None:
    """Write a command of one line."""
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


def answer(connection: socket.socket, blocks: list[Block], names: dict[str, Any]) -> None:
    """Do what a relay asks for, and send what it prints and its exit code."""
    with connection, connection.makefile("rw") as channel:
        name, *words, folder, run_of_bash = json.loads(channel.readline())
        out, error, code = io.StringIO(), io.StringIO(), 0
        with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
            try:
                if name == "block":
                    os.environ["RUN"] = run_of_bash
                    exec(blocks[int(words[0])].text, names)
                elif name == "supremix":
                    code = main(shortened(words))
                else:
                    out.write(of_make(words))
            except BaseException as failure:  # whatever it is, bash's script ends by it
                code = (failure.code or 0) if isinstance(failure, SystemExit) else repr(failure)
        channel.write(json.dumps([out.getvalue(), error.getvalue(), code]))


def of_make(words: list[str]) -> str:
    """Return what make would run, as lines of bash."""
    line = ["make", "-n", "-s", "-C", str(ROOT), "-o", ".venv/.installed", *words]
    printed = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    return "\n".join(line for line in printed.splitlines() if "supremix" in line).replace(
        ".venv/bin/supremix", "supremix"
    )


def shortened(words: list[str]) -> list[str]:
    """Return a command line with what makes it short."""
    command, line = words[0], " ".join(words)
    added = ONE.get(command, [])
    if command in ("train", "compare", "table", "figure", "search") and not {"--plan", "--stored", "--cfg"} & {*words}:
        kind = next((word.partition("=")[2] for word in words if word.startswith("dataset=")), "")
        reference = re.search(r"method=(ridge|knn|constant|linear|boosting)", line)
        added = [*added, *(each for each in SMALL if not (reference and "recipe" in each)), *SMALLER.get(kind, [])]
    return [*words, *added]
