"""Reduced Gaussian (and reduced lat/lon) grids: rows of equal latitude, each with its own spacing.

Being made of rows, they have true cells: a row's band times its equal widths. Overlap areas and
linear interpolation are exact, row by row.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from met2net_ops.remap import axes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from met2net_ops.grids import LatLonGrid, SourceGrid


def is_reduced(grid: SourceGrid) -> bool:
    """Whether points come in rows that each go once around the globe."""
    if grid.separable or len(grid.shape) != 1:
        return False
    starts, _ = _rows(grid)
    latitudes = grid.latitudes[starts[:-1]]
    if latitudes.size < 2 or not (np.diff(latitudes) < 0).all():
        return False
    for begin, end in pairwise(starts):
        longitudes = grid.longitudes[begin:end] % 360
        width = 360 / (end - begin)
        places = np.sort((longitudes - longitudes[0]) % 360)
        if np.abs(places - width * np.arange(end - begin)).max() > 0.01 * width:
            return False
    return True


def conservative(grid: SourceGrid, target: LatLonGrid) -> sparse.csr_array:
    """(target point, source point) shares of target cell area."""
    starts, latitudes = _rows(grid)
    bands = axes.latitude_overlap(
        axes.latitude_edges(latitudes, reaches_poles=True), target.latitude_edges
    ).matrix()
    blocks = []
    for row in range(latitudes.size):
        order, longitudes = _row(grid, starts, row)
        across = axes.longitude_overlap(
            axes.longitude_edges(longitudes, periodic=True), target.longitude_edges
        ).matrix()
        blocks.append(sparse.kron(bands[:, [row]], across[:, np.argsort(order)], format="csr"))
    return sparse.csr_array(sparse.hstack(blocks, format="csr"))


def bilinear(grid: SourceGrid, target: LatLonGrid) -> sparse.csr_array:
    """(target point, source point) weights: linear along the two rows, then between them."""
    starts, latitudes = _rows(grid)
    between = axes.latitude_interpolation(latitudes, target.latitudes, reaches_poles=True).matrix()
    blocks = []
    for row in range(latitudes.size):
        order, longitudes = _row(grid, starts, row)
        along = axes.longitude_interpolation(longitudes, target.longitudes, periodic=True).matrix()
        blocks.append(sparse.kron(between[:, [row]], along[:, np.argsort(order)], format="csr"))
    return sparse.csr_array(sparse.hstack(blocks, format="csr"))


def _rows(grid: SourceGrid) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Where rows begin (with the end appended), and their latitudes."""
    jumps = np.flatnonzero(np.abs(np.diff(grid.latitudes)) > 1e-9) + 1
    starts = np.concatenate([[0], jumps, [grid.latitudes.size]])
    return starts, grid.latitudes[starts[:-1]]


def _row(
    grid: SourceGrid, starts: NDArray[np.intp], row: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Order that sorts a row's longitudes, and the sorted longitudes in [0, 360)."""
    longitudes = grid.longitudes[starts[row] : starts[row + 1]] % 360
    order = np.argsort(longitudes)
    return order, longitudes[order]
