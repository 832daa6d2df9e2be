"""Command lines of the sub-commands, and the specifications of tables and figures that they read."""

import json
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from supremix.settings.compose import CONF
from tests.cli.bad import HERE, Case
from tests.cli.bad.places import permissions, room_for

TABLE, FIGURE, RENDER = "table", "figure", "table --render-all"
OUT = ("--out", f"{HERE}/out")
BROKEN = ("broken", "--config-dir", f"{HERE}/conf", *OUT)
QUICK = (CONF / "table" / "quickstart.yaml").read_text()
DRAWN = (CONF / "figure" / "2.yaml").read_text()


def specification(text: str, group: str = "table") -> Callable[[Path], Any]:
    """A config folder of the user's, whose table or figure ``broken`` is this."""

    def damage(folder: Path) -> None:
        (folder / "conf" / group).mkdir(parents=True)
        (folder / "conf" / group / "broken.yaml").write_text(text)

    return damage


def rendered(**changes: Any) -> Callable[[Path], Any]:
    """A rendered table of one record, in which these keys are changed, or gone where they are None."""

    def damage(folder: Path) -> None:
        cell = {"panel": "", "row": "SupCon", "overrides": []}
        record = {"schema": 1, "cell": cell, "seed": 0, "metrics": {"test": {}}, "synthetic": False} | changes
        (folder / "out").mkdir()
        kept = {key: value for key, value in record.items() if value is not None}
        (folder / "out" / "records.jsonl").write_text(json.dumps(kept) + "\n")
        (folder / "out" / "table.md").write_text("as it was")

    return damage


def raw_airfoil(content: str) -> Callable[[Path], Any]:
    """A raw file of the airfoil data."""

    def damage(folder: Path) -> None:
        path = folder / "raw" / "uci_airfoil" / "airfoil_self_noise.dat"
        path.parent.mkdir(parents=True)
        path.write_text(content)

    return damage


def text(name: str, content: str, folder: str = "raw") -> Callable[[Path], Any]:
    """A file of this content in the folder of raw data."""

    def damage(here: Path) -> None:
        path = here / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    return damage


def spec(name: str, content: str, *says: str) -> Case:
    """A broken specification of a table."""
    return Case(name, ["table/broken.yaml", *says], BROKEN, specification(content), command=TABLE)


def figure(name: str, content: str, *says: str) -> Case:
    """A broken specification of a figure."""
    return Case(name, ["figure/broken.yaml", *says], BROKEN, specification(content, "figure"), command=FIGURE)


def prepare(
    dataset: str, arguments: Sequence[str], says: list[str], damage: Callable[[Path], Any] = lambda _: None
) -> Case:
    """A preparation of data, with its folders below the case's."""
    folders = ["--data", f"{HERE}/raw", "--out", f"{HERE}/prepared"]
    return Case(f"{dataset} {' '.join(arguments)}", says, [*arguments, *folders], damage, command=f"prepare {dataset}")


