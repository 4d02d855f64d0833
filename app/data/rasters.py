"""Fields on the plane of a map: which part is seen, and the points at which it is drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.app.figures.projections import Projection, width_of
from met2net_ops.verification.inputs.interpolation import BilinearWeights, bilinear

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from met2net_ops.grids import LatLonGrid
    from met2net_ops.verification.inputs.regions import Region

_SAMPLES = 91  # along each side of a box, to find out where it lies on the plane
_FINER = 1.5  # points per grid point and direction: the browser smooths what lies between
_FEWEST = 2  # points across


@dataclass(frozen=True, slots=True)
class Extent:
    """A rectangle of a map's plane; one unit is a degree of arc.

    Attributes:
        west: least x.
        east: greatest x.
        south: least y.
        north: greatest y.
    """

    west: float
    east: float
    south: float
    north: float

    @property
    def width(self) -> float:
        """From west to east."""
        return self.east - self.west

    @property
    def height(self) -> float:
        """From south to north."""
        return self.north - self.south

    def grown(self, by: float) -> Extent:
        """With a margin on every side, in parts of the width and height."""
        across, up = by * self.width, by * self.height
        return Extent(self.west - across, self.east + across, self.south - up, self.north + up)

    def filling(self, aspect: float) -> Extent:
        """The smallest around it whose width is so many times its height.

        >>> Extent(0, 4, 0, 4).filling(2.0)
        Extent(west=-2.0, east=6.0, south=0, north=4)
        """
        wider = (aspect * self.height - self.width) / 2
        if wider > 0:
            return replace(self, west=self.west - wider, east=self.east + wider)
        higher = (self.width / aspect - self.height) / 2
        return replace(self, south=self.south - higher, north=self.north + higher)

    def within(self, other: Extent) -> Extent:
        """What of it lies inside another; itself where they do not meet."""
        west, east = max(self.west, other.west), min(self.east, other.east)
        south, north = max(self.south, other.south), min(self.north, other.north)
        return Extent(west, east, south, north) if west < east and south < north else self

    def holds(self, other: Extent) -> bool:
        """Whether another lies inside."""
        return self.within(other) == other


@dataclass(frozen=True, slots=True)
class MapView:
    """A projection and the part of its plane that is drawn."""

    projection: Projection
    extent: Extent

    def points(self, most: int, finest: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Ascending x and y of a square lattice of at most so many points.

        Args:
            most: points.
            finest: least distance between them.
        """
        extent = self.extent
        step = max(finest, math.sqrt(extent.width * extent.height / max(most, 1)))
        columns = max(_FEWEST, math.floor(extent.width / step))
        rows = max(_FEWEST, min(math.floor(extent.height / step), most // columns))
        half_x, half_y = extent.width / columns / 2, extent.height / rows / 2
        return (
            np.linspace(extent.west + half_x, extent.east - half_x, columns),
            np.linspace(extent.south + half_y, extent.north - half_y, rows),
        )


@dataclass(frozen=True)
class Raster:
    """Points of a map at which fields are drawn.

    Attributes:
        x: (column,) on the plane, ascending.
        y: (row,) on the plane, ascending.
        latitudes: (row, column) degrees north; NaN off the map.
        longitudes: (row, column) degrees east.
        weights: between the points of the grid.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    latitudes: NDArray[np.float64]
    longitudes: NDArray[np.float64]
    weights: BilinearWeights

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return len(self.y), len(self.x)

    def __call__(self, fields: NDArray[np.float32]) -> NDArray[np.float32]:
        """(…, latitude, longitude) of the grid to (…, row, column); NaN outside."""
        values = self.weights(fields).astype(np.float32)
        return values.reshape(*fields.shape[:-2], *self.shape)


def raster_of(grid: LatLonGrid, view: MapView, most: int, *, nearest: bool = False) -> Raster:
    """The points of a view for fields of a grid, at most so many, not much finer than the grid.

    Values are bilinear and reach half a cell beyond the outermost points of the grid.

    Args:
        grid: of the fields.
        view: what is drawn.
        most: points.
        nearest: for codes and directions, which must not be averaged.

    >>> from met2net_ops.app.figures.projections import PlateCarree
    >>> from met2net_ops.grids import named_grid
    >>> view = MapView(PlateCarree(), Extent(-180, 180, -90, 90))
    >>> raster_of(named_grid("global-0p25"), view, 5_000).shape
    (50, 100)
    """
    x, y = view.points(most, min(grid.dlat, grid.dlon) / _FINER)
    latitudes, longitudes = view.projection.inverse(*np.meshgrid(x, y))
    south = grid.north - grid.dlat * (grid.nlat - 1)
    inside = np.clip(latitudes, south, grid.north)
    known = np.isfinite(latitudes) & (np.abs(latitudes - inside) <= grid.dlat / 2 + 1e-6)
    width = grid.dlon * (grid.nlon - 1)
    half = 0.0 if grid.periodic else grid.dlon / 2
    beyond = (longitudes - grid.west + half) % 360.0 - half
    if not grid.periodic:
        known &= beyond <= width + half + 1e-6
        beyond = np.clip(beyond, 0, width)
    at = bilinear(
        grid,
        np.where(known, inside, grid.north).ravel(),
        np.where(known, grid.west + beyond, grid.west).ravel(),
    )
    if nearest:
        best = at.weights.argmax(axis=1)[:, None] == np.arange(at.weights.shape[1])
        at = replace(at, weights=best.astype(np.float64))
    at.weights[~known.ravel()] = np.nan
    return Raster(x, y, latitudes, longitudes, at)


def extent_of(projection: Projection, region: Region) -> Extent:
    """The rectangle of the plane around a region; of a globe, around what faces the reader."""
    latitudes = np.linspace(region.south, region.north, _SAMPLES)
    longitudes = region.west + np.linspace(0, width_of(region), _SAMPLES)
    x, y = projection.forward(*np.meshgrid(latitudes, longitudes))
    return Extent(*(float(f(v)) for v in (x, y) for f in (np.nanmin, np.nanmax)))


def grid_region(grid: LatLonGrid, kind: type[Region]) -> Region:
    """The box of a grid's cells."""
    south = grid.north - grid.dlat * (grid.nlat - 0.5)
    west = -180.0 if grid.periodic else grid.west - grid.dlon / 2
    width = min(360.0, grid.dlon * grid.nlon)
    north = min(90.0, grid.north + grid.dlat / 2)
    return kind("grid", north, max(-90.0, south), west, west + width)
