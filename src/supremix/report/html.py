"""Parts of a page of HTML that needs no other file and no network."""

import base64
import re
from collections.abc import Collection, Mapping, Sequence
from html import escape
from pathlib import Path

from supremix.runtime.terminal import shown
from supremix.suite.terms import legend

STYLE, *SCRIPTS = (Path(__file__).with_name(name) for name in ("page.css", "table.js", "picks.js"))


def page(title: str, parts: Sequence[str]) -> str:
    """Return a whole page.

    Args:
        title: plain text.
        parts: HTML, in order.
    """
    head = (
        f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
        f"<style>{STYLE.read_text(encoding='utf-8')}</style>"
    )
    body = "\n".join([f"<h1>{escape(title)}</h1>", *parts])
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n{body}\n</body></html>\n'


def heading(text: str) -> str:
    """Return a heading of a section."""
    return f"<h2>{escape(text)}</h2>"


def subheading(text: str) -> str:
    """Return a heading inside a section."""
    return f"<h3>{escape(text)}</h3>"


def sections(parts_of: Mapping[str, Sequence[str]]) -> list[str]:
    """Return sections, and links to them before; those without parts are left out.

    Args:
        parts_of: heading, plain text → HTML.
    """
    named = {title: parts for title, parts in parts_of.items() if parts}
    links = (f'<li><a href="#part-{at}">{escape(title)}</a></li>' for at, title in enumerate(named))
    return [
        f'<nav aria-label="parts of this page"><ul>{"".join(links)}</ul></nav>',
        *(
            "\n".join([f'<section id="part-{at}">{heading(title)}', *parts, "</section>"])
            for at, (title, parts) in enumerate(named.items())
        ),
    ]


def listed(texts: Sequence[str]) -> str:
    """Return plain texts as a list; nothing for none."""
    return f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in texts)}</ul>" if texts else ""


def terms(parts: Sequence[str]) -> str:
    """Return what the words of tables and metrics mean that are in the text of parts, markup and pictures aside."""
    return listed(legend(re.sub(r"<[^>]*>", " ", "\n".join(parts))))


def paragraph(text: str) -> str:
    """Return plain text as a paragraph."""
    return f"<p>{escape(text)}</p>"


def number(value: float | None) -> str:
    """Return a number as tables show it; a dash where there is none."""
    return "–" if value is None else shown(value)


def code(lines: Sequence[str]) -> str:
    """Return lines to be copied."""
    return f"<pre>{escape(chr(10).join(lines))}</pre>"


def table(header: Sequence[str], lines: Sequence[Sequence[str]], caption: str = "") -> str:
    """Return a table of plain texts, a line's first cell its name."""
    top = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in header)
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in line)}</tr>" for line in lines)
    about = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f'<div class="scroll"><table>{about}<thead><tr>{top}</tr></thead><tbody>{rows}</tbody></table></div>'


def figure(drawing: str, caption: str, width: int | None = None) -> str:
    """Return a drawing with its caption.

    Args:
        drawing: SVG.
        caption: plain text.
        width: pixels, less where the page is narrower; without, a drawing that does not fit is scrolled.
    """
    if width is None:
        inside, style = f'<div class="scroll">{drawing}</div>', ""
    else:
        inside, style = drawing, f' style="width:{width}px"'
    return f"<figure{style}>{inside}<figcaption>{escape(caption)}</figcaption></figure>"


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
    """Return the scripts, last in a page: tables are filtered and sorted, pictures say what is pointed at."""
    return f"<script>{''.join(path.read_text(encoding='utf-8') for path in SCRIPTS)}</script>"


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
