"""Weights that carry values from one grid to another, with rules for missing values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from scipy import sparse

    from met2net_ops.remap.axes import AxisWeights
    from met2net_ops.variables import Variable

MINIMUM_COVERAGE = 0.5  # of a target's weight that must rest on values, or it stays missing
_ROUNDING = 1e-6
_LONG_ROW = 512  # from so many values on, one target after the other is quicker


class Method(StrEnum):
    """How values get from one grid to another."""

    CONSERVATIVE = "conservative"
    BILINEAR = "bilinear"
    NEAREST = "nearest"


class Weights(Protocol):
    """Carries fields from one source grid to one target grid."""

    def apply(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """(nlat, nlon) float32 on the target; NaN where too little of it is covered.

        A target's value is the weighted mean over those of its sources that have a value; it is
        missing where less than half of its weight rests on values.

        Args:
            values: of the source grid's shape; NaN where missing.
        """
        ...

    def apply_series(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """(time, nlat, nlon) float32: `apply` to each of (time, *source grid's shape)."""
        ...


@dataclass(frozen=True, eq=False)
class SeparableWeights:
    """Weights along latitude and along longitude; a target's weights are their products.

    Attributes:
        rows: along latitude.
        columns: along longitude.
    """

    rows: AxisWeights
    columns: AxisWeights

    @cached_property
    def _share(self) -> NDArray[np.float64]:
        """(nlat, nlon) how much of each target lies in the source at all."""
        return np.outer(self.rows.sums(), self.columns.sums())

    @cached_property
    def _passes(self) -> tuple[_Pass, _Pass]:
        return _Pass.of(self.rows), _Pass.of(self.columns)

    def apply(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Weights`."""
        result = self._product(values)
        covered = self._share
        if np.isnan(result).any():
            there = np.isfinite(values)
            weight = self._product(there.astype(np.float32))
            covered = covered * weight
            with np.errstate(invalid="ignore", divide="ignore"):
                result = self._product(np.where(there, values, np.float32(0))) / weight
        result[covered < MINIMUM_COVERAGE - _ROUNDING] = np.nan
        return result.astype(np.float32)

    def apply_series(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Weights`."""
        rows, columns = self._passes
        used = values[:, :, columns.first : columns.last]
        times, high, wide = used.shape
        half = rows.sum(np.ascontiguousarray(used.transpose(1, 0, 2)).reshape(high, times * wide))
        turned = np.ascontiguousarray(half.reshape(-1, times, wide).transpose(2, 0, 1))
        sums = columns.sum(turned.reshape(wide, -1), columns.first)
        result = sums.reshape(-1, half.shape[0], times).transpose(2, 1, 0).astype(np.float32)
        result[:, self._share < MINIMUM_COVERAGE - _ROUNDING] = np.nan
        for time in np.flatnonzero(np.isnan(used).any(axis=(1, 2))):
            result[time] = self.apply(values[time])
        return np.asarray(np.ascontiguousarray(result), dtype=np.float32)

    def _product(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        rows, columns = self._passes
        used = values[:, columns.first : columns.last]  # the rest is not used
        half = rows.sum(used)
        return columns.sum(np.ascontiguousarray(half.T), columns.first).T


@dataclass(frozen=True, eq=False)
class _Pass:
    """Weights of one axis, scaled to a sum of one and laid out for summing slice by slice.

    The k-th source of every target is `sources[k]`, its weight `shares[k]`. Targets with fewer
    sources than others (`number`) repeat their last one with weight zero, so a missing value
    spreads no further than it should; those without any get NaN.
    """

    sources: NDArray[np.intp]
    shares: NDArray[np.float64]
    number: NDArray[np.intp]
    first: int
    last: int

    @classmethod
    def of(cls, weights: AxisWeights) -> _Pass:
        """Lay out the weights of one axis."""
        count = weights.shape[0]
        order = np.lexsort((weights.sources, weights.targets))
        targets, sources = weights.targets[order], weights.sources[order]
        number = np.bincount(targets, minlength=count)
        place = np.arange(targets.size) - np.repeat(np.cumsum(number) - number, number)
        deepest = int(number.max(initial=1)) or 1
        padded = np.zeros((deepest, count), dtype=np.intp)
        shares = np.zeros((deepest, count))
        padded[place, targets] = sources
        shares[place, targets] = weights.shares[order] / weights.sums()[targets]
        for k in range(1, deepest):
            repeated = k >= number
            padded[k, repeated] = padded[k - 1, repeated]
        low, high = (int(sources.min()), int(sources.max()) + 1) if sources.size else (0, 1)
        padded[:, number == 0] = low
        return cls(padded, shares, number, low, high)

    def sum(self, values: NDArray[Any], shift: int = 0) -> NDArray[np.float64]:
        """(target, other axis) weighted sums over the first axis; index 0 is source `shift`."""
        result: NDArray[np.float64]
        if len(self.sources) == 1:
            result = values[self.sources[0] - shift].astype(np.float64)
        elif self._in_a_row and values.shape[1] >= _LONG_ROW:
            result = np.empty((self.number.size, values.shape[1]))
            for i, (first, number) in enumerate(
                zip(self.sources[0] - shift, self.number, strict=True)
            ):
                part = values[first : first + number].astype(np.float64)
                np.dot(self.shares[:number, i], part, out=result[i])
        else:
            result = np.zeros((self.number.size, values.shape[1]))
            for sources, shares in zip(self.sources, self.shares, strict=True):
                part = values[sources - shift]
                result += part * shares[:, None]
        result[self.number == 0] = np.nan
        return result

    @cached_property
    def _in_a_row(self) -> bool:
        """Whether the sources of each target follow one another."""
        steps = np.diff(self.sources, axis=0)
        real = np.arange(1, len(self.sources))[:, None] < self.number
        return bool((steps[real] == 1).all())


@dataclass(frozen=True, eq=False)
class MatrixWeights:
    """One (target point, source point) matrix with row sums up to 1, for any two grids."""

    matrix: sparse.csr_array
    shape: tuple[int, int]

    @cached_property
    def _share(self) -> NDArray[np.float64]:
        return _row_sums(self.matrix)

    @cached_property
    def _normal(self) -> sparse.csr_array:
        return _normalised(self.matrix)

    def apply(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Weights`."""
        flat = values.ravel()
        result = self._normal @ flat
        covered = self._share
        if np.isnan(result).any():
            there = np.isfinite(flat)
            weight = self._normal @ there.astype(np.float64)
            covered = covered * weight
            with np.errstate(invalid="ignore", divide="ignore"):
                result = (self._normal @ np.where(there, flat, 0)) / weight
        result[covered < MINIMUM_COVERAGE - _ROUNDING] = np.nan
        return np.asarray(result.reshape(self.shape), dtype=np.float32)

    def apply_series(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Weights`."""
        return np.stack([self.apply(frame) for frame in values])


def _row_sums(matrix: sparse.csr_array) -> NDArray[np.float64]:
    return np.asarray(matrix.sum(axis=1), dtype=np.float64).ravel()


def _normalised(matrix: sparse.csr_array) -> sparse.csr_array:
    """Rows scaled to a sum of one; empty rows stay empty."""
    from scipy import sparse

    sums = _row_sums(matrix)
    scale = np.divide(1.0, sums, out=np.zeros_like(sums), where=sums > 0)
    return sparse.csr_array(sparse.diags_array(scale) @ matrix)


def remap(row: Variable, values: NDArray[np.float32], weights: Weights) -> NDArray[np.float32]:
    """Carry a field of a variable to another grid.

    Directions (`circular`) go by their unit vectors, each component remapped by itself (Mardia and
    Jupp 2000, Directional Statistics, section 2.2), and are returned in [0, 360): 350° and 10°
    make 0°, not 180°.

    Args:
        row: the variable.
        values: of the source grid's shape; NaN where missing.
        weights: from the source grid to the target.

    Returns:
        (nlat, nlon) of the target; NaN where too little of it is covered.
    """
    return _remapped(row, values, weights.apply)


def remap_series(
    row: Variable, values: NDArray[np.float32], weights: Weights
) -> NDArray[np.float32]:
    """`remap` of every field of a series, (time, *source grid's shape)."""
    return _remapped(row, values, weights.apply_series)


def _remapped(
    row: Variable,
    values: NDArray[np.float32],
    apply: Callable[[NDArray[np.float32]], NDArray[np.float32]],
) -> NDArray[np.float32]:
    if not row.circular:
        return apply(values)
    angles = np.deg2rad(values)
    east, north = apply(np.sin(angles)), apply(np.cos(angles))
    degrees = np.rad2deg(np.arctan2(east, north)) % np.float32(360.0)
    return np.where(degrees >= 360.0, np.float32(0.0), degrees)
