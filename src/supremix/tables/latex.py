"""Render a table as LaTeX, for the package booktabs."""

from supremix.tables import cells, differences, statements
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
    """Return a ``tabular`` for each panel, with the statements beside it as comments."""
    spec = results.spec
    warnings = [text.replace("**", "") for text in statements.warnings(results)]
    out = comments([f"{spec.title}. {statements.selection_rule(results)}", *warnings])
    for panel in spec.panels:
        header = cells.header(results, panel)
        lines = [cells.line(results, panel, row) for row in spec.rows_of(panel)]
        out += comments([panel.name] if panel.name else [])
        out += tabular(f"l{'r' * (len(header) - 1)}", header, lines)
        out += comments(statements.under(results, panel))
        if differences.asked(results, panel):
            header, lines = differences.grid(results, panel)
            out += tabular(f"l{'r' * (len(header) - 1)}", header, lines)
            out += comments(differences.legend(results, panel))
    return "\n".join([*out, *comments(spec.notes)]) + "\n"


def tabular(alignment: str, header: list[str], lines: list[list[str]]) -> list[str]:
    """Return the lines of a ``tabular``; its cells are plain text."""

    def row(cells: list[str]) -> str:
        return " & ".join(map(tex, cells)) + r" \\"

    top = [f"\\begin{{tabular}}{{{alignment}}}", "\\toprule", row(header), "\\midrule"]
    return [*top, *map(row, lines), "\\bottomrule", "\\end{tabular}"]


def comments(texts: list[str]) -> list[str]:
    """Return texts as comments, a line each."""
    return [f"% {tex(text)}" for text in texts]
