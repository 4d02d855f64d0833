"""What `met2net-ops verify` prints: tables of scores and of two models compared."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import typer

from met2net_ops.cli.common import print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from met2net_ops.verification.outcome import Outcome
    from met2net_ops.verification.paired import PairedLine
    from met2net_ops.verification.summary import ScoreLine


def print_scores(outcomes: Sequence[Outcome], lines: Sequence[ScoreLine], *, quiet: bool) -> None:
    """Tables of scores, and what was done with every product."""
    from met2net_ops.times import format_time

    for model, truth in dict.fromkeys((line.model, line.truth) for line in lines):
        chosen = [line for line in lines if (line.model, line.truth) == (model, truth)]
        _print_lines(f"{model} against {truth}", chosen)
    if outcomes and not lines:
        typer.echo("No scores for this selection.")
    if quiet:
        return
    for truth, status in product(("analysis", "stations"), _STATUS):
        having = [o for o in outcomes if (o.truth, o.status) == (truth, status)]
        if having:
            new = sum(outcome.computed for outcome in having)
            typer.echo(f"{truth}: {len(having)} cycles {status}, {new} of them computed now")
        for outcome in having[-3:]:
            if status != "failed" and outcome.reason:
                cycle = format_time(outcome.cycle)
                typer.echo(f"  {outcome.model} {cycle}: {outcome.reason}")
    if not outcomes:
        typer.echo("No published forecasts match; `met2net-ops forecast` makes one.")


_STATUS = ("final", "partial", "pending", "failed")
_HEADINGS = (
    "", "variable", "lead", "RMSE", "95 %", "MAE", "bias", "ACC", "vs persistence", "95 % ",
    "vs 24 h persistence", "vs climatology", "CRPS", "spread/skill", "n", "cycles",
)  # fmt: skip


def _print_lines(title: str, lines: Sequence[ScoreLine]) -> None:
    """A table without the columns nothing is known for, and why it is not."""
    rows = [_row(line) for line in lines]
    kept = [i for i in range(len(_HEADINGS)) if any(row[i] not in ("", "-") for row in rows)]
    headings = [_HEADINGS[i] for i in kept]
    text = ("", "variable")
    print_table(
        title,
        headings,
        [[row[i] for i in kept] for row in rows],
        right=[heading for heading in headings if heading not in text],
    )
    for why in dict.fromkeys(line.no_interval for line in lines if line.no_interval):
        typer.echo(f"No 95 % intervals: {why}.")
    if "vs climatology" not in headings:
        typer.echo("No ACC and no skill against climatology: the archive is too short for one.")


def _row(line: ScoreLine) -> list[str]:
    from met2net_ops.verification.summary import error_unit

    unit, scale = error_unit(line.variable)
    return [
        line.group,
        f"{line.variable} ({unit})",
        f"+{line.lead_hours} h",
        _number(line.rmse * scale),
        _span(line.rmse_low * scale, line.rmse_high * scale),
        _number(line.mae * scale),
        _number(line.bias * scale, sign=True),
        _number(line.acc),
        _number(line.skill_persistence, sign=True),
        _span(line.skill_low, line.skill_high),
        _number(line.skill_persistence_24h, sign=True),
        _number(line.skill_climatology, sign=True),
        _number(line.crps * scale),
        _number(line.spread_skill),
        str(line.n),
        str(line.cycles),
    ]


def print_paired(title: str, lines: Sequence[PairedLine]) -> None:
    """Two models on the pairs both have."""
    from met2net_ops.verification.summary import error_unit

    rows = []
    for line in lines:
        (unit, scale), result = error_unit(line.variable), line.result
        rows.append(
            (
                f"{line.variable} ({unit})",
                f"+{line.lead_hours} h",
                _number(result.difference * scale, sign=True),
                _span(result.low * scale, result.high * scale),
                _number(result.p_value),
                str(line.n),
                result.verdict,
                "" if result.verdict != "not significant" else result.why,
            )
        )
    columns = ("variable", "lead", "RMSE difference", "95 %", "p", "n", "verdict", "why")
    print_table(title, columns, rows, right=columns[1:6])


def _number(value: float, *, sign: bool = False) -> str:
    if value != value:
        return "-"
    return f"{value:+.3f}" if sign else f"{value:.3f}"


def _span(low: float, high: float) -> str:
    return "-" if low != low else f"{low:.3f}…{high:.3f}"
