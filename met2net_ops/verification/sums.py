"""What is kept of a comparison: weighted sums, from which every score is derived later.

Sums of parts add up to the sums of the whole, so cycles, leads and regions can be grouped in any
way afterwards without touching a field again. Four kinds, each a tuple of names; in the formulae
f is the forecast, o the truth, c the climatology, w the weight and e = f - o:

* `CONTINUOUS`: n, Σw, Σw·e, Σw·|e|, Σw·e², the moments of f and o, and (names beginning with
  `a`) the moments of the anomalies f - c and o - c over the pairs that have a climatology;
* `CONTINGENCY`: the weights of hits, false alarms, misses and correct negatives at a threshold;
* `FRACTIONS`: Σw(p_f - p_o)² and Σw(p_f² + p_o²) of neighbourhood fractions;
* `VECTOR`: Σw|Δv|² of a horizontal wind, its speed errors and (names beginning with `d`) its
  direction errors where both winds are strong enough to have a direction;
* `ENSEMBLE`: Σw·CRPS, Σw·variance of the members, Σw·(ensemble mean - o)².

All arithmetic is float64. A pair counts where everything it needs is finite and its weight is
positive; `n` says how many did.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.errors import VerificationError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

CONTINUOUS = (
    "n", "w", "we", "wabs", "wee", "wf", "wo", "wff", "woo", "wfo",
    "an", "aw", "af", "ao", "aff", "aoo", "afo",
)  # fmt: skip
CONTINGENCY = ("n", "w", "hits", "false_alarms", "misses", "correct_negatives")
FRACTIONS = ("n", "w", "fss_error", "fss_reference")
VECTOR = ("n", "w", "wvv", "ws", "wss", "dn", "dw", "wd", "wdabs", "wdd")
ENSEMBLE = ("n", "w", "wcrps", "wvariance", "wmm", "members")

KINDS: dict[str, tuple[str, ...]] = {
    "continuous": CONTINUOUS,
    "contingency": CONTINGENCY,
    "fractions": FRACTIONS,
    "vector": VECTOR,
    "ensemble": ENSEMBLE,
}


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums of one kind, one set per cell of an array.

    Attributes:
        kind: a key of `KINDS`.
        values: (…, len(KINDS[kind])) float64, not to be written to.
    """

    kind: str
    values: Floats

    def __post_init__(self) -> None:
        if self.kind not in KINDS or self.values.shape[-1:] != (len(KINDS[self.kind]),):
            raise VerificationError(
                f"{self.values.shape} is no array of {self.kind!r} sums; known are "
                + ", ".join(f"{kind} ({len(names)})" for kind, names in KINDS.items())
            )

    def __getitem__(self, name: str) -> Floats:
        """The sums of that name, (…)."""
        return np.asarray(self.values[..., KINDS[self.kind].index(name)])

    def __add__(self, other: Sums) -> Sums:
        """Merge two parts, cell by cell."""
        if self.kind != other.kind:
            raise VerificationError(f"cannot merge {self.kind} sums with {other.kind} sums")
        return Sums(self.kind, self.values + other.values)

    def total(self, axis: int | tuple[int, ...] = 0) -> Sums:
        """Merge the cells along those leading axes (not negative)."""
        return Sums(self.kind, np.asarray(self.values.sum(axis=axis)))


def zeros(kind: str, shape: tuple[int, ...] = ()) -> Sums:
    """Sums of nothing, to start from.

    >>> float(zeros("continuous")["n"])
    0.0
    """
    return Sums(kind, np.zeros((*shape, len(KINDS[kind]))))


def merge(parts: Iterable[Sums], kind: str) -> Sums:
    """The sums of all parts together; of none, zeros.

    >>> merge([zeros("vector"), zeros("vector")], "vector").values.shape
    (10,)
    """
    total = zeros(kind)
    for part in parts:
        total = total + part
    return total


def _subset_sums(
    terms: Floats, valid: NDArray[np.bool_], weights: Floats | None
) -> tuple[Floats, Floats]:
    """(counts (subset,), sums (subset, term)) of (term, point) under (subset, point) weights."""
    if weights is None:
        return valid.astype(np.float64), np.ascontiguousarray(terms.T, dtype=np.float64)
    counts = (weights > 0).astype(np.float64) @ valid.astype(np.float64)
    return counts, weights @ terms.T


def _prepare(
    fields: Iterable[ArrayLike], weights: ArrayLike | None
) -> tuple[list[Floats], NDArray[np.bool_], Floats | None]:
    """Flatten, find where all are finite, put zeros elsewhere."""
    flat = [np.asarray(field, dtype=np.float64).reshape(-1) for field in fields]
    weighting = None if weights is None else _weighting(weights)
    sizes = [field.size for field in flat]
    if weighting is not None:
        sizes.append(weighting.shape[1])
    if len(set(sizes)) != 1:
        raise VerificationError(f"fields and weights differ in size: {', '.join(map(str, sizes))}")
    valid = np.isfinite(flat[0])
    for field in flat[1:]:
        valid &= np.isfinite(field)
    if not valid.all():
        flat = [np.where(valid, field, 0.0) for field in flat]
    return flat, valid, weighting


