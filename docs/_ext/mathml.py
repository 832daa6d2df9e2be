"""Formulas as MathML, which browsers show without a script or a network."""

from typing import Any

from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx


def inline(writer: Any, node: Any) -> None:
    """Write a formula within a line."""
    writer.body.append(tex2mathml(node.astext()))


def block(writer: Any, node: Any) -> None:
    """Write a formula that stands alone; one that is wider than the page scrolls."""
    writer.body.append(f'<div style="overflow-x: auto">{tex2mathml(node.astext(), as_block=True)}</div>')


def leave(writer: Any, node: Any) -> None:
    """Write nothing after the formula, whose text is written already."""


def skipped(visit: Any) -> Any:
    """Return a visit that leaves the formula's source out."""
    from docutils.nodes import SkipNode

    def visited(writer: Any, node: Any) -> None:
        visit(writer, node)
        raise SkipNode

    return visited


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the writer of formulas."""
    app.add_html_math_renderer("mathml", (skipped(inline), leave), (skipped(block), leave))
    return {"parallel_read_safe": True}
