"""Coasts, meridians and parallels on the plane of a map."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.app.figures.coastlines import whole_coastline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from met2net_ops.app.data.rasters import Extent, MapView

    Floats = NDArray[np.float64]
    Line = tuple[NDArray[np.float32], NDArray[np.float32]]

_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 20, 30)  # degrees between lines of the graticule
_LINES = 6  # about so many across a map
_DETAIL_BELOW = 100.0  # units of a map's width: wider ones get the coarser coast
_FINEST = 600  # parts of a map's width: of a coast's points in one of them, one is drawn
_JUMP = 0.5  # of the map's width: no line is that long; it runs around the back of the Earth
_MARGIN = 0.05  # of the map, kept around it
_FEWEST_NAMES = 2  # on the left edge; with fewer, they stand inside
_DENSE = 0.5  # degrees between points of a meridian or parallel, at most


@dataclass(frozen=True)
class Graticule:
    """Meridians and parallels.

    Attributes:
        line: x and y, NaN between lines.
        below: x of meridians on the map's lower edge → "20° W".
        left: y of parallels on its left edge → "50° N".
        inside: (x, y, text) of parallels where none reaches that edge, as on a polar map.
    """

    line: Line
    below: dict[float, str]
    left: dict[float, str]
    inside: tuple[tuple[float, float, str], ...] = ()


def coasts(view: MapView) -> Line:
    """Coasts within a view, NaN between lines; in more detail where it shows less."""
    longitude, latitude = whole_coastline(fine=view.extent.width < _DETAIL_BELOW).T
    x, y = _drawn(view, latitude, longitude)
    cell = view.extent.width / _FINEST
    square = np.stack([np.floor(x / cell), np.floor(y / cell)])
    new = np.ones(len(x), dtype=bool)
    new[1:] = (square[:, 1:] != square[:, :-1]).any(axis=0)  # NaN differs from itself
    return x[new], y[new]


def graticule(view: MapView, seen: Extent) -> Graticule:
    """Meridians and parallels at round degrees that leave a map readable.

    Args:
        view: drawn.
        seen: of it, at whose edges the lines are named.
    """
    extent = view.extent
    part = np.linspace(0, 1, 61)
    x, y = np.meshgrid(extent.west + part * extent.width, extent.south + part * extent.height)
    latitude, _ = view.projection.inverse(x, y)
    if not np.isfinite(latitude).any():
        return Graticule((np.zeros(0, "f4"), np.zeros(0, "f4")), {}, {})
    low, high = float(np.nanmin(latitude)), float(np.nanmax(latitude))
    step = _step(min(seen.width, seen.height) / _LINES)
    turning = min(30.0, _step(step / max(0.1, math.cos(math.radians(min(abs(low), abs(high)))))))
    parallels = _rounds(max(low - step, -90 + step), min(high + step, 90 - step), step)
    meridians = np.arange(-180.0, 180.0, turning)
    dense = min(_DENSE, step / 10)
    along = np.linspace(-180, 180, round(360 / dense) + 1)
    # A parallel begins where its map is cut.
    middle = float(getattr(view.projection, "middle", 0.0))
    up = np.linspace(max(low - step, -90), min(high + step, 90), 121)
    lines_x: list[NDArray[np.float32]] = []
    lines_y: list[NDArray[np.float32]] = []
    left: dict[float, str] = {}
    below: dict[float, str] = {}
    for one in parallels:
        line = _drawn(view, np.full_like(along, one), along + middle)
        _append(lines_x, lines_y, line)
        if (found := _crossing(line[1], line[0], seen.west)) is not None:
            left[found] = _name(one, "N", "S")
    reach = 90 - step if high > 80 or low < -80 else 90.0  # they do not crowd at the pole
    for one in meridians:
        kept = up[np.abs(up) <= reach]
        line = _drawn(view, kept, np.full_like(kept, one))
        _append(lines_x, lines_y, line)
        if (found := _crossing(line[0], line[1], seen.south)) is not None:
            below[found] = _name(one, "E", "W")
    left = {y: name for y, name in left.items() if seen.south <= y <= seen.north}
    below = {x: name for x, name in below.items() if seen.west <= x <= seen.east}
    inside: tuple[tuple[float, float, str], ...] = ()
    if len(left) < _FEWEST_NAMES:
        left, inside = {}, _names_inside(view, parallels, middle)
    joined = (np.concatenate(lines_x), np.concatenate(lines_y)) if lines_x else (along[:0],) * 2
    return Graticule((joined[0].astype("f4"), joined[1].astype("f4")), below, left, inside)


def north_at(view: MapView, latitude: Floats, longitude: Floats) -> Floats:
    """Which way north is on the plane, in radians anticlockwise from straight up."""
    step: Floats = np.where(latitude > 89.9, -1e-3, 1e-3)
    x, y = view.projection.forward(latitude, longitude)
    further = view.projection.forward(latitude + step, longitude)
    across, up = (further[0] - x) * np.sign(step), (further[1] - y) * np.sign(step)
    return np.asarray(np.arctan2(-across, up))


def _drawn(view: MapView, latitude: NDArray[np.floating], longitude: NDArray[np.floating]) -> Line:
    """A line on the plane, without what lies outside the view or runs around the back."""
    x, y = view.projection.forward(latitude, longitude)
    around = view.extent.grown(_MARGIN)
    inside = (x >= around.west) & (x <= around.east) & (y >= around.south) & (y <= around.north)
    with np.errstate(invalid="ignore"):
        jumps = np.abs(np.diff(x)) > _JUMP * max(view.extent.width, 90.0)
    # One point on each side of the edge is kept, so that lines reach it.
    kept = inside.copy()
    kept[1:] |= inside[:-1]
    kept[:-1] |= inside[1:]
    kept &= np.isfinite(x)
    gaps = ~kept
    gaps[1:] &= kept[:-1]  # the first of a row of points outside stands for all of them
    x, y = np.where(kept, x, np.nan), np.where(kept, y, np.nan)
    cut = np.flatnonzero(jumps & kept[1:] & kept[:-1]) + 1
    chosen = np.insert(kept | gaps, cut, values=True)
    found = [np.insert(part, cut, np.nan)[chosen].astype(np.float32) for part in (x, y)]
    return found[0], found[1]


def _append(xs: list[NDArray[np.float32]], ys: list[NDArray[np.float32]], line: Line) -> None:
    gap = np.full(1, np.nan, np.float32)
    xs += [line[0], gap]
    ys += [line[1], gap]


def _crossing(along: NDArray[np.float32], across: NDArray[np.float32], edge: float) -> float | None:
    """Where a line first crosses an edge of the map; None where it does not."""
    with np.errstate(invalid="ignore"):
        off = across.astype(np.float64) - edge
        at = np.flatnonzero((off[:-1] * off[1:] <= 0) & (off[:-1] != off[1:]))
    if not len(at):
        return None
    share = off[at[0]] / (off[at[0]] - off[at[0] + 1])
    return float(along[at[0]] + share * (along[at[0] + 1] - along[at[0]]))


def _names_inside(
    view: MapView, parallels: Floats, middle: float
) -> tuple[tuple[float, float, str], ...]:
    """Names of parallels beside the meridian that points up or down."""
    middle = float(getattr(view.projection, "longitude", middle))
    x, y = view.projection.forward(parallels, np.full_like(parallels, middle))
    extent = view.extent
    return tuple(
        (float(at_x), float(at_y), _name(one, "N", "S"))
        for at_x, at_y, one in zip(x, y, parallels, strict=True)
        if extent.west < at_x < extent.east and extent.south < at_y < extent.north
    )


def _step(wanted: float) -> float:
    return next((step for step in _STEPS if step >= wanted), _STEPS[-1])


def _rounds(low: float, high: float, step: float) -> Floats:
    return np.asarray(np.arange(math.ceil(low / step), math.floor(high / step) + 1) * step)


def _name(degrees: float, positive: str, negative: str) -> str:
    letter = "" if degrees in (0, -180) else positive if degrees > 0 else negative
    return f"{abs(degrees):g}°{letter and ' '}{letter}"
