"""One axis at a time: overlap and interpolation weights between 1-D coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy import sparse

_COINCIDENT = 1e-6  # of a spacing: closer is the same coordinate


@dataclass(frozen=True, eq=False)
class AxisWeights:
    """How much of each source enters each target along one axis, as (target, source, share).

    Attributes:
        targets: target index of each share.
        sources: source index of each share.
        shares: the weights; those of one target add up to at most 1.
        shape: (number of targets, number of sources).
    """

    targets: NDArray[np.intp]
    sources: NDArray[np.intp]
    shares: NDArray[np.float64]
    shape: tuple[int, int]

    def sums(self) -> NDArray[np.float64]:
        """(target,) how much of each target is accounted for."""
        sums = np.bincount(self.targets, self.shares, minlength=self.shape[0])
        return np.asarray(sums, dtype=np.float64)

    def matrix(self) -> sparse.csr_array:
        """(target, source) as a sparse matrix."""
        from scipy import sparse

        return sparse.csr_array((self.shares, (self.targets, self.sources)), shape=self.shape)


def latitude_edges(latitudes: NDArray[np.float64], *, reaches_poles: bool) -> NDArray[np.float64]:
    """(n + 1,) cell edges between descending latitudes, degrees.

    Edges lie half-way between rows; the outermost half a spacing beyond the first and last row,
    or at the pole where the grid `reaches_poles` (a Gaussian grid has no row there).
    """
    if latitudes.size == 1:
        return np.array([90.0, -90.0])
    middle = (latitudes[1:] + latitudes[:-1]) / 2
    edges = np.concatenate([
        [latitudes[0] + (latitudes[0] - latitudes[1]) / 2],
        middle,
        [latitudes[-1] - (latitudes[-2] - latitudes[-1]) / 2],
    ])  # fmt: skip
    if reaches_poles:
        if 90 - latitudes[0] < latitudes[0] - latitudes[1]:
            edges[0] = 90.0
        if latitudes[-1] + 90 < latitudes[-2] - latitudes[-1]:
            edges[-1] = -90.0
    return np.asarray(np.clip(edges, -90.0, 90.0), dtype=np.float64)


def longitude_edges(longitudes: NDArray[np.float64], *, periodic: bool) -> NDArray[np.float64]:
    """(n + 1,) cell edges between ascending longitudes, degrees."""
    if longitudes.size == 1:
        return np.array([longitudes[0] - 180.0, longitudes[0] + 180.0])
    if periodic:
        wrapped = np.concatenate([[longitudes[-1] - 360], longitudes, [longitudes[0] + 360]])
        return np.asarray((wrapped[1:] + wrapped[:-1]) / 2, dtype=np.float64)
    middle = (longitudes[1:] + longitudes[:-1]) / 2
    first = longitudes[0] - (longitudes[1] - longitudes[0]) / 2
    last = longitudes[-1] + (longitudes[-1] - longitudes[-2]) / 2
    return np.concatenate([[first], middle, [last]])


def latitude_overlap(source: NDArray[np.float64], target: NDArray[np.float64]) -> AxisWeights:
    """Share of each target band's area that lies in each source band.

    Args:
        source: descending edges, degrees.
        target: descending edges, degrees.
    """
    # The area between two parallels is proportional to the difference of their sines.
    return _overlap(-np.sin(np.deg2rad(source)), -np.sin(np.deg2rad(target)), [0.0])


def longitude_overlap(source: NDArray[np.float64], target: NDArray[np.float64]) -> AxisWeights:
    """Share of each target cell's width that lies in each source cell.

    Args:
        source: ascending edges, degrees, any representative of each meridian.
        target: ascending edges likewise.
    """
    turns = np.arange(
        np.floor((target[0] - source[-1]) / 360), np.ceil((target[-1] - source[0]) / 360) + 1
    )
    return _overlap(source, target, list(360.0 * turns))


def latitude_interpolation(
    source: NDArray[np.float64], target: NDArray[np.float64], *, reaches_poles: bool
) -> AxisWeights:
    """Linear weights; targets outside the source have none.

    Where the grid `reaches_poles`, targets between a pole and the row next to it take that row.
    """
    if reaches_poles and source.size > 1:
        near = 90 - source[0] < source[0] - source[1], source[-1] + 90 < source[-2] - source[-1]
        target = np.clip(target, source[-1] if near[1] else -90.0, source[0] if near[0] else 90.0)
    return _interpolation(-source, -target)


def longitude_interpolation(
    source: NDArray[np.float64], target: NDArray[np.float64], *, periodic: bool
) -> AxisWeights:
    """Linear weights; targets outside the source have none."""
    spacing = (source[-1] - source[0]) / max(source.size - 1, 1)
    shifted = (target - source[0] + _COINCIDENT * spacing) % 360
    shifted += source[0] - _COINCIDENT * spacing
    if not periodic:
        return _interpolation(source, shifted)
    weights = _interpolation(np.append(source, source[0] + 360.0), shifted)
    return AxisWeights(
        weights.targets,
        weights.sources % source.size,  # the one appended is the first again
        weights.shares,
        (target.size, source.size),
    )


def _interpolation(source: NDArray[np.float64], target: NDArray[np.float64]) -> AxisWeights:
    """Linear weights along an ascending axis."""
    count = source.size
    slack = _COINCIDENT * (source[-1] - source[0]) / max(count - 1, 1) if count > 1 else 1e-6
    inside = (target >= source[0] - slack) & (target <= source[-1] + slack)
    rows = np.flatnonzero(inside)
    if count == 1:
        return AxisWeights(rows, np.zeros_like(rows), np.ones(rows.size), (target.size, 1))
    left = np.clip(np.searchsorted(source, target[rows], side="right") - 1, 0, count - 2)
    share = (target[rows] - source[left]) / (source[left + 1] - source[left])
    share[np.abs(share) < _COINCIDENT] = 0.0
    share[np.abs(share - 1) < _COINCIDENT] = 1.0
    shares = np.concatenate([1 - share, share])
    targets, sources = np.concatenate([rows, rows]), np.concatenate([left, left + 1])
    used = shares != 0
    return AxisWeights(targets[used], sources[used], shares[used], (target.size, count))


def _overlap(
    source: NDArray[np.float64], target: NDArray[np.float64], shifts: list[float]
) -> AxisWeights:
    """Share of each target interval in each source interval, both given by ascending edges."""
    empty = np.empty(0, dtype=np.intp)
    rows, columns, shares = [empty], [empty], [np.empty(0)]
    for shift in shifts:
        edges = source + shift
        first = np.clip(np.searchsorted(edges, target[:-1], side="right") - 1, 0, None)
        last = np.clip(np.searchsorted(edges, target[1:], side="left"), None, source.size - 1)
        for row, (begin, end) in enumerate(zip(first, last, strict=True)):
            if begin >= end:
                continue
            low = np.maximum(edges[begin:end], target[row])
            high = np.minimum(edges[begin + 1 : end + 1], target[row + 1])
            share = (high - low) / (target[row + 1] - target[row])
            there = share > 1e-12
            rows.append(np.full(int(there.sum()), row))
            columns.append(np.arange(begin, end)[there])
            shares.append(share[there])
    shape = (target.size - 1, source.size - 1)
    return AxisWeights(np.concatenate(rows), np.concatenate(columns), np.concatenate(shares), shape)
