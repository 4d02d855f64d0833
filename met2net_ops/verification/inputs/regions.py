"""Regions: which points of a grid, or which stations, belong together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.errors import VerificationError
from met2net_ops.grids import EARTH_RADIUS_M

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from met2net_ops.grids import LatLonGrid
    from met2net_ops.settings import Settings

ALL = "all"
LAND, SEA = "land", "sea"
COAST = 0.5  # fraction of land from which on a point is land


@dataclass(frozen=True, slots=True)
class Region:
    """A box of latitude and longitude, edges included; west may be greater than east (dateline).

    >>> pacific = Region("pacific", 30.0, -30.0, 150.0, -120.0)
    >>> [bool(x) for x in pacific.contains([0.0, 0.0, 0.0], [180.0, 200.0, 10.0])]
    [True, True, False]
    """

    name: str
    north: float
    south: float
    west: float = -180.0
    east: float = 180.0

    def contains(self, latitude: ArrayLike, longitude: ArrayLike) -> NDArray[np.bool_]:
        """Which of these points lie inside; any representative of a longitude will do."""
        lat, lon = np.asarray(latitude, dtype=np.float64), np.asarray(longitude, dtype=np.float64)
        width = (self.east - self.west) % 360.0 or 360.0
        inside = (lat <= self.north) & (lat >= self.south) & ((lon - self.west) % 360.0 <= width)
        return np.asarray(inside)


# WMO-No. 485, Appendix 2.2.34: the areas of the standard scores.
WMO_REGIONS = (
    Region("northern-extratropics", 90.0, 20.0),
    Region("tropics", 20.0, -20.0),
    Region("southern-extratropics", -20.0, -90.0),
)


@dataclass(frozen=True)
class Weighting:
    """Weights of several regions on one grid.

    Attributes:
        names: the regions, `all` first.
        weights: (region, point) float64: cell area as a fraction of the sphere, 0 outside.
    """

    names: tuple[str, ...]
    weights: NDArray[np.float64]


def weigh(
    grid: LatLonGrid, regions: Sequence[Region], land: NDArray[np.float64] | None = None
) -> Weighting:
    """True cell areas per region; regions that hold no point of the grid are left out.

    Args:
        grid: the points.
        regions: boxes.
        land: (latitude, longitude) fraction of land; with it, `land` and `sea` are regions too:
            the points with at least, and with less than, half of it.

    Raises:
        VerificationError: a region without area, or two of one name.

    >>> from met2net_ops.grids import named_grid
    >>> weighting = weigh(named_grid("global-5p625"), WMO_REGIONS)
    >>> weighting.names[0], round(float(weighting.weights[0].sum()), 12)
    ('all', 1.0)
    """
    names = [ALL, LAND, SEA, *(region.name for region in regions)]
    if len(set(names)) != len(names):
        raise VerificationError(f"two regions have one name: {', '.join(names)}")
    share = grid.cell_areas.reshape(-1)
    share = share / (4 * np.pi * EARTH_RADIUS_M**2)
    lat, lon = (x.reshape(-1) for x in np.meshgrid(grid.latitudes, grid.longitudes, indexing="ij"))
    kept, rows = [ALL], [share]
    for region in regions:
        if region.south >= region.north:
            raise VerificationError(f"region {region.name}: south must be less than north")
        inside = region.contains(lat, lon)
        if inside.any():
            kept.append(region.name)
            rows.append(np.where(inside, share, 0.0))
    if land is not None:
        is_land = land.reshape(-1) >= COAST
        for name, inside in ((LAND, is_land), (SEA, ~is_land)):
            if inside.any():
                kept.append(name)
                rows.append(np.where(inside, share, 0.0))
    return Weighting(tuple(kept), np.stack(rows))


def regions(settings: Settings) -> list[Region]:
    """The regions verified on their own: WMO's and those of the settings."""
    own = [Region(r.name, r.north, r.south, r.west, r.east) for r in settings.regions]
    names = {region.name for region in own}
    return [*(region for region in WMO_REGIONS if region.name not in names), *own]
