"""Write the table of what is reproduced into README.md, from results/README.md: python scripts/readme_table.py"""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- results: made by scripts/readme_table.py -->", "<!-- /results -->"
COLUMNS = {
    "ours": "ours",
    "beside the best other": "ours is",
    "the paper": "the paper",
    "the paper's order": "the paper's order",
}
"""Column of results/README.md → its heading here."""


def panels(index: str) -> list[dict[str, str]]:
    """Return the lines of the index's table by column; a panel without the name of its table has the one above it."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in index.splitlines() if line[:1] == "|"]
    rows: list[dict[str, str]] = []
    for cells in lines[2:]:
        panel = dict(zip(lines[0], cells, strict=True))
        panel["table"] = panel["table"] or rows[-1]["table"]
        rows.append(panel)
    return rows


def table(index: str) -> str:
    """Return the README's table: a line for each panel that is finished, then what is computed, and what is missing."""
    lines = ["| table | " + " | ".join(COLUMNS.values()) + " |", "|---" * (1 + len(COLUMNS)) + "|"]
    numbers: dict[str, list[str]] = {"shown": [], "computed": [], "missing": []}
    for panel in panels(index):
        title, link = re.findall(r"\[(.*?)\]\((.*?)\)", panel["table"])[0]
        number, what = re.findall(r"Table (\d+): (.*)", title)[0]
        done, of, planned = panel["finished"].partition(" of ")
        state = "computed" if not of else "shown" if done == planned else "missing"
        if state == "shown":
            name = f"{what.partition(',')[0]}: {panel['']}" if panel[""] else what
            cells = [f"[{number}](results/{link}), {name}", *(panel[column] for column in COLUMNS)]
            lines.append("| " + " | ".join(cells) + " |")
        if number not in numbers[state]:
            numbers[state].append(number)
    missing = [f"{number} (in part)" if number in numbers["shown"] else number for number in numbers["missing"]]
    lines += ["", "Ours is set beside the best other row that is no reference, in percent of that row's error."]
    lines += ["The paper's order is reproduced against a row where the 95 % paired interval over seeds is on its side"]
    lines += ["of zero, contradicted where it is on the other."]
    lines += [f"Tables {' and '.join(numbers['computed'])} are computed from manifests and configs."]
    return "\n".join([*lines, f"Missing, since their data is not at hand: tables {', '.join(missing)}."])


def with_table(readme: str, index: str) -> str:
    """Return the README with its table as the index has it."""
    before, _, rest = readme.partition(BEGIN)
    return f"{before}{BEGIN}\n{table(index)}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    page = ROOT / "README.md"
    page.write_text(with_table(page.read_text(), (ROOT / "results" / "README.md").read_text()))
