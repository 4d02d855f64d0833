"""Coastlines for maps on plain axes: Natural Earth, public domain (docs/make_coastlines.py)."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Line = NDArray[np.float32]

_FILE = Path(__file__).parents[1] / "assets" / "coastlines.npz"
_BREAK = 32767
_DETAIL_BELOW = 120.0  # degrees of longitude: wider maps get the coarser line
_MARGIN = 2.0  # degrees kept around the map, so that small pans show no gap


@cache
def whole_coastline(*, fine: bool) -> Line:
    """(points, 2) degrees east and north, NaN between lines; 1:50 million or 1:110 million."""
    with np.load(_FILE) as packed:
        whole = packed["land_50m" if fine else "land_110m"]
    line: Line = whole.astype(np.float32) / np.float32(100)
    line[whole[:, 0] == _BREAK] = np.nan
    line.setflags(write=False)
    return line


def coastline(west: float, east: float, south: float, north: float) -> tuple[Line, Line]:
    """Coasts within a box, on the longitudes of the box.

    Args:
        west: any representative, such as -180 or 110.
        east: greater than west, at most 360 more.
        south: degrees north.
        north: degrees north.

    Returns:
        Longitudes from west to east and latitudes, float32, NaN between lines.

    >>> x, y = coastline(110, 290, -60, 60)  # the Pacific
    >>> bool(np.nanmin(x) >= 107.9), bool(np.nanmax(x) <= 292.1)
    (True, True)
    """
    line = whole_coastline(fine=east - west <= _DETAIL_BELOW)
    parts = []
    for turn in range(-1, 3):
        x, y = line[:, 0] + np.float32(360 * turn), line[:, 1]
        inside = (x >= west - _MARGIN) & (x <= east + _MARGIN)
        inside &= (y >= south - _MARGIN) & (y <= north + _MARGIN)
        if not inside.any():
            continue
        # The first point outside ends a line; further ones, and breaks in a row, say nothing new.
        kept = inside.copy()
        kept[1:] |= inside[:-1]
        parts.append(np.where(inside, np.stack([x, y]), np.float32(np.nan))[:, kept])
        parts.append(np.full((2, 1), np.nan, dtype=np.float32))
    if not parts:
        return np.zeros(0, dtype=np.float32), np.zeros(0, dtype=np.float32)
    longitude, latitude = np.concatenate(parts, axis=1)
    return longitude, latitude
