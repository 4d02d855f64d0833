"""Where the points of a field lie, in one orientation whatever the scanning mode.

Every grid is computed once per distinct description.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import eccodes
import numpy as np

from met2net_ops.grib.keys import get_double, get_long, get_text
from met2net_ops.grib.projections import read_projection
from met2net_ops.grib.records import SourceGrid
from met2net_ops.grib.unreadable import UnreadableError
from met2net_ops.grib.winds import Rotation, rotation_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

T = TypeVar("T", bound=np.generic)

MAX_POINTS = 1 << 26  # 67 million; ten times a global 9 km field, and 256 MiB as float32
MAX_GAUSSIAN = 8192  # rows between a pole and the equator; ecCodes needs hours for 65535
_TOLERANCE_DEGREES = 1e-6
_MAX_STEP_ERROR = 0.0011  # degrees; edition 1 rounds to 0.001
SUPPORTED = (
    "regular_ll", "rotated_ll", "regular_gg", "reduced_gg",
    "lambert", "polar_stereographic", "mercator",
)  # fmt: skip
_GRID_RELATIVE = 8  # flag table 3.3, bit 5; edition 1 table 7
_STAGGERED = ("scanningMode5", "scanningMode6", "scanningMode7", "scanningMode8")
_NOT_REDUCED = (
    "iScansNegatively", "jScansPositively", "jPointsAreConsecutive", "alternativeRowScanning",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scanning:
    """How values follow each other in a message (flag table 3.4; edition 1 table 8)."""

    ni: int
    nj: int
    i_negative: bool
    j_positive: bool
    j_consecutive: bool
    alternating: bool

    def orient(self, values: NDArray[T], *, alternating: bool | None = None) -> NDArray[T]:
        """(ni * nj,) as stored → (nj, ni), first row at the last j northwards, i ascending.

        Args:
            values: in the order of the message.
            alternating: whether every other line runs backwards; by default as the message says.
                ecCodes' iterator numbers points as if none did, so its coordinates need False.
        """
        shape = (self.ni, self.nj) if self.j_consecutive else (self.nj, self.ni)
        field = values.reshape(shape)
        if self.alternating if alternating is None else alternating:
            field = field.copy()
            field[1::2] = field[1::2, ::-1]
        if self.j_consecutive:
            field = field.T
        rows = slice(None, None, -1) if self.j_positive else slice(None)
        columns = slice(None, None, -1) if self.i_negative else slice(None)
        return np.ascontiguousarray(field[rows, columns])


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
        UnreadableError: unsupported grid type, or numbers that make no sense.
    """
    kind = get_text(handle, "gridType", "unknown")
    points = get_long(handle, "numberOfDataPoints", 0)
    if not 0 < points <= MAX_POINTS:
        raise UnreadableError(f"its grid ({kind}) has {points} points")
    if kind not in SUPPORTED:
        raise UnreadableError(f"grids of type {kind} are not supported")
    if kind.endswith("_gg") and not 0 < get_long(handle, "N") <= MAX_GAUSSIAN:
        raise UnreadableError(f"its Gaussian grid has N = {get_long(handle, 'N')}")
    reduced = kind == "reduced_gg"
    for key in _NOT_REDUCED if reduced else _STAGGERED:
        if get_long(handle, key, 0):
            raise UnreadableError(f"a {kind} grid with {key} set is not supported")
    scanning = None if reduced else _read_scanning(handle, points)
    grid = _read_grid(handle, kind, scanning)
    # Not uvRelativeToGrid, which ecCodes does not know on GRIB2 polar stereographic grids.
    relative = bool(get_long(handle, "resolutionAndComponentFlags") & _GRID_RELATIVE)
    rotation = rotation_of(handle, grid) if relative else None
    return Geometry(grid, scanning, relative, rotation)


def _read_scanning(handle: int, points: int) -> Scanning:
    ni, nj = get_long(handle, "Ni"), get_long(handle, "Nj")
    if ni * nj != points:
        raise UnreadableError(f"its grid is said to have {ni} x {nj} and {points} points")
    return Scanning(
        ni=ni,
        nj=nj,
        i_negative=bool(get_long(handle, "iScansNegatively", 0)),
        j_positive=bool(get_long(handle, "jScansPositively", 0)),
        j_consecutive=bool(get_long(handle, "jPointsAreConsecutive", 0)),
        alternating=bool(get_long(handle, "alternativeRowScanning", 0)),
    )


