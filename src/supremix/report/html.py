"""Parts of a page of HTML that needs no other file and no network."""

import base64
from collections.abc import Collection, Mapping, Sequence
from html import escape
from pathlib import Path

STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums }
th, td { padding: .25rem .75rem; text-align: right; border-bottom: 1px solid #8884 }
th:first-child, td:first-child, .words { text-align: left }
td { white-space: nowrap }
.scroll { overflow-x: auto }
figure { display: inline-block; margin: .5rem 1rem .5rem 0 }
img { max-width: 100%; height: auto; background: white }
pre { padding: .75rem; white-space: pre-wrap; overflow-wrap: anywhere; background: #8882 }
p, li { max-width: 60rem }
.runs th, .runs td { padding: .25rem .4rem; font-size: .8rem }
.runs th button { all: unset; cursor: pointer }
.runs th button:focus-visible { outline: 2px solid }
.runs th button::after { content: " ↕"; opacity: .5 }
.runs th[aria-sort="ascending"] button::after { content: " ↑"; opacity: 1 }
.runs th[aria-sort="descending"] button::after { content: " ↓"; opacity: 1 }
input[type="search"] { font: inherit; width: 20rem; max-width: 100%; box-sizing: border-box }
details { border-bottom: 1px solid #8884; padding: .25rem 0 }
summary { cursor: pointer; overflow-wrap: anywhere }
svg { max-width: 100%; height: auto; margin: .5rem 1rem .5rem 0; font-size: 11px }
svg text { fill: currentColor }
svg path, svg polyline { fill: none; stroke: currentColor; stroke-width: 1.5 }
svg .thin { stroke-width: 1; stroke-dasharray: 4 3; opacity: .6 }
svg .dots { stroke-width: 4; stroke-linecap: round; opacity: .6 }
"""
SCRIPT = Path(__file__).with_name("table.js")


def page(title: str, parts: Sequence[str]) -> str:
    """Return a whole page.

    Args:
        title: plain text.
        parts: HTML, in order.
    """
    head = (
        f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style>"
    )
    body = "\n".join([f"<h1>{escape(title)}</h1>", *parts])
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n{body}\n</body></html>\n'


def heading(text: str) -> str:
    """Return a heading of a section."""
    return f"<h2>{escape(text)}</h2>"


def subheading(text: str) -> str:
    """Return a heading inside a section."""
    return f"<h3>{escape(text)}</h3>"


def listed(texts: Sequence[str]) -> str:
    """Return plain texts as a list; nothing for none."""
    return f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in texts)}</ul>" if texts else ""


def paragraph(text: str) -> str:
    """Return plain text as a paragraph."""
    return f"<p>{escape(text)}</p>"


def code(lines: Sequence[str]) -> str:
    """Return lines to be copied."""
    return f"<pre>{escape(chr(10).join(lines))}</pre>"


def table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a table of plain texts."""
    top = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in header)
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in line)}</tr>" for line in lines)
    return f'<div class="scroll"><table><thead><tr>{top}</tr></thead><tbody>{rows}</tbody></table></div>'


def runs(header: Mapping[str, str], lines: Sequence[Sequence[str]], linked: Collection[str]) -> str:
    """Return a table that a script filters and sorts, and that stands as it is without.

    Args:
        header: heading → how it sorts: text, number, or not at all where empty.
        lines: plain texts, a line's first cell its id.
        linked: ids that have a section of their own in the page.
    """
    side = ['<td class="words">' if kind == "text" else "<td>" for kind in header.values()]
    top = "".join(_heading_of(name, kind) for name, kind in header.items())
    rows = []
    for name, *others in lines:
        first = f'<a href="#run-{escape(name)}">{escape(name)}</a>' if name in linked else escape(name)
        cells = [first, *map(escape, others)]
        rows.append(f"<tr>{''.join(f'{start}{cell}</td>' for start, cell in zip(side, cells, strict=True))}</tr>")
    return (
        f'<div class="scroll"><table class="runs"><thead><tr>{top}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _heading_of(name: str, kind: str) -> str:
    words = ' class="words"' if kind == "text" else ""
    sorts = f' data-sort="{kind}"' if kind else ""
    return f'<th scope="col"{words}{sorts}>{escape(name)}</th>'


def script() -> str:
    """Return the script that filters and sorts; last in a page."""
    return f"<script>{SCRIPT.read_text(encoding='utf-8')}</script>"


def folded(summary: str, parts: Sequence[str], name: str = "") -> str:
    """Return parts that are shown when the summary is chosen.

    Args:
        summary: plain text.
        parts: HTML.
        name: by which the page links to it.
    """
    place = f' id="{escape(name)}"' if name else ""
    return f"<details><summary{place}>{escape(summary)}</summary>{''.join(parts)}</details>"


def picture(path: Path, about: str) -> str:
    """Return a .png file as a figure, the picture itself inside.

    Args:
        path: of the file.
        about: what it shows, for who cannot see it.
    """
    content = base64.b64encode(path.read_bytes()).decode()
    return f'<figure><img src="data:image/png;base64,{content}" alt="{escape(about)}"></figure>'
