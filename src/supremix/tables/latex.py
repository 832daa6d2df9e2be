"""Render a table as LaTeX, for the packages booktabs and graphicx."""

import re
from collections.abc import Iterable

from supremix.tables import cells, differences, statements, tuned
from supremix.tables.results import Results

COMMANDS = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_",
    "^": r"\^{}", "~": r"\~{}", "<": "$<$", ">": "$>$", "±": r"$\pm$", "−": "$-$", "×": r"$\times$", "·": r"$\cdot$",
    "≤": r"$\leq$", "≥": r"$\geq$", "≠": r"$\neq$", "√": r"$\surd$", "∞": r"$\infty$", "²": "$^2$", "³": "$^3$",
    "→": r"$\to$", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "α": r"$\alpha$", "β": r"$\beta$", "γ": r"$\gamma$",
    "Δ": r"$\Delta$", "λ": r"$\lambda$", "ρ": r"$\rho$", "σ": r"$\sigma$", "τ": r"$\tau$", "₁": "$_1$",
    "–": "--", "—": "---", "…": r"\ldots{}", "’": "'", "“": "``", "”": "''",
}  # fmt: skip


def tex(text: str) -> str:
    """Escape the characters that LaTeX reads as commands or cannot read."""
    return "".join(COMMANDS.get(character, character) for character in text)


def latex(results: Results) -> str:
    """Return a ``table`` for each panel, with what is said of it as comments."""
    spec = results.spec
    warnings = [text.replace("**", "") for text in statements.warnings(results)]
    out = comments([f"{spec.title}. {statements.selection_rule(results)}", *warnings])
    for number, panel in enumerate(spec.panels, 1):
        header, *lines = _narrowed(
            [cells.header(results, panel), *(cells.line(results, panel, row) for row in spec.rows_of(panel))]
        )
        label = f"{spec.name}-{number}" if len(spec.panels) > 1 else spec.name
        caption = f"{': '.join(filter(None, [titled(spec.title), panel.name]))}. {short_rule(results)}"
        out += ["", *comments(text.replace("**", "") for text in statements.under(results, panel))]
        out += table(caption, label, f"l{'r' * (len(header) - 1)}", header, lines)
        if differences.asked(results, panel):
            header, lines = differences.grid(results, panel)
            caption = " ".join([f"{titled(spec.title)}.", *differences.legend(results, panel)])
            out += ["", *table(caption, f"{label}-differences", f"l{'r' * (len(header) - 1)}", header, lines)]
    return "\n".join([*out, *comments([*tuned.tuning(results), *spec.notes, *tuned.settings(results)])]) + "\n"


def short_rule(results: Results) -> str:
    """Return what a caption says of the numbers."""
    synthetic = " Synthetic data, not to be compared." * results.synthetic
    return f"Mean ± standard deviation over {statements.seeds_of(results)}; bold: the best.{synthetic}"


def table(caption: str, label: str, alignment: str, header: list[str], lines: list[list[str]]) -> list[str]:
    """Return the lines of a ``table`` that is scaled down to the text where it is wider.

    Args:
        caption: plain text.
        label: after ``tab:``.
        alignment: of the columns.
        header: plain text, like ``lines``, where ``**`` around a cell makes it bold.
        lines: cells of the rows.
    """

    rows = [" & ".join(map(_cell, line)) + r" \\" for line in lines]
    grid = ["\\toprule", " & ".join(map(_heading, header)) + r" \\", "\\midrule", *rows, "\\bottomrule"]
    return [
        "\\begin{table}[htbp]",
        "\\centering",
        f"\\caption{{{tex(caption)}}}",
        f"\\label{{tab:{label}}}",
        r"\vspace{4pt}",
        r"\setlength{\tabcolsep}{4pt}",
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        f"\\begin{{tabular}}{{{alignment}}}",
        *grid,
        "\\end{tabular}}",
        "\\end{table}",
    ]


def _narrowed(grid: list[list[str]]) -> list[list[str]]:
    """Leave out what a reader can work out, for the width of a page: differences, and n where the caption has it."""
    header, *lines = grid
    whole = all(line[1].isdecimal() for line in lines)
    return [
        [text for name, text in zip(header, line, strict=True) if name != "Δ" and not (name == "n" and whole)]
        for line in grid
    ]


def titled(title: str) -> str:
    """Return a title without its number, which LaTeX gives the table."""
    text = re.sub(r"^Table \d+: ", "", title)
    return text[:1].upper() + text[1:]


def _heading(text: str) -> str:
    """Return a heading, with a line for what stands after a comma and for the unit."""
    first, *parts = map(tex, re.split(r", | (?=\()", text))
    return r"\shortstack[r]{" + r" \\ ".join((first, *parts)) + "}" if parts else first


def _cell(text: str) -> str:
    bold = text.startswith("**") and text.endswith("**")
    return rf"\textbf{{{tex(text.strip('*'))}}}" if bold else tex(text)


def comments(texts: Iterable[str]) -> list[str]:
    """Return texts as comments, a line each."""
    return [f"% {tex(text)}" for text in texts]
