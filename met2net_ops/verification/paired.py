"""Which of two models is better: paired differences on the cycles and pairs both have."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from met2net_ops.errors import VerificationError
from met2net_ops.verification.intervals import Comparison, compare
from met2net_ops.verification.query import Selection, grouped_sums
from met2net_ops.verification.scores import SCORES
from met2net_ops.verification.sums import Sums

if TYPE_CHECKING:
    from met2net_ops.workspace import Workspace


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
    """

    variable: str
    lead_hours: int
    score: str
    cycles: int
    n: int
    result: Comparison


def compare_models(
    workspace: Workspace, selection: Selection, first: str, second: str
) -> list[PairedLine]:
    """Compare the RMSE of two models, of the vector for winds, per variable and lead.

    Raises:
        VerificationError: they have no cycle, variable and lead in common.
    """
    lines: list[PairedLine] = []
    chosen = replace(selection, model=first)
    for name in ("rmse", "vector_rmse"):
        kind = SCORES[name].kind
        found = grouped_sums(workspace, kind, ("variable", "lead"), chosen, versus=second)
        assert found.baseline is not None
        for index, key in enumerate(found.keys):
            rows = found.forecast["n"][:, index] > 0
            ours, theirs = (
                Sums(kind, sums.values[rows, index]) for sums in (found.forecast, found.baseline)
            )
            result = compare(name, ours, theirs, (first, second))
            n = int(ours.total()["n"])
            lines.append(
                PairedLine(str(key[0]), int(str(key[1])), name, int(rows.sum()), n, result)
            )
    if not lines:
        raise VerificationError(
            f"{first} and {second} have no verified cycle, variable and lead in common against "
            f"{selection.truth}; `met2net-ops verify` verifies what is due"
        )
    return lines
