"""The comparison as a picture: mean squared error over lead time, one panel per variable."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Sequence

_PANEL_WIDTH, _PANEL_HEIGHT = 330.0, 230.0
_LEFT, _TOP, _GAP_X, _GAP_Y = 70.0, 74.0, 80.0, 62.0
_COLUMNS = 2
_FONT = "font-family='DejaVu Sans, Helvetica, Arial, sans-serif'"


@dataclass(frozen=True)
class Line:
    """One curve of a panel.

    Attributes:
        title: in the legend; lines of equal title share colour and entry.
        colour: of the line and of its band.
        dashes: SVG dash pattern, "" for solid.
        values: one per lead, positive.
        low, high: ends of the intervals, or empty.
    """

    title: str
    colour: str
    dashes: str
    values: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()


def draw(panels: Sequence[tuple[str, Sequence[Line]]], x_title: str) -> str:
    """SVG text of the panels (title, lines), leads 1, 2, … on x, a logarithmic y for each."""
    rows = -(-len(panels) // _COLUMNS)
    width = _LEFT + _COLUMNS * _PANEL_WIDTH + (_COLUMNS - 1) * _GAP_X + 24
    height = _TOP + rows * (_PANEL_HEIGHT + _GAP_Y)
    size = f"width='{width:.0f}' height='{height:.0f}'"
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' {size} {_FONT} font-size='12'>",
        f"<rect {size} fill='white'/>",
        *_legend(panels[0][1] if panels else (), width),
    ]
    for number, (title, lines) in enumerate(panels):
        row, column = divmod(number, _COLUMNS)
        left = _LEFT + column * (_PANEL_WIDTH + _GAP_X)
        top = _TOP + row * (_PANEL_HEIGHT + _GAP_Y)
        parts += _panel(title, lines, left, top, x_title)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _legend(lines: Sequence[Line], width: float) -> list[str]:
    parts, x, y = [], _LEFT, 18.0
    for line in lines:
        length = 34 + 7.2 * len(line.title) + 18
        if x + length > width:
            x, y = _LEFT, y + 20
        parts += [
            f"<path d='M{x:.0f} {y:.0f}h28' {_stroke(line)}/>",
            f"<text x='{x + 34:.0f}' y='{y + 4:.0f}' fill='#222'>{escape(line.title)}</text>",
        ]
        x += length
    return parts


def _panel(title: str, lines: Sequence[Line], left: float, top: float, x_title: str) -> list[str]:
    values = [v for line in lines for v in (*line.values, *line.low, *line.high)]
    low, high = math.log10(min(values)), math.log10(max(values))
    margin = 0.04 * max(high - low, 0.1)
    low, high = low - margin, high + margin
    leads = max(len(line.values) for line in lines)

    def x_of(lead: float) -> float:
        return left + (lead - 1) / max(1, leads - 1) * _PANEL_WIDTH

    def y_of(value: float) -> float:
        return top + (high - math.log10(value)) / (high - low) * _PANEL_HEIGHT

    right, bottom = left + _PANEL_WIDTH, top + _PANEL_HEIGHT
    parts = [
        f"<text x='{left:.0f}' y='{top - 8:.0f}' font-size='13' fill='#222'>{escape(title)}</text>"
    ]
    for tick in _ticks(10**low, 10**high):
        y = y_of(tick)
        parts += [
            f"<line x1='{left:.0f}' y1='{y:.1f}' x2='{right:.0f}' y2='{y:.1f}' stroke='#ddd'/>",
            f"<text x='{left - 6:.0f}' y='{y + 4:.1f}' text-anchor='end'>{tick:,g}</text>",
        ]
    for lead in range(1, leads + 1):
        if lead == 1 or lead % 3 == 0:
            parts.append(
                f"<text x='{x_of(lead):.1f}' y='{bottom + 16:.0f}' text-anchor='middle' "
                f"fill='#444'>{lead}</text>"
            )
    parts.append(
        f"<text x='{(left + right) / 2:.0f}' y='{bottom + 32:.0f}' text-anchor='middle' "
        f"fill='#444'>{escape(x_title)}</text>"
    )
    for line in lines:
        if line.low:
            edge = [(x_of(i + 1), y_of(v)) for i, v in enumerate(line.high)]
            edge += [(x_of(i + 1), y_of(v)) for i, v in reversed(list(enumerate(line.low)))]
            parts.append(f"<polygon points='{_points(edge)}' fill='{line.colour}' opacity='0.18'/>")
        path = [(x_of(i + 1), y_of(v)) for i, v in enumerate(line.values)]
        parts.append(f"<polyline points='{_points(path)}' fill='none' {_stroke(line)}/>")
    frame = f"<rect x='{left:.0f}' y='{top:.0f}' width='{_PANEL_WIDTH:.0f}'"
    return [*parts, f"{frame} height='{_PANEL_HEIGHT:.0f}' fill='none' stroke='#888'/>"]


def _stroke(line: Line) -> str:
    dashes = f" stroke-dasharray='{line.dashes}'" if line.dashes else ""
    return f"stroke='{line.colour}' stroke-width='2'{dashes}"


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers between, three to a decade, or one where there are many decades.

    >>> _ticks(0.3, 12.0)
    [0.5, 1.0, 2.0, 5.0, 10.0]
    """
    steps = (1, 2, 5) if math.log10(high / low) < 3 else (1,)
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found = [float(f"{step}e{exponent}") for exponent in exponents for step in steps]
    return [tick for tick in found if low <= tick <= high]
