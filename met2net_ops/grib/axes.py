"""Rows and columns of latitude-longitude and Gaussian grids."""

from __future__ import annotations

from typing import TYPE_CHECKING

import eccodes
import numpy as np

from met2net_ops.grib.gaussian import gaussian_latitudes
from met2net_ops.grib.keys import get_double, get_long
from met2net_ops.grib.unreadable import GribUnreadableError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from met2net_ops.grib.scanning import Scanning

    Array = NDArray[np.float64]

MAX_GAUSSIAN = 8192  # rows between a pole and the equator
_MAX_STEP_ERROR = 0.0011  # degrees; edition 1 rounds to 0.001
_MAX_ROW_ERROR = 0.002  # degrees


def even_latitudes(handle: int, scanning: Scanning) -> Array:
    """North to south, from the first and last row; the increment only confirms them.

    Raises:
        UnreadableError: they disagree.
    """
    north, south = _ends(handle, "latitude", reverse=scanning.j_positive)
    _confirm_step(handle, "j", north - south, scanning.nj, whole=north - south == 180.0)
    return np.linspace(north, south, scanning.nj)


def even_longitudes(handle: int, scanning: Scanning) -> Array:
    """West to east, from the first and last column; the increment only confirms them.

    Raises:
        UnreadableError: they disagree.
    """
    west, east = _ends(handle, "longitude", reverse=scanning.i_negative)
    if east <= west and scanning.ni > 1:
        east += 360.0 * np.ceil((west - east) / 360.0 + 1e-12)
    around = (east - west) * scanning.ni / max(1, scanning.ni - 1)
    _confirm_step(handle, "i", east - west, scanning.ni, whole=abs(around - 360.0) < 1e-3)
    return np.linspace(west, east, scanning.ni)


def gaussian_rows(handle: int, scanning: Scanning) -> Array:
    """North to south, of a regular Gaussian grid or a part of one.

    Raises:
        UnreadableError: its first and last row are none of that grid, or too far apart.
    """
    latitudes = gaussian_latitudes(_gaussian_number(handle))
    north, south = _ends(handle, "latitude", reverse=scanning.j_positive)
    first, last = (int(np.abs(latitudes - end).argmin()) for end in (north, south))
    error = max(abs(latitudes[first] - north), abs(latitudes[last] - south))
    if error > _MAX_ROW_ERROR or last - first + 1 != scanning.nj:
        raise GribUnreadableError(
            f"its {scanning.nj} rows from {north:g} to {south:g} are not rows of its Gaussian grid"
        )
    return latitudes[first : last + 1]


def reduced_points(handle: int) -> tuple[Array, Array]:
    """Latitude and longitude of every point of a global reduced Gaussian grid, in coded order.

    Raises:
        UnreadableError: it is not global, or its rows make no sense.
    """
    n = _gaussian_number(handle)
    counts = row_counts(handle)
    if counts.size != 2 * n or counts.min() < 1:
        raise GribUnreadableError(f"parts of reduced Gaussian grids (N = {n}) are not supported")
    longest = int(counts.max())
    west, east = _ends(handle, "longitude", reverse=False)
    if west or abs(east - 360.0 * (1 - 1 / longest)) > 360.0 / longest:
        raise GribUnreadableError(
            f"a reduced Gaussian grid from {west:g} to {east:g} is not supported"
        )
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(gaussian_latitudes(n), counts), within * 360.0 / np.repeat(counts, counts)


def row_counts(handle: int) -> NDArray[np.int64]:
    """Points in each row of a reduced grid.

    Raises:
        UnreadableError: the message does not say.
    """
    try:
        return np.asarray(eccodes.codes_get_long_array(handle, "pl"), dtype=np.int64)
    except eccodes.CodesInternalError as error:
        raise GribUnreadableError(
            f"it does not say how many points its rows have: {error}"
        ) from error


def _gaussian_number(handle: int) -> int:
    n = get_long(handle, "N")
    if not 0 < n <= MAX_GAUSSIAN:
        raise GribUnreadableError(f"its Gaussian grid has N = {n}")
    return n


def _ends(handle: int, what: str, *, reverse: bool) -> tuple[float, float]:
    first, last = (
        get_double(handle, f"{what}Of{which}GridPointInDegrees") for which in ("First", "Last")
    )
    return (last, first) if reverse else (first, last)


def _confirm_step(handle: int, axis: str, span: float, count: int, *, whole: bool) -> None:
    """Refuse an axis whose ends and increment disagree, a likely sign of damage.

    Increments are often rounded. Where the ends span the globe, it is the increment that is wrong.
    """
    increment = get_double(handle, f"{axis}DirectionIncrementInDegrees", 0.0)
    given = get_long(handle, f"{axis}DirectionIncrementGiven", 0) and increment > 0
    if count < 2 or whole or not given:
        return
    step = span / (count - 1)
    if abs(step - increment) > _MAX_STEP_ERROR:
        raise GribUnreadableError(
            f"its first and last points are {count - 1} steps of {step:g}° apart, its "
            f"{axis} increment says {increment:g}°"
        )
