"""Which rows and columns of a dataset a grid needs, and the weights that carry them there."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.errors import DatasetError
from met2net_ops.grids import SourceGrid
from met2net_ops.remap.axes import AxisWeights
from met2net_ops.remap.remapper import choose_method, compute_weights
from met2net_ops.remap.weights import MatrixWeights, SeparableWeights

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from met2net_ops.datasets.cube import Cube
    from met2net_ops.grids import LatLonGrid


@dataclass(frozen=True, eq=False)
class Window:
    """The part of a cube that a grid needs.

    Attributes:
        rows: of the arrays.
        columns: one range, or two where the grid crosses the arrays' edge.
        flip: whether rows come from south to north.
        weights: from the window, north to south, to the grid.
        method: how, for people.
    """

    rows: slice
    columns: tuple[slice, ...]
    flip: bool
    weights: SeparableWeights | MatrixWeights
    method: str

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        width = sum(part.stop - part.start for part in self.columns)
        return self.rows.stop - self.rows.start, width

    def oriented(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """(…, y, x) as the weights take it."""
        return values[..., ::-1, :] if self.flip else values


def source_grid(cube: Cube) -> tuple[SourceGrid, bool]:
    """The whole grid of a cube, rows from north to south; and whether its rows must be flipped.

    Raises:
        DatasetError: axes that do not rise or fall steadily.
    """
    latitudes, longitudes = cube.latitudes, cube.longitudes
    if latitudes.ndim == 2:
        shape = latitudes.shape
        named = _checksum(latitudes, longitudes)
        longitudes = np.where(longitudes > 180.0, longitudes - 360.0, longitudes)
        return SourceGrid("mesh", latitudes, longitudes, False, False, shape, named), False
    steps = np.diff(latitudes)
    if latitudes.size < 2 or not ((steps > 0).all() or (steps < 0).all()):
        raise DatasetError(f"{cube.where}: its latitudes neither rise nor fall: {latitudes}")
    flip = bool(steps[0] > 0)
    east = np.diff(longitudes)
    longitudes = longitudes + np.concatenate([[0.0], 360.0 * np.cumsum(east < 0)])
    if longitudes.size < 2 or (np.diff(longitudes) <= 0).any() or np.ptp(longitudes) >= 360.0:
        raise DatasetError(f"{cube.where}: its longitudes do not go once eastwards")
    spacing = float(np.median(np.diff(longitudes)))
    periodic = abs(np.ptp(longitudes) + spacing - 360.0) < 1e-3 * spacing
    ordered = np.ascontiguousarray(latitudes[::-1] if flip else latitudes)
    shape = (latitudes.size, longitudes.size)
    named = _checksum(ordered, longitudes)
    return SourceGrid("regular_ll", ordered, longitudes, True, periodic, shape, named), flip


def find_window(cube: Cube, grid: LatLonGrid) -> Window:
    """Exactly the rows and columns that enter a value of the grid.

    Raises:
        DatasetError: no point of the grid lies in the cube, or its grid cannot be remapped.
    """
    source, flip = source_grid(cube)
    method = choose_method(source, grid)
    weights = compute_weights(source, grid, method)
    if isinstance(weights, SeparableWeights):
        used_rows, used_columns = weights.rows.sources, weights.columns.sources
        if not used_rows.size or not used_columns.size:
            raise _outside(cube, grid)
        first, last = int(used_rows.min()), int(used_rows.max()) + 1
        pieces = _pieces(used_columns, source.shape[1])
        inside: SeparableWeights | MatrixWeights = SeparableWeights(
            _moved(weights.rows, np.arange(first, last)),
            _moved(weights.columns, np.concatenate([np.arange(p.start, p.stop) for p in pieces])),
        )
        rows = slice(first, last)
        if flip:
            rows = slice(source.shape[0] - last, source.shape[0] - first)
        return Window(rows, pieces, flip, inside, method.value)
    assert isinstance(weights, MatrixWeights)
    points = np.unique(weights.matrix.indices)
    if not points.size:
        raise _outside(cube, grid)
    y, x = np.unravel_index(points, source.shape)
    rows = slice(int(y.min()), int(y.max()) + 1)
    columns = slice(int(x.min()), int(x.max()) + 1)
    numbers = np.arange(np.prod(source.shape)).reshape(source.shape)[rows, columns].ravel()
    inside = MatrixWeights(weights.matrix[:, numbers], grid.shape)
    return Window(rows, (columns,), False, inside, method.value)


def _outside(cube: Cube, grid: LatLonGrid) -> DatasetError:
    return DatasetError(
        f"{cube.where} has latitudes {cube.latitudes.min():g} to {cube.latitudes.max():g} and "
        f"longitudes {cube.longitudes.min():g} to {cube.longitudes.max():g}: no point of the "
        f"grid {grid.name or grid} lies there. Set [grid] to an area it has"
    )


def _pieces(used: NDArray[np.intp], count: int) -> tuple[slice, ...]:
    """The shortest ranges of columns that hold all used ones: two where they cross the edge."""
    places = np.unique(used)
    gaps = np.diff(places)
    wide = int(gaps.argmax()) if gaps.size else 0
    around = places.size > 1 and places[0] == 0 and places[-1] == count - 1
    if around and gaps[wide] > 1:
        return slice(int(places[wide + 1]), count), slice(0, int(places[wide]) + 1)
    return (slice(int(places[0]), int(places[-1]) + 1),)


def _moved(weights: AxisWeights, kept: NDArray[np.intp]) -> AxisWeights:
    """The same weights where only some sources are kept, in that order."""
    place = np.full(weights.shape[1], -1, dtype=np.intp)
    place[kept] = np.arange(kept.size)
    shape = weights.shape[0], kept.size
    return AxisWeights(weights.targets, place[weights.sources], weights.shares, shape)


def _checksum(*axes: NDArray[np.float64]) -> str:
    digest = hashlib.sha256()
    for axis in axes:
        digest.update(np.ascontiguousarray(axis).tobytes())
    return digest.hexdigest()[:12]
