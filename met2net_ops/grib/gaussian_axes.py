"""Rows and columns of Gaussian grids."""

from __future__ import annotations

from typing import TYPE_CHECKING

import eccodes
import numpy as np

from met2net_ops.grib.keys import get_long
from met2net_ops.grib.records import GribUnreadableError
from met2net_ops.grib.regular_axes import read_columns, read_ends

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from met2net_ops.grib.scanning import Scanning

    Array = NDArray[np.float64]

MAX_GAUSSIAN = 8192  # rows between a pole and the equator
_MAX_ROW_ERROR = 0.002  # degrees


def gaussian_axes(handle: int, scanning: Scanning) -> tuple[Array, Array]:
    """Latitudes from north to south and longitudes from west to east of a regular Gaussian grid.

    Raises:
        GribUnreadableError: the message contradicts itself about them.
    """
    latitudes = _gaussian_rows(handle, scanning)
    columns = read_columns(handle, scanning)
    whole = scanning.nj == 2 * _gaussian_number(handle) and columns.closed
    if not (columns.agrees or columns.is_overstated or whole):
        raise GribUnreadableError(columns.disagreement())
    return latitudes, columns.coordinates()


def reduced_points(handle: int) -> tuple[Array, Array]:
    """Latitude and longitude of every point of a global reduced Gaussian grid, in coded order.

    Raises:
        GribUnreadableError: it is not global, or the message contradicts itself about its rows.
    """
    n = _gaussian_number(handle)
    counts = row_counts(handle)
    if counts.size != 2 * n or counts.min() < 1:
        raise GribUnreadableError(
            f"it has {counts.size} rows of a reduced Gaussian grid with N = {n}; only whole grids "
            f"({2 * n} rows) are supported"
        )
    latitudes = gaussian_latitudes(n)
    north, south = read_ends(handle, "latitude")
    if max(abs(latitudes[0] - north), abs(latitudes[-1] - south)) > _MAX_ROW_ERROR:
        raise GribUnreadableError(
            f"its rows run from {north:g}° to {south:g}°, those of a reduced Gaussian grid with "
            f"N = {n} from {latitudes[0]:g}° to {latitudes[-1]:g}°"
        )
    longest = int(counts.max())
    west, east = read_ends(handle, "longitude")
    if west or abs(east - 360.0 * (1 - 1 / longest)) > 360.0 / longest:
        raise GribUnreadableError(
            f"a reduced Gaussian grid from {west:g}° to {east:g}° east is not supported, only one "
            "all around the globe from 0°"
        )
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(latitudes, counts), within * 360.0 / np.repeat(counts, counts)


def row_counts(handle: int) -> NDArray[np.int64]:
    """Points in each row of a reduced grid.

    Raises:
        GribUnreadableError: the message does not say.
    """
    try:
        return np.asarray(eccodes.codes_get_long_array(handle, "pl"), dtype=np.int64)
    except eccodes.CodesInternalError as error:
        raise GribUnreadableError(
            f"it does not say how many points its rows have: {error}"
        ) from error


def gaussian_latitudes(n: int) -> Array:
    """(2 n,) latitudes in degrees from north to south of the Gaussian grid with `n` rows a side.

    >>> gaussian_latitudes(1).round(4).tolist()
    [35.2644, -35.2644]
    """
    return np.fromiter(eccodes.codes_get_gaussian_latitudes(n), np.float64, 2 * n)


def _gaussian_rows(handle: int, scanning: Scanning) -> Array:
    """North to south, of a regular Gaussian grid or a part of one."""
    n = _gaussian_number(handle)
    latitudes = gaussian_latitudes(n)
    first, last = read_ends(handle, "latitude")
    north, south = (last, first) if scanning.j_positive else (first, last)
    top, bottom = (int(np.abs(latitudes - end).argmin()) for end in (north, south))
    error = max(abs(latitudes[top] - north), abs(latitudes[bottom] - south))
    if error > _MAX_ROW_ERROR or bottom - top + 1 != scanning.nj:
        raise GribUnreadableError(
            f"its {scanning.nj} rows from {north:g}° to {south:g}° are not rows of the Gaussian "
            f"grid with N = {n}"
        )
    return latitudes[top : bottom + 1]


def _gaussian_number(handle: int) -> int:
    n = get_long(handle, "N")
    if not 0 < n <= MAX_GAUSSIAN:
        raise GribUnreadableError(f"its Gaussian grid has N = {n}")
    return n
