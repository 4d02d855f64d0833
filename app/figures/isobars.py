"""Where isobars bear their value, highs and lows theirs.

Plotly's own labels take ten times as long as all the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import binary_erosion, maximum_filter, minimum_filter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Fields = NDArray[np.float32]
    Floats = NDArray[np.float64]

INTERVAL, BOLD = 4.0, 20.0  # hPa between isobars, and between heavy ones, as on surface charts
_ACROSS, _ACROSS_NARROW = 8, 4  # squares of the map's width, each with one label at most
MOST_NUMBERS = 3 * _ACROSS**2  # x, y and text in a frame, of a map as high as it is wide
_CENTRES = 12  # parts of the map's width within which one high and one low can stand
_DEPTH = 1.0  # hPa between a centre and the mean around it
_MIDDLE = 0.3  # of a square on either side of its middle: labels of two squares never touch


def isobar_labels(
    pressure: Fields, x: Floats, y: Floats, *, narrow: bool = False
) -> list[tuple[Fields, Fields, list[str]]]:
    """Points on isobars and their values, at most one in each square of the map.

    A point lies where the pressure, linear between neighbours in a row or in a column, is a
    multiple of `INTERVAL`.

    Args:
        pressure: (lead, row, column) hPa.
        x: (column,) on the plane of the map, ascending.
        y: (row,) on the plane.
        narrow: for a phone, with fewer and larger squares.

    Returns:
        Per lead x, y and texts of the labels.
    """
    west, width, south = float(x[0]), float(x[-1] - x[0]), float(min(y[0], y[-1]))
    x, y = np.meshgrid(x, y)
    down = _crossings(pressure[:, :-1], pressure[:, 1:], x[:-1], y[:-1], x[1:], y[1:])
    along = _crossings(
        pressure[:, :, :-1], pressure[:, :, 1:], x[:, :-1], y[:, :-1], x[:, 1:], y[:, 1:]
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
    here: Fields, there: Fields, x: Floats, y: Floats, to_x: Floats, to_y: Floats
) -> tuple[NDArray[Any], Floats, Floats, Floats]:
    """Lead, value, x and y of every isobar between neighbours."""
    steps = [np.floor(field / INTERVAL) for field in (here, there)]
    at = np.nonzero(steps[0] != steps[1])
    finite = np.isfinite(here[at]) & np.isfinite(there[at])
    at = tuple(part[finite] for part in at)
    value = np.maximum(steps[0][at], steps[1][at]).astype(np.float64) * INTERVAL
    share = (value - here[at]) / (there[at].astype(np.float64) - here[at])
    on = at[1:]
    return at[0], value, x[on] + share * (to_x - x)[on], y[on] + share * (to_y - y)[on]
