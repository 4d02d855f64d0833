"""Projected and rotated grids: a mesh of quadrilaterals on the sphere.

Coarsening averages over area: every source cell is cut into k x k pieces, each piece gives its
spherical area and its cell's value to the target cell that holds its centre. No area is lost or
counted twice, so integrals are kept exactly; only the edges between target cells are blurred, by
at most a piece, and k is chosen so that about sixteen pieces span a target cell.

Refining interpolates bilinearly inside the quadrilateral of four source points around a target
point, seen in the gnomonic projection centred on that point (great circles are straight there).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from met2net_ops.grids import LatLonGrid, SourceGrid

_PIECES_ACROSS_A_TARGET = 16
_MOST_PIECES = 8
_NEWTON_STEPS = 12
_INSIDE = 1e-6


def unit_vectors(
    latitudes: NDArray[np.float64], longitudes: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(…, 3) points on the unit sphere."""
    phi, lam = np.deg2rad(latitudes), np.deg2rad(longitudes)
    return np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=-1)


def spacing_degrees(grid: SourceGrid) -> float:
    """Median distance between neighbours, degrees of great circle."""
    points = unit_vectors(grid.latitudes, grid.longitudes)
    steps = [np.linalg.norm(np.diff(points, axis=axis), axis=-1).ravel() for axis in (0, 1)]
    return float(np.rad2deg(np.median(np.concatenate(steps))))


