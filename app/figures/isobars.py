"""Where isobars bear their value: Plotly's own labels take ten times as long as all the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Fields = NDArray[np.float32]
    Floats = NDArray[np.float64]

INTERVAL = 4.0  # hPa between isobars, as on surface charts
_ACROSS, _ACROSS_NARROW = 8, 4  # squares of the map's width, each with one label at most
MOST_NUMBERS = 3 * _ACROSS**2  # x, y and text in a frame, of a map as high as it is wide
_MIDDLE = 0.3  # of a square on either side of its middle: labels of two squares never touch


def isobar_labels(
    pressure: Fields, longitudes: Floats, latitudes: Floats, *, narrow: bool = False
) -> list[tuple[Fields, Fields, list[str]]]:
    """Points on isobars and their values, at most one in each square of the map.

    A point lies where the pressure, linear between neighbours in a row or in a column, is a
    multiple of `INTERVAL`.

    Args:
        pressure: (lead, row, column) hPa.
        longitudes: (column,) degrees, ascending.
        latitudes: (row,) degrees north, descending.
        narrow: for a phone, with fewer and larger squares.

    Returns:
        Per lead longitudes, latitudes and texts of the labels.
    """
    x, y = np.meshgrid(longitudes, latitudes)
    down = _crossings(pressure[:, :-1], pressure[:, 1:], x[:-1], y[:-1], x[1:], y[1:])
    along = _crossings(
        pressure[:, :, :-1], pressure[:, :, 1:], x[:, :-1], y[:, :-1], x[:, 1:], y[:, 1:]
    )
    lead, value, lon, lat = (np.concatenate(pair) for pair in zip(down, along, strict=True))
    square = (longitudes[-1] - longitudes[0]) / (_ACROSS_NARROW if narrow else _ACROSS)
    column, row = (lon - longitudes[0]) / square, (latitudes[0] - lat) / square
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


def _crossings(
    here: Fields, there: Fields, x: Floats, y: Floats, to_x: Floats, to_y: Floats
) -> tuple[NDArray[Any], Floats, Floats, Floats]:
    """Lead, value, longitude and latitude of every isobar between neighbours."""
    steps = [np.floor(field / INTERVAL) for field in (here, there)]
    at = np.nonzero(steps[0] != steps[1])
    finite = np.isfinite(here[at]) & np.isfinite(there[at])
    at = tuple(part[finite] for part in at)
    value = np.maximum(steps[0][at], steps[1][at]).astype(np.float64) * INTERVAL
    share = (value - here[at]) / (there[at].astype(np.float64) - here[at])
    on = at[1:]
    return at[0], value, x[on] + share * (to_x - x)[on], y[on] + share * (to_y - y)[on]
