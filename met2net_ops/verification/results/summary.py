"""The table people read: scores per variable and lead, each with n and an interval."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.errors import ProductError, VerificationError
from met2net_ops.products.publish import claim
from met2net_ops.variables import VARIABLES
from met2net_ops.verification.inputs.accumulations import HOURLY, PERIODS
from met2net_ops.verification.inputs.baselines import CLIMATOLOGY, PERSISTENCE, PERSISTENCE_24H
from met2net_ops.verification.results.intervals import MIN_CYCLES, draw, score_interval, undefined
from met2net_ops.verification.results.query import HEIGHT_CLASS, Grouped, Selection, grouped_systems
from met2net_ops.verification.results.scores import derive
from met2net_ops.verification.store.listing import stored_sums
from met2net_ops.verification.store.sums import Sums

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from met2net_ops.paths import WorkspacePaths


@dataclass(frozen=True, slots=True)
class ScoreLine:
    """Scores of one model, variable and lead; NaN where a score is not defined.

    For the vector wind (`wind10`) `rmse` is that of the vector, `bias` that of the speed, `mae`
    and `acc` are not defined.

    Attributes:
        model: name of the forecaster.
        truth: "analysis" or "stations".
        variable: canonical name, or "wind10".
        lead_hours: lead time.
        cycles: how many cycles contributed.
        n: pairs.
        rmse: root mean square error.
        rmse_low: lower end of its 95 % interval.
        rmse_high: upper end.
        mae: mean absolute error.
        bias: mean error.
        acc: anomaly correlation.
        rmse_persistence: RMSE of persistence on the pairs it shares.
        skill_persistence: 1 - MSE / MSE of persistence.
        skill_persistence_24h: the same against 24-hour persistence.
        skill_climatology: the same against climatology.
        skill_low: lower end of the interval of the skill against persistence.
        skill_high: upper end.
        no_interval: why there are no intervals, "" if there are.
        group: what the lines are grouped by besides, such as an hour of day; "" if nothing.
        rmse_persistence_24h: RMSE of 24-hour persistence on the pairs it shares.
        rmse_climatology: RMSE of climatology on the pairs it shares.
        crps: continuous ranked probability score; of products with members.
        spread_skill: their spread over the error of their mean.
    """

    model: str
    truth: str
    variable: str
    lead_hours: int
    cycles: int
    n: int
    rmse: float
    rmse_low: float
    rmse_high: float
    mae: float
    bias: float
    acc: float
    rmse_persistence: float
    skill_persistence: float
    skill_persistence_24h: float
    skill_climatology: float
    skill_low: float
    skill_high: float
    no_interval: str
    group: str = ""
    rmse_persistence_24h: float = float("nan")
    rmse_climatology: float = float("nan")
    crps: float = float("nan")
    spread_skill: float = float("nan")


_BY = ("model", "variable", "lead")
_BASELINES = (PERSISTENCE, PERSISTENCE_24H, CLIMATOLOGY)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# Which score fills which column, per kind of sums.
_COLUMNS = {
    "continuous": {"rmse": "rmse", "mae": "mae", "bias": "bias", "acc": "acc", "skill": "skill"},
    "vector": {"rmse": "vector_rmse", "bias": "speed_bias", "skill": "vector_skill"},
}


def summary(
    paths: WorkspacePaths, selection: Selection, group: str | None = None
) -> list[ScoreLine]:
    """Scores from all stored sums selected, by model, variable and lead.

    Args:
        paths: where the sums lie.
        selection: which.
        group: a key of `query.GROUPS` to tell lines apart by besides, such as "hour".

    Raises:
        VerificationError: stored sums that cannot be read, or no such group.
    """
    by = _BY if group is None else (*_BY, group)
    stored = stored_sums(
        paths, selection.truth, selection.model and [selection.model], selection.since,
        selection.until,
    )  # fmt: skip
    lines: dict[str, list[ScoreLine]] = {kind: [] for kind in _COLUMNS}
    for model in sorted({model for model, _ in stored.verified()}):  # one at a time, to save memory
        of_model = replace(selection, model=model)
        found = grouped_systems(paths, (*_COLUMNS, "ensemble"), by, of_model, _BASELINES)
        for kind in _COLUMNS:
            lines[kind] += _lines(found, kind, selection.truth, by)
    return [line for of_kind in lines.values() for line in of_kind]


def _lines(
    found: dict[str, dict[str | None, Grouped]], kind: str, truth: str, by: tuple[str, ...]
) -> list[ScoreLine]:
    columns = _COLUMNS[kind]
    own = found[kind][None]
    if not own.keys:
        return []
    total = own.forecast.total()
    scores = {name: derive(columns[name], total) for name in columns if name != "skill"}
    nothing = np.full(len(own.keys), np.nan)
    interval = group_intervals(columns["rmse"], own)
    skill: dict[str, NDArray[np.float64]] = {}
    reference_rmse: dict[str, NDArray[np.float64]] = {}
    skill_interval = nothing, nothing
    for baseline in _BASELINES:
        both = found[kind][baseline]
        assert both.baseline is not None
        shared, reference = both.forecast.total(), both.baseline.total()
        skill[baseline] = _spread(own, both, derive(columns["skill"], shared, reference))
        reference_rmse[baseline] = _spread(own, both, derive(columns["rmse"], reference))
        if baseline == PERSISTENCE:
            low, high, _ = group_intervals(columns["skill"], both)
            skill_interval = _spread(own, both, low), _spread(own, both, high)
    cycles = (own.forecast["n"] > 0).sum(axis=0)
    crps, spread = nothing, nothing
    if kind == "continuous":
        ensemble = found["ensemble"][None]
        together = ensemble.forecast.total()
        crps = _spread(own, ensemble, derive("crps", together))
        spread = _spread(own, ensemble, derive("spread_skill", together))
    return [
        ScoreLine(
            model=str(key[0]),
            truth=truth,
            variable=str(key[1]),
            lead_hours=int(str(key[2])),
            cycles=int(cycles[i]),
            n=int(total["n"][i]),
            rmse=float(scores["rmse"][i]),
            rmse_low=float(interval[0][i]),
            rmse_high=float(interval[1][i]),
            mae=float(scores.get("mae", nothing)[i]),
            bias=float(scores["bias"][i]),
            acc=float(scores.get("acc", nothing)[i]),
            rmse_persistence=float(reference_rmse[PERSISTENCE][i]),
            skill_persistence=float(skill[PERSISTENCE][i]),
            skill_persistence_24h=float(skill[PERSISTENCE_24H][i]),
            skill_climatology=float(skill[CLIMATOLOGY][i]),
            skill_low=float(skill_interval[0][i]),
            skill_high=float(skill_interval[1][i]),
            no_interval=interval[2][i],
            group=group_label(by[-1], key[-1]) if len(by) > len(_BY) else "",
            rmse_persistence_24h=float(reference_rmse[PERSISTENCE_24H][i]),
            rmse_climatology=float(reference_rmse[CLIMATOLOGY][i]),
            crps=float(crps[i]),
            spread_skill=float(spread[i]),
        )
        for i, key in enumerate(own.keys)
    ]


def group_label(by: str, value: object) -> str:
    """How people read a group.

    >>> group_label("hour", 6), group_label("month", 2), group_label("height", 250)
    ('06 UTC', 'Feb', '250 to 500 m')
    """
    match by, value:
        case _, None:
            return "unknown"
        case "hour", int(hour):
            return f"{hour:02d} UTC"
        case "month", int(month):
            return _MONTHS[month - 1]
        case "height", int(low):
            return f"{low} to {low + HEIGHT_CLASS} m"
        case _:
            return str(value)


def _spread(own: Grouped, part: Grouped, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values of the groups of `part` at their places among the groups of `own`."""
    places = {key: i for i, key in enumerate(own.keys)}
    spread = np.full(len(own.keys), np.nan)
    for key, value in zip(part.keys, values, strict=True):
        spread[places[key]] = value
    return spread


