"""One self-contained HTML page: plots, the table of scores, events, and what the scores mean."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.errors import VerificationError
from met2net_ops.times import format_time
from met2net_ops.verification.query import Selection, grouped_sums
from met2net_ops.verification.scores import SCORES, Orientation, derive
from met2net_ops.verification.summary import ScoreLine, error_unit, summary, write_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from pathlib import Path

    import plotly.graph_objects as go

    from met2net_ops.verification.outcome import Outcome
    from met2net_ops.workspace import Workspace

# Okabe and Ito's palette: told apart by colour-blind readers too.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
_REFERENCE = "#767676"
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 1150px; padding: 0 1rem;
  color: #222; }
table { border-collapse: collapse; font-size: 13px; margin: 1rem 0; }
th, td { padding: 2px 10px; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; }
.note { color: #555; }
"""
_EVENT_SCORES = ("base_rate", "frequency_bias", "pod", "far", "csi", "ets")


def write_report(
    path: Path,
    workspace: Workspace,
    selections: Sequence[Selection],
    outcomes: Sequence[Outcome],
    now: datetime,
) -> None:
    """Write the page; it needs no network and no other file.

    Args:
        path: the HTML file.
        workspace: where the sums lie.
        selections: one per truth.
        outcomes: what the verification that precedes the report found.
        now: shown as the time of writing.

    Raises:
        VerificationError: there is nothing to report, or the file cannot be written.
    """
    from plotly.offline import get_plotlyjs

    sections = []
    for selection in selections:
        lines = summary(workspace, selection)
        if lines:
            sections.append(_section(workspace, selection, lines))
    if not sections:
        raise VerificationError("no verified forecasts match; there is nothing to report")
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>Verification</title><style>{_STYLE}</style>"
        f"<script>{get_plotlyjs()}</script></head><body>"
        f"<h1>Verification</h1><p class=note>Written {format_time(now)}.</p>"
        f"{''.join(sections)}{_coverage(outcomes)}{_meaning()}</body></html>"
    )
    write_text(path, page)


def _section(workspace: Workspace, selection: Selection, lines: list[ScoreLine]) -> str:
    truth = "analyses" if selection.truth == "analysis" else "stations"
    figure = score_figure(lines)
    body = figure.to_html(full_html=False, include_plotlyjs=False)
    reasons = dict.fromkeys(line.no_interval for line in lines if line.no_interval)
    notes = "".join(f"<p class=note>No 95 % intervals: {escape(why)}.</p>" for why in reasons)
    return (
        f"<h2>Against {truth}</h2>{body}{notes}{_score_table(lines)}"
        f"{_event_table(workspace, selection)}"
    )


def score_figure(lines: Sequence[ScoreLine]) -> go.Figure:
    """RMSE and skill against persistence by lead, a row per variable, a colour per model."""
    from plotly.subplots import make_subplots

    variables = list(dict.fromkeys(line.variable for line in lines))
    models = list(dict.fromkeys(line.model for line in lines))
    titles = [
        title
        for name in variables
        for title in (f"{name}: RMSE ({error_unit(name)[0]})", f"{name}: skill")
    ]
    figure = make_subplots(
        rows=len(variables), cols=2, subplot_titles=titles, shared_xaxes=True,
        vertical_spacing=0.25 / max(len(variables), 1),
    )  # fmt: skip
    for row, name in enumerate(variables, start=1):
        scale = error_unit(name)[1]
        for index, model in enumerate(models):
            chosen = [x for x in lines if (x.variable, x.model) == (name, model)]
            colour = _COLOURS[index % len(_COLOURS)]
            leads = [line.lead_hours for line in chosen]
            shown = row == 1
            rmse = [line.rmse * scale for line in chosen]
            low = [line.rmse_low * scale for line in chosen]
            high = [line.rmse_high * scale for line in chosen]
            for trace in _band(leads, low, high, colour):
                figure.add_trace(trace, row=row, col=1)
            figure.add_trace(_line(leads, rmse, model, colour, legend=shown), row=row, col=1)
            persistence = [line.rmse_persistence * scale for line in chosen]
            if index == 0:
                figure.add_trace(
                    _line(leads, persistence, "persistence", _REFERENCE, "dot", legend=shown),
                    row=row, col=1,
                )  # fmt: skip
            for trace in _band(
                leads, [x.skill_low for x in chosen], [x.skill_high for x in chosen], colour
            ):
                figure.add_trace(trace, row=row, col=2)
            for field, dash, label in (
                ("skill_persistence", "solid", "persistence"),
                ("skill_persistence_24h", "dash", "24 h persistence"),
                ("skill_climatology", "dot", "climatology"),
            ):
                values = [getattr(line, field) for line in chosen]
                if np.isfinite(values).any():
                    name_shown = f"{model} over {label}"
                    trace = _line(leads, values, name_shown, colour, dash, legend=shown)
                    figure.add_trace(trace, row=row, col=2)
        figure.add_hline(y=0, line={"color": _REFERENCE, "width": 1}, row=row, col=2)
    # Far below zero a skill says no more than "worse"; the table has the numbers.
    figure.update_yaxes(range=[-1.0, 1.05], col=2)
    figure.update_xaxes(title_text="lead (h)", row=len(variables))
    figure.update_layout(
        height=240 * len(variables) + 120, template="plotly_white", margin={"t": 40},
        legend={"orientation": "h", "y": -0.08}, hovermode="x unified",
    )  # fmt: skip
    return figure


