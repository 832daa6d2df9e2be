"""Parts of a page of HTML that needs no other file and no network."""

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums }
th, td { padding: .25rem .75rem; text-align: right; border-bottom: 1px solid #8884 }
th:first-child, td:first-child { text-align: left }
.scroll { overflow-x: auto }
figure { display: inline-block; margin: .5rem 1rem .5rem 0 }
img { max-width: 100%; height: auto; background: white }
pre { padding: .75rem; overflow-x: auto; background: #8882 }
"""


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


def picture(path: Path, about: str) -> str:
    """Return a .png file as a figure, the picture itself inside.

    Args:
        path: of the file.
        about: what it shows, for who cannot see it.
    """
    content = base64.b64encode(path.read_bytes()).decode()
    return f'<figure><img src="data:image/png;base64,{content}" alt="{escape(about)}"></figure>'
