"""Configs of the user's own: a slip in the file is told by its line, in every group and for every command."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.cli.bad import HERE, Case

HEAD = "# @package _global_\ndefaults: [diabetes@_here_, _self_]\n"
NINE = ",".join("x" * 9)
LETTERS = "abcdefghij"
BOMB = "".join(
    f"{letter}: &{letter} [{NINE if i == 0 else ','.join([f'*{LETTERS[i - 1]}'] * 9)}]\n"
    for i, letter in enumerate(LETTERS)
)
CHOSEN = {
    "dataset": ("train", ["dataset=mine", f"--config-dir={HERE}/conf"]),
    "table": ("table", ["mine", "--plan", "--config-dir", f"{HERE}/conf"]),
    "figure": ("figure", ["mine", "--stored", "--config-dir", f"{HERE}/conf"]),
    "size": ("table", ["quickstart", "--plan", "--size", "mine", "--config-dir", f"{HERE}/conf"]),
    "method": ("search", ["method=mine", "method.window=1,2", "--config-dir", f"{HERE}/conf"]),
}


def written(group: str, content: str | bytes) -> Callable[[Path], Any]:
    """A config ``mine`` of this group in the folder ``conf``."""

    def damage(folder: Path) -> None:
        path = folder / "conf" / group / "mine.yaml"
        path.parent.mkdir(parents=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return damage


def case(group: str, name: str, content: str | bytes, *says: str) -> Case:
    """A slip in a file that a command reads."""
    command, arguments = CHOSEN[group]
    return Case(f"{group}: {name}", says, arguments, written(group, content), command=command)


SLIPS = [
    ("a tab", "title: x\n\trows: 3\n", ["line 2", "a tab", "indent with spaces"]),
    ("a bracket that is open", "title: [a, b\nrows: 3\n", ["line 2", "brackets"]),
    ("wrong indentation", "title:\n  a: 1\n   b: 2\n", ["line 3", "indentation"]),
    ("a key twice", "title: 1\nrows: 2\ntitle: 3\n", ["line 3", "duplicate key title", "leave out one"]),
    ("a quote that is open", 'title: "x\nrows: 3\n', ["line", "quotes"]),
    ("Latin-1", "title: 1\nrows: M\u00e4rz\n".encode("latin-1"), ["line 2 is not in UTF-8", "this encoding"]),
    ("UTF-16", "title: 1\n".encode("utf-16"), ["line 1 is not in UTF-8", "this encoding"]),
    ("a byte order mark", "\ufefftitle: 1\n", ["byte order mark", "without BOM"]),
    ("a list", "- a\n- b\n", ["no keys", "key: value"]),
    ("aliases that multiply", BOMB, ["more than 100,000 values", "aliases"]),
    ("brackets without end", f"title: {'[' * 5000}{']' * 5000}\n", ["more than 50 levels"]),
    ("a hundred levels", "".join(f"{'  ' * i}a:\n" for i in range(100)), ["more than 50 levels"]),
    ("a tag that runs code", "title: !!python/object/apply:os.system [ls]\n", ["line 1", "leave out the tag"]),
    ("a key that is null", "title: 1\nnull: 3\n", ["Incompatible key type"]),
    ("a reference that is open", "title: ${rows\n", ["${rows"]),
    ("two megabytes", f"title: {'x' * 2_000_000}\n", ["more than 1,000,000 bytes", "no config"]),
]

CASES = [
    *(case(group, name, content, f"conf/{group}/mine.yaml", *says)
      for group in ("dataset", "table") for name, content, says in SLIPS),
    *(case(group, name, content, f"conf/{group}/mine.yaml", *says)
      for group in ("figure", "size", "method") for name, content, says in SLIPS[:4]),
    # what only Hydra sees
    case("dataset", "defaults that are no list", "# @package _global_\ndefaults: diabetes\n", "dataset/mine", "list"),
    case("dataset", "itself among its defaults", "# @package _global_\ndefaults: [mine@_here_, _self_]\n",
         "includes itself", "defaults of your own configs"),
    case("dataset", "defaults that are not there", "# @package _global_\ndefaults: [no@_here_, _self_]\n",
         "dataset/mine", "dataset/no"),
    case("dataset", "a value that refers to itself", f"{HEAD}dataset: {{name: '${{dataset.name}}'}}\n",
         "Recursive interpolation", "dataset.name"),
    case("dataset", "data that nobody wrote", f"{HEAD.replace('diabetes', 'uci_airfoil')}dataset: {{name: mine}}\n",
         "prepared/mine: no prepared data", "README.md says under 'Your own data'"),
    case("dataset", "no bins for a bin", f"{HEAD}dataset: {{name: mine, load: {{bin_size: 0}}}}\n",
         "mine: bin_size=0", "positive width"),
    Case("a folder by the name of a config", ["dataset/mine.yaml", "Is a directory"],
         ["dataset=mine", f"--config-dir={HERE}/conf"],
         lambda folder: (folder / "conf" / "dataset" / "mine.yaml").mkdir(parents=True)),
    Case("a link to itself", ["dataset/mine.yaml", "symbolic links"], ["dataset=mine", f"--config-dir={HERE}/conf"],
         lambda folder: ((folder / "conf" / "dataset").mkdir(parents=True),
                         (folder / "conf" / "dataset" / "mine.yaml").symlink_to("mine.yaml"))),
    Case("a file for a folder of configs", ["conf: no such folder", "name one that is there"],
         [f"--config-dir={HERE}/conf"], lambda folder: (folder / "conf").touch()),
    Case("a folder of configs that is too long", ["rrr", "is too long"], ["--config-dir", "r" * 300], command="search"),
]  # fmt: skip
