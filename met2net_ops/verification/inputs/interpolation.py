"""Fields at stations: bilinear interpolation, and the height correction of temperature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from met2net_ops.grids import LatLonGrid

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class BilinearWeights:
    """Which four grid points a station lies between, and their weights.

    Attributes:
        corners: (station, 4) flat indices into the grid.
        weights: (station, 4), summing to 1; all NaN where a station lies outside the grid.
    """

    corners: NDArray[np.intp]
    weights: Floats

    @property
    def inside(self) -> NDArray[np.bool_]:
        """(station,) whether the grid reaches there."""
        return np.asarray(np.isfinite(self.weights[:, 0]))

    def __call__(self, field: ArrayLike) -> Floats:
        """Values at the stations: (…, latitude, longitude) to (…, station) float64.

        A station next to a missing grid point has no value.
        """
        values = np.asarray(field)
        flat = values.reshape(*values.shape[:-2], -1)
        taken = flat[..., self.corners].astype(np.float64)
        # A corner of weight zero must not spoil a station that lies exactly on a grid line.
        parts = np.where(self.weights == 0, 0.0, taken * self.weights)
        return np.asarray(parts.sum(axis=-1))


def bilinear(grid: LatLonGrid, latitude: ArrayLike, longitude: ArrayLike) -> BilinearWeights:
    """Interpolation to stations; across the edge of a periodic grid, not beyond outermost rows.

    >>> from met2net_ops.grids import LatLonGrid
    >>> grid = LatLonGrid(1.0, 0.0, 1.0, 1.0, 2, 2)
    >>> float(bilinear(grid, [0.25], [0.5])([[0.0, 2.0], [4.0, 6.0]])[0])
    4.0
    """
    lat = np.asarray(latitude, dtype=np.float64)
    lon = np.asarray(longitude, dtype=np.float64)
    row = (grid.north - lat) / grid.dlat
    column = ((lon - grid.west) % 360.0) / grid.dlon
    column = np.where(column > 360.0 / grid.dlon - 1e-9, 0.0, column)
    row, column = _snap(row), _snap(column)
    last = grid.nlon - 1
    outside = (row < 0) | (row > grid.nlat - 1) | (~np.bool_(grid.periodic) & (column > last))
    row, column = np.where(outside, 0.0, row), np.where(outside, 0.0, column)
    top = np.minimum(np.floor(row).astype(np.intp), max(grid.nlat - 2, 0))
    left = np.floor(column).astype(np.intp)
    if not grid.periodic:
        left = np.minimum(left, max(last - 1, 0))
    down, right = row - top, column - left
    below = np.minimum(top + 1, grid.nlat - 1)
    beside = (left + 1) % grid.nlon
    corners = np.stack(
        [
            top * grid.nlon + left % grid.nlon, top * grid.nlon + beside,
            below * grid.nlon + left % grid.nlon, below * grid.nlon + beside,
        ],
        axis=1,
    )  # fmt: skip
    weights = np.stack(
        [(1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right], axis=1
    )
    weights[outside] = np.nan
    return BilinearWeights(corners, weights)


def _snap(index: Floats) -> Floats:
    """Rounding in degrees must not move a station off the edge of the grid."""
    near = np.rint(index)
    return np.asarray(np.where(np.abs(index - near) < 1e-6, near, index))


def height_correction(
    station_height: ArrayLike,
    model_height: ArrayLike,
    lapse_rate: float = 6.5,
    limit: float = 500.0,
) -> Floats:
    """What to add to a 2 metre temperature at a station to bring it to the model's height, K.

    Zero where the two differ by more than `limit` metres, or a height is not known. For air
    temperature alone: dew point falls by 1.2 K/km only and is not corrected.

    >>> [float(x) for x in height_correction([200.0, 900.0, np.nan], [0.0, 0.0, 0.0])]
    [1.3, 0.0, 0.0]
    """
    difference = np.asarray(station_height, dtype=np.float64) - np.asarray(
        model_height, dtype=np.float64
    )
    known = np.isfinite(difference) & (np.abs(difference) <= limit)
    return np.asarray(np.where(known, lapse_rate / 1000.0 * difference, 0.0))
