"""Curves as SVG that stands in a page: no script, no font, nothing to fetch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

__all__ = ["Chart"]

WIDTH, HEIGHT = 560, 300
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 30, 42
# Okabe and Ito's colours, which differ for colour-blind eyes too.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#555555", "#b8a800")
MOST_POINTS = 1000  # more than there are pixels
MOST_DOTS = 60
LETTER = 6.2  # of the legend's font, in pixels

Points = Sequence[tuple[float, float]]


@dataclass
class Chart:
    """Lines over a common axis."""

    title: str
    x_label: str
    lines: Mapping[str, Points]
    is_log: bool = False
    """Whether the second axis is logarithmic; values that are not positive are left out then."""
    shaded: tuple[float, float, str] | None = None
    """From where to where the first axis is shaded, and why."""
    band: tuple[float, float, str] | None = None
    """The same of the second axis."""
    y_range: tuple[float, float] | None = None
    """What the second axis holds at least."""
    _kept: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def svg(self) -> str:
        """The chart; empty where nothing can be drawn."""
        self._kept = {name: self._drawable(points) for name, points in self.lines.items()}
        xs = [x for points in self._kept.values() for x, _ in points]
        ys = [y for points in self._kept.values() for _, y in points if math.isfinite(y)]
        if not ys:
            return ""
        ys += self.y_range or ()
        x_ticks, y_ticks = _ticks(min(xs), max(xs)), self._y_ticks(min(ys), max(ys))
        self._x_span = (min(min(xs), x_ticks[0]), max(max(xs), x_ticks[-1]))
        if self._x_span[0] == self._x_span[1]:
            self._x_span = (self._x_span[0] - 0.5, self._x_span[1] + 0.5)
        self._y_span = (y_ticks[0], y_ticks[-1])
        parts = [
            f'<svg class="chart" role="img" viewBox="0 0 {WIDTH} {HEIGHT}" xmlns="http://www.w3.org/2000/svg">',
            f"<title>{escape(self.title)}</title>",
            _text(WIDTH / 2, 16, self.title, "middle", "name"),
            *self._areas(),
            *self._axes(x_ticks, y_ticks),
            *(self._line(name, COLOURS[i % len(COLOURS)]) for i, name in enumerate(self._kept)),
            *self._legend(),
            "</svg>",
        ]
        return "\n".join(parts)

    def _drawable(self, points: Points) -> list[tuple[float, float]]:
        kept = [
            (float(x), float(y) if math.isfinite(y) and (y > 0 or not self.is_log) else math.nan) for x, y in points
        ]
        step = -(-len(kept) // MOST_POINTS) or 1
        return kept if step == 1 else [*kept[:-1:step], kept[-1]]

    def _y_ticks(self, low: float, high: float) -> list[float]:
        if not self.is_log:
            return _ticks(low, high, is_covering=True)
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        last = max(last, first + 1)
        step = -(-(last - first) // 6)
        return [10.0**k for k in range(first, last + step, step)]

    def _x(self, x: float) -> float:
        low, high = self._x_span
        return LEFT + (x - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def _y(self, y: float) -> float:
        low, high = self._y_span
        if self.is_log:
            low, high, y = math.log10(low), math.log10(high), math.log10(y)
        return HEIGHT - BOTTOM - (y - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    def _areas(self) -> list[str]:
        found = []
        if self.shaded is not None:
            first, last, _ = self.shaded
            x, width = self._x(first), self._x(last) - self._x(first)
            found.append(
                f'<rect class="shaded" x="{x:.1f}" y="{TOP}" width="{width:.1f}" height="{HEIGHT - TOP - BOTTOM}"/>'
            )
        if self.band is not None:
            low, high = (min(max(value, self._y_span[0]), self._y_span[1]) for value in self.band[:2])
            top, height = self._y(high), self._y(low) - self._y(high)
            found.append(
                f'<rect class="band" x="{LEFT}" y="{top:.1f}" width="{WIDTH - LEFT - RIGHT}" height="{height:.1f}"/>'
            )
        return found

    def _axes(self, x_ticks: list[float], y_ticks: list[float]) -> list[str]:
        bottom = HEIGHT - BOTTOM
        parts = []
        for y in y_ticks:
            place = self._y(y)
            parts.append(f'<path class="grid" d="M{LEFT} {place:.1f}H{WIDTH - RIGHT}"/>')
            parts.append(_text(LEFT - 6, place + 4, _number(y), "end"))
        for x in x_ticks:
            place = self._x(x)
            parts.append(f'<path class="tick" d="M{place:.1f} {bottom}v4"/>')
            parts.append(_text(place, bottom + 16, _number(x), "middle"))
        parts.append(f'<path class="axis" d="M{LEFT} {TOP}V{bottom}H{WIDTH - RIGHT}"/>')
        parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, self.x_label, "middle"))
        return parts

    def _line(self, name: str, colour: str) -> str:
        pieces: list[list[str]] = [[]]
        for x, y in self._kept[name]:
            if math.isfinite(y):
                pieces[-1].append(f"{self._x(x):.2f},{self._y(y):.2f}")
            elif pieces[-1]:
                pieces.append([])  # a gap where there is no number
        label = escape(name, quote=True)
        drawn = [
            f'<polyline data-line="{label}" points="{" ".join(piece)}" stroke="{colour}"/>' for piece in pieces if piece
        ]
        if len(self._kept[name]) <= MOST_DOTS:
            for x, y in self._kept[name]:
                if math.isfinite(y):
                    told = escape(f"{name}: {y:.6g} at {self.x_label} {_number(x)}")
                    drawn.append(
                        f'<circle cx="{self._x(x):.2f}" cy="{self._y(y):.2f}" r="2.5" fill="{colour}">'
                        f"<title>{told}</title></circle>"
                    )
        return "\n".join(drawn)

    def _legend(self) -> list[str]:
        entries = [(name, COLOURS[i % len(COLOURS)], "line") for i, name in enumerate(self._kept)]
        entries += [(area[2], "", kind) for area, kind in ((self.shaded, "shaded"), (self.band, "band")) if area]
        shown = [(name if len(name) <= 30 else name[:29] + "…", colour, kind) for name, colour, kind in entries[:12]]
        width = max(len(name) for name, _, _ in shown) * LETTER + 30
        height = 15 * len(shown) + 6
        left, top = self._free_corner(width, height)
        parts = []
        parts.append(f'<rect class="legend" x="{left:.0f}" y="{top:.0f}" width="{width:.0f}" height="{height}"/>')
        for row, (name, colour, kind) in enumerate(shown):
            y = top + 15 * row + 12
            if kind == "line":
                parts.append(f'<path d="M{left + 5:.0f} {y - 4}h16" stroke="{colour}" stroke-width="2"/>')
            else:
                parts.append(f'<rect class="{kind}" x="{left + 5:.0f}" y="{y - 9}" width="16" height="10"/>')
            parts.append(_text(left + 25, y, name, "start"))
        return parts

    def _free_corner(self, width: float, height: float) -> tuple[float, float]:
        """Where a box covers the fewest points: the right upper corner, if there is no better."""
        points = [(self._x(x), self._y(y)) for line in self._kept.values() for x, y in line if math.isfinite(y)]
        corners = [
            (x, y) for y in (TOP + 2, HEIGHT - BOTTOM - height - 4) for x in (WIDTH - RIGHT - width - 4, LEFT + 8)
        ]

        def covered(corner: tuple[float, float]) -> int:
            left, top = corner
            return sum(left - 5 <= x <= left + width + 5 and top - 5 <= y <= top + height + 5 for x, y in points)

        return min(corners, key=covered)


def _ticks(low: float, high: float, is_covering: bool = False) -> list[float]:
    """Round numbers, four to eight of them, within a range or around it."""
    if not 1e-300 < high - low < 1e300:  # one number, or more than can be divided
        low = high = 0.0 if high - low > 1 else low
        reach = abs(low) * 0.1 or 1.0
        low, high = low - reach, high + reach
    raw = (high - low) / 5
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * size for factor in (1, 2, 5, 10) if factor * size >= raw * 0.999)
    first, last = low / step, high / step
    start, stop = (math.floor(first), math.ceil(last)) if is_covering else (math.ceil(first), math.floor(last))
    return [k * step for k in range(start, max(stop, start) + 1)]


def _number(value: float) -> str:
    return f"{value:.6g}" if 1e-4 <= abs(value) < 1e6 or value == 0 else f"{value:.0e}"


def _text(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
