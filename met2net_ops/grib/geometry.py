"""Where the points of a field lie, in one orientation whatever the scanning mode."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.grib.gaussian_axes import gaussian_axes, reduced_points, row_counts
from met2net_ops.grib.keys import get_double, get_long, get_text
from met2net_ops.grib.mercator import mercator_axes
from met2net_ops.grib.projections import read_projection, rotate_back
from met2net_ops.grib.records import GribUnreadableError
from met2net_ops.grib.regular_axes import even_axes
from met2net_ops.grib.scanning import Scanning, read_scanning
from met2net_ops.grib.winds import Rotation, rotation_of
from met2net_ops.grids import SourceGrid

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_POINTS = 1 << 26  # 67 million; ten times a global 9 km field, and 256 MiB as float32
_TOLERANCE_DEGREES = 1e-6
SUPPORTED = (
    "regular_ll", "rotated_ll", "regular_gg", "reduced_gg",
    "lambert", "polar_stereographic", "mercator",
)  # fmt: skip
_GRID_RELATIVE = 8  # flag table 3.3, bit 5; edition 1 table 7
_NOT_REDUCED = (
    "iScansNegatively", "jScansPositively", "jPointsAreConsecutive", "alternativeRowScanning",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Geometry:
    """A grid, how its values are stored, and how its winds turn.

    Attributes:
        grid: in canonical orientation.
        scanning: None for reduced grids, whose points keep the order of the message.
        grid_relative: whether u and v follow the grid's axes and not east and north.
        rotation: how to turn them, None where grid and earth axes agree.
    """

    grid: SourceGrid
    scanning: Scanning | None
    grid_relative: bool
    rotation: Rotation | None


def read_geometry(handle: int) -> Geometry:
    """The geometry of a message.

    Raises:
        GribUnreadableError: unsupported grid type, or impossible or contradictory numbers.
    """
    kind = get_text(handle, "gridType", "unknown")
    if kind not in SUPPORTED:
        raise GribUnreadableError(f"grids of type {kind} are not supported")
    points = count_points(handle, kind)
    if not 0 < points <= MAX_POINTS:
        raise GribUnreadableError(f"its grid ({kind}) has {points} points")
    if kind == "reduced_gg":
        for key in _NOT_REDUCED:
            if get_long(handle, key, 0):
                raise GribUnreadableError(f"a {kind} grid with {key} set is not supported")
        scanning = None
        grid = _points(kind, *reduced_points(handle))
    else:
        scanning = read_scanning(handle)
        if scanning.ni * scanning.nj != points:
            size = f"{scanning.ni} x {scanning.nj}"
            raise GribUnreadableError(
                f"its grid has {size} points by Ni and Nj, but {points} by its number of points"
            )
        grid = _matrix(handle, kind, scanning)
    # Not uvRelativeToGrid, which ecCodes does not know on GRIB2 polar stereographic grids.
    relative = bool(get_long(handle, "resolutionAndComponentFlags") & _GRID_RELATIVE)
    rotation = rotation_of(handle, grid) if relative else None
    return Geometry(grid, scanning, relative, rotation)


def count_points(handle: int, kind: str) -> int:
    """How many points the grid of a message has, by its header alone.

    Raises:
        GribUnreadableError: keys are missing.
    """
    if get_long(handle, "edition") == 1 and kind.endswith("_gg"):
        # There ecCodes counts the values, which a header does not have.
        if kind.startswith("reduced"):
            return int(row_counts(handle).sum())
        return get_long(handle, "Ni") * get_long(handle, "Nj")
    return get_long(handle, "numberOfDataPoints", 0)


def _matrix(handle: int, kind: str, scanning: Scanning) -> SourceGrid:
    if kind == "mercator":
        return _separable(kind, *mercator_axes(handle, scanning))
    if kind == "regular_gg":
        return _separable(kind, *gaussian_axes(handle, scanning))
    if kind in ("regular_ll", "rotated_ll"):
        rows, columns = even_axes(handle, scanning)
        if kind == "regular_ll":
            return _separable(kind, rows, columns)
        if get_double(handle, "angleOfRotationInDegrees", 0.0):
            raise GribUnreadableError("rotated grids turned about their new pole are not supported")
        pole = (
            get_double(handle, "latitudeOfSouthernPoleInDegrees"),
            get_double(handle, "longitudeOfSouthernPoleInDegrees"),
        )
        if abs(pole[0]) > 90.0:
            raise GribUnreadableError(f"the southern pole of its rotated grid is at {pole[0]:g}°")
        return _points(kind, *rotate_back(*np.meshgrid(rows, columns, indexing="ij"), *pole))
    first = (
        get_double(handle, "latitudeOfFirstGridPointInDegrees"),
        get_double(handle, "longitudeOfFirstGridPointInDegrees"),
    )
    projection = read_projection(handle, kind)
    return _points(kind, *projection.coordinates(*first, scanning.rows, scanning.columns))


def _points(
    kind: str, latitudes: NDArray[np.float64], longitudes: NDArray[np.float64]
) -> SourceGrid:
    _check_range(latitudes, longitudes)
    return SourceGrid(
        kind=kind,
        latitudes=latitudes,
        longitudes=longitudes,
        separable=False,
        periodic=False,
        shape=latitudes.shape,
        checksum=_checksum(kind, latitudes, longitudes),
    )


def _separable(
    kind: str, latitudes: NDArray[np.float64], longitudes: NDArray[np.float64]
) -> SourceGrid:
    longitudes = longitudes[0] + np.concatenate(
        [[0.0], np.cumsum(np.mod(np.diff(longitudes), 360.0))]
    ) if longitudes.size > 1 else longitudes  # fmt: skip
    if longitudes[0] >= 360.0 - _TOLERANCE_DEGREES:
        longitudes = longitudes - 360.0
    _check_range(latitudes, longitudes)
    span = longitudes[-1] - longitudes[0]
    if span >= 360.0 - _TOLERANCE_DEGREES and longitudes.size > 1:
        raise GribUnreadableError(f"its {longitudes.size} columns span {span:g}°")
    if np.any(np.diff(latitudes) >= 0) or np.any(np.diff(longitudes) <= 0):
        raise GribUnreadableError("its rows do not run from north to south, or columns repeat")
    step = span / max(1, longitudes.size - 1)
    periodic = longitudes.size > 1 and abs(span + step - 360.0) < 1e-2 * step
    return SourceGrid(
        kind=kind,
        latitudes=latitudes,
        longitudes=longitudes,
        separable=True,
        periodic=periodic,
        shape=(latitudes.size, longitudes.size),
        checksum=_checksum(kind, latitudes, longitudes),
    )


def _check_range(latitudes: NDArray[np.float64], longitudes: NDArray[np.float64]) -> None:
    low, high = latitudes.min(), latitudes.max()
    if not (-90.0 - 1e-3 <= low <= high <= 90.0 + 1e-3):
        raise GribUnreadableError(f"its latitudes run from {low:g} to {high:g}")
    low, high = longitudes.min(), longitudes.max()
    if not (-360.0 <= low <= high <= 720.0):
        raise GribUnreadableError(f"its longitudes run from {low:g} to {high:g}")


def _checksum(kind: str, *coordinates: NDArray[np.float64]) -> str:
    digest = hashlib.blake2b(kind.encode(), digest_size=8)
    for array in coordinates:
        digest.update(repr(array.shape).encode())
        digest.update(np.round(array * 1e6).astype(np.int64).tobytes())
    return digest.hexdigest()
