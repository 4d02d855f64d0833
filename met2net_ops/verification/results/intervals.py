"""Confidence intervals: a moving-block bootstrap over cycles, on sums.

Whole cycles are drawn (`met2net_ops.resampling`), so that all leads, regions and the baseline of a
cycle stay together. The sums of a resample are its counts times the sums per cycle: one matrix
product gives all resamples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.errors import VerificationError
from met2net_ops.resampling import block_length, draw_counts
from met2net_ops.verification.results.scores import Orientation, derive, score
from met2net_ops.verification.store.sums import Sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MIN_CYCLES = 10
RESAMPLES = 1000
SEED = 20251019  # any number; fixed so that the same sums give the same interval
LEVEL = 0.95
_CELLS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Interval:
    """Interval of a score per cell.

    Attributes:
        low: (…) lower end, NaN where there is none.
        high: (…) upper end.
        why_not: why there is no interval, "" if there is one.
    """

    low: Floats
    high: Floats
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two forecasters on the same pairs, one cell.

    Attributes:
        difference: score of the first minus score of the second; of scores that are best at a value
            in between, such as the bias, how much farther the first is from it than the second.
        low: lower end of the interval of the difference.
        high: upper end.
        p_value: two-sided, from the bootstrap; NaN without an interval.
        verdict: "first better", "second better" or "not significant".
        why: the reason, in words.
    """

    difference: float
    low: float
    high: float
    p_value: float
    verdict: str
    why: str


def draw(
    cycles: int, block: int | None = None, resamples: int = RESAMPLES, seed: int = SEED
) -> Floats:
    """How often each resample draws each cycle: (resample, cycle), every row sums to `cycles`.

    Args:
        cycles: how many there are, in order of time.
        block: cycles per block; `block_length(cycles)` by default.
        resamples: how many to draw.
        seed: of the generator.

    Raises:
        VerificationError: a block that is empty or longer than the series.

    >>> counts = draw(6, block=2, resamples=3)
    >>> counts.shape, [float(x) for x in counts.sum(axis=1)]
    ((3, 6), [6.0, 6.0, 6.0])
    """
    block = block_length(cycles) if block is None else block
    if not 1 <= block <= cycles:
        raise VerificationError(f"blocks of {block} cycles cannot be drawn from {cycles} cycles")
    return draw_counts(cycles, block, resamples, np.random.default_rng(seed))


def resample(sums: Sums, counts: Floats) -> Sums:
    """Sums per cycle, (cycle, …), to sums per resample, (resample, …)."""
    per_cycle = sums.values.reshape(len(sums.values), -1)
    values = counts @ per_cycle
    return Sums(sums.kind, values.reshape(len(counts), *sums.values.shape[1:]))


def _quantiles(values: Floats) -> tuple[Floats, Floats]:
    """The central interval along axis 0, over resamples in which the score is defined."""
    tail = (1 - LEVEL) / 2
    defined = np.isfinite(values).mean(axis=0) >= LEVEL
    with np.errstate(invalid="ignore"):
        filled = np.where(defined, values, 0.0)
        quantile = np.nanquantile if np.isnan(filled).any() else np.quantile
        low, high = quantile(filled, [tail, 1 - tail], axis=0)
    return np.where(defined, low, np.nan), np.where(defined, high, np.nan)