def _weighting(weights: ArrayLike) -> Floats:
    weighting = np.atleast_2d(np.asarray(weights, dtype=np.float64))
    weighting = weighting.reshape(len(weighting), -1)
    if not np.isfinite(weighting).all() or (weighting < 0).any():
        raise VerificationError("weights must be finite and not negative")
    return weighting


def continuous_sums(
    forecast: ArrayLike,
    truth: ArrayLike,
    weights: ArrayLike | None,
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
    (f, o), valid, weighting = _prepare((forecast, truth), weights)
    error = f - o
    terms = np.stack((valid, error, np.abs(error), error * error, f, o, f * f, o * o, f * o))
    counts, sums = _subset_sums(terms, valid, weighting)
    if climatology is None:
        anomalies = np.zeros((len(counts), 7))
    else:
        c = np.asarray(climatology, dtype=np.float64).reshape(-1)
        if c.size != f.size:
            raise VerificationError(f"climatology has {c.size} points, the forecast {f.size}")
        known = valid & np.isfinite(c)
        fa, oa = np.where(known, f - c, 0.0), np.where(known, o - c, 0.0)
        terms = np.stack((known, fa, oa, fa * fa, oa * oa, fa * oa))
        n, parts = _subset_sums(terms, known, weighting)
        anomalies = np.column_stack((n, parts))
    return Sums("continuous", np.column_stack((counts, sums, anomalies)))


def contingency_sums(
    forecast: ArrayLike, truth: ArrayLike, weights: ArrayLike | None, threshold: float
) -> Sums:
    """Sums of the 2 x 2 table of the event "value ≥ threshold"; arguments as `continuous_sums`.

    >>> sums = contingency_sums([1.0, 3.0], [3.0, 3.0], [1.0, 1.0], 2.0)
    >>> float(sums["hits"][0]), float(sums["misses"][0])
    (1.0, 1.0)
    """
    (f, o), valid, weighting = _prepare((forecast, truth), weights)
    yes_f, yes_o = f >= threshold, o >= threshold
    table = (yes_f & yes_o, yes_f & ~yes_o, ~yes_f & yes_o, ~yes_f & ~yes_o)
    terms = np.stack((valid, *(cell & valid for cell in table))).astype(np.float64)
    counts, sums = _subset_sums(terms, valid, weighting)
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
    (f, o), valid, _ = _prepare((forecast, truth), np.ones(forecast.size))
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
    counts, sums = _subset_sums(terms, whole, central)
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
    weights: ArrayLike | None,
    calm: float = 1.5,
) -> Sums:
    """Sums of a horizontal wind (u, v); direction only where both speeds exceed `calm` (m/s).

    >>> sums = vector_sums(([3.0], [4.0]), ([0.0], [0.0]), [1.0])
    >>> float(sums["wvv"][0]), float(sums["dn"][0])
    (25.0, 0.0)
    """
    (u, v, ut, vt), valid, weighting = _prepare((*forecast, *truth), weights)
    speed, speed_t = np.hypot(u, v), np.hypot(ut, vt)
    faster = speed - speed_t
    squares = (u - ut) ** 2 + (v - vt) ** 2
    counts, sums = _subset_sums(np.stack((valid, squares, faster, faster**2)), valid, weighting)
    blows = valid & (speed > calm) & (speed_t > calm)
    turn = direction_error(wind_direction(u, v), wind_direction(ut, vt)) * blows
    terms = np.stack((blows, turn, np.abs(turn), turn**2))
    n, parts = _subset_sums(terms, blows, weighting)
    return Sums("vector", np.column_stack((counts, sums, n, parts)))


def ensemble_sums(members: ArrayLike, truth: ArrayLike, weights: ArrayLike | None) -> Sums:
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
    (o, *flat), valid, weighting = _prepare((truth, *x), weights)
    ordered = np.sort(np.stack(flat), axis=0)
    m = len(ordered)
    rank = 2.0 * np.arange(1, m + 1) - m - 1  # Σ_ij |x_i - x_j| = 2 Σ_k rank_k x_(k)
    crps = np.abs(ordered - o).mean(axis=0) - (rank @ ordered) / m**2
    variance = ordered.var(axis=0, ddof=1)
    terms = np.stack((valid, crps, variance, (ordered.mean(axis=0) - o) ** 2))
    counts, sums = _subset_sums(terms, valid, weighting)
    many = counts * m
    return Sums("ensemble", np.column_stack((counts, sums, many)))