def _line(
    leads: list[int],
    values: list[float],
    name: str,
    colour: str,
    dash: str = "solid",
    *,
    legend: bool,
) -> go.Scatter:
    import plotly.graph_objects as go

    return go.Scatter(
        x=leads, y=values, name=name, legendgroup=name, showlegend=legend, mode="lines",
        line={"color": colour, "dash": dash, "width": 2},
    )  # fmt: skip


def _band(
    leads: list[int], low: list[float], high: list[float], colour: str
) -> Iterable[go.Scatter]:
    import plotly.graph_objects as go

    if not np.isfinite(low).any():
        return
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    yield go.Scatter(
        x=[*leads, *reversed(leads)], y=[*high, *reversed(low)], fill="toself", mode="none",
        fillcolor=f"rgba({red}, {green}, {blue}, 0.18)", showlegend=False, hoverinfo="skip",
    )  # fmt: skip


def _score_table(lines: Sequence[ScoreLine]) -> str:
    headings = (
        "model", "variable", "lead", "RMSE", "95 %", "MAE", "bias", "ACC", "skill: persistence",
        "95 %", "24 h persistence", "climatology", "n", "cycles",
    )  # fmt: skip
    rows = []
    for line in lines:
        unit, scale = error_unit(line.variable)
        rows.append(
            (
                line.model, f"{line.variable} ({unit})", f"+{line.lead_hours} h",
                _number(line.rmse * scale),
                _span(line.rmse_low * scale, line.rmse_high * scale), _number(line.mae * scale),
                _number(line.bias * scale), _number(line.acc), _number(line.skill_persistence),
                _span(line.skill_low, line.skill_high), _number(line.skill_persistence_24h),
                _number(line.skill_climatology), str(line.n), str(line.cycles),
            )
        )  # fmt: skip
    return f"<details><summary>All {len(rows)} rows</summary>{_table(headings, rows)}</details>"


def _event_table(workspace: Workspace, selection: Selection) -> str:
    rows = []
    by = ("model", "variable", "threshold", "lead")
    found = grouped_sums(workspace, "contingency", by, selection)
    windows = grouped_sums(workspace, "fractions", (*by, "neighbourhood"), selection)
    sizes = sorted({int(str(key[4])) for key in windows.keys})
    skill: dict[tuple[object, ...], dict[int, float]] = {}
    if windows.keys:
        for key, value in zip(windows.keys, derive("fss", windows.forecast.total()), strict=True):
            skill.setdefault(key[:4], {})[int(str(key[4]))] = float(value)
    if not found.keys:
        return ""
    total = found.forecast.total()
    columns = [derive(name, total) for name in _EVENT_SCORES]
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
    return f"<details><summary>Events</summary>{_table(headings, rows)}</details>"


def _coverage(outcomes: Sequence[Outcome]) -> str:
    rows = [
        (
            outcome.model, format_time(outcome.cycle), outcome.truth, outcome.status,
            f"{outcome.matched} of {outcome.expected}", outcome.reason,
        )
        for outcome in outcomes
    ]  # fmt: skip
    headings = ("model", "cycle", "truth", "status", "variable x lead", "notes")
    table = _table(headings, rows)
    return f"<h2>Coverage</h2><details><summary>{len(rows)} comparisons</summary>{table}</details>"


def _meaning() -> str:
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
    return (
        "<h2>What the scores mean</h2><p class=note>f is the forecast, o the truth, c the "
        "climatology, e = f - o, ⟨x⟩ = Σw·x / Σw; w is the cell's area, or 1 for a station. "
        "Intervals: moving-block bootstrap over cycles.</p>"
        f"<details><summary>{len(rows)} scores</summary>{_table(headings, rows)}</details>"
    )


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _number(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.3f}"


def _span(low: float, high: float) -> str:
    return "" if np.isnan(low) else f"{low:.3f} to {high:.3f}"