def conservative(grid: SourceGrid, target: LatLonGrid) -> sparse.csr_array:
    """(target point, source point) shares of target cell area."""
    points = unit_vectors(grid.latitudes, grid.longitudes)
    corners = _corners(points)
    middle_latitude = float(np.median(grid.latitudes))
    cell = min(target.dlat, target.dlon * np.cos(np.deg2rad(middle_latitude)))
    pieces = int(
        np.clip(np.ceil(_PIECES_ACROSS_A_TARGET * spacing_degrees(grid) / cell), 1, _MOST_PIECES)
    )
    count = points.shape[0] * points.shape[1]
    cells = np.arange(count).reshape(points.shape[:2])
    target_areas = _unit_areas(target).ravel()
    total = sparse.csr_array((target_areas.size, count))
    rows_at_once = max(1, 200_000 // (points.shape[1] * pieces**2))
    for begin in range(0, points.shape[0], rows_at_once):
        end = min(begin + rows_at_once, points.shape[0])
        block = corners[begin : end + 1]
        shares, places, sources = [], [], []
        for y in range(pieces):
            for x in range(pieces):
                quad = [
                    _inside(block, (y + dy) / pieces, (x + dx) / pieces)
                    for dy, dx in ((0, 0), (0, 1), (1, 1), (1, 0))
                ]
                area = _quad_areas(*quad).ravel()
                middle = _inside(block, (y + 0.5) / pieces, (x + 0.5) / pieces)
                where, held = _locate(middle.reshape(-1, 3), target)
                shares.append(area[held] / target_areas[where[held]])
                places.append(where[held])
                sources.append(cells[begin:end].ravel()[held])
        indices = (np.concatenate(places), np.concatenate(sources))
        total = total + sparse.csr_array((np.concatenate(shares), indices), shape=total.shape)
    return sparse.csr_array(total)


def bilinear(grid: SourceGrid, target: LatLonGrid) -> sparse.csr_array:
    """(target point, source point) weights; empty rows outside the mesh."""
    from scipy.spatial import cKDTree  # slow to import, and global feeds never come here

    points = unit_vectors(grid.latitudes, grid.longitudes)
    ny, nx = points.shape[:2]
    latitudes, longitudes = np.meshgrid(target.latitudes, target.longitudes, indexing="ij")
    wanted = unit_vectors(latitudes.ravel(), longitudes.ravel())
    reach = 4 * np.deg2rad(spacing_degrees(grid))
    distance, nearest = cKDTree(points.reshape(-1, 3)).query(
        wanted, distance_upper_bound=max(reach, 1e-9)
    )
    close = np.flatnonzero(np.isfinite(distance))
    row, column = np.divmod(nearest[close], nx)
    basis = _tangent_basis(wanted[close])
    corner = np.zeros((close.size, 4), dtype=np.intp)
    weight = np.zeros((close.size, 4))
    open_ = np.ones(close.size, dtype=np.bool_)
    # The quadrilateral is usually one of the four at the nearest point; on sheared meshes one
    # further away.
    around = sorted(
        ((dy, dx) for dy in range(-2, 2) for dx in range(-2, 2)),
        key=lambda step: abs(step[0] + 0.5) + abs(step[1] + 0.5),
    )
    for dy, dx in around:
        j, i = row + dy, column + dx
        ask = np.flatnonzero(open_ & (j >= 0) & (j < ny - 1) & (i >= 0) & (i < nx - 1))
        if not ask.size:
            continue
        first = j[ask] * nx + i[ask]
        at = np.stack([first, first + 1, first + nx, first + nx + 1], axis=1)
        flat = _gnomonic(points.reshape(-1, 3)[at], basis[ask])
        s, t = _invert_bilinear(flat)
        good = (np.abs(s - 0.5) <= 0.5 + _INSIDE) & (np.abs(t - 0.5) <= 0.5 + _INSIDE)
        s, t = np.clip(s[good], 0, 1), np.clip(t[good], 0, 1)
        found = ask[good]
        corner[found] = at[good]
        weight[found] = np.stack([(1 - s) * (1 - t), s * (1 - t), (1 - s) * t, s * t], axis=1)
        open_[found] = False
    matrix = sparse.csr_array(
        (weight.ravel(), (np.repeat(close, 4), corner.ravel())), shape=(len(wanted), ny * nx)
    )
    matrix.eliminate_zeros()
    return matrix


def nearest(
    latitudes: NDArray[np.float64],
    longitudes: NDArray[np.float64],
    target: LatLonGrid,
    reach: float,
) -> sparse.csr_array:
    """(target point, source point) weight 1 for the nearest source within `reach` degrees."""
    from scipy.spatial import cKDTree

    points = unit_vectors(latitudes.ravel(), longitudes.ravel())
    rows, columns = np.meshgrid(target.latitudes, target.longitudes, indexing="ij")
    distance, found = cKDTree(points).query(
        unit_vectors(rows.ravel(), columns.ravel()), distance_upper_bound=np.deg2rad(reach)
    )
    close = np.flatnonzero(np.isfinite(distance))
    return sparse.csr_array(
        (np.ones(close.size), (close, found[close])), shape=(rows.size, len(points))
    )


def _corners(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """(ny + 1, nx + 1, 3) corners of the cells around points: means of four centres."""
    if min(points.shape[:2]) < 2:
        raise ValueError("a mesh needs at least two rows and two columns")
    rows = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    padded = np.concatenate(
        [2 * rows[:, :1] - rows[:, 1:2], rows, 2 * rows[:, -1:] - rows[:, -2:-1]], axis=1
    )
    corners = (padded[1:, 1:] + padded[1:, :-1] + padded[:-1, 1:] + padded[:-1, :-1]) / 4
    return np.asarray(corners / np.linalg.norm(corners, axis=-1, keepdims=True))


def _inside(corners: NDArray[np.float64], y: float, x: float) -> NDArray[np.float64]:
    """The point at fractions (y, x) of every cell, on the unit sphere."""
    point = (
        (1 - y) * (1 - x) * corners[:-1, :-1]
        + (1 - y) * x * corners[:-1, 1:]
        + y * (1 - x) * corners[1:, :-1]
        + y * x * corners[1:, 1:]
    )
    return np.asarray(point / np.linalg.norm(point, axis=-1, keepdims=True))


def _quad_areas(
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    c: NDArray[np.float64],
    d: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Area on the unit sphere: two triangles, after Van Oosterom and Strackee (1983)."""
    return _triangle_areas(a, b, c) + _triangle_areas(a, c, d)


def _triangle_areas(
    a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64]
) -> NDArray[np.float64]:
    triple = np.abs(np.sum(a * np.cross(b, c), axis=-1))
    cosines = 1 + np.sum(a * b, axis=-1) + np.sum(b * c, axis=-1) + np.sum(c * a, axis=-1)
    return np.asarray(2 * np.arctan2(triple, cosines))


def _unit_areas(grid: LatLonGrid) -> NDArray[np.float64]:
    bands = -np.diff(np.sin(np.deg2rad(grid.latitude_edges)))
    return np.repeat((np.deg2rad(grid.dlon) * bands)[:, None], grid.nlon, axis=1)


def _locate(
    points: NDArray[np.float64], target: LatLonGrid
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Flat index of the target cell that holds each point, and whether one does."""
    latitudes = np.rad2deg(np.arcsin(np.clip(points[:, 2], -1, 1)))
    longitudes = np.rad2deg(np.arctan2(points[:, 1], points[:, 0]))
    row = np.searchsorted(-target.latitude_edges, -latitudes, side="right") - 1
    column = np.floor(((longitudes - target.longitude_edges[0]) % 360) / target.dlon).astype(int)
    held = (row >= 0) & (row < target.nlat) & (column < target.nlon)
    return np.where(held, row * target.nlon + column, 0), held


def _tangent_basis(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 3, 3): two directions in the tangent plane of each point, and the point itself."""
    helper = np.where(np.abs(points[:, 2:]) < 0.9, [[0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0]])
    east = np.cross(helper, points)
    east /= np.linalg.norm(east, axis=-1, keepdims=True)
    return np.stack([east, np.cross(points, east), points], axis=1)


def _gnomonic(corners: NDArray[np.float64], basis: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 4, 2) corners in the tangent plane; the target is its origin."""
    local = np.einsum("nij,nkj->nki", basis, corners)
    with np.errstate(divide="ignore", invalid="ignore"):
        flat = local[..., :2] / local[..., 2:]
    flat[local[..., 2] <= 0.1] = np.nan  # behind the horizon: not near
    return np.asarray(flat)


def _invert_bilinear(flat: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fractions (s, t) at which the bilinear surface through four corners meets the origin."""
    a = flat[:, 0]
    b, c = flat[:, 1] - a, flat[:, 2] - a
    d = flat[:, 3] - flat[:, 1] - flat[:, 2] + a
    s = np.full(len(flat), 0.5)
    t = np.full(len(flat), 0.5)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for _ in range(_NEWTON_STEPS):
            miss = a + s[:, None] * b + t[:, None] * c + (s * t)[:, None] * d
            ds, dt = b + t[:, None] * d, c + s[:, None] * d
            determinant = ds[:, 0] * dt[:, 1] - ds[:, 1] * dt[:, 0]
            s = s - (miss[:, 0] * dt[:, 1] - miss[:, 1] * dt[:, 0]) / determinant
            t = t - (ds[:, 0] * miss[:, 1] - ds[:, 1] * miss[:, 0]) / determinant
    return s, t
