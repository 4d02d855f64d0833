"""Sums of events: 2 x 2 tables at a threshold, and fractions in neighbourhoods."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.errors import VerificationError
from met2net_ops.verification.compute.kernels import (
    Apart,
    Subsets,
    Weights,
    as_weights,
    finite,
    flatten,
)
from met2net_ops.verification.store.sums import Sums

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from met2net_ops.verification.store.sums import Floats

_OKTAS = (2.5, 6.5)  # between the classes


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


def cloud_class_sums(
    forecast: ArrayLike, truth: ArrayLike, weights: ArrayLike | Weights | None
) -> Sums:
    """Sums of the 3 x 3 table of cloud cover (fractions) in classes of oktas: 0-2, 3-6 and 7-8.

    Both are rounded to the nearest okta first, as observers do; arguments as `continuous_sums`.

    >>> sums = cloud_class_sums([0.1, 0.9], [0.1, 0.5], [1.0, 1.0])
    >>> float(sums["c00"][0]), float(sums["c21"][0])
    (1.0, 1.0)
    """
    weighting = as_weights(weights)
    f, o = flatten(forecast, truth, weights=weighting)
    valid = finite((f, o))
    of_f, of_o = (np.digitize(np.rint(8 * np.where(valid, x, 0.0)), _OKTAS) for x in (f, o))
    cells = [valid & (of_f == i) & (of_o == j) for i in range(3) for j in range(3)]
    terms = np.stack((valid, *cells)).astype(np.float64)
    return Sums("classes", np.column_stack((weighting.count(valid), weighting.sums(terms))))


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
    forecast: ArrayLike,
    truth: ArrayLike,
    weights: ArrayLike | Subsets,
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
    (sums,) = fractions_of_systems([forecast], truth, weights, threshold, size, periodic=periodic)
    return sums


def fractions_of_systems(
    forecasts: Sequence[ArrayLike],
    truth: ArrayLike,
    weights: ArrayLike | Subsets,
    threshold: float,
    size: int,
    *,
    periodic: bool = False,
) -> list[Sums]:
    """`fractions_sums` of several systems, over the windows in which none has a missing value."""
    shape = np.shape(truth)
    if size < 1 or size % 2 == 0 or size > min(shape):
        raise VerificationError(
            f"a neighbourhood of {size} points: it must be odd and fit in {shape}"
        )
    for forecast in forecasts:
        if np.shape(forecast) != shape:
            raise VerificationError(f"forecast is {np.shape(forecast)}, truth {shape}")
    *fields, o = flatten(*forecasts, truth, weights=Apart())
    valid = finite((*fields, o))

    def fractions(values: NDArray[np.floating]) -> Floats:
        yes = ((values >= threshold) & valid).astype(np.float64).reshape(shape)
        return _window_means(yes, size, periodic=periodic).reshape(-1)

    if valid.all():
        whole = np.ones(_windows(shape, size, periodic=periodic), dtype=np.bool_)
    else:
        gaps = _window_means((~valid).astype(np.float64).reshape(shape), size, periodic=periodic)
        whole = (np.rint(gaps * size**2) == 0).reshape(-1)
    subsets = _central(weights, shape, size, periodic=periodic)
    counts, p_o, kept = subsets.count(whole), fractions(o), whole.astype(np.float64)
    found = []
    for field in fields:
        p_f = fractions(field)
        terms: Floats = np.stack((kept, kept * (p_f - p_o) ** 2, kept * (p_f**2 + p_o**2)))
        found.append(Sums("fractions", np.column_stack((counts, subsets.sums(terms)))))
    return found


def _windows(shape: tuple[int, ...], size: int, *, periodic: bool) -> int:
    """How many windows lie inside."""
    rows, columns = shape
    return (rows - size + 1) * (columns if periodic else columns - size + 1)


def _central(
    weights: ArrayLike | Subsets, shape: tuple[int, ...], size: int, *, periodic: bool
) -> Subsets:
    """The weights of the points that windows are centred on."""
    given = weights.weights if isinstance(weights, Subsets) else weights
    fields = np.asarray(given, dtype=np.float64).reshape(-1, *shape)
    half = size // 2
    rows = slice(half, shape[0] - half)
    columns = slice(None) if periodic else slice(half, shape[1] - half)
    return Subsets.of(fields[:, rows, columns].reshape(len(fields), -1))
