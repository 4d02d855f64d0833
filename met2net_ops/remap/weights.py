"""Weights that carry values from one grid to another, and how missing values pass through them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray

MINIMUM_COVERAGE = 0.5  # of a target's weight that must rest on values, or it stays missing
_ROUNDING = 1e-6


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


@dataclass(frozen=True, eq=False)
class SeparableWeights:
    """Row weights and column weights, each (target, source) with row sums up to 1.

    A row sum is the share of the target that lies in the source grid at all.

    Attributes:
        rows: along latitude.
        columns: along longitude.
        single_precision: sum along latitude, where nearly all the work is, in float32: half the
            memory traffic. For means over many values; it would blur values that are just copied.
    """

    rows: sparse.csr_array
    columns: sparse.csr_array
    single_precision: bool = False

    @cached_property
    def _cropped(self) -> _Cropped:
        """Weights on the part of the source that is used: the rest is never looked at."""
        used_rows, used_columns = np.unique(self.rows.indices), np.unique(self.columns.indices)
        share = np.outer(_row_sums(self.rows), _row_sums(self.columns))
        rows = _normalised(self.rows)[:, used_rows]
        return _Cropped(
            rows=rows.astype(np.float32) if self.single_precision else rows,
            columns=_normalised(self.columns)[:, used_columns],
            source_rows=_as_slice(used_rows),
            source_columns=_as_slice(used_columns),
            share=share,
        )

    def apply(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Weights`."""
        crop = self._cropped
        if not crop.rows.shape[1] or not crop.columns.shape[1]:
            return np.full(crop.share.shape, np.nan, dtype=np.float32)
        used = values[crop.source_rows][:, crop.source_columns]
        # Differences from one of the values: small numbers keep their digits in float32, and a
        # constant field stays exactly that.
        anchor = np.float32(0)
        if self.single_precision and np.isfinite(used[0, 0]):
            anchor = used[0, 0]
            used = used - anchor
        result = crop.product(used)
        covered = crop.share
        if np.isnan(result).any():
            there = np.isfinite(used)
            weight = crop.product(there.astype(np.float32))
            covered = covered * weight
            with np.errstate(invalid="ignore", divide="ignore"):
                result = crop.product(np.where(there, used, np.float32(0))) / weight
        result += anchor
        result[covered < MINIMUM_COVERAGE - _ROUNDING] = np.nan
        return result.astype(np.float32)


@dataclass(frozen=True, eq=False)
class _Cropped:
    rows: sparse.csr_array
    columns: sparse.csr_array
    source_rows: slice | NDArray[np.intp]
    source_columns: slice | NDArray[np.intp]
    share: NDArray[np.float64]

    def product(self, values: NDArray[np.generic]) -> NDArray[np.float64]:
        half = self.rows @ np.ascontiguousarray(values)
        across = self.columns @ np.ascontiguousarray(half.T, dtype=np.float64)
        return np.asarray(across.T, dtype=np.float64)


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


def _row_sums(matrix: sparse.csr_array) -> NDArray[np.float64]:
    return np.asarray(matrix.sum(axis=1), dtype=np.float64).ravel()


def _normalised(matrix: sparse.csr_array) -> sparse.csr_array:
    """Rows scaled to a sum of one; empty rows stay empty."""
    sums = _row_sums(matrix)
    scale = np.divide(1.0, sums, out=np.zeros_like(sums), where=sums > 0)
    return sparse.csr_array(sparse.diags_array(scale) @ matrix)


def _as_slice(indices: NDArray[np.intp]) -> slice | NDArray[np.intp]:
    """A slice where the indices are consecutive: no copy then."""
    if indices.size and indices[-1] - indices[0] + 1 == indices.size:
        return slice(int(indices[0]), int(indices[-1]) + 1)
    return indices