def group_intervals(
    name: str, grouped: Grouped
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str]]:
    """Intervals over the cycles each group has; groups with the same cycles share resamples.

    Returns:
        Lower and upper ends per group, NaN where there is none, and why there is none.
    """
    low, high = (np.full(len(grouped.keys), np.nan) for _ in range(2))
    why = [""] * len(grouped.keys)
    has = grouped.forecast["n"] > 0
    for pattern in np.unique(has, axis=1).T:
        members = np.flatnonzero((has == pattern[:, None]).all(axis=0))
        rows = np.flatnonzero(pattern)
        cells = np.ix_(rows, members)
        forecast = Sums(grouped.forecast.kind, grouped.forecast.values[cells])
        baseline = (
            None
            if grouped.baseline is None
            else Sums(grouped.baseline.kind, grouped.baseline.values[cells])
        )
        counts = draw(len(rows)) if len(rows) >= MIN_CYCLES else None
        found = score_interval(name, forecast, baseline, counts)
        low[members], high[members] = found.low, found.high
        for member in members:
            lacking = "" if np.isfinite(low[member]) else undefined(name)
            why[member] = found.why_not or lacking
    return low, high, why


def error_unit(name: str) -> tuple[str, float]:
    """The unit errors of a variable are shown in, and the factor from its stored unit.

    >>> error_unit("msl"), error_unit("t2m"), error_unit("wind10")
    (('hPa', 0.01), ('K', 1.0), ('m s-1', 1.0))
    """
    if name in PERIODS:
        name = HOURLY
    if name not in VARIABLES:
        return "m s-1", 1.0
    display = VARIABLES[name].display
    return ("K" if display.units == "°C" else display.units), display.scale


def write_csv(path: Path, lines: Sequence[ScoreLine]) -> None:
    """Write lines in stored units, one column per field; an undefined score is an empty cell.

    Raises:
        VerificationError: the file cannot be written.
    """
    names = [item.name for item in fields(ScoreLine)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for line in lines:
        values = [getattr(line, name) for name in names]
        writer.writerow(["" if value != value else value for value in values])
    write_text(path, text.getvalue())


def write_text(path: Path, text: str) -> None:
    """Put a text file in place whole.

    Raises:
        VerificationError: it cannot be written.
    """
    place = path.absolute()
    if place.is_dir():
        raise VerificationError(f"cannot write {path}: it is a folder; name a file")
    try:
        with claim(place) as held:
            held.temporary.write_text(text, encoding="utf-8")
            held.place(place)
    except OSError as error:
        raise VerificationError(f"cannot write {path}: {error}") from error
    except ProductError as error:
        raise VerificationError(str(error)) from error
