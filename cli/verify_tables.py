"""What `met2net-ops verify` prints: tables of scores and of two models compared."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from met2net_ops.cli.common import print_json, print_lines, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from met2net_ops.verification.outcome import VerificationOutcome
    from met2net_ops.verification.results.comparison import PairedLine
    from met2net_ops.verification.results.score_values import ScoreValue
    from met2net_ops.verification.results.summary import ScoreLine


def print_scores(
    outcomes: Sequence[VerificationOutcome], lines: Sequence[ScoreLine], *, quiet: bool
) -> None:
    """Tables of scores, and what was done with every product."""
    from met2net_ops.times import format_time

    for model, truth in dict.fromkeys((line.model, line.truth) for line in lines):
        chosen = [line for line in lines if (line.model, line.truth) == (model, truth)]
        _print_score_lines(f"{model} against {truth}", chosen)
    if quiet:
        return
    for truth, status in product(("analysis", "stations"), _STATUS):
        having = [o for o in outcomes if (o.truth, o.status) == (truth, status)]
        if having:
            new = sum(outcome.computed for outcome in having)
            print_lines(f"{truth}: {len(having)} cycles {status}, {new} of them computed now")
        for outcome in having[-3:]:
            if status != "failed" and outcome.reason:
                cycle = format_time(outcome.cycle)
                print_lines(f"  {outcome.model} {cycle}: {outcome.reason}")
    if not outcomes:
        print_lines("No published forecasts match; `met2net-ops forecast` makes one.")


_STATUS = ("final", "partial", "pending", "failed")
_HEADINGS = (
    "", "variable", "lead", "RMSE", "95 %", "MAE", "bias", "ACC", "vs persistence", "95 % ",
    "vs 24 h persistence", "vs climatology", "CRPS", "spread/skill", "n", "cycles",
)  # fmt: skip


def _print_score_lines(title: str, lines: Sequence[ScoreLine]) -> None:
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
        print_lines(f"No 95 % intervals: {why}.")
    if "vs climatology" not in headings:
        print_lines("No ACC and no skill against climatology: the archive is too short for one.")


def _row(line: ScoreLine) -> list[str]:
    from met2net_ops.verification.results.summary import error_unit

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


def print_values(values: Sequence[ScoreValue]) -> None:
    """One table per score, model and truth."""
    from met2net_ops.verification.results.scores import SCORES
    from met2net_ops.verification.results.summary import error_unit

    for name, model, truth in dict.fromkeys((x.score, x.model, x.truth) for x in values):
        row = SCORES[name]
        chosen = [x for x in values if (x.score, x.model, x.truth) == (name, model, truth)]
        lines = []
        for x in chosen:
            unit, scale = error_unit(x.variable) if row.unit == "native" else (row.unit, 1.0)
            event = "" if x.threshold is None else f"≥ {x.threshold:g}"
            window = "" if x.neighbourhood is None else f"{x.neighbourhood} points"
            lines.append(
                [
                    x.group, x.variable, event, window, f"+{x.lead_hours} h",
                    _number(x.value * scale), "" if unit == "1" else unit,
                    _span(x.low * scale, x.high * scale), str(x.n), str(x.cycles),
                ]
            )  # fmt: skip
        headings = ("", "variable", "event", "window", "lead", name, "unit", "95 %", "n", "cycles")
        kept = [i for i in range(len(headings)) if any(line[i] not in ("", "-") for line in lines)]
        print_lines(f"{row.label} of {model} against {truth}")
        print_table(
            "",
            [headings[i] for i in kept],
            [[line[i] for i in kept] for line in lines],
            right=("lead", name, "95 %", "n", "cycles"),
        )
        for why in dict.fromkeys(x.no_interval for x in chosen if x.no_interval):
            print_lines(f"No 95 % intervals: {why}.")


def print_explanation(name: str, *, as_json: bool = False) -> None:
    """The rows of the table of scores: one of them, or with "all" every one."""
    from dataclasses import fields

    from met2net_ops.verification.results.scores import SCORES, score

    chosen = list(SCORES.values()) if name == "all" else [score(name)]
    if as_json:
        keys = [field.name for field in fields(chosen[0]) if field.name != "derive"]
        print_json([{key: getattr(row, key) for key in keys} for row in chosen])
        return
    for row in chosen:
        perfect = "" if row.perfect is None else f", perfect {row.perfect:g}"
        unit = {"native": "the variable's", "1": "none"}.get(row.unit, row.unit)
        print_lines(
            f"{row.name}: {row.label}",
            f"  {row.formula}",
            f"  {row.low:g} to {row.high:g}{perfect}; better: {row.orientation}; unit: {unit}",
            f"  {row.reference}",
        )


def print_paired(title: str, lines: Sequence[PairedLine]) -> None:
    """Two models on the pairs both have, a table per score; RMSE is the vector's for winds."""
    from met2net_ops.verification.results.comparison import USUAL
    from met2net_ops.verification.results.scores import SCORES, Orientation
    from met2net_ops.verification.results.summary import error_unit

    for name in dict.fromkeys("rmse" if line.score in USUAL else line.score for line in lines):
        row = SCORES[name]
        headings = (
            "variable", "event", "window", "lead", f"{row.label} difference", "95 %", "p", "n",
            "cycles", "verdict", "why",
        )  # fmt: skip
        rows = []
        for line in lines:
            if line.score != name and not (name == "rmse" and line.score in USUAL):
                continue
            result = line.result
            unit, scale = error_unit(line.variable) if row.unit == "native" else (row.unit, 1.0)
            rows.append(
                (
                    line.variable if unit == "1" else f"{line.variable} ({unit})",
                    "" if line.threshold is None else f"≥ {line.threshold:g}",
                    "" if line.neighbourhood is None else f"{line.neighbourhood} points",
                    f"+{line.lead_hours} h",
                    _number(result.difference * scale, sign=True),
                    _span(result.low * scale, result.high * scale),
                    _number(result.p_value),
                    str(line.n),
                    str(line.cycles),
                    result.verdict,
                    "" if result.verdict != "not significant" else result.why,
                )
            )
        kept = [i for i in range(len(headings)) if any(cells[i] for cells in rows)]
        print_table(
            title,
            [headings[i] for i in kept],
            [[cells[i] for i in kept] for cells in rows],
            right=[heading for heading in headings[3:9] if headings.index(heading) in kept],
        )
        if row.orientation is Orientation.TARGET and row.perfect is not None:
            print_lines(f"The difference is that of the distances from {row.perfect:g}, the best.")


def _number(value: float, *, sign: bool = False) -> str:
    if value != value:
        return "-"
    return f"{value:+.3f}" if sign else f"{value:.3f}"


def _span(low: float, high: float) -> str:
    return "-" if low != low else f"{low:.3f}…{high:.3f}"