CASES = [
    # command lines
    Case("table: mistyped override", ["did you mean dataset?"], ["quickstart", "datset=x", *OUT], command=TABLE),
    Case("table: mistyped override of a computed one", ["did you mean dataset?"], ["13", "datset=x", *OUT],
         command=TABLE),
    Case("table: mistyped option", ["unknown option --sedes: see --help"],
         ["quickstart", "--plan", "--sedes", "1"], command=TABLE),
    Case("table: no such number", ["99.yaml", "there are", "quickstart"], ["99"], command=TABLE),
    Case("table: seeds as text", ["--seeds a,b", "whole numbers"], ["quickstart", "--plan", "--seeds", "a,b"],
         command=TABLE),
    Case("table: a seed twice", ["--seeds 1,1", "each once"], ["quickstart", "--plan", "--seeds", "1,1"],
         command=TABLE),
    Case("table: no jobs", ["--jobs=0", "1 or more"], ["quickstart", "--jobs", "0"], command=TABLE),
    Case("table: jobs as text", ["--jobs", "'two'"], ["quickstart", "--jobs", "two"], command=TABLE, code=2),
    Case("table: nothing to render again", ["out", "run the table first"], ["quickstart", "--rerender", *OUT],
         command=TABLE),
    Case("figure: no such number", ["99.yaml", "there are: 2"], ["99"], command=FIGURE),
    Case("figure: mistyped override", ["did you mean dataset?"], ["2", "--stored", "datset=x"], command=FIGURE),
    Case("figure: nothing stored", ["Figure 2", "supremix prepare uci_airfoil --help"], ["2", "--stored", *OUT],
         command=FIGURE),
    Case("tables: mistyped override", ["did you mean dataset?"], ["datset=x", *OUT], command=RENDER),
    Case("quick start: mistyped override", ["did you mean dataset?"], ["quickstart", "datset=x", *OUT],
         command=FIGURE),
    *(Case(f"{command}: a second number after {first}", ["6: neither an option nor key=value", "one thing at a time"],
           [first, "6", *more], command=command)
      for command, first, *more in [(TABLE, "5", "--plan"), (TABLE, "quickstart"), (FIGURE, "2", "--stored")]),
    Case("table: a name with a space", ["5 6.yaml", "there are", "quickstart"], ["5 6", "--plan"], command=TABLE),
    Case("table: a seed of 5000 digits", ["--seeds 999", "18 digits at most"],
         ["quickstart", "--plan", "--seeds", "9" * 5000], command=TABLE),
    Case("table: a seed in other digits", ["--seeds ٣", "whole numbers"], ["quickstart", "--plan", "--seeds", "٣"],
         command=TABLE),
    Case("table: unknown launcher", ["--launcher=nowhere", "basic, joblib"],
         ["quickstart", "--plan", "--launcher", "nowhere"], command=TABLE),
    Case("table: unknown size", ["nowhere.yaml", "there are: small"], ["quickstart", "--plan", "--size", "nowhere"],
         command=TABLE),
    *(Case(f"{' '.join([command, *before])}: a name that is too long", ["rrrr", "is too long", "name another"],
           [*before, "r" * 300], command=command)
      for command, *before in [(TABLE,), (FIGURE,), ("show",), (TABLE, "quickstart", "--size"),
                               (TABLE, "quickstart", "--plan", "--config-dir")]),
    Case("search: nothing in a range", ["method.window=range(1,1)", "no value"], ["method.window=range(1,1)"],
         command="search"),
    Case("search: an interval upside down", ["method.window=interval(5,1)", "low <= high"],
         ["method.window=interval(5,1)"], command="search"),
    Case("search: a pattern", ["method.window=glob(*)", "list the names"], ["method.window=glob(*)"],
         command="search"),
    Case("search: no jobs", ["--jobs=0", "1 or more"], ["method.window=1,2", "--jobs", "0"], command="search"),
    Case("search: a trillion values", ["more than 100,000 runs"], ["method.window=range(0,1000000000000)"],
         command="search"),
    Case("table: none named", ["name a table: 1, 2, 3", "quickstart", "--render-all"], command=TABLE),
    Case("tables: one named", ["--render-all runs nothing", "leave out the table"], ["5", *OUT], command=RENDER),
    Case("unknown sub-command", ["'tabel'", "table"], command="tabel", code=2),
    # configs of the user's own
    Case("no such folder of configs", ["--config-dir nowhere", "no such folder"],
         ["quickstart", "--plan", "--config-dir", "nowhere"], command=TABLE),
    Case("a config by the name of a packaged one", ["conf/table/5.yaml", "packaged already", "another name"],
         ["5", "--plan", "--config-dir", f"{HERE}/conf"], text("table/5.yaml", QUICK, "conf"), command=TABLE),
    Case("the driver too: no such folder of configs", ["--config-dir nowhere", "no such folder"],
         ["--config-dir=nowhere"]),
    # the store
    Case("ls: no such store", ["nowhere: no such store", "--store"], ["--store", "nowhere"], command="ls"),
    Case("ls: unknown filter", ["methdo=ridge", "method=…"], ["methdo=ridge"], command="ls"),
    Case("ls: mistyped option", ["unknown option --stroe"], ["--stroe", "runs"], command="ls"),
    Case("show: no such run", ["xyz: in ", "no such run", "supremix ls"], ["xyz"], command="show"),
    Case("show: no such store", ["nowhere: no such store"], ["xyz", "--store", "nowhere"], command="show"),
    # rendered tables
    Case("records truncated", ["out", "no readable records", "run the table first"], ["quickstart", "--rerender", *OUT],
         lambda f: (rendered()(f), os.truncate(f / "out" / "records.jsonl", 20)), command=TABLE),
    Case("records without a seed", ["out", "'seed'", "run the table first"], ["quickstart", "--rerender", *OUT],
         rendered(seed=None), command=TABLE),
    *(Case(f"records with {name}", ["out", "no readable records", says, "run the table first"],
           ["quickstart", "--rerender", *OUT], rendered(**changes), command=TABLE)
      for name, says, changes in [
          ("text for metrics", "metrics is 'low'", {"metrics": "low"}),
          ("text for a metric", "metrics.test.best.mae is '1'", {"metrics": {"test": {"best": {"mae": "1"}}}}),
          ("no code", "it has no code", {"schema": 2}),
          ("a list for the cell", "argument", {"cell": [1]}),
          ("NaN for seconds", "seconds is nan", {"seconds": math.nan}),
          ("another kind of selection", "selection is", {"selection": {"metric": 3}}),
      ]),
    Case("a table's state of another kind", ["out", "no readable records", "failed is 3", "run the table first"],
         ["quickstart", "--rerender", *OUT],
         lambda f: (rendered()(f), (f / "out" / "state.json").write_text('{"failed": 3}')), command=TABLE),
    Case("no room for a table", ["out", "File too large", "--out"], ["quickstart", "--rerender", *OUT], rendered(),
         room_for(500), TABLE),
    Case("read-only table", ["out", "Permission denied", "--out"], ["quickstart", "--rerender", *OUT], rendered(),
         permissions("out", 0o555), TABLE),
    # specifications
    spec("table that is no YAML", QUICK.replace("rows:", "rows: ]"), "line"),
    spec("table that is a list", "- a\n- b\n", "keys"),
    spec("empty table", "", "keys"),
    spec("table without rows", QUICK.replace("rows:", "lines:"), "'rows' is missing"),
    spec("table with an unknown key", "colour: red\n" + QUICK, "colour"),
    spec("table with an unknown kind of row", QUICK.replace("kind: ours", "kind: mine"), "'mine'", "baseline"),
    spec("table of an unknown kind", "kind: gallery\n", "'gallery'", "datasets"),
    spec("comparison with a row that is not there", QUICK.replace("[SupReMix, SupCon]", "[SupReMix, Sup]"), "'Sup'"),
    spec("seeds as text", QUICK.replace("[0, 1, 2]", "[zero]"), "seed 'zero'", "whole numbers"),
    figure("figure without labels", DRAWN.replace("labels:", "# "), "labels"),
    figure("figure of an unknown kind", DRAWN.replace("drawing: tsne", "drawing: pie"), "'pie'", "tsne"),
    # preparation of data
    prepare("uci_airfoil", ["--source", "/nowhere"], ["/nowhere", "check the path"]),
    prepare("uci_airfoil", [], ["airfoil_self_noise.dat", "row 2", "'1 2 x'", "again from https"],
            raw_airfoil("1 2 3 4 5 6\n1 2 x\n1 2 3 4 5 6\n")),
    prepare("uci_airfoil", ["--name", "uci_airfoil"],
            ["airfoil_self_noise.dat", "truncated, 1 of 1503 rows", "again from https"],
            raw_airfoil("800 0 0.3048 71.3 0.00266337 126.201\n")),
    prepare("uci_airfoil", ["--source", f"{HERE}/raw"], ["raw", "Is a directory", "check the path"], text("x", "")),
    prepare("stsb_dir", ["--split", "A B"], ["--split A B", "small letters"]),
    prepare("stsb_dir", ["--split", "mine"], ["train_new.tsv", "--help"],
            text("glove/glove.6B.50d.txt", "a" + " 1" * 50)),
    prepare("stsb_dir", ["--split", "mine", "--vectors", f"{HERE}/raw/v"], ["raw/v", "not in GloVe's text format"],
            text("v", "word\n")),
    prepare("agedb_dir", [], ["raw/agedb_dir", "not there"]),
    prepare("agedb_dir", ["--pixels", "0"], ["--pixels 0", "1 or more"]),
    prepare("imdb_wiki", [], ["imdb_crop.tar", "get it from https", "--source"]),
    prepare("ukb", [], ["raw/ukb", "--source"]),
    prepare("hcp_aging", [], ["ages.csv", "put it there", "--ages"], text("hcp_aging/x.npy", "")),
    prepare("hcp_aging", ["--workers", "1"], ["ages.csv", "row 1 has 1 fields", "correct it"],
            text("hcp_aging/ages.csv", "subject,age\n1\n")),
    Case("twin of nothing", ["'mnist'", "uci_airfoil"], ["mnist"], command="twin", code=2),
    Case("twin with a negative seed", ["--seed -1", "0 or more"], ["ukb", "--seed", "-1"],
         command="twin"),
    Case("twin into a file", ["raw/ukb_tiny", "cannot be written"], ["ukb", "--size", "tiny", "--out", f"{HERE}/raw"],
         lambda folder: (folder / "raw").touch(), command="twin"),
    # options that a sub-command does not have
    *(Case(f"{command}: mistyped option", ["unknown option --plna: see --help"], arguments, command=command)
      for command, *arguments in [
          (FIGURE, "2", "--plna"),
          (RENDER, "--plna", *OUT),
          ("search", "--plna", "method.window=1,2"),
          ("wandb sync", "--plna"),
          ("wandb dashboard", "sweep", "--plna"),
      ]),
    # what is plausible in a specification, and wrong
    *(spec(f"table with {new} for {old}", QUICK.replace(old, new, 1), *says)
      for old, new, says in [
          ("overrides: [dataset=diabetes]", "overrides:", [": overrides: it is empty", "[] for none"]),
          ("overrides: [dataset=diabetes]", "overrides: [dataset: diabetes]", ["list of overrides"]),
          ("overrides: [dataset=diabetes]", "overrides: [dataset=diabetes, seed=3]", ["seeds: [0, 1, 2]"]),
          ("overrides: [method=supcr]", "overrides:", ["row 'SupCR': overrides: it is empty"]),
          ("overrides: [method=supcr]", "overrides: method=supcr", ["row 'SupCR': overrides: 'method=supcr'", "list"]),
          ("name: SupCR", "name: 3", ["row 3: name: 3 does not fit", "in quotes"]),
          ("seeds: [0, 1, 2]", "seeds: []", ["seeds: [] does not fit", "at least one"]),
          ("seeds: [0, 1, 2]", "digits: two\nseeds: [0, 1, 2]", ["digits: 'two'", "whole number"]),
          ("seeds: [0, 1, 2]", "paper_key: first\nseeds: [0, 1, 2]", ["paper_key: 'first'", "best, last, ridge"]),
          ("best/rmse", "bset/rmse", ["metrics: 'bset/rmse'", "best, last, ridge"]),
          ("best/rmse", "best/rmes", ["metrics: 'best/rmes'", "mae, rmse"]),
          ("best/rmse", "best/rmse_fwe", ["metrics: 'best/rmse_fwe'", "_many, _medium, _few, _missing"]),
          ("best/rmse: RMSE", "best/rmse:", ["metrics", "best/mae: MAE"]),
          ("[method=supcr]", "[method=supcr], paper: {mea: 44.0}", ["row 'SupCR': paper: mea", "best/mae, best/rmse"]),
          ("[method=supcr]", '[method=supcr], paper: {mae: "44.0"}', ["paper: mae: '44.0' is no number", "quotes"]),
          ("[method=supcr]", "[method=supcr], paper:", ["row 'SupCR': paper: it is empty", "{mae: 4.5}"]),
          ("[method=supcr]", "[method=supcr], panels: all", ["row 'SupCR': panels: 'all'", "names of panels"]),
          ("against: [Vanilla, SupCon]", "against: Vanilla", ["gain", "against: [a row"]),
          ("against: [Vanilla, SupCon]", "against: []", ["gain", "against: [a row"]),
          ("- [SupReMix, SupCon]", "- SupReMix", ["comparisons", "pairs"]),
          ("  - Not a table of the paper.", "    Not a table of the paper.", ["notes: 'Not a", "list of texts"]),
          ("notes:", "prepare: 3\nnotes:", ["prepare: 3", "prepare uci_airfoil"]),
      ]),
    spec("table with metrics in a list", QUICK.replace("  best/mae: MAE\n  best/rmse: RMSE\n  best/pearson: Pearson\n"
         "  ridge/mae: MAE, ridge probe\n", "  - best/mae\n"), "metrics: ['best/mae']", "best/mae: MAE"),
    spec("table without a row", QUICK.partition("rows:")[0] + "rows:\n", "rows", "at least one row"),
    spec("table with rows by name", QUICK.partition("rows:")[0] + "rows:\n  - SupCon\n", "rows", "such as - {name"),
    spec("table with a numbered title", QUICK.replace('title: "Quick start: diabetes progression after one year"',
         "title: 3"), "title: 3", "in quotes"),
    # overrides that would do nothing
    *(Case(f"{command}: {override}", [override, says], [*arguments, override], command=command)
      for override, says in [("seed=3", "use --seeds"), ("++seed=3", "use --seeds"), ("+foo=1", "nothing reads"),
                             ("+method.foo=1", "nothing reads")]
      for command, *arguments in [(TABLE, "quickstart", "--plan"), (FIGURE, "2", "--stored", *OUT)]),
    Case("dashboard: a table without runs", ["table 12 is computed"], ["--dry-run", "table", "12"],
         command="wandb dashboard"),
]  # fmt: skip
