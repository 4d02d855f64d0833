"""The scores, one row each: formula, range, perfect value, orientation, unit, reference.

The row drives everything that depends on what a score is: computation from sums, help texts,
colours on screens, and `docs/verification.md` (its table is checked against this one). In the
formulae f is the forecast, o the truth, c the climatology, e = f - o, ⟨x⟩ = Σw·x / Σw.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.errors import VerificationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from met2net_ops.verification.store.sums import Sums

    Floats = NDArray[np.float64]


class Orientation(StrEnum):
    """Which way a score gets better."""

    HIGHER = "higher"
    LOWER = "lower"
    TARGET = "target"  # the closer to the perfect value the better


@dataclass(frozen=True, slots=True)
class Score:
    """One row of the table.

    Attributes:
        name: how code, options and files call it.
        label: how people read it.
        kind: which sums it derives from (a key of `sums.KINDS`).
        formula: in the notation of the module's docstring.
        low: lower end of its range.
        high: upper end of its range.
        perfect: the value of a perfect forecast; None where there is none.
        orientation: which way it gets better.
        unit: "native" (the variable's), "1", "degree" or "m s-1".
        reference: where it is defined.
        derive: (sums of the forecast, sums of the baseline) to values; NaN where undefined.
        baseline: whether it compares with a baseline and cannot do without.
    """

    name: str
    label: str
    kind: str
    formula: str
    low: float
    high: float
    perfect: float | None
    orientation: Orientation
    unit: str
    reference: str
    derive: Callable[[Sums, Sums], Floats]
    baseline: bool = False


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Division that gives NaN, without a warning, where there is nothing to divide by."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(denominator > 0, numerator / denominator, np.nan))


def _mean(s: Sums, name: str, weight: str = "w") -> Floats:
    return _ratio(s[name], s[weight])


# Below this fraction of the mean square a variance from sums is rounding, not signal.
_ROUNDING = 1e-13


def _variance(mean_square: Floats, mean: Floats) -> Floats:
    variance = mean_square - mean * mean
    return np.asarray(np.where(variance <= _ROUNDING * mean_square, 0.0, variance))


def _correlation(s: Sums, w: str, f: str, o: str, ff: str, oo: str, fo: str) -> Floats:
    mean_f, mean_o = _mean(s, f, w), _mean(s, o, w)
    var_f = _variance(_mean(s, ff, w), mean_f)
    var_o = _variance(_mean(s, oo, w), mean_o)
    r = _ratio(_mean(s, fo, w) - mean_f * mean_o, np.sqrt(var_f * var_o))
    return np.asarray(np.clip(r, -1.0, 1.0))


def _table(s: Sums) -> tuple[Floats, Floats, Floats, Floats]:
    return s["hits"], s["false_alarms"], s["misses"], s["correct_negatives"]


def _ets(s: Sums, _: Sums) -> Floats:
    a, b, c, _d = _table(s)
    chance = _ratio((a + b) * (a + c), s["w"])
    # Nothing forecast and nothing seen leaves nothing to score: a + b + c is exactly zero there.
    return np.asarray(
        np.where(a + b + c > 0, _signed_ratio(a - chance, a + b + c - chance), np.nan)
    )


def _signed_ratio(numerator: Floats, denominator: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(denominator != 0, numerator / denominator, np.nan))


def _hss(s: Sums, _: Sums) -> Floats:
    a, b, c, d = _table(s)
    return _signed_ratio(2 * (a * d - b * c), (a + c) * (c + d) + (a + b) * (b + d))


def _skill(name: str, s: Sums, r: Sums) -> Floats:
    """1 - score / score of the baseline; only on the same pairs."""
    if not np.array_equal(s["n"], r["n"]):
        raise VerificationError(
            "skill needs forecast and baseline on the same pairs, but their counts differ"
        )
    return np.asarray(1.0 - _ratio(_mean(s, name), _mean(r, name)))


_WMO = "WMO-No. 485, Appendix 2.2.34"
_CIRCLE = "Mardia and Jupp (2000), Directional Statistics, ch. 2"
_MURPHY = "Murphy (1988), doi:10.1175/1520-0493(1988)116<2417:SSBOTM>2.0.CO;2"
_JW = "Jolliffe and Stephenson (2012), Forecast Verification, ch. 3"
_H, _L, _T = Orientation.HIGHER, Orientation.LOWER, Orientation.TARGET
_INF = float("inf")

SCORES: dict[str, Score] = {
    row.name: row
    for row in (
        Score(
            "bias", "Bias", "continuous", "⟨e⟩", -_INF, _INF, 0.0, _T, "native", _WMO,
            lambda s, _: _mean(s, "we"),
        ),
        Score(
            "mae", "Mean absolute error", "continuous", "⟨|e|⟩", 0.0, _INF, 0.0, _L, "native",
            _WMO, lambda s, _: _mean(s, "wabs"),
        ),
        Score(
            "rmse", "Root mean square error", "continuous", "√⟨e²⟩", 0.0, _INF, 0.0, _L,
            "native", _WMO, lambda s, _: np.sqrt(_mean(s, "wee")),
        ),
        Score(
            "error_std", "Error standard deviation", "continuous", "√(⟨e²⟩ - ⟨e⟩²)", 0.0, _INF,
            0.0, _L, "native", "Jolliffe and Stephenson (2012), ch. 5",
            lambda s, _: np.sqrt(_variance(_mean(s, "wee"), _mean(s, "we"))),
        ),
        Score(
            "correlation", "Correlation", "continuous",
            "(⟨fo⟩ - ⟨f⟩⟨o⟩) / √((⟨f²⟩ - ⟨f⟩²)(⟨o²⟩ - ⟨o⟩²))", -1.0, 1.0, 1.0, _H, "1",
            "Jolliffe and Stephenson (2012), ch. 5",
            lambda s, _: _correlation(s, "w", "wf", "wo", "wff", "woo", "wfo"),
        ),
        Score(
            "acc", "Anomaly correlation", "continuous",
            "correlation of f - c with o - c, their weighted means removed", -1.0, 1.0, 1.0, _H,
            "1", _WMO, lambda s, _: _correlation(s, "aw", "af", "ao", "aff", "aoo", "afo"),
        ),
        Score(
            "acc_uncentred", "Anomaly correlation, uncentred", "continuous",
            "⟨(f-c)(o-c)⟩ / √(⟨(f-c)²⟩⟨(o-c)²⟩)", -1.0, 1.0, 1.0, _H, "1",
            "Rasp et al. (2024), WeatherBench 2, doi:10.1029/2023MS004019",
            lambda s, _: _ratio(
                _mean(s, "afo", "aw"), np.sqrt(_mean(s, "aff", "aw") * _mean(s, "aoo", "aw"))
            ),
        ),
        Score(
            "skill", "MSE skill score", "continuous", "1 - ⟨e²⟩ / ⟨e²⟩ of the baseline", -_INF,
            1.0, 1.0, _H, "1", _MURPHY,
            lambda s, r: _skill("wee", s, r), baseline=True,
        ),
        Score(
            "mae_skill", "MAE skill score", "continuous", "1 - ⟨|e|⟩ / ⟨|e|⟩ of the baseline",
            -_INF, 1.0, 1.0, _H, "1", "Jolliffe and Stephenson (2012), ch. 5",
            lambda s, r: _skill("wabs", s, r), baseline=True,
        ),
        Score(
            "pod", "Probability of detection", "contingency", "hits / (hits + misses)", 0.0, 1.0,
            1.0, _H, "1", _JW, lambda s, _: _ratio(s["hits"], s["hits"] + s["misses"]),
        ),
        Score(
            "far", "False alarm ratio", "contingency", "false alarms / (hits + false alarms)",
            0.0, 1.0, 0.0, _L, "1", _JW,
            lambda s, _: _ratio(s["false_alarms"], s["hits"] + s["false_alarms"]),
        ),
        Score(
            "csi", "Critical success index", "contingency",
            "hits / (hits + misses + false alarms)", 0.0, 1.0, 1.0, _H, "1", _JW,
            lambda s, _: _ratio(s["hits"], s["hits"] + s["misses"] + s["false_alarms"]),
        ),
        Score(
            "ets", "Equitable threat score", "contingency",
            "(hits - r) / (hits + misses + false alarms - r), "
            "r = (hits + misses)(hits + false alarms) / Σw", -1 / 3, 1.0, 1.0, _H, "1", _JW, _ets,
        ),
        Score(
            "hss", "Heidke skill score", "contingency",
            "2(ad - bc) / ((a + c)(c + d) + (a + b)(b + d)), table a b c d", -1.0, 1.0, 1.0, _H,
            "1", _JW, _hss,
        ),
        Score(
            "frequency_bias", "Frequency bias", "contingency",
            "(hits + false alarms) / (hits + misses)", 0.0, _INF, 1.0, _T, "1", _JW,
            lambda s, _: _ratio(s["hits"] + s["false_alarms"], s["hits"] + s["misses"]),
        ),
        Score(
            "base_rate", "Base rate", "contingency", "(hits + misses) / Σw", 0.0, 1.0, None, _T,
            "1", _JW, lambda s, _: _ratio(s["hits"] + s["misses"], s["w"]),
        ),
        Score(
            "fss", "Fractions skill score", "fractions", "1 - Σw(p_f - p_o)² / Σw(p_f² + p_o²)",
            0.0, 1.0, 1.0, _H, "1", "Roberts and Lean (2008), doi:10.1175/2007MWR2123.1",
            lambda s, _: np.asarray(1.0 - _ratio(s["fss_error"], s["fss_reference"])),
        ),
        Score(
            "vector_rmse", "Vector wind RMSE", "vector", "√⟨(Δu)² + (Δv)²⟩", 0.0, _INF, 0.0, _L,
            "m s-1", _WMO, lambda s, _: np.sqrt(_mean(s, "wvv")),
        ),
        Score(
            "vector_skill", "Vector wind MSE skill score", "vector",
            "1 - ⟨|Δv|²⟩ / ⟨|Δv|²⟩ of the baseline", -_INF, 1.0, 1.0, _H, "1", _MURPHY,
            lambda s, r: _skill("wvv", s, r), baseline=True,
        ),
        Score(
            "speed_bias", "Wind speed bias", "vector", "⟨|v_f| - |v_o|⟩", -_INF, _INF, 0.0, _T,
            "m s-1", _WMO, lambda s, _: _mean(s, "ws"),
        ),
        Score(
            "speed_rmse", "Wind speed RMSE", "vector", "√⟨(|v_f| - |v_o|)²⟩", 0.0, _INF, 0.0, _L,
            "m s-1", _WMO, lambda s, _: np.sqrt(_mean(s, "wss")),
        ),
        Score(
            "direction_bias", "Wind direction bias", "vector",
            "⟨δ⟩, δ the turn in [-180°, 180°), clockwise positive", -180.0, 180.0, 0.0, _T,
            "degree", _CIRCLE, lambda s, _: _mean(s, "wd", "dw"),
        ),
        Score(
            "direction_mae", "Wind direction mean absolute error", "vector", "⟨|δ|⟩", 0.0, 180.0,
            0.0, _L, "degree", _CIRCLE, lambda s, _: _mean(s, "wdabs", "dw"),
        ),
        Score(
            "direction_rmse", "Wind direction RMSE", "vector", "√⟨δ²⟩", 0.0, 180.0, 0.0, _L,
            "degree", _CIRCLE, lambda s, _: np.sqrt(_mean(s, "wdd", "dw")),
        ),
        Score(
            "crps", "Continuous ranked probability score", "ensemble",
            "⟨Σ|x_i - o| / m - ΣΣ|x_i - x_j| / 2m²⟩", 0.0, _INF, 0.0, _L, "native",
            "Hersbach (2000), doi:10.1175/1520-0434(2000)015<0559:DOTCRP>2.0.CO;2",
            lambda s, _: _mean(s, "wcrps"),
        ),
        Score(
            "spread_skill", "Spread over skill", "ensemble",
            "√((m + 1) / m · ⟨variance⟩ / ⟨(mean - o)²⟩)", 0.0, _INF, 1.0, _T, "1",
            "Fortin et al. (2014), doi:10.1175/JHM-D-14-0008.1",
            lambda s, _: np.sqrt(
                (1.0 + _ratio(s["n"], s["members"])) * _ratio(s["wvariance"], s["wmm"])
            ),
        ),
    )
}  # fmt: skip


def score(name: str) -> Score:
    """The row of that name.

    Raises:
        VerificationError: no such row.

    >>> score("rmse").perfect
    0.0
    """
    if name not in SCORES:
        raise VerificationError(f"no score is called {name!r}; known: {', '.join(sorted(SCORES))}")
    return SCORES[name]


def derive(name: str, sums: Sums, baseline: Sums | None = None) -> Floats:
    """A score of every cell, (…), NaN where its sums do not define it.

    Args:
        name: a key of `SCORES`.
        sums: of the kind that score needs.
        baseline: the same cells of the baseline, on the same pairs; only for skill scores.

    Raises:
        VerificationError: unknown score, sums of another kind, a baseline missing or on
            other pairs.

    >>> from met2net_ops.verification.compute.kernels import continuous_sums
    >>> float(derive("rmse", continuous_sums([3.0, 3.0], [0.0, 0.0], [1.0, 1.0]))[0])
    3.0
    """
    row = score(name)
    if row.kind != sums.kind:
        raise VerificationError(f"{row.name} derives from {row.kind} sums, not {sums.kind} sums")
    if row.baseline and baseline is None:
        raise VerificationError(f"{row.name} needs the sums of a baseline")
    return row.derive(sums, baseline if baseline is not None else sums)
