"""Isobars as lines, and where they, highs and lows bear their values.

Plotly's own contours take twice as long to draw as all the rest, and their labels ten times.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from contourpy import LineType, contour_generator
from scipy.ndimage import binary_erosion, maximum_filter, minimum_filter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Fields = NDArray[np.float32]
    Floats = NDArray[np.float64]
    Line = tuple[Fields, Fields]

INTERVALS, BOLD = (4.0, 10.0), 20.0  # hPa between isobars, and between heavy ones
_OFF = ((1, 2, 4), (2, 4, 8))  # pixels that a line may be off by, for each interval
_ACROSS, _ACROSS_NARROW = 8, 4  # squares of the map's width, each with one label at most
MOST_NUMBERS = 3 * _ACROSS**2  # x, y and text in a frame, of a map as high as it is wide
_CENTRES = 12  # parts of the map's width within which one high and one low can stand
_ROUGHEST = 6  # points across, of which fewer are no field
_PIXELS = 1500.0  # of a map's width: nobody sees a line that is off by one
_FEW = 0.02  # of a line's points: that few more are not worth another turn
_DEPTH = 1.0  # hPa between a centre and the mean around it
_MIDDLE = 0.3  # of a square on either side of its middle: labels of two squares never touch


def isobars(pressure: Fields, x: Floats, y: Floats, interval: float) -> Line:
    """The isobars of one time.

    Args:
        pressure: (row, column) hPa; NaN is no pressure.
        x: (column,) on the plane of the map.
        y: (row,) on the plane.
        interval: hPa.

    Returns:
        x and y along the lines, NaN between them.
    """
    known = np.isfinite(pressure)
    if not known.any():
        return np.zeros(0, np.float32), np.zeros(0, np.float32)
    low, high = float(pressure[known].min()), float(pressure[known].max())
    levels = np.arange(np.ceil(low / interval), np.floor(high / interval) + 1) * interval
    field = np.ma.masked_array(pressure, ~known)
    drawing = contour_generator(x, y, field, line_type=LineType.ChunkCombinedNan)
    gap = np.full((1, 2), np.nan)
    parts = [part for level in levels for part in drawing.lines(level)[0] if part is not None]
    points = np.concatenate([each for part in parts for each in (part, gap)] or [gap[:0]])
    return points[:, 0].astype(np.float32), points[:, 1].astype(np.float32)


@dataclass(frozen=True)
class Isobars:
    """Isobars of several times.

    Attributes:
        interval: hPa between them.
        lines: per lead all of them, and the heavy ones.
    """

    interval: float
    lines: list[tuple[Line, Line]]


def isobars_within(pressures: Fields, x: Floats, y: Floats, most: int) -> Isobars:
    """All isobars and the heavy ones, thinned out as little as possible.

    Where too many points are left, fewer isobars are drawn rather than crooked ones.

    Args:
        pressures: (lead, row, column) hPa.
        x: (column,) on the plane of the map.
        y: (row,) on the plane.
        most: numbers of a lead on average: both coordinates of all isobars twice, for their
            casing, and of the heavy ones.
    """
    pixel = float(x[-1] - x[0]) / _PIXELS
    for interval, offs in zip(INTERVALS, _OFF, strict=True):
        found = [(isobars(one, x, y, interval), isobars(one, x, y, BOLD)) for one in pressures]
        for pixels in offs:
            found = [(_thinned(*thin, pixels * pixel), _thinned(*heavy, pixels * pixel))
                     for thin, heavy in found]  # fmt: skip
            numbers = sum(4 * len(thin[0]) + 2 * len(heavy[0]) for thin, heavy in found)
            if numbers <= most * len(pressures):
                return Isobars(interval, found)
    if min(len(x), len(y)) < _ROUGHEST:  # nothing but noise
        nothing = np.zeros(0, np.float32), np.zeros(0, np.float32)
        return Isobars(INTERVALS[-1], [(nothing, nothing)] * len(pressures))
    return isobars_within(pressures[:, ::2, ::2], x[::2], y[::2], most)


def _thinned(x: Fields, y: Fields, off: float) -> Line:
    """A line without points that are closer than so far to the one between their neighbours."""
    while len(x) > 2:
        odd = np.arange(1, len(x) - 1, 2)
        before, after = odd - 1, odd + 1
        dx, dy = x[after] - x[before], y[after] - y[before]
        across = np.abs(dx * (y[odd] - y[before]) - dy * (x[odd] - x[before]))
        length = np.hypot(dx, dy)
        idle = across <= off * length  # no NaN is
        if idle.sum() <= _FEW * len(x):
            break
        kept = np.ones(len(x), dtype=bool)
        kept[odd[idle]] = False
        x, y = x[kept], y[kept]
    return x, y


def isobar_labels(
    pressure: Fields, x: Floats, y: Floats, interval: float, *, narrow: bool = False
) -> list[tuple[Fields, Fields, list[str]]]:
    """Points on isobars and their values, at most one in each square of the map.

    A point lies where the pressure, linear between neighbours in a row or in a column, is a
    multiple of the interval.

    Args:
        pressure: (lead, row, column) hPa.
        x: (column,) on the plane of the map, ascending.
        y: (row,) on the plane.
        interval: hPa between the isobars.
        narrow: for a phone, with fewer and larger squares.

    Returns:
        Per lead x, y and texts of the labels.
    """
    west, width, south = float(x[0]), float(x[-1] - x[0]), float(min(y[0], y[-1]))
    x, y = np.meshgrid(x, y)
    down = _crossings(pressure[:, :-1], pressure[:, 1:], x[:-1], y[:-1], x[1:], y[1:], interval)
    along = _crossings(
        pressure[:, :, :-1], pressure[:, :, 1:], x[:, :-1], y[:, :-1], x[:, 1:], y[:, 1:], interval
    )
    lead, value, lon, lat = (np.concatenate(pair) for pair in zip(down, along, strict=True))
    square = width / (_ACROSS_NARROW if narrow else _ACROSS)
    column, row = (lon - west) / square, (lat - south) / square
    off = np.maximum(np.abs(column % 1 - 0.5), np.abs(row % 1 - 0.5))
    kept = np.flatnonzero(off <= _MIDDLE)
    kept = kept[np.argsort(off[kept], kind="stable")]
    squares = (lead * 1000 + row.astype(np.int64)) * 1000 + column.astype(np.int64)
    kept = kept[np.unique(squares[kept], return_index=True)[1]]
    return [
        (
            lon[here].astype(np.float32),
            lat[here].astype(np.float32),
            [f"{number:.0f}" for number in value[here]],
        )
        for here in (kept[lead[kept] == index] for index in range(len(pressure)))
    ]


def pressure_centres(pressure: Fields, x: Floats, y: Floats) -> tuple[Fields, Fields, list[str]]:
    """Highs and lows of one time: the extremes of their surroundings, and their values.

    Args:
        pressure: (row, column) hPa; NaN is no pressure.
        x: (column,) on the plane of the map.
        y: (row,) on the plane.

    Returns:
        x, y and texts, such as "<b>L</b> 978".
    """
    size = 2 * max(1, len(x) // (2 * _CENTRES)) + 1
    there = np.isfinite(pressure)
    # What stands at the edge may be higher or lower beyond it.
    inner = binary_erosion(there, iterations=2, border_value=0)
    found: list[tuple[float, float, str]] = []
    if not inner.any():
        return np.zeros(0, np.float32), np.zeros(0, np.float32), []
    for letter, sign, extreme in (("H", 1, maximum_filter), ("L", -1, minimum_filter)):
        filled = np.where(there, pressure, -sign * np.inf)
        best = extreme(filled, size=size, mode="nearest")
        for row, column in np.argwhere(inner & (filled == best)):
            around = pressure[
                max(row - size, 0) : row + size + 1, max(column - size, 0) : column + size + 1
            ]
            value = float(pressure[row, column])
            if sign * (value - float(np.nanmean(around))) >= _DEPTH:
                found.append((float(x[column]), float(y[row]), f"<b>{letter}</b> {value:.0f}"))
    found = found[:_CENTRES]
    columns = [np.array([one[at] for one in found], dtype=np.float32) for at in (0, 1)]
    return columns[0], columns[1], [text for _, _, text in found]


def _crossings(
    here: Fields, there: Fields, x: Floats, y: Floats, to_x: Floats, to_y: Floats, interval: float
) -> tuple[NDArray[Any], Floats, Floats, Floats]:
    """Lead, value, x and y of every isobar between neighbours."""
    steps = [np.floor(field / interval) for field in (here, there)]
    at = np.nonzero(steps[0] != steps[1])
    finite = np.isfinite(here[at]) & np.isfinite(there[at])
    at = tuple(part[finite] for part in at)
    value = np.maximum(steps[0][at], steps[1][at]).astype(np.float64) * interval
    share = (value - here[at]) / (there[at].astype(np.float64) - here[at])
    on = at[1:]
    return at[0], value, x[on] + share * (to_x - x)[on], y[on] + share * (to_y - y)[on]
