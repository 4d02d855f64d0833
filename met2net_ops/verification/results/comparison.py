"""Which of two models is better: paired differences on the cycles and pairs both have."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.errors import VerificationError
from met2net_ops.verification.results.intervals import Comparison, compare
from met2net_ops.verification.results.query import MORE, Grouped, Selection, grouped_sums
from met2net_ops.verification.results.scores import score
from met2net_ops.verification.store.sums import Sums

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from met2net_ops.paths import WorkspacePaths

USUAL = ("rmse", "vector_rmse")
_OF_ANOMALIES = ("acc", "acc_uncentred")
_SAME = 1e-10  # relative difference of the truth's own sums, from rounding


@dataclass(frozen=True, slots=True)
class PairedLine:
    """Two models at one variable and lead.

    Attributes:
        variable: canonical name, or "wind10".
        lead_hours: lead time.
        score: which score was compared.
        cycles: cycles both have, on the same pairs.
        n: pairs.
        result: the difference, its interval and what follows from it.
        threshold: of the event; None for scores without.
        neighbourhood: side of the window in points; None likewise.
    """

    variable: str
    lead_hours: int
    score: str
    cycles: int
    n: int
    result: Comparison
    threshold: float | None = None
    neighbourhood: int | None = None


def compare_models(
    paths: WorkspacePaths,
    selection: Selection,
    first: str,
    second: str,
    scores: Sequence[str] = USUAL,
) -> list[PairedLine]:
    """Compare two models per variable, lead and, for scores of events, threshold.

    Args:
        paths: where the sums lie.
        selection: which; its model is set aside.
        first: a model.
        second: another.
        scores: any but those against a baseline; by default the RMSE, of the vector for winds.

    Raises:
        VerificationError: they have no cycle, variable and lead in common, or one is compared with
            itself.
    """
    if first == second:
        raise VerificationError(f"{first} cannot be compared with itself; name another model")
    chosen = replace(selection, model=first)
    lines = [line for name in scores for line in _lines(paths, chosen, name, (first, second))]
    if not lines:
        raise VerificationError(
            f"{first} and {second} have no verified cycle, variable and lead in common against "
            f"{selection.truth}; `met2net-ops verify` verifies what is due"
        )
    return lines


def _lines(
    paths: WorkspacePaths, selection: Selection, name: str, models: tuple[str, str]
) -> list[PairedLine]:
    kind = score(name).kind
    by = ("variable", "lead", *MORE.get(kind, ()))
    found = grouped_sums(paths, kind, by, selection, versus=models[1])
    assert found.baseline is not None
    shared = _shared(name, found)
    lines = []
    for index, key in enumerate(found.keys):
        rows = shared[:, index]
        if not rows.any():
            continue
        ours, theirs = (
            Sums(kind, sums.values[rows, index]) for sums in (found.forecast, found.baseline)
        )
        own = dict(zip(by, key, strict=True))
        threshold, size = own.get("threshold"), own.get("neighbourhood")
        lines.append(
            PairedLine(
                variable=str(own["variable"]),
                lead_hours=int(str(own["lead"])),
                score=name,
                cycles=int(rows.sum()),
                n=int(ours.total()["n"]),
                result=compare(name, ours, theirs, models),
                threshold=None if threshold is None else float(str(threshold)),
                neighbourhood=None if size is None else int(str(size)),
            )
        )
    return lines


def _shared(name: str, found: Grouped) -> NDArray[np.bool_]:
    """(cycle, group) where both have pairs; for anomalies, from the same climatology."""
    assert found.baseline is not None
    rows = found.forecast["n"] > 0
    if name in _OF_ANOMALIES:
        ours, theirs = found.forecast, found.baseline
        rows &= ours["an"] == theirs["an"]
        rows &= np.abs(ours["aoo"] - theirs["aoo"]) <= _SAME * ours["aoo"]
    return rows
