"""Any score of the table, by variable, lead and whatever else it depends on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from met2net_ops.verification.inputs.baselines import PERSISTENCE
from met2net_ops.verification.results.query import MORE, Selection, grouped_sums
from met2net_ops.verification.results.scores import derive, score
from met2net_ops.verification.results.summary import group_intervals, group_label

if TYPE_CHECKING:
    from met2net_ops.paths import WorkspacePaths

_BY = ("model", "variable", "lead")


@dataclass(frozen=True, slots=True)
class ScoreValue:
    """One score of one model, variable and lead.

    Attributes:
        score: its name.
        model: name of the forecaster.
        truth: "analysis" or "stations".
        variable: canonical name, or "wind10".
        lead_hours: lead time.
        threshold: of the event; None for scores without.
        neighbourhood: side of the window in points; None likewise.
        group: what else the values are told apart by; "" if nothing.
        value: in the variable's stored unit, or the score's own; NaN where not defined.
        low: lower end of its 95 % interval.
        high: upper end.
        n: pairs.
        cycles: that contributed.
        no_interval: why there is no interval, "" if there is one.
    """

    score: str
    model: str
    truth: str
    variable: str
    lead_hours: int
    threshold: float | None
    neighbourhood: int | None
    group: str
    value: float
    low: float
    high: float
    n: int
    cycles: int
    no_interval: str


def score_values(
    paths: WorkspacePaths,
    selection: Selection,
    name: str,
    group: str | None = None,
    baseline: str = PERSISTENCE,
) -> list[ScoreValue]:
    """A score from all stored sums selected.

    Args:
        paths: where the sums lie.
        selection: which.
        name: a key of `scores.SCORES`.
        group: a key of `query.GROUPS` to tell values apart by besides.
        baseline: what skill scores compare with.

    Raises:
        VerificationError: no such score, or stored sums that cannot be read.
    """
    row = score(name)
    more = MORE.get(row.kind, ())
    by = (*_BY, *more, *(() if group is None else (group,)))
    found = grouped_sums(paths, row.kind, by, selection, baseline if row.baseline else None)
    if not found.keys:
        return []
    total = found.forecast.total()
    values = derive(name, total, None if found.baseline is None else found.baseline.total())
    low, high, why = group_intervals(name, found)
    cycles = (found.forecast["n"] > 0).sum(axis=0)
    lines = []
    for i, key in enumerate(found.keys):
        own = dict(zip(by, key, strict=True))
        threshold, size = own.get("threshold"), own.get("neighbourhood")
        lines.append(
            ScoreValue(
                score=name,
                model=str(own["model"]),
                truth=selection.truth,
                variable=str(own["variable"]),
                lead_hours=int(str(own["lead"])),
                threshold=None if threshold is None else float(str(threshold)),
                neighbourhood=None if size is None else int(str(size)),
                group="" if group is None else group_label(group, own[group]),
                value=float(values[i]),
                low=float(low[i]),
                high=float(high[i]),
                n=int(total["n"][i]),
                cycles=int(cycles[i]),
                no_interval=why[i],
            )
        )
    return lines