def _read_grid(handle: int, kind: str, scanning: Scanning | None) -> SourceGrid:
    if scanning is None:
        return _points(kind, *_coordinates(handle))
    if kind == "regular_ll":
        return _separable(kind, _latitudes(handle, scanning), _longitudes(handle, scanning))
    if kind == "regular_gg":
        return _separable(kind, _gaussian_latitudes(handle), _longitudes(handle, scanning))
    if kind == "rotated_ll":
        latitudes, longitudes = _coordinates(handle)
        if latitudes.size != scanning.ni * scanning.nj:
            raise UnreadableError(f"its grid gives {latitudes.size} coordinates")
        return _points(
            kind,
            scanning.orient(latitudes, alternating=False),
            scanning.orient(longitudes, alternating=False),
        )
    rows = np.arange(scanning.nj)[::-1] if scanning.j_positive else -np.arange(scanning.nj)
    columns = -np.arange(scanning.ni)[::-1] if scanning.i_negative else np.arange(scanning.ni)
    first = (
        get_double(handle, "latitudeOfFirstGridPointInDegrees"),
        get_double(handle, "longitudeOfFirstGridPointInDegrees"),
    )
    projection = read_projection(handle, kind)
    if kind == "mercator":
        latitudes, _ = projection.coordinates(*first, rows, columns[:1])
        _, longitudes = projection.coordinates(*first, rows[:1], columns)
        return _separable(kind, latitudes[:, 0], longitudes[0])
    return _points(kind, *projection.coordinates(*first, rows, columns))


def _coordinates(handle: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of all points, as ecCodes computes them."""
    try:
        return (
            eccodes.codes_get_double_array(handle, "latitudes"),
            eccodes.codes_get_double_array(handle, "longitudes"),
        )
    except eccodes.CodesInternalError as error:
        raise UnreadableError(f"ecCodes cannot compute its coordinates: {error}") from error


def _latitudes(handle: int, scanning: Scanning) -> NDArray[np.float64]:
    """North to south, from the first and last row; the increment only confirms them."""
    first, last = (
        get_double(handle, f"latitudeOf{which}GridPointInDegrees") for which in ("First", "Last")
    )
    north, south = (last, first) if scanning.j_positive else (first, last)
    _confirm_step(handle, "j", north - south, scanning.nj, whole=north - south == 180.0)
    return np.linspace(north, south, scanning.nj)


def _gaussian_latitudes(handle: int) -> NDArray[np.float64]:
    """North to south; zeros of a Legendre polynomial, as ecCodes computes them."""
    try:
        distinct = eccodes.codes_get_double_array(handle, "distinctLatitudes")
    except eccodes.CodesInternalError as error:
        raise UnreadableError(f"ecCodes cannot compute its latitudes: {error}") from error
    return np.asarray(np.sort(distinct)[::-1], dtype=np.float64)


def _longitudes(handle: int, scanning: Scanning) -> NDArray[np.float64]:
    """West to east, from the first and last column; the increment only confirms them."""
    first, last = (
        get_double(handle, f"longitudeOf{which}GridPointInDegrees") for which in ("First", "Last")
    )
    west, east = (last, first) if scanning.i_negative else (first, last)
    if east <= west and scanning.ni > 1:
        east += 360.0 * np.ceil((west - east) / 360.0 + 1e-12)
    around = (east - west) * scanning.ni / max(1, scanning.ni - 1)
    _confirm_step(handle, "i", east - west, scanning.ni, whole=abs(around - 360.0) < 1e-3)
    return np.linspace(west, east, scanning.ni)


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
        raise UnreadableError(
            f"its first and last points are {count - 1} steps of {step:g}° apart, its "
            f"{axis} increment says {increment:g}°"
        )


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
        raise UnreadableError(f"its {longitudes.size} columns span {span:g}°")
    if np.any(np.diff(latitudes) >= 0) or np.any(np.diff(longitudes) <= 0):
        raise UnreadableError("its rows do not run from north to south, or columns repeat")
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
        raise UnreadableError(f"its latitudes run from {low:g} to {high:g}")
    low, high = longitudes.min(), longitudes.max()
    if not (-360.0 <= low <= high <= 720.0):
        raise UnreadableError(f"its longitudes run from {low:g} to {high:g}")


def _checksum(kind: str, *coordinates: NDArray[np.float64]) -> str:
    digest = hashlib.blake2b(kind.encode(), digest_size=8)
    for array in coordinates:
        digest.update(repr(array.shape).encode())
        digest.update(np.round(array * 1e6).astype(np.int64).tobytes())
    return digest.hexdigest()
