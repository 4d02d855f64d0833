"""Which part of a grid a map draws: a region, thinned until it is quick to send."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.verification.inputs.regions import Region

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from met2net_ops.grids import LatLonGrid
    from met2net_ops.settings import RegionSettings

WHOLE = "whole"
PRESETS = (
    Region("europe", 72.0, 33.0, -25.0, 45.0),
    Region("north-atlantic", 75.0, 10.0, -85.0, 20.0),
    Region("north-america", 75.0, 10.0, -170.0, -50.0),
    Region("south-america", 15.0, -58.0, -90.0, -30.0),
    Region("africa", 40.0, -38.0, -25.0, 60.0),
    Region("asia", 75.0, 0.0, 40.0, 150.0),
    Region("east-asia", 55.0, 10.0, 95.0, 150.0),
    Region("australia", 0.0, -50.0, 100.0, 180.0),
    Region("pacific", 60.0, -60.0, 110.0, -70.0),
    Region("arctic", 90.0, 55.0),
    Region("antarctic", -55.0, -90.0),
)
_FEWEST = 4  # points across: a smaller map shows nothing


@dataclass(frozen=True)
class Cut:
    """Rows and columns of a grid.

    Attributes:
        rows: indices, north to south.
        columns: indices, west to east; they may wrap.
        latitudes: (row,) degrees north, descending.
        longitudes: (column,) degrees east, ascending on from the region's west, up to 540.
        step: every how many-th row and column of the grid is kept.
        spacing: between kept columns and rows, degrees.
    """

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    latitudes: NDArray[np.float64]
    longitudes: NDArray[np.float64]
    step: int
    spacing: float

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return len(self.rows), len(self.columns)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, east, south, north of the cells drawn, degrees."""
        half = self.spacing / 2
        south, north = float(self.latitudes[-1]) - half, float(self.latitudes[0]) + half
        west, east = float(self.longitudes[0]) - half, float(self.longitudes[-1]) + half
        return west, east, max(south, -90.0), min(north, 90.0)

    def __call__(self, fields: NDArray[np.float32]) -> NDArray[np.float32]:
        """(…, latitude, longitude) of the grid to (…, row, column)."""
        return fields[..., self.rows, :][..., self.columns]


def region_names(regions: Sequence[Region]) -> dict[str, str]:
    """Code → what people read.

    >>> region_names(PRESETS[:2])
    {'europe': 'Europe', 'north-atlantic': 'North Atlantic'}
    """
    return {region.name: region.name.replace("-", " ").title() for region in regions}


def regions_on(grid: LatLonGrid, own: Sequence[RegionSettings]) -> dict[str, Region]:
    """The regions a map of this grid can show: all of it, the desk's own, then the presets.

    >>> from met2net_ops.grids import named_grid
    >>> list(regions_on(named_grid("era5-cropped-128"), []))
    ['whole', 'asia', 'east-asia', 'pacific']
    """
    west = -180.0 if grid.periodic else grid.west
    width = 360.0 if grid.periodic else grid.dlon * (grid.nlon - 1)
    south = grid.north - grid.dlat * (grid.nlat - 1)
    found = {WHOLE: Region(WHOLE, grid.north, south, west, west + width)}
    context = [Region(r.name, r.north, r.south, r.west, r.east) for r in own]
    for region in (*context, *PRESETS):
        if region.name not in found and cut_out(grid, region, 1_000_000_000) is not None:
            found[region.name] = region
    return found


def cut_out(grid: LatLonGrid, region: Region, most: int) -> Cut | None:
    """The part of a grid inside a region, every n-th row and column so that few points remain.

    Args:
        grid: of the fields.
        region: a box; its west becomes the map's.
        most: how many points may remain.

    Returns:
        None where the region holds less than a map's worth of points.

    >>> from met2net_ops.grids import named_grid
    >>> europe = cut_out(named_grid("global-0p25"), PRESETS[0], 12_000)
    >>> europe.step, europe.shape, round(float(europe.longitudes[0]), 6)
    (2, (79, 141), -25.0)
    """
    width = region.east - region.west
    if not 0 < width <= 360:
        width = width % 360.0 or 360.0
    whole_turn = width >= 360.0 - grid.dlon / 2 and grid.periodic
    rows = np.flatnonzero(
        (grid.latitudes <= region.north + 1e-6) & (grid.latitudes >= region.south - 1e-6)
    )
    beyond = (grid.longitudes - region.west + 1e-6) % 360.0 - 1e-6
    inside = np.flatnonzero(beyond < 360.0 if whole_turn else beyond <= width + 1e-6)
    columns = inside[np.argsort(beyond[inside], kind="stable")]
    if min(len(rows), len(columns)) < _FEWEST:
        return None
    step = max(1, math.ceil(math.sqrt(len(rows) * len(columns) / most)))
    # Beyond the last step that fits twice, a map would be a handful of cells.
    step = min(step, max(1, min(len(rows), len(columns)) // 2))
    rows, columns = rows[::step], columns[::step]
    return Cut(
        rows,
        columns,
        grid.latitudes[rows],
        region.west + beyond[columns],
        step,
        step * max(grid.dlat, grid.dlon),
    )
