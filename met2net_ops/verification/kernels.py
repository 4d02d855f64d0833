"""From fields to sums: every pair counts once, with its weight, in float64.

A pair counts where everything it needs is finite and its weight is positive. Kernels for one
field have the forms used in tests and by hand; those that end in `_of_systems` take a forecast
and its baselines at once, on their common sample, and compute what they share only once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.errors import VerificationError
from met2net_ops.verification.sums import CONTINUOUS, Sums

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]


_WHOLE = slice(None)
_CHUNK = 4096  # points at a time: terms stay in the processor's cache, four times quicker


@dataclass(frozen=True)
class Subsets:
    """Weights of several subsets of the same points, checked once.

    Attributes:
        weights: (subset, point), zero outside a subset.
        inside: (subset, point) 1.0 where the weight is positive.
        counts: (subset,) points inside.
    """

    weights: Floats
    inside: Floats
    counts: Floats

    @classmethod
    def of(cls, weights: ArrayLike) -> Subsets:
        """Check weights of (point,), or (subset, point…).

        Raises:
            VerificationError: a weight is negative or not finite.
        """
        checked = np.atleast_2d(np.asarray(weights, dtype=np.float64))
        checked = checked.reshape(len(checked), -1)
        if not np.isfinite(checked).all() or (checked < 0).any():
            raise VerificationError("weights must be finite and not negative")
        inside = (checked > 0).astype(np.float64)
        return cls(checked, inside, inside.sum(axis=1))

    def count(self, valid: NDArray[np.bool_]) -> Floats:
        """(subset,) how many of the points are valid."""
        return self.counts if valid.all() else self.inside @ valid.astype(np.float64)

    def nothing(self, terms: int, points: int) -> Floats:
        """(subset, term) zeros, to add parts to."""
        return np.zeros((len(self.weights), terms))

    def sums(self, terms: Floats, part: slice = _WHOLE) -> Floats:
        """(subset, term) weighted sums of (term, point) over a part of the points."""
        return self.weights[:, part] @ terms.T


@dataclass(frozen=True)
class Apart:
    """Every point is its own subset, with weight 1."""

    @staticmethod
    def count(valid: NDArray[np.bool_]) -> Floats:
        """(point,) 1 where valid."""
        return valid.astype(np.float64)

    @staticmethod
    def nothing(terms: int, points: int) -> Floats:
        """(point, term) zeros, to add the one part to."""
        return np.zeros((points, terms))

    @staticmethod
    def sums(terms: Floats, part: slice = _WHOLE) -> Floats:
        """(point, term): the terms themselves."""
        return np.array(terms[:, part].T, dtype=np.float64, order="C")


Weights = Subsets | Apart


def _weights(given: ArrayLike | Weights | None) -> Weights:
    if given is None:
        return Apart()
    return given if isinstance(given, Subsets | Apart) else Subsets.of(given)


def _flat(*fields: ArrayLike, weights: Weights) -> list[NDArray[np.floating]]:
    flat = [np.asarray(field).reshape(-1) for field in fields]
    flat = [x if x.dtype.kind == "f" else x.astype(np.float64) for x in flat]
    sizes = [field.size for field in flat]
    if isinstance(weights, Subsets):
        sizes.append(weights.weights.shape[1])
    if len(set(sizes)) != 1:
        raise VerificationError(f"fields and weights differ in size: {', '.join(map(str, sizes))}")
    return flat


def _finite(fields: Iterable[NDArray[np.floating]]) -> NDArray[np.bool_]:
    return np.asarray(np.logical_and.reduce([np.isfinite(field) for field in fields]))


def _chunks(size: int, weights: Weights) -> list[slice]:
    step = _CHUNK if isinstance(weights, Subsets) else max(size, 1)
    return [slice(first, min(first + step, size)) for first in range(0, size, step)]


def continuous_sums(
    forecast: ArrayLike,
    truth: ArrayLike,
    weights: ArrayLike | Weights | None,
    climatology: ArrayLike | None = None,
) -> Sums:
    """Sums of one field, for one or several subsets of its points.

    Args:
        forecast: (point…), physical units.
        truth: (point…), same units and points.
        weights: (point,), or (subset, point) with zeros outside a subset; None keeps the points
            apart, each with weight 1.
        climatology: (point…) or None; points where it is missing count in the plain sums but
            not in the anomaly sums.

    Returns:
        Sums of kind "continuous", (subset,), or (point,) without weights.

    Raises:
        VerificationError: sizes differ, or a weight is negative or not finite.

    >>> sums = continuous_sums([1.0, 2.0, np.nan], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0])
    >>> float(sums["n"][0]), float(sums["wee"][0])
    (2.0, 5.0)
    """
    (sums,) = continuous_of_systems([forecast], truth, weights, climatology)
    return sums


def continuous_of_systems(
    forecasts: Iterable[ArrayLike],
    truth: ArrayLike,
    weights: ArrayLike | Weights | None,
    climatology: ArrayLike | None = None,
) -> list[Sums]:
    """`continuous_sums` of several systems, over the points where all of them have a value.

    With e = f - o the moments of f follow from those of o and e, exactly:
    Σwf = Σwo + Σwe, Σwf² = Σwo² + 2Σwoe + Σwe², Σwfo = Σwo² + Σwoe, and so do the anomalies'.
    """
    weighting = _weights(weights)
    *fields, o = _flat(*forecasts, truth, weights=weighting)
    valid = _finite((*fields, o))
    c = None if climatology is None else np.asarray(climatology).reshape(-1)
    if c is not None and c.size != o.size:
        raise VerificationError(f"climatology has {c.size} points, the truth {o.size}")
    known = valid if c is None else valid & np.isfinite(c)
    partly = not np.array_equal(known, valid)
    shared = 3 if c is None else 6
    each = 4 if c is None else 7 if partly else 5
    parts = _chunks(o.size, weighting)
    terms = np.empty((shared + each * len(fields), parts[0].stop if parts else 0))
    sums = weighting.nothing(len(terms), o.size)
    for part in parts:
        block = terms[:, : part.stop - part.start]
        _shared_terms(block, o[part], valid[part], None if c is None else c[part], known[part])
        for i, f in enumerate(fields):
            own = block[shared + i * each : shared + (i + 1) * each]
            _own_terms(own, block, f[part], valid[part], known[part] if partly else None)
        sums += weighting.sums(block, part) if len(parts) > 1 else weighting.sums(block)
    counts, known_counts = weighting.count(valid), weighting.count(known)
    w, wo, woo = sums[:, 0], sums[:, 1], sums[:, 2]
    found = []
    for i in range(len(fields)):
        own = sums[:, shared + i * each : shared + (i + 1) * each].T
        we, wabs, wee, woe = own[:4]
        values = np.zeros((len(counts), len(CONTINUOUS)))
        plain = (counts, w, we, wabs, wee, wo + we, wo, woo + 2 * woe + wee, woo, woo + woe)
        values[:, :10] = np.stack(plain, axis=1)
        if c is not None:
            aw, ao, aoo = sums[:, 3], sums[:, 4], sums[:, 5]
            ae, aee = own[5:7] if partly else (we, wee)
            crossed = own[4]
            moments = (known_counts, aw, ao + ae, ao, aoo + 2 * crossed + aee, aoo, aoo + crossed)
            values[:, 10:] = np.stack(moments, axis=1)
        found.append(Sums("continuous", values))
    return found


def _shared_terms(
    block: Floats,
    o: NDArray[np.floating],
    valid: NDArray[np.bool_],
    c: NDArray[np.floating] | None,
    known: NDArray[np.bool_],
) -> None:
    """Fill the rows 1, o, o² and, with a climatology c, 1, o - c, (o - c)² where it is known."""
    block[0], block[1] = valid, o
    if not valid.all():
        block[1][~valid] = 0.0
    np.multiply(block[1], block[1], out=block[2])
    if c is not None:
        block[3] = known
        np.subtract(block[1], c, out=block[4])
        if not known.all():
            block[4][~known] = 0.0
        np.multiply(block[4], block[4], out=block[5])


def _own_terms(
    own: Floats,
    block: Floats,
    f: NDArray[np.floating],
    valid: NDArray[np.bool_],
    known: NDArray[np.bool_] | None,
) -> None:
    """Fill e, |e|, e², o·e, then (o - c)·e, then e and e² where only part is known."""
    error, absolute, square = own[:3]
    np.subtract(f, block[1], out=error)
    if not valid.all():
        error[~valid] = 0.0
    np.abs(error, out=absolute)
    np.multiply(error, error, out=square)
    np.multiply(block[1], error, out=own[3])
    if len(own) > 4:
        np.multiply(block[4], error, out=own[4])
    if known is not None:
        np.multiply(error, known, out=own[5])
        np.multiply(square, known, out=own[6])


def contingency_sums(
    forecast: ArrayLike, truth: ArrayLike, weights: ArrayLike | Weights | None, threshold: float
) -> Sums:
    """Sums of the 2 x 2 table of the event "value ≥ threshold"; arguments as `continuous_sums`.

    >>> sums = contingency_sums([1.0, 3.0], [3.0, 3.0], [1.0, 1.0], 2.0)
    >>> float(sums["hits"][0]), float(sums["misses"][0])
    (1.0, 1.0)
    """
    weighting = _weights(weights)
    f, o = _flat(forecast, truth, weights=weighting)
    valid = _finite((f, o))
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
    f, o = _flat(forecast, truth, weights=Apart())
    valid = _finite((f, o))
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


def direction_error(forecast: ArrayLike, truth: ArrayLike) -> Floats:
    """Forecast minus truth on the circle, in [-180, 180) degrees.

    >>> [float(x) for x in direction_error([355.0, 5.0], [5.0, 355.0])]
    [-10.0, 10.0]
    """
    difference = np.asarray(forecast, dtype=np.float64) - np.asarray(truth, dtype=np.float64)
    return np.asarray((difference + 180.0) % 360.0 - 180.0)


def wind_direction(u: Floats, v: Floats) -> Floats:
    """Where the wind comes from, degrees clockwise from north, in [0, 360).

    >>> [float(x) for x in wind_direction(np.array([0.0, -5.0]), np.array([-5.0, 0.0]))]
    [0.0, 90.0]
    """
    return np.asarray(np.rad2deg(np.arctan2(-u, -v)) % 360.0)


def vector_sums(
    forecast: tuple[ArrayLike, ArrayLike],
    truth: tuple[ArrayLike, ArrayLike],
    weights: ArrayLike | Weights | None,
    calm: float = 1.5,
) -> Sums:
    """Sums of a horizontal wind (u, v); direction only where both speeds exceed `calm` (m/s).

    >>> sums = vector_sums(([3.0], [4.0]), ([0.0], [0.0]), [1.0])
    >>> float(sums["wvv"][0]), float(sums["dn"][0])
    (25.0, 0.0)
    """
    (sums,) = vector_of_systems([forecast], truth, weights, calm)
    return sums


def vector_of_systems(
    forecasts: Sequence[tuple[ArrayLike, ArrayLike]],
    truth: tuple[ArrayLike, ArrayLike],
    weights: ArrayLike | Weights | None,
    calm: float = 1.5,
) -> list[Sums]:
    """`vector_sums` of several systems, over the points where all of them have a value."""
    weighting = _weights(weights)
    *flat, ut, vt = _flat(*(x for wind in forecasts for x in wind), *truth, weights=weighting)
    valid = _finite((*flat, ut, vt))
    parts = _chunks(ut.size, weighting)
    terms = np.empty((1 + 7 * len(forecasts), parts[0].stop if parts else 0))
    sums = weighting.nothing(len(terms), ut.size)
    windy = np.zeros((len(forecasts), ut.size), dtype=np.bool_)
    for part in parts:
        block = terms[:, : part.stop - part.start]
        block[0] = valid[part]
        true_wind = _wind(ut[part], vt[part], valid[part])
        for i in range(len(forecasts)):
            wind = _wind(flat[2 * i][part], flat[2 * i + 1][part], valid[part])
            own = block[1 + 7 * i : 8 + 7 * i]
            windy[i, part] = _vector_terms(own, wind, true_wind, calm)
        sums += weighting.sums(block, part) if len(parts) > 1 else weighting.sums(block)
    counts = weighting.count(valid)
    found = []
    for i, both in enumerate(windy):
        own = sums[:, 1 + 7 * i : 8 + 7 * i]
        columns = (counts, sums[:, 0], own[:, :3], weighting.count(both), own[:, 3:])
        found.append(Sums("vector", np.column_stack(columns)))
    return found


def _wind(
    u: NDArray[np.floating], v: NDArray[np.floating], valid: NDArray[np.bool_]
) -> tuple[Floats, Floats, Floats]:
    """Components and speed in float64, calm where not valid."""
    east, north = u.astype(np.float64), v.astype(np.float64)
    if not valid.all():
        east[~valid] = north[~valid] = 0.0
    return east, north, np.sqrt(east * east + north * north)


def _vector_terms(
    own: Floats,
    wind: tuple[Floats, Floats, Floats],
    truth: tuple[Floats, Floats, Floats],
    calm: float,
) -> NDArray[np.bool_]:
    """Fill the seven rows of one system; says where both winds blow."""
    (u, v, speed), (ut, vt, true_speed) = wind, truth
    both = (speed > calm) & (true_speed > calm)
    own[0] = (u - ut) ** 2 + (v - vt) ** 2
    np.subtract(speed, true_speed, out=own[1])
    np.multiply(own[1], own[1], out=own[2])
    own[3], own[4] = both, 0.0
    # The angle from the true wind to the forecast one in one step; clockwise is positive.
    np.arctan2(vt * u - ut * v, ut * u + vt * v, out=own[4], where=both)
    own[4] *= 180.0 / np.pi
    np.abs(own[4], out=own[5])
    np.multiply(own[4], own[4], out=own[6])
    return both


def ensemble_sums(
    members: ArrayLike, truth: ArrayLike, weights: ArrayLike | Weights | None
) -> Sums:
    """Sums of an ensemble: (member, point) against (point,); CRPS of the empirical distribution.

    Raises:
        VerificationError: fewer than two members, or sizes that differ.

    >>> float(ensemble_sums([[0.0], [2.0]], [1.0], [1.0])["wcrps"][0])
    0.5
    """
    x = np.asarray(members, dtype=np.float64)
    x = x.reshape(len(x), -1)
    if len(x) < 2:
        raise VerificationError(f"an ensemble needs two members at least; this one has {len(x)}")
    weighting = _weights(weights)
    o, *flat = _flat(truth, *x, weights=weighting)
    valid = _finite((o, *flat))
    o = np.where(valid, o, 0.0)
    ordered = np.sort(np.where(valid, np.stack(flat), 0.0), axis=0)
    m = len(ordered)
    rank = 2.0 * np.arange(1, m + 1) - m - 1  # Σ_ij |x_i - x_j| = 2 Σ_k rank_k x_(k)
    crps = np.abs(ordered - o).mean(axis=0) - (rank @ ordered) / m**2
    variance = ordered.var(axis=0, ddof=1)
    terms = np.stack((valid, crps, variance, (ordered.mean(axis=0) - o) ** 2))
    counts, sums = weighting.count(valid), weighting.sums(terms)
    many = counts * m
    return Sums("ensemble", np.column_stack((counts, sums, many)))
