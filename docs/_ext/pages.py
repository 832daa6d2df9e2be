"""Make pages of what lies outside docs/: configs, results, CONTRIBUTING.md, CHANGELOG.md.

They go to docs/generated/, which git ignores, by their paths in the repository, and links to them go there too.
"""

import re
import shutil
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]
GENERATED = ROOT / "docs" / "generated"
FILES = ("*.md", "*/*.md", "*/*.png", "bench/*.json")
COPIED = ("CONTRIBUTING.md", "CHANGELOG.md", *(f"results/{name}" for name in FILES))
GROUPS = {
    "": "Top level",
    "dataset": "Datasets",
    "method": "Methods",
    "method/fidelity": "Readings of SupReMix",
    "method/regression": "Regression, regularisers and mixing",
    "backbone": "Backbones",
    "protocol": "Protocols",
    "imbalance": "Imbalance",
    "transfer": "Transfer",
    "trainer": "Trainer",
    "tracking": "Tracking",
    "hydra/launcher": "Launchers",
    "table": "Tables",
    "figure": "Figures",
    "size": "Sizes",
}
"""Folder in conf/ → its title; another one has its name."""
COMMANDS = {"table": "`supremix table NAME`", "figure": "`supremix figure NAME`", "size": "`SIZE=NAME`, `--size NAME`"}
"""Folder → how its files are chosen, where that is no override."""


def make(app: Sphinx) -> None:
    """Write all pages anew."""
    shutil.rmtree(GENERATED, ignore_errors=True)
    for pattern in COPIED:
        for path in ROOT.glob(pattern):
            put(path.relative_to(ROOT), path.read_bytes())
    overview = (ROOT / "results/README.md").read_text()
    put(Path("results/README.md"), (overview + toctree("*", "*/*", hidden=True)).encode())
    folders = groups()
    for folder in folders:
        put(Path("conf") / f"{page_of(folder)}.md", group(folder).encode())
    text = "# Settings\n\nEvery setting with its default, as the config files have it, and what it means.\n"
    put(Path("conf/index.md"), (text + toctree(*map(page_of, folders))).encode())


def toctree(*pages: str, hidden: bool = False) -> str:
    """Return a list of pages below the one that it stands in; their names may be patterns."""
    options = ":glob:\n:maxdepth: 1\n" + ":hidden:\n" * hidden
    return "\n".join(["\n```{toctree}", options, *pages, "```\n"])


def put(path: Path, content: bytes) -> None:
    """Write a file below docs/generated/."""
    (GENERATED / path).parent.mkdir(parents=True, exist_ok=True)
    (GENERATED / path).write_bytes(content)


def page_of(folder: str) -> str:
    """Return the name of a group's page."""
    return folder.replace("/", "_") or "config"


def groups() -> list[str]:
    """Return the folders of conf/ that hold files: those with a title in their order, then others."""
    conf = ROOT / "conf"
    found = {str(path.parent.relative_to(conf)).strip(".") for path in conf.rglob("*.yaml")}
    return [*(folder for folder in GROUPS if folder in found), *sorted(found - {*GROUPS})]


def group(folder: str) -> str:
    """Return the page of a config group: each of its files, with the comments that explain it."""
    how = f"Chosen by {COMMANDS.get(folder, f'`{folder}=NAME`')}; names with `_` are parts of others." if folder else ""
    lines = [f"# {GROUPS.get(folder, folder)}", "", how, ""]
    for path in sorted((ROOT / "conf" / folder).glob("*.yaml")):
        name = path.stem
        lines += [f"## {name}", "", "```yaml", path.read_text().strip(), "```", ""]
    return "\n".join(lines)


def link(app: Sphinx, page: str, source: list[str]) -> None:
    """Point links that leave docs/ to the pages made of their targets."""
    if not page.startswith("generated/"):
        source[0] = re.sub(r"\]\(\.\./((?:results|CONTRIBUTING|CHANGELOG)[\w./#-]*)", r"](generated/\1", source[0])


def setup(app: Sphinx) -> dict[str, bool]:
    """Make the pages before the others are read."""
    app.connect("builder-inited", make)
    app.connect("source-read", link)
    return {"parallel_read_safe": True}
