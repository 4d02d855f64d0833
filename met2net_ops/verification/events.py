"""Sums of events: 2 x 2 tables at a threshold, and fractions in neighbourhoods."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.errors import VerificationError
from met2net_ops.verification.kernels import Apart, Subsets, Weights, as_weights, finite, flatten
from met2net_ops.verification.sums import Sums

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from met2net_ops.verification.sums import Floats


def contingency_sums(
    forecast: ArrayLike, truth: ArrayLike, weights: ArrayLike | Weights | None, threshold: float
) -> Sums:
    """Sums of the 2 x 2 table of the event "value ≥ threshold"; arguments as `continuous_sums`.

    >>> sums = contingency_sums([1.0, 3.0], [3.0, 3.0], [1.0, 1.0], 2.0)
    >>> float(sums["hits"][0]), float(sums["misses"][0])
    (1.0, 1.0)
    """
    weighting = as_weights(weights)
    f, o = flatten(forecast, truth, weights=weighting)
    valid = finite((f, o))
    yes_f, yes_o = f >= threshold, o >= threshold
    table = (yes_f & yes_o, yes_f & ~yes_o, ~yes_f & yes_o, ~yes_f & ~yes_o)
    terms = np.stack((valid, *(cell & valid for cell in table))).astype(np.float64)
    counts, sums = weighting.count(valid), weighting.sums(terms)
    return Sums("contingency", np.column_stack((counts, sums)))


def _window_means(field: Floats, size: int, *, periodic: bool) -> Floats:
    """Means over all size x size windows that lie inside; columns wrap on periodic grids."""
    if periodic and size > 1:
        half = size // 2
        field = np.concatenate((field[:, -half:], field, field[:, :half]), axis=1)
    table = np.zeros((field.shape[0] + 1, field.shape[1] + 1))
    np.cumsum(np.cumsum(field, axis=0), axis=1, out=table[1:, 1:])
    window = table[size:, size:] - table[:-size, size:] - table[size:, :-size]
    return np.asarray((window + table[:-size, :-size]) / size**2)


def fractions_sums(
    forecast: Floats,
    truth: Floats,
    weights: Floats,
    threshold: float,
    size: int,
    *,
    periodic: bool = False,
) -> Sums:
    """Sums for the fractions skill score of the event "value ≥ threshold".

    Only windows that lie wholly inside the domain and hold no missing value count: a missing
    value is not an absent event. Each window has the weight of its central point.

    Args:
        forecast: (row, column).
        truth: (row, column), same grid and units.
        weights: (row, column), or (subset, row x column) as for `continuous_sums`.
        threshold: the event's lower limit.
        size: points on a side of the neighbourhood, odd.
        periodic: whether the last column is next to the first.

    Raises:
        VerificationError: an even or too large neighbourhood, or shapes that differ.

    >>> field = np.eye(3)
    >>> float(fractions_sums(field, field, np.ones((3, 3)), 1.0, 3)["fss_error"][0])
    0.0
    """
    if size < 1 or size % 2 == 0 or size > min(forecast.shape):
        raise VerificationError(
            f"a neighbourhood of {size} points: it must be odd and fit in {forecast.shape}"
        )
    if forecast.shape != truth.shape:
        raise VerificationError(f"forecast is {forecast.shape}, truth {truth.shape}")
    f, o = flatten(forecast, truth, weights=Apart())
    valid = finite((f, o))
    shape = forecast.shape
    yes_f = ((f >= threshold) & valid).astype(np.float64).reshape(shape)
    yes_o = ((o >= threshold) & valid).astype(np.float64).reshape(shape)
    gaps = _window_means((~valid).astype(np.float64).reshape(shape), size, periodic=periodic)
    whole = (np.rint(gaps * size**2) == 0).reshape(-1)
    p_f = _window_means(yes_f, size, periodic=periodic).reshape(-1)
    p_o = _window_means(yes_o, size, periodic=periodic).reshape(-1)
    half = size // 2
    rows = slice(half, shape[0] - half)
    columns = slice(None) if periodic else slice(half, shape[1] - half)
    all_weights = np.asarray(weights, dtype=np.float64).reshape(-1, *shape)
    central = all_weights[:, rows, columns].reshape(len(all_weights), -1)
    terms = np.stack((whole, whole * (p_f - p_o) ** 2, whole * (p_f**2 + p_o**2)))
    subsets = Subsets.of(central)
    counts, sums = subsets.count(whole), subsets.sums(terms)
    return Sums("fractions", np.column_stack((counts, sums)))
