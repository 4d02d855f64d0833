"""Rows and columns of Mercator grids.

A message states them twice: by the first and last point, and by the first point, increments in
metres and the latitude where those are true. Both must give the same points. If they differ by one
factor along rows and columns alike, it is the latitude or the earth's radius that is wrong, and
the ends place the points. Everything else is refused. An orientation is heeded only where the two
do not agree without it: a grid that is truly turned has no such corners.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.grib.keys import get_double
from met2net_ops.grib.projections import isometric, latitude_of, read_projection
from met2net_ops.grib.records import GribUnreadableError
from met2net_ops.grib.regular_axes import END_ERROR, is_stated

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from met2net_ops.grib.scanning import Scanning

    Array = NDArray[np.float64]

_INCREMENT_ERROR_M = 0.5  # edition 1 codes metres, and edition 2 often has no more


@dataclass(frozen=True, slots=True)
class _Ends:
    """The corners of a grid: longitudes in degrees, rows as isometric latitudes in radians."""

    west: float
    east: float
    south: float
    north: float
    row_error: float  # of `north - south`, by the coding of the latitudes


def mercator_axes(handle: int, scanning: Scanning) -> tuple[Array, Array]:
    """Latitudes from north to south and longitudes from west to east of a Mercator grid.

    Snyder (1987), chapter 7: columns are evenly spaced in longitude, rows in isometric latitude.

    Raises:
        GribUnreadableError: keys are missing, or the message contradicts itself.
    """
    projection = read_projection(handle, "mercator")
    metres = (projection.dx, projection.dy)
    counts = (scanning.ni, scanning.nj)
    by_increment = tuple(step / projection.scale for step in metres)
    ends = _read_ends(handle, scanning, projection.eccentricity)
    given, turned = all(step > 0 for step in metres), _orientation(handle)
    if turned and not (given and ends):
        raise GribUnreadableError(f"a Mercator grid turned by {turned:g}° is not supported")
    if ends is None:
        if not given:
            raise GribUnreadableError("it states neither its last point nor its increments")
        return _from_first(handle, scanning, by_increment, projection.eccentricity)
    spans = (np.deg2rad(ends.east - ends.west), ends.north - ends.south)
    by_ends = tuple(span / max(1, n - 1) for span, n in zip(spans, counts, strict=True))
    if given:
        errors = (np.deg2rad(2 * END_ERROR), ends.row_error)
        fits = tuple(
            abs(e - m) * (n - 1) <= error + (n - 1) * _INCREMENT_ERROR_M / projection.scale
            for e, m, n, error in zip(by_ends, by_increment, counts, errors, strict=True)
        )
        by_one_factor = not any(fits) and _same_shape(by_ends, by_increment, counts, errors)
        if not all(fits) and not by_one_factor:
            raise GribUnreadableError(_disagreement(handle, counts, by_ends, by_increment))
    psi = np.linspace(ends.north, ends.south, scanning.nj)
    latitudes = np.rad2deg(latitude_of(np.exp(-psi), projection.eccentricity))
    return latitudes, np.linspace(ends.west, ends.east, scanning.ni)


def _read_ends(handle: int, scanning: Scanning, eccentricity: float) -> _Ends | None:
    """The corners by the first and last point; None if the last one is coded as missing.

    Raises:
        GribUnreadableError: the rows run against their scanning mode, or to a pole.
    """
    first, last = (_point(handle, which) for which in ("First", "Last"))
    if not all(is_stated(degrees) for degrees in last):
        return None
    south, north = (first[0], last[0]) if scanning.j_positive else (last[0], first[0])
    west, east = (last[1], first[1]) if scanning.i_negative else (first[1], last[1])
    if scanning.ni > 1:
        east += 360.0 * np.ceil((west - east) / 360.0 + 1e-12)
        east -= 360.0 * max(0.0, np.ceil((east - west) / 360.0) - 1.0)
    if north < south or (north == south and scanning.nj > 1) or max(abs(south), abs(north)) >= 90.0:
        way = "south to north" if scanning.j_positive else "north to south"
        raise GribUnreadableError(
            f"its {scanning.nj} rows are said to run from {way} and from {first[0]:g}° to "
            f"{last[0]:g}°"
        )
    psi = [-float(np.log(isometric(np.deg2rad(x), eccentricity))) for x in (south, north)]
    error = sum(np.deg2rad(END_ERROR) / np.cos(np.deg2rad(x)) for x in (south, north))
    return _Ends(west, east, psi[0], psi[1], float(error))


def _from_first(
    handle: int, scanning: Scanning, steps: tuple[float, ...], eccentricity: float
) -> tuple[Array, Array]:
    latitude, longitude = _point(handle, "First")
    psi = steps[1] * scanning.rows - np.log(isometric(np.deg2rad(latitude), eccentricity))
    latitudes = np.rad2deg(latitude_of(np.exp(-psi), eccentricity))
    return latitudes, longitude + np.rad2deg(steps[0]) * scanning.columns


def _same_shape(
    by_ends: tuple[float, ...],
    by_increment: tuple[float, ...],
    counts: tuple[int, ...],
    errors: tuple[float, ...],
) -> bool:
    """Whether the ends give cells of the shape that the increments give them."""
    if min(counts) < 2 or min(by_ends) <= 0:
        return False
    x, y = by_ends
    shape = by_increment[0] / by_increment[1]
    slack = errors[0] / (counts[0] - 1) / x + errors[1] / (counts[1] - 1) / y
    return bool(abs(x / y / shape - 1.0) <= slack + 1e-4)


def _point(handle: int, which: str) -> tuple[float, float]:
    latitude, longitude = (
        get_double(handle, f"{axis}Of{which}GridPointInDegrees")
        for axis in ("latitude", "longitude")
    )
    return latitude, longitude


def _orientation(handle: int) -> float:
    return get_double(handle, "orientationOfTheGridInDegrees", 0.0)


def _disagreement(
    handle: int, counts: tuple[int, ...], by_ends: tuple[float, ...], by_metres: tuple[float, ...]
) -> str:
    (south, first), (north, last) = sorted(_point(handle, which) for which in ("First", "Last"))
    return (
        f"its ends and increments place its points differently: {counts[0]} columns between "
        f"{first:g}° and {last:g}° are {np.rad2deg(by_ends[0]):g}° apart, by DiInMetres "
        f"{np.rad2deg(by_metres[0]):g}°; {counts[1]} rows between {south:g}° and {north:g}° are "
        f"{np.rad2deg(by_ends[1]):g}° apart at the equator, by DjInMetres "
        f"{np.rad2deg(by_metres[1]):g}° (LaD {get_double(handle, 'LaDInDegrees'):g}°, "
        f"orientation {_orientation(handle):g}°)"
    )
