"""Grids: the regular latitude-longitude grids of archive and models, and those fields come on.

Rows run from north to south, columns from west to east.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.errors import GridError

if TYPE_CHECKING:
    from numpy.typing import NDArray

EARTH_RADIUS_M = 6_371_229.0  # sphere of GRIB2 code table 3.2, entry 6
_TOLERANCE_DEGREES = 1e-6


@dataclass(frozen=True)
class LatLonGrid:
    """A regular latitude-longitude grid of points.

    Row 0 is the northernmost latitude, column 0 the westernmost longitude. `west` may be any
    representative (0, -10, 110 …); longitudes ascend from it without wrapping.

    Attributes:
        north: latitude of row 0, degrees north.
        west: longitude of column 0, degrees east.
        dlat: row spacing, degrees, positive.
        dlon: column spacing, degrees, positive.
        nlat: rows.
        nlon: columns.
        name: what people call it; not part of equality.
    """

    north: float
    west: float
    dlat: float
    dlon: float
    nlat: int
    nlon: int
    name: str = ""

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.north, self.west, self.dlat, self.dlon))):
            raise GridError(f"grid {self.name or self}: its numbers must be finite")
        south = self.north - self.dlat * (self.nlat - 1)
        if self.nlat < 1 or self.nlon < 1 or self.dlat <= 0 or self.dlon <= 0:
            raise GridError(f"grid {self.name or self}: sizes and spacings must be positive")
        if self.north > 90 + _TOLERANCE_DEGREES or south < -90 - _TOLERANCE_DEGREES:
            raise GridError(f"grid {self.name}: latitudes {south}..{self.north} leave the sphere")
        if self.dlon * self.nlon > 360 + self.dlon * _TOLERANCE_DEGREES:
            raise GridError(f"grid {self.name}: {self.nlon} columns of {self.dlon}° overlap")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LatLonGrid) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[float, ...]:
        numbers = (self.north, self.west, self.dlat, self.dlon)
        return (*(round(x, 6) for x in numbers), self.nlat, self.nlon)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.nlat, self.nlon

    @property
    def periodic(self) -> bool:
        """Whether the last column is next to the first."""
        return abs(self.dlon * self.nlon - 360.0) < self.dlon * 1e-3

    @property
    def checksum(self) -> str:
        """Twelve hexadecimal digits that name this geometry."""
        return hashlib.sha256(repr(self._key).encode()).hexdigest()[:12]

    @cached_property
    def latitudes(self) -> NDArray[np.float64]:
        """(nlat,) degrees north, descending."""
        latitudes = self.north - self.dlat * np.arange(self.nlat, dtype=np.float64)
        return np.asarray(np.clip(latitudes, -90.0, 90.0), dtype=np.float64)

    @cached_property
    def longitudes(self) -> NDArray[np.float64]:
        """(nlon,) degrees east, ascending."""
        return np.asarray(self.west + self.dlon * np.arange(self.nlon), dtype=np.float64)

    @cached_property
    def latitude_edges(self) -> NDArray[np.float64]:
        """(nlat + 1,) cell edges, descending, clipped at the poles."""
        edges = self.north + self.dlat * (0.5 - np.arange(self.nlat + 1))
        return np.asarray(np.clip(edges, -90.0, 90.0), dtype=np.float64)

    @cached_property
    def longitude_edges(self) -> NDArray[np.float64]:
        """(nlon + 1,) cell edges, ascending."""
        edges = self.west + self.dlon * (np.arange(self.nlon + 1) - 0.5)
        return np.asarray(edges, dtype=np.float64)

    @cached_property
    def cell_areas(self) -> NDArray[np.float64]:
        """(nlat, nlon) true cell areas in m² on the sphere: R² Δλ (sin φ_n - sin φ_s)."""
        bands = -np.diff(np.sin(np.deg2rad(self.latitude_edges)))
        area = EARTH_RADIUS_M**2 * np.deg2rad(self.dlon) * bands
        return np.repeat(area[:, None], self.nlon, axis=1)


@dataclass(frozen=True, eq=False)
class SourceGrid:
    """Where the values of a field lie. Two grids are the same if their checksums are.

    Attributes:
        kind: ecCodes gridType.
        latitudes: degrees north: (nlat,) descending if separable, else the shape of the values.
        longitudes: degrees east: (nlon,) ascending without a wrap inside if separable, else the
            shape of the values, each in [-180, 360].
        separable: whether latitude depends on the row and longitude on the column alone.
        periodic: separable and once around the globe, first column following the last.
        shape: of the values: (nlat, nlon), (ny, nx), or (npoints,) for reduced grids.
        checksum: hexadecimal digits that name this geometry.
    """

    kind: str
    latitudes: NDArray[np.float64]
    longitudes: NDArray[np.float64]
    separable: bool
    periodic: bool
    shape: tuple[int, ...]
    checksum: str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SourceGrid) and self.checksum == other.checksum

    def __hash__(self) -> int:
        return hash(self.checksum)


def global_cell_centred(dlat: float, name: str) -> LatLonGrid:
    """A global grid with no row at the poles, as WeatherBench has it.

    >>> global_cell_centred(5.625, "x").shape
    (32, 64)
    """
    nlat = round(180 / dlat)
    return LatLonGrid(90 - dlat / 2, 0.0, dlat, dlat, nlat, 2 * nlat, name)


NAMED_GRIDS: dict[str, LatLonGrid] = {
    grid.name: grid
    for grid in (
        global_cell_centred(5.625, "global-5p625"),
        global_cell_centred(2.8125, "global-2p8125"),
        global_cell_centred(1.40625, "global-1p40625"),
        LatLonGrid(90.0, 0.0, 0.25, 0.25, 721, 1440, "global-0p25"),
        LatLonGrid(44.0, 110.0, 0.25, 0.25, 128, 128, "era5-cropped-128"),
    )
}


def named_grid(name: str) -> LatLonGrid:
    """The grid of that name.

    Raises:
        GridError: no such grid.

    >>> named_grid("era5-cropped-128").latitudes[-1]
    np.float64(12.25)
    """
    if name not in NAMED_GRIDS:
        raise GridError(f"no grid is called {name!r}; known: {', '.join(sorted(NAMED_GRIDS))}")
    return NAMED_GRIDS[name]