def score_interval(
    name: str, sums: Sums, baseline: Sums | None = None, counts: Floats | None = None
) -> Interval:
    """95 % interval of a score from sums per cycle.

    Args:
        name: a score.
        sums: (cycle, …), in order of time.
        baseline: same shape, for skill scores.
        counts: from `draw`, to share the same resamples between calls.

    >>> from met2net_ops.verification.store.sums import zeros
    >>> score_interval("rmse", zeros("continuous", (3,))).why_not
    '3 cycles, 10 needed'
    """
    cycles = len(sums.values)
    if cycles < MIN_CYCLES:
        none = np.full(sums.values.shape[1:-1], np.nan)
        return Interval(none, none, f"{cycles} cycles, {MIN_CYCLES} needed")
    counts = draw(cycles) if counts is None else counts
    shape = sums.values.shape[1:-1]
    cells = sums.values.reshape(cycles, -1, sums.values.shape[-1])
    others = None if baseline is None else baseline.values.reshape(cells.shape)
    ends = np.empty((2, cells.shape[1]))
    # A resample of many cells at once would fill the memory: one per station, say.
    for first in range(0, cells.shape[1], _CELLS_AT_ONCE):
        part = slice(first, first + _CELLS_AT_ONCE)
        drawn = resample(Sums(sums.kind, cells[:, part]), counts)
        other = None if others is None else resample(Sums(sums.kind, others[:, part]), counts)
        ends[:, part] = _quantiles(derive(name, drawn, other))
    low, high = ends.reshape(2, *shape)
    return Interval(low, high)


def compare(
    name: str, first: Sums, second: Sums, names: tuple[str, str] = ("first", "second")
) -> Comparison:
    """Compare two forecasters on paired cycles: (cycle,) sums on identical pairs.

    Raises:
        VerificationError: the two are not on the same pairs, cycle by cycle, or the score is one
            against a baseline.
    """
    if first.values.shape != second.values.shape or not np.array_equal(first["n"], second["n"]):
        raise VerificationError(
            f"{names[0]} and {names[1]} cannot be compared: not the same cycles and pairs"
        )
    row = score(name)
    if row.baseline:
        raise VerificationError(
            f"{row.name} compares with a baseline already; compare the score it is made of"
        )

    def differences(ours: Sums, theirs: Sums) -> Floats:
        mine, other = derive(name, ours), derive(name, theirs)
        if row.orientation is not Orientation.TARGET or row.perfect is None:
            return mine - other
        return np.abs(mine - row.perfect) - np.abs(other - row.perfect)

    difference = float(differences(first.total(), second.total()))
    cycles = len(first.values)
    if cycles < MIN_CYCLES or not np.isfinite(difference):
        why = (
            f"{cycles} cycles in common, {MIN_CYCLES} needed"
            if cycles < MIN_CYCLES
            else f"{row.label} is not defined on these pairs"
        )
        return Comparison(difference, np.nan, np.nan, np.nan, "not significant", why)
    counts = draw(cycles)
    drawn = differences(resample(first, counts), resample(second, counts))
    low, high = (float(end[0]) for end in _quantiles(drawn[:, None]))
    if np.isnan(low):
        return Comparison(difference, low, high, np.nan, "not significant", undefined(name))
    known = drawn[np.isfinite(drawn)]
    side = min(float(np.mean(known <= 0)), float(np.mean(known >= 0)))
    p_value = min(1.0, 2 * (side * len(known) + 1) / (len(known) + 1))
    span = f"95 % interval of the difference over {cycles} cycles"
    if not (low > 0 or high < 0):
        return Comparison(
            difference, low, high, p_value, "not significant", f"the {span} holds zero"
        )
    if row.perfect is None:
        return Comparison(
            difference, low, high, p_value, "not significant",
            f"the {span} excludes zero, but no {row.label.lower()} is better than another",
        )  # fmt: skip
    first_better = (difference > 0) == (row.orientation is Orientation.HIGHER)
    better = names[0] if first_better else names[1]
    return Comparison(
        difference, low, high, p_value, f"{better} better", f"the {span} excludes zero"
    )


def undefined(name: str) -> str:
    """Why there is no interval where a score lacks a value in too many resamples.

    >>> undefined("pod")
    'Probability of detection is not defined in more than 5 % of the resamples'
    """
    return (
        f"{score(name).label} is not defined in more than {1 - LEVEL:.0%} of the resamples".replace(
            "%", " %"
        )
    )
