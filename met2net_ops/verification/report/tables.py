"""Tables of the report, as HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.times import format_time
from met2net_ops.verification.results.scores import SCORES, Orientation, derive
from met2net_ops.verification.results.summary import error_unit
from met2net_ops.visible import escape_html as escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from met2net_ops.verification.outcome import VerificationOutcome
    from met2net_ops.verification.results.comparison import PairedLine
    from met2net_ops.verification.results.query import Grouped
    from met2net_ops.verification.results.summary import ScoreLine

_EVENT_SCORES = ("base_rate", "frequency_bias", "pod", "far", "csi", "ets")
_USUAL_LEADS = (1, 3, 6, 12, 18, 24, 36, 48, 72, 96, 120, 144, 168, 192, 216, 240)
_MOST_LEADS = 8
_BETTER, _WORSE = "0, 114, 178", "213, 94, 0"  # of Okabe and Ito: told apart by everyone


def shown_leads(leads: Iterable[int]) -> list[int]:
    """At most eight of the leads there are, the usual ones first.

    >>> shown_leads(range(1, 49))
    [1, 3, 6, 12, 18, 24, 36, 48]
    """
    there = sorted(set(leads))
    chosen = [lead for lead in there if lead in _USUAL_LEADS] or there
    if len(chosen) > _MOST_LEADS:
        places = np.linspace(0, len(chosen) - 1, _MOST_LEADS).round().astype(int)
        chosen = [chosen[place] for place in places]
    return chosen


def scorecard(lines: Sequence[ScoreLine], columns: Sequence[str], column_of: str) -> str:
    """RMSE by variable and something else, coloured by skill against persistence.

    Args:
        lines: of one model.
        columns: what stands above, as `column_of` writes it.
        column_of: "lead" or "group".
    """
    rows = []
    for name in dict.fromkeys(line.variable for line in lines):
        unit, scale = error_unit(name)
        cells = {
            (f"+{x.lead_hours} h" if column_of == "lead" else x.group): x
            for x in lines
            if x.variable == name
        }
        row = "".join(_cell(cells.get(column), unit, scale) for column in columns)
        rows.append(f"<tr><th>{escape(name)} <span class=unit>{escape(unit)}</span></th>{row}</tr>")
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    return (
        f"<table class=card><thead><tr><th></th>{head}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _cell(line: ScoreLine | None, unit: str, scale: float) -> str:
    if line is None:
        return "<td class=none>-</td>"
    skill = line.skill_persistence
    shade = ""
    if np.isfinite(skill):
        strength = min(abs(skill), 1.0) * 0.55
        shade = f' style="background:rgba({_BETTER if skill > 0 else _WORSE}, {strength:.2f})"'
    said = f"RMSE {line.rmse * scale:.3f} {unit}, n = {line.n}, {line.cycles} cycles"
    if np.isfinite(line.rmse_low):
        said += f"; 95 %: {line.rmse_low * scale:.3f} to {line.rmse_high * scale:.3f}"
    if np.isfinite(skill):
        said += f"; skill against persistence {skill:+.2f}"
    small = "" if np.isnan(skill) else f"<small>{skill:+.2f}</small>"
    return f'<td{shade} title="{escape(said)}">{line.rmse * scale:.2f}{small}</td>'


def score_table(lines: Sequence[ScoreLine]) -> str:
    """Every line with everything in it; columns nothing is known for are left out."""
    headings = [
        "model", "variable", "lead", "RMSE", "95 %", "MAE", "bias", "ACC", "skill: persistence",
        "95 %", "24 h persistence", "climatology", "CRPS", "spread/skill", "n", "cycles",
    ]  # fmt: skip
    rows = []
    for line in lines:
        unit, scale = error_unit(line.variable)
        rows.append(
            [
                line.model, f"{line.variable} ({unit})", f"+{line.lead_hours} h",
                _number(line.rmse * scale),
                _span(line.rmse_low * scale, line.rmse_high * scale), _number(line.mae * scale),
                _number(line.bias * scale), _number(line.acc), _number(line.skill_persistence),
                _span(line.skill_low, line.skill_high), _number(line.skill_persistence_24h),
                _number(line.skill_climatology), _number(line.crps * scale),
                _number(line.spread_skill), str(line.n), str(line.cycles),
            ]
        )  # fmt: skip
    kept = [i for i in range(len(headings)) if any(row[i] for row in rows)]
    table = _table([headings[i] for i in kept], [[row[i] for i in kept] for row in rows])
    return _folded(f"All {len(rows)} rows", table)


def event_table(found: Grouped, windows: Grouped) -> str:
    """Scores of events by threshold and lead, "" where there are none.

    Args:
        found: contingency sums by model, variable, threshold and lead.
        windows: fractions sums by the same and neighbourhood.
    """
    if not found.keys:
        return ""
    sizes = sorted({int(str(key[4])) for key in windows.keys})
    skill: dict[tuple[object, ...], dict[int, float]] = {}
    if windows.keys:
        for key, value in zip(windows.keys, derive("fss", windows.forecast.total()), strict=True):
            skill.setdefault(key[:4], {})[int(str(key[4]))] = float(value)
    total = found.forecast.total()
    columns = [derive(name, total) for name in _EVENT_SCORES]
    rows = []
    for index, key in enumerate(found.keys):
        name = str(key[1])
        rows.append(
            (
                str(key[0]), f"{name} ≥ {key[2]:g}", f"+{key[3]} h",
                *(_number(float(column[index])) for column in columns),
                *(_number(skill.get(key, {}).get(size, np.nan)) for size in sizes),
                str(int(total["n"][index])),
            )
        )  # fmt: skip
    headings = (
        "model", "event", "lead", *(SCORES[name].label for name in _EVENT_SCORES),
        *(f"FSS, {size} points" for size in sizes), "n",
    )  # fmt: skip
    return _folded("Events", _table(headings, rows))


def paired_table(lines: Sequence[PairedLine], first: str, second: str) -> str:
    """Two models on the same pairs, at some leads."""
    leads = shown_leads(line.lead_hours for line in lines)
    rows = []
    for line in lines:
        if line.lead_hours not in leads:
            continue
        (unit, scale), result = error_unit(line.variable), line.result
        rows.append(
            (
                f"{line.variable} ({unit})", f"+{line.lead_hours} h",
                _number(result.difference * scale),
                _span(result.low * scale, result.high * scale), _number(result.p_value),
                str(line.cycles), str(line.n), result.verdict,
                result.why if result.verdict == "not significant" else "",
            )
        )  # fmt: skip
    headings = (
        "variable", "lead", "RMSE difference", "95 %", "p", "cycles", "n", "verdict", "why",
    )  # fmt: skip
    title = f"{escape(first)} less {escape(second)}"
    return f"<h3>{title}</h3>{_table(headings, rows, kind='rows paired')}"


def station_table(rows: Sequence[tuple[str, ...]], headings: Sequence[str]) -> str:
    """Rows of stations as they come."""
    return _table(headings, rows)


def coverage(outcomes: Sequence[VerificationOutcome]) -> str:
    """What became of every product, with the share of its variables and leads that had truth."""
    head = "".join(
        f"<th>{name}</th>" for name in ("model", "cycle", "truth", "status", "pairs", "notes")
    )
    body = "".join(
        f"<tr><td>{escape(o.model)}</td><td>{format_time(o.cycle)}</td><td>{o.truth}</td>"
        f"<td><span class='chip {o.status}'>{o.status}</span></td>"
        f"<td>{o.matched} of {o.expected}</td><td class=words>{escape(o.reason)}</td></tr>"
        for o in outcomes
    )
    table = f"<table class=rows><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return _folded(f"{len(outcomes)} comparisons", table)


def meaning() -> str:
    """The table of scores."""
    better = {Orientation.HIGHER: "higher", Orientation.LOWER: "lower", Orientation.TARGET: ""}
    rows = [
        (
            score.label, score.formula, f"{score.low:g} to {score.high:g}",
            "" if score.perfect is None else f"{score.perfect:g}", better[score.orientation],
            score.reference,
        )
        for score in SCORES.values()
    ]  # fmt: skip
    headings = ("score", "formula", "range", "perfect", "better", "reference")
    return _folded(f"{len(rows)} scores", _table(headings, rows, kind="rows words"))


def _folded(title: str, inside: str) -> str:
    return f"<details><summary>{title}</summary><div class=wide>{inside}</div></details>"


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, kind: str = "rows") -> str:
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f'<table class="{kind}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _number(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.3f}"


def _span(low: float, high: float) -> str:
    return "" if np.isnan(low) else f"{low:.3f} to {high:.3f}"
