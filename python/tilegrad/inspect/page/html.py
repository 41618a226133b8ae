"""The page itself: its frame, tables and pictures, everything escaped."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

__all__ = ["Page", "picture", "table"]

# Nothing may be fetched and nothing may run: all that the page shows is in it.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff; margin: 2em auto; max-width: 1180px;
  padding: 0 1.5em; }
h1 { font-size: 1.6em; margin-bottom: 0; } h2 { font-size: 1.2em; border-bottom: 1px solid #ccc; margin-top: 2em; }
.charts { display: flex; flex-wrap: wrap; gap: 1em; } .chart { width: 560px; max-width: 100%; height: auto; }
.chart text { font: 11px system-ui, sans-serif; fill: #333; } .chart .name { font-size: 13px; font-weight: 600; }
.chart polyline { fill: none; stroke-width: 1.8; stroke-linejoin: round; } .chart .axis { fill: none; stroke: #333; }
.chart .grid { stroke: #ddd; } .chart .tick { stroke: #333; } .chart .shaded { fill: #d62728; fill-opacity: .12; }
.chart .band { fill: #2ca02c; fill-opacity: .12; } .chart .legend { fill: #fff; fill-opacity: .8; stroke: #ccc; }
table { border-collapse: collapse; } td, th { padding: .2em 1em .2em 0; text-align: left; vertical-align: top; }
th { font-weight: 600; } td.number { text-align: right; font-variant-numeric: tabular-nums; }
pre { background: #f6f6f6; padding: .8em; overflow-x: auto; font-size: 13px; }
.finding { border-left: 4px solid #e69f00; padding: .1em 1em; margin: 1em 0; background: #fafafa; }
.finding.error { border-color: #d62728; } .finding.note { border-color: #56b4e9; } .finding h3 { margin: .4em 0; }
.quiet { color: #666; } figure { margin: 0 0 1.5em; } figure img { max-width: 100%; } figcaption { color: #666; }
"""


class Page:
    """Sections of HTML under a title."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._parts: list[str] = []

    def section(self, name: str, *parts: str) -> None:
        """Add a section of parts that are HTML already."""
        self._parts.append(f"<section>\n<h2>{escape(name)}</h2>\n" + "\n".join(parts) + "\n</section>")

    def html(self) -> str:
        """The whole page."""
        return "\n".join(
            [
                "<!DOCTYPE html>",
                '<html lang="en">',
                "<head>",
                '<meta charset="utf-8">',
                f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
                '<meta name="viewport" content="width=device-width">',
                f"<title>{escape(self._title)}</title>",
                f"<style>{_STYLE}</style>",
                "</head>",
                "<body>",
                f"<h1>{escape(self._title)}</h1>",
                *self._parts,
                "</body>",
                "</html>",
                "",
            ]
        )


def table(rows: Iterable[Sequence[Any]], head: Sequence[str] = ()) -> str:
    """A table of texts and numbers."""
    lines = ["<table>", "<tbody>"]
    if head:
        lines.append("<tr>" + "".join(f"<th>{escape(str(cell))}</th>" for cell in head) + "</tr>")
    for row in rows:
        cells = []
        for place, cell in enumerate(row):
            if isinstance(cell, float):
                cells.append(f'<td class="number">{cell:.6g}</td>')
            else:
                tag = "th" if place == 0 and not head else "td"
                cells.append(f"<{tag}>{escape(str(cell))}</{tag}>")
        lines.append("<tr>" + "".join(cells) + "</tr>")
    return "\n".join([*lines, "</tbody>", "</table>"])


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of plain text."""
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def preformatted(text: str) -> str:
    """Text as it is."""
    return f"<pre>{escape(text)}</pre>"


def picture(name: str, kind: str, content: bytes) -> str:
    """An image inside the page; ``kind`` as in ``image/KIND``."""
    data = base64.b64encode(content).decode("ascii")
    label = escape(name, quote=True)
    return f'<figure><img alt="{label}" src="data:image/{kind};base64,{data}"><figcaption>{label}</figcaption></figure>'
