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
from met2net_ops.verification.store.sums import CONTINUOUS, Sums

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]


WHOLE = slice(None)
_CHUNK = 8192  # points at a time: terms stay in the processor's cache, four times quicker


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

    def sums(self, terms: Floats, part: slice = WHOLE) -> Floats:
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
    def sums(terms: Floats, part: slice = WHOLE) -> Floats:
        """(point, term): the terms themselves."""
        return np.array(terms[:, part].T, dtype=np.float64, order="C")


Weights = Subsets | Apart


def as_weights(given: ArrayLike | Weights | None) -> Weights:
    """Checked weights from what a caller gave; None keeps points apart."""
    if given is None:
        return Apart()
    return given if isinstance(given, Subsets | Apart) else Subsets.of(given)


def flatten(*fields: ArrayLike, weights: Weights) -> list[NDArray[np.floating]]:
    """Fields as vectors of floats, of one length that fits the weights."""
    flat = [np.asarray(field).reshape(-1) for field in fields]
    flat = [x if x.dtype.kind == "f" else x.astype(np.float64) for x in flat]
    sizes = [field.size for field in flat]
    if isinstance(weights, Subsets):
        sizes.append(weights.weights.shape[1])
    if len(set(sizes)) != 1:
        raise VerificationError(f"fields and weights differ in size: {', '.join(map(str, sizes))}")
    return flat


def finite(fields: Iterable[NDArray[np.floating]]) -> NDArray[np.bool_]:
    """Where all of them have a value."""
    return np.asarray(np.logical_and.reduce([np.isfinite(field) for field in fields]))


def chunks(size: int, weights: Weights) -> list[slice]:
    """The points, in parts whose terms fit in the cache; all at once where they stay apart."""
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
    *,
    complete: bool = False,
) -> list[Sums]:
    """`continuous_sums` of several systems, over the points where all of them have a value.

    `complete` promises that nothing is missing anywhere, which is then not checked.

    With e = f - o the moments of f follow from those of o and e, exactly:
    Σwf = Σwo + Σwe, Σwf² = Σwo² + 2Σwoe + Σwe², Σwfo = Σwo² + Σwoe, and so do the anomalies'.
    """
    weighting = as_weights(weights)
    *fields, o = flatten(*forecasts, truth, weights=weighting)
    valid = np.ones(o.shape, dtype=np.bool_) if complete else finite((*fields, o))
    c = None if climatology is None else np.asarray(climatology).reshape(-1)
    if c is not None and c.size != o.size:
        raise VerificationError(f"climatology has {c.size} points, the truth {o.size}")
    known = valid if c is None or complete else valid & np.isfinite(c)
    whole = complete or bool(valid.all())
    all_known = complete or known is valid or (whole and bool(known.all()))
    partly = not all_known and not np.array_equal(known, valid)
    shared = 3 if c is None else 6
    each = 4 if c is None else 7 if partly else 5
    parts = chunks(o.size, weighting)
    terms = np.empty((shared + each * len(fields), parts[0].stop if parts else 0))
    sums = weighting.nothing(len(terms), o.size)
    for part in parts:
        block = terms[:, : part.stop - part.start]
        absent = None if whole else ~valid[part]
        unknown = None if all_known and whole else ~known[part]
        _shared_terms(block, o[part], absent, None if c is None else c[part], unknown)
        for i, f in enumerate(fields):
            own = block[shared + i * each : shared + (i + 1) * each]
            _own_terms(own, block, f[part], absent, unknown)
        sums += weighting.sums(block, part if len(parts) > 1 else WHOLE)
    return _assemble(sums, weighting.count(valid), weighting.count(known), shared, each)


def _assemble(
    sums: Floats, counts: Floats, known_counts: Floats, shared: int, each: int
) -> list[Sums]:
    """Moments of every system from (subset, term) sums, see `continuous_of_systems`."""
    subsets = len(sums)
    w, wo, woo = (sums[:, index] for index in range(3))
    own = sums[:, shared:].reshape(subsets, -1, each).transpose(2, 1, 0)  # (term, system, subset)
    we, wabs, wee, woe = own[:4]
    values = np.zeros((*we.shape, len(CONTINUOUS)))
    columns = [counts, w, we, wabs, wee, wo + we, wo, woo + 2 * woe + wee, woo, woo + woe]
    if each > 4:
        aw, ao, aoo = (sums[:, index] for index in range(3, 6))
        ae, aee = own[5:7] if each > 5 else (we, wee)
        crossed = own[4]
        columns += [
            known_counts, aw, ao + ae, ao, aoo + 2 * crossed + aee, aoo, aoo + crossed,
        ]  # fmt: skip
    for index, column in enumerate(columns):
        values[..., index] = column
    return [Sums("continuous", system) for system in values]


def _shared_terms(
    block: Floats,
    o: NDArray[np.floating],
    absent: NDArray[np.bool_] | None,
    c: NDArray[np.floating] | None,
    unknown: NDArray[np.bool_] | None,
) -> None:
    """Fill the rows 1, o, o² and, with a climatology c, 1, o - c, (o - c)² where it is known."""
    block[0], block[1] = 1.0, o
    if absent is not None:
        block[:2, absent] = 0.0
    np.multiply(block[1], block[1], out=block[2])
    if c is not None:
        block[3] = 1.0
        np.subtract(block[1], c, out=block[4])
        if unknown is not None:
            block[3:5, unknown] = 0.0
        np.multiply(block[4], block[4], out=block[5])


def _own_terms(
    own: Floats,
    block: Floats,
    f: NDArray[np.floating],
    absent: NDArray[np.bool_] | None,
    unknown: NDArray[np.bool_] | None,
) -> None:
    """Fill e, |e|, e², o·e, then (o - c)·e, then e and e² where c is known if that is a part."""
    error, absolute, square = own[:3]
    np.subtract(f, block[1], out=error)
    if absent is not None:
        error[absent] = 0.0
    np.abs(error, out=absolute)
    np.multiply(error, error, out=square)
    np.multiply(block[1], error, out=own[3])
    if len(own) > 4:
        np.multiply(block[4], error, out=own[4])
    if len(own) > 5:
        own[5], own[6] = error, square
        if unknown is not None:
            own[5:7, unknown] = 0.0


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
    weighting = as_weights(weights)
    o, *flat = flatten(truth, *x, weights=weighting)
    valid = finite((o, *flat))
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
