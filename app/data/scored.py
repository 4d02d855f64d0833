"""Scores for figures: curves with bands, scorecards, and the cases behind a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from met2net_ops.app.data.verified import BASELINES
from met2net_ops.times import format_time, from_datetime64
from met2net_ops.verification.results.intervals import compare
from met2net_ops.verification.results.query import Grouped
from met2net_ops.verification.results.scores import Orientation, derive, score
from met2net_ops.verification.results.summary import group_intervals
from met2net_ops.verification.store.files import FORECAST
from met2net_ops.verification.store.sums import Sums, zeros

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from met2net_ops.verification.results.cube import Cube

    Floats = NDArray[np.float64]

VERDICTS = ("better", "worse", "not significant")


@dataclass(frozen=True)
class ScoreCurve:
    """A score over groups: leads, hours, months or regions.

    Attributes:
        label: the model, a baseline, or what a skill is measured against.
        baseline: whether it is a baseline's own score.
        keys: (group,) what the groups are.
        value: (group,) NaN where undefined.
        low: (group,) lower end of the 95 % interval, NaN without.
        high: (group,) upper end.
        n: (group,) pairs.
        cycles: (group,) cycles.
        why_not: why intervals are missing, each reason once.
    """

    label: str
    baseline: bool
    keys: tuple[int | str, ...]
    value: Floats
    low: Floats
    high: Floats
    n: NDArray[np.int64]
    cycles: NDArray[np.int64]
    why_not: tuple[str, ...] = ()


def lead_labels(cube: Cube) -> NDArray[np.int64]:
    """(cycle, lead) the lead in hours."""
    return np.asarray(np.broadcast_to(cube.leads, (len(cube.cycles), len(cube.leads))))


def hour_labels(cube: Cube) -> NDArray[np.int64]:
    """(cycle, lead) the hour of the day, UTC, of the valid time."""
    return np.asarray(cube.valid_times.astype("datetime64[h]").astype(np.int64) % 24)


def month_labels(cube: Cube) -> NDArray[np.int64]:
    """(cycle, lead) year and month of the valid time, 202611."""
    months = cube.valid_times.astype("datetime64[M]").astype(np.int64)
    return np.asarray((1970 + months // 12) * 100 + months % 12 + 1)


def only_lead(cube: Cube, labels: NDArray[np.int64], lead: int | None) -> NDArray[np.int64]:
    """The same labels, with all leads but one taken out."""
    return labels if lead is None else np.where(cube.leads[None, :] == lead, labels, -1)


def curves(
    cube: Cube,
    name: str,
    labels: NDArray[np.int64],
    model: str,
    *,
    intervals: bool = True,
) -> list[ScoreCurve]:
    """A score of the model and of its baselines on the same pairs, or skill over each baseline.

    Args:
        cube: sums of the kind the score needs.
        name: of the score.
        labels: (cycle, lead) the groups.
        model: how to call the forecast.
        intervals: whether to compute 95 % intervals.
    """
    row = score(name)
    own = cube.grouped(labels)
    found = [] if row.baseline else [_curve(name, own, model, own, intervals=intervals)]
    for system, called in BASELINES.items():
        if system not in cube.systems:
            continue
        both = cube.grouped(labels, baseline=system)
        assert both.baseline is not None
        if row.baseline:
            found.append(_curve(name, both, f"over {called}", own, intervals=intervals))
        else:
            theirs = Grouped(both.keys, both.cycles, both.baseline)
            curve = _curve(name, theirs, called, own, intervals=intervals, baseline=True)
            found.append(curve)
    return [curve for curve in found if np.isfinite(curve.value).any()]


def _curve(
    name: str,
    grouped: Grouped,
    label: str,
    whole: Grouped,
    *,
    intervals: bool,
    baseline: bool = False,
) -> ScoreCurve:
    total = grouped.forecast.total()
    other = None if grouped.baseline is None else grouped.baseline.total()
    nothing = np.full(len(grouped.keys), np.nan)
    low, high, why = (
        group_intervals(name, grouped) if intervals else (nothing, nothing, [""] * len(nothing))
    )
    assert grouped.keys == whole.keys
    return ScoreCurve(
        label=label,
        baseline=baseline,
        keys=tuple(int(str(key[0])) for key in grouped.keys),
        value=derive(name, total, other),
        low=low,
        high=high,
        n=total["n"].astype(np.int64),
        cycles=(grouped.forecast["n"] > 0).sum(axis=0),
        why_not=tuple(dict.fromkeys(reason for reason in why if reason)),
    )


def join_regions(parts: Mapping[str, list[ScoreCurve]]) -> list[ScoreCurve]:
    """One curve per label over regions, from curves that have one group each."""
    labels = dict.fromkeys(curve.label for found in parts.values() for curve in found)
    joined = []
    for label in labels:
        rows = [
            (region, next((curve for curve in found if curve.label == label), None))
            for region, found in parts.items()
        ]
        there = [(region, curve) for region, curve in rows if curve is not None and curve.keys]
        joined.append(
            ScoreCurve(
                label=label,
                baseline=there[0][1].baseline,
                keys=tuple(region for region, _ in there),
                value=np.array([curve.value[0] for _, curve in there]),
                low=np.array([curve.low[0] for _, curve in there]),
                high=np.array([curve.high[0] for _, curve in there]),
                n=np.array([curve.n[0] for _, curve in there]),
                cycles=np.array([curve.cycles[0] for _, curve in there]),
                why_not=tuple(dict.fromkeys(why for _, curve in there for why in curve.why_not)),
            )
        )
    return joined


@dataclass(frozen=True)
class Cell:
    """One cell of a scorecard: the model against a reference at one variable and lead.

    Attributes:
        variable: canonical name, or "wind10".
        lead: hours.
        ours: the model's score.
        theirs: the reference's.
        gain: how much better the model is: percent of the reference's score where lower is
            better, else hundredths; negative where it is worse, NaN where undefined.
        low: lower end of the 95 % interval of the difference ours - theirs, NaN without.
        high: upper end.
        verdict: one of `VERDICTS`.
        why: in words.
        n: pairs.
        cycles: cycles.
    """

    variable: str
    lead: int
    ours: float
    theirs: float
    gain: float
    low: float
    high: float
    verdict: str
    why: str
    n: int
    cycles: int


def scorecard_row(name: str, variable: str, grouped: Grouped, names: tuple[str, str]) -> list[Cell]:
    """Cells of one variable.

    Args:
        name: of a score that is not itself a comparison.
        variable: of the sums.
        grouped: groups are leads; forecast and baseline on the same pairs.
        names: of the model and of the reference.
    """
    assert grouped.baseline is not None
    return [
        _cell(name, variable, int(str(key[0])), grouped, index, names)
        for index, key in enumerate(grouped.keys)
        if (grouped.forecast["n"][:, index] > 0).any()
    ]


def _cell(
    name: str, variable: str, lead: int, grouped: Grouped, index: int, names: tuple[str, str]
) -> Cell:
    assert grouped.baseline is not None
    rows = grouped.forecast["n"][:, index] > 0
    ours, theirs = (
        Sums(sums.kind, sums.values[rows, index]) for sums in (grouped.forecast, grouped.baseline)
    )
    result = compare(name, ours, theirs, names)
    first, second = (float(derive(name, sums.total())) for sums in (ours, theirs))
    if score(name).orientation is Orientation.LOWER:
        gain = 100 * (second - first) / second if second > 0 else np.nan
    else:
        gain = 100 * (first - second)
    verdict = {f"{names[0]} better": VERDICTS[0], f"{names[1]} better": VERDICTS[1]}
    return Cell(
        variable, lead, first, second, float(gain), result.low, result.high,
        verdict.get(result.verdict, VERDICTS[2]), result.why, int(ours.total()["n"]),
        int(rows.sum()),
    )  # fmt: skip


def thin_leads(leads: Sequence[int], most: int = 16) -> list[int]:
    """At most so many leads, evenly spread, the last included.

    >>> thin_leads(range(1, 49), 4)
    [12, 24, 36, 48]
    >>> thin_leads([6, 12])
    [6, 12]
    """
    step = -(-len(leads) // most) if leads else 1
    return list(leads)[::-1][::step][::-1]


def cases(
    cube: Cube,
    name: str,
    chosen: NDArray[np.bool_],
    reference: tuple[str, Sums] | None,
) -> pd.DataFrame:
    """The forecasts behind a number, the worst first.

    Args:
        cube: sums of the kind the score needs.
        name: of the score; a skill is shown per case over the reference.
        chosen: (cycle, lead) which cells are behind it.
        reference: its name and its sums, (cycle, lead); cells with other counts are left out.

    Returns:
        One row per cycle and lead: cycle, lead, valid, n, model, reference, worse_by; `worse_by`
        grows with how much worse the model did, NaN without a reference.
    """
    row = score(name)
    own = cube.systems[FORECAST]
    theirs = zeros(cube.kind, own["n"].shape) if reference is None else reference[1]
    keep = chosen & (own["n"] > 0)
    if reference is not None:
        keep &= own["n"] == theirs["n"]
    at = np.nonzero(keep)
    ours, other = Sums(cube.kind, own.values[at]), Sums(cube.kind, theirs.values[at])
    first = derive(name, ours, other) if row.baseline else derive(name, ours)
    second = derive(name, other) if reference is not None and not row.baseline else None
    worse = _worse(name, first, second)
    cycles = [from_datetime64(time) for time in cube.cycles[at[0]]]
    valid = [from_datetime64(time) for time in cube.valid_times[at]]
    table = pd.DataFrame(
        {
            "cycle": [format_time(time) for time in cycles],
            "lead": cube.leads[at[1]],
            "valid": [format_time(time) for time in valid],
            "n": ours["n"].astype(np.int64),
            "model": first,
            "reference": np.full(len(first), np.nan) if second is None else second,
            "worse_by": worse,
        }
    )
    return table.sort_values(
        "worse_by", ascending=False, na_position="last", kind="stable", ignore_index=True
    )


def _worse(name: str, ours: Floats, theirs: Floats | None) -> Floats:
    """How bad a case is: against the reference where there is one, else against perfection."""
    row = score(name)
    if row.orientation is Orientation.HIGHER:
        return -ours if theirs is None else theirs - ours
    if row.orientation is Orientation.LOWER:
        return ours if theirs is None else ours - theirs
    target = row.perfect or 0.0
    off = np.abs(ours - target)
    return off if theirs is None else off - np.abs(theirs - target)
