"""Figures of the report: pure functions from score lines and sums to Plotly figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.verification.results.scores import derive
from met2net_ops.verification.results.summary import error_unit
from met2net_ops.visible import in_figure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import plotly.graph_objects as go

    from met2net_ops.verification.results.query import Grouped
    from met2net_ops.verification.results.summary import ScoreLine

    Values = Callable[[ScoreLine], float]

# Okabe and Ito's palette: told apart by colour-blind readers too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
_REFERENCE = "#8a8f98"
_BASELINES = (
    ("persistence", "dot", "rmse_persistence", "skill_persistence"),
    ("24 h persistence", "dash", "rmse_persistence_24h", "skill_persistence_24h"),
    ("climatology", "dashdot", "rmse_climatology", "skill_climatology"),
)
_HEIGHT = 250
_FONT = {"family": "system-ui, -apple-system, Segoe UI, sans-serif", "size": 12, "color": "#3b4252"}


def score_figure(lines: Sequence[ScoreLine]) -> go.Figure:
    """RMSE, skill, bias and, where there is a climatology, ACC by lead; a colour per model.

    Args:
        lines: of one variable and one truth.
    """
    from plotly.subplots import make_subplots

    unit, scale = error_unit(lines[0].variable)
    panels = [f"RMSE, {unit}", "Skill against a baseline", f"Bias, {unit}"]
    if any(np.isfinite(line.acc) for line in lines):
        panels.append("Anomaly correlation")
    figure = make_subplots(rows=1, cols=len(panels), subplot_titles=panels, horizontal_spacing=0.06)
    for index, model in enumerate(dict.fromkeys(line.model for line in lines)):
        chosen = [line for line in lines if line.model == model]
        colour = COLOURS[index % len(COLOURS)]

        def draw(column: int, values: Values, name: str, colour: str, dash: str, *, legend: bool,
                 chosen: Sequence[ScoreLine] = chosen) -> None:  # fmt: skip
            there = [values(line) for line in chosen]
            if np.isfinite(there).any():
                leads = [line.lead_hours for line in chosen]
                trace = _line(leads, there, name, colour, dash, legend=legend)
                figure.add_trace(trace, row=1, col=column)

        _bands(figure, chosen, colour, scale)
        draw(1, _of("rmse", scale), model, colour, "solid", legend=True)
        for name, dash, rmse, skill in _BASELINES:
            if index == 0:
                draw(1, _of(rmse, scale), name, _REFERENCE, dash, legend=True)
            draw(2, _of(skill), f"{model} over {name}", colour, dash, legend=False)
        draw(3, _of("bias", scale), model, colour, "solid", legend=False)
        draw(4, _of("acc"), model, colour, "solid", legend=False)
    skills = [line.skill_persistence for line in lines if np.isfinite(line.skill_persistence)]
    # Far below zero a skill says no more than "worse"; the table has the numbers.
    low = -0.1 if not skills or min(skills) > 0 else -1.0
    figure.update_yaxes(range=[low, 1.05], col=2)
    figure.update_yaxes(rangemode="tozero", col=1)
    for column in (2, 3):
        figure.add_hline(y=0, line={"color": _REFERENCE, "width": 1}, row=1, col=column)
    figure.update_xaxes(title_text="lead, h", title_standoff=6, dtick=_tick(lines))
    _dress(figure, _HEIGHT + 60)
    return figure


def _of(field: str, scale: float = 1.0) -> Values:
    return lambda line: float(getattr(line, field)) * scale


def _tick(lines: Sequence[ScoreLine]) -> int:
    """Hours between marks of the axis: days and parts of them."""
    longest = max(line.lead_hours for line in lines)
    return next((step for step in (1, 3, 6, 12, 24) if longest <= 8 * step), 48)


def _bands(figure: go.Figure, lines: Sequence[ScoreLine], colour: str, scale: float) -> None:
    leads = [line.lead_hours for line in lines]
    for column, low, high in (
        (1, [x.rmse_low * scale for x in lines], [x.rmse_high * scale for x in lines]),
        (2, [x.skill_low for x in lines], [x.skill_high for x in lines]),
    ):
        for trace in _band(leads, low, high, colour):
            figure.add_trace(trace, row=1, col=column)


def _band(
    leads: list[int], low: list[float], high: list[float], colour: str
) -> Iterator[go.Scatter]:
    import plotly.graph_objects as go

    if not np.isfinite(low).any():
        return
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    yield go.Scatter(
        x=[*leads, *reversed(leads)], y=[*high, *reversed(low)], fill="toself", mode="none",
        fillcolor=f"rgba({red}, {green}, {blue}, 0.18)", showlegend=False, hoverinfo="skip",
    )  # fmt: skip


def _line(
    x: Sequence[float],
    values: Sequence[float],
    name: str,
    colour: str,
    dash: str = "solid",
    *,
    legend: bool,
) -> go.Scatter:
    import plotly.graph_objects as go

    return go.Scatter(
        x=list(x), y=list(values), name=in_figure(name), legendgroup=name, showlegend=legend,
        mode="lines+markers" if len(x) < 3 else "lines",
        line={"color": colour, "dash": dash, "width": 2}, hovertemplate="%{y:.3g}",
    )  # fmt: skip


def hour_figure(found: Grouped, names: Sequence[str]) -> go.Figure:
    """Bias by hour of day, all leads together; a panel per variable.

    Args:
        found: sums by model, variable and hour.
        names: the variables to show.
    """
    from plotly.subplots import make_subplots

    titles = [f"{in_figure(name)}, {error_unit(name)[0]}" for name in names]
    figure = make_subplots(rows=1, cols=len(names), subplot_titles=titles, horizontal_spacing=0.06)
    total = found.forecast.total()
    models = list(dict.fromkeys(str(key[0]) for key in found.keys))
    for column, name in enumerate(names, start=1):
        scale = error_unit(name)[1]
        for index, model in enumerate(models):
            rows = [i for i, key in enumerate(found.keys) if key[:2] == (model, name)]
            hours = [int(str(found.keys[i][2])) for i in rows]
            values = (derive("bias", total)[rows] * scale).tolist()
            colour = COLOURS[index % len(COLOURS)]
            figure.add_trace(
                _line(hours, values, model, colour, legend=column == 1), row=1, col=column
            )
        figure.add_hline(y=0, line={"color": _REFERENCE, "width": 1}, row=1, col=column)
    figure.update_xaxes(title_text="hour, UTC", title_standoff=6, dtick=6, range=[-0.5, 23.5])
    _dress(figure, _HEIGHT + 60)
    return figure


def station_figure(
    longitude: Sequence[float], latitude: Sequence[float], bias: Sequence[float],
    labels: Sequence[str], unit: str,
) -> go.Figure:  # fmt: skip
    """Where stations stand, coloured by bias: blue too low, red too high."""
    import plotly.graph_objects as go

    span = max(float(np.quantile(np.abs(bias), 0.95)), 1e-6)
    figure = go.Figure(
        go.Scattergl(
            x=list(longitude), y=list(latitude), mode="markers",
            text=[in_figure(label) for label in labels],
            hovertemplate="%{text}<extra></extra>",
            marker={
                "color": list(bias), "colorscale": "RdBu", "reversescale": True, "cmin": -span,
                "cmax": span, "size": 9 if len(labels) < 300 else 6,
                "line": {"color": "#5b6270", "width": 0.6},
                "colorbar": {"title": {"text": unit}, "thickness": 12, "outlinewidth": 0},
            },
        )
    )  # fmt: skip
    figure.update_xaxes(title_text="longitude", ticksuffix="°", zeroline=False)
    figure.update_yaxes(
        title_text="latitude", ticksuffix="°", zeroline=False, scaleanchor="x", scaleratio=1
    )
    _dress(figure, 430)
    figure.update_layout(hovermode="closest")
    return figure


def _dress(figure: go.Figure, height: int) -> None:
    figure.update_layout(
        height=height, template="plotly_white", font=_FONT, hovermode="x unified",
        margin={"t": 34, "b": 10, "l": 44, "r": 14}, paper_bgcolor="rgba(0,0,0,0)",
        legend={"orientation": "h", "yanchor": "top", "y": -0.22, "x": 0},
    )  # fmt: skip
    figure.update_annotations(font_size=12.5)
    figure.update_xaxes(gridcolor="#e8ebf0", linecolor="#c3c9d3", showline=True)
    figure.update_yaxes(gridcolor="#e8ebf0", zeroline=False)
