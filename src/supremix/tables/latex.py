"""Render a table as LaTeX, for the package booktabs."""

from supremix.suite.spec import Panel
from supremix.tables import cells, statements
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
    out = _comments([f"{spec.title}. {statements.selection_rule(spec)}", *warnings])
    for panel in spec.panels:
        out += [*_comments([panel.name] if panel.name else []), *_tabular(results, panel)]
        out += _comments(statements.under(results, panel))
    return "\n".join([*out, *_comments(spec.notes)]) + "\n"


def _tabular(results: Results, panel: Panel) -> list[str]:
    header = cells.header(results, panel)
    rows = [cells.line(results, panel, row) for row in results.spec.rows_of(panel)]
    return [
        f"\\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}",
        "\\toprule",
        _line(header),
        "\\midrule",
        *map(_line, rows),
        "\\bottomrule",
        "\\end{tabular}",
    ]


def _line(cells: list[str]) -> str:
    return " & ".join(map(tex, cells)) + r" \\"


def _comments(texts: list[str]) -> list[str]:
    return [f"% {tex(text)}" for text in texts]
