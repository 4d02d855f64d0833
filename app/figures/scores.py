"""Scores as figures: by lead with bands, and by hour, month or region with error bars."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from met2net_ops.app.theme import GREEN, GREY, ORANGE, PURPLE, SERIES, translucent
from met2net_ops.app.units import METRES_PER_SECOND_TO_KNOTS
from met2net_ops.variables import VARIABLES
from met2net_ops.verification.results.scores import Orientation
from met2net_ops.visible import in_figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from met2net_ops.app.data.scored import ScoreCurve
    from met2net_ops.app.units import Units
    from met2net_ops.verification.results.scores import Score

# Baselines look the same on every page, whichever of them there are.
_OF_BASELINES = {
    "persistence": (GREEN, "dash"),
    "24 h persistence": (PURPLE, "dashdot"),
    "climatology": (ORANGE, "dot"),
}
ALL_VISIBLE = {
    "selected": {"marker": {"opacity": 1}},
    "unselected": {"marker": {"opacity": 1}},
}


@dataclass(frozen=True, slots=True)
class Shown:
    """How a score of a variable is shown: shown = stored x scale.

    Attributes:
        title: with the unit, for axes and columns.
        unit: "" for a number without one.
        scale: from the stored unit.
        decimals: worth showing.
    """

    title: str
    unit: str
    scale: float
    decimals: int


def shown_as(row: Score, variable: str, units: Units) -> Shown:
    """The unit a reader wants a score in.

    >>> from met2net_ops.app.units import Units
    >>> from met2net_ops.verification.results.scores import score
    >>> shown_as(score("rmse"), "msl", Units()).title
    'Root mean square error, hPa'
    >>> shown_as(score("speed_bias"), "wind10", Units(wind="kt")).unit
    'kt'
    """
    match row.unit:
        case "native" if variable in VARIABLES:
            display = units.difference(VARIABLES[variable])
            unit, scale = display.units, display.scale
        case "m s-1" | "native":
            knots = units.wind == "kt"
            unit, scale = ("kt", METRES_PER_SECOND_TO_KNOTS) if knots else ("m/s", 1.0)
        case "degree":
            unit, scale = "°", 1.0
        case _:
            unit, scale = "", 1.0
    return Shown(f"{row.label}, {unit}" if unit else row.label, unit, scale, 2 if unit else 3)


def better(row: Score) -> str:
    """Which way a score gets better, in words.

    >>> from met2net_ops.verification.results.scores import score
    >>> better(score("rmse")), better(score("bias"))
    ('lower is better', 'best at 0')
    """
    if row.orientation is Orientation.TARGET:
        return "" if row.perfect is None else f"best at {row.perfect:g}"
    return f"{row.orientation.value} is better"


def explain(row: Score) -> str:
    """What a score is, from its row of the table; plain text for help."""
    ends = f"from {row.low:g} to {row.high:g}".replace("inf", "∞")
    perfect = "" if row.perfect is None else f", perfect at {row.perfect:g}"
    way = better(row)
    return (
        f"{row.label}: {row.formula}. {ends.capitalize()}{perfect}{'; ' if way else ''}{way}. "
        f"{row.reference}."
    )


def lead_figure(curves: Sequence[ScoreCurve], row: Score, shown: Shown) -> go.Figure:
    """A score by lead time, with 95 % bands."""
    figure = go.Figure()
    for index, curve in enumerate(curves):
        label = in_figure(curve.label)
        colour, dash = _look(curve, index)
        value, low, high = (part * shown.scale for part in (curve.value, curve.low, curve.high))
        leads = np.asarray(curve.keys, dtype=np.float32)
        drawn = np.isfinite(low) & np.isfinite(high)
        if drawn.any():
            figure.add_trace(
                go.Scatter(
                    x=np.concatenate([leads[drawn], leads[drawn][::-1]]),
                    y=np.concatenate([high[drawn], low[drawn][::-1]]),
                    fill="toself",
                    mode="none",
                    fillcolor=translucent(colour, 0.2),
                    legendgroup=curve.label,
                    showlegend=False,
                    hoverinfo="skip",
                )
            )
        figure.add_trace(
            go.Scatter(
                x=leads,
                y=value,
                mode="lines+markers",
                name=label,
                legendgroup=curve.label,
                line={"color": colour, "dash": dash, "width": 2},
                marker={"size": 6},
                customdata=_details(curve, shown),
                hovertemplate=f"{label}, +%{{x}} h: {_VALUE}<extra></extra>",
                **ALL_VISIBLE,
            )
        )
    figure.update_xaxes(title_text="lead time, h", dtick=_tick(curves))
    return _finished(figure, row, shown)


def group_figure(
    curves: Sequence[ScoreCurve], row: Score, shown: Shown, axis: str, names: Sequence[str]
) -> go.Figure:
    """A score by hour of day, month or region: points with 95 % intervals, side by side.

    Args:
        curves: all with the same groups, or with fewer of them.
        row: the score.
        shown: its unit.
        axis: title of the groups.
        names: of the groups, in order; curves hold their places as keys.
    """
    figure = go.Figure()
    for index, curve in enumerate(curves):
        label = in_figure(curve.label)
        colour, _ = _look(curve, index)
        value, low, high = (part * shown.scale for part in (curve.value, curve.low, curve.high))
        offset = (index - (len(curves) - 1) / 2) * 0.6 / max(len(curves), 1)
        figure.add_trace(
            go.Scatter(
                x=[names.index(str(key)) + offset for key in curve.keys],
                y=value,
                mode="markers",
                name=label,
                marker={"color": colour, "size": 9, "symbol": _SYMBOLS[index % len(_SYMBOLS)]},
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "array": np.where(np.isfinite(high), high - value, 0),
                    "arrayminus": np.where(np.isfinite(low), value - low, 0),
                    "color": colour,
                    "width": 3,
                },
                customdata=_details(curve, shown),
                hovertemplate=f"{label}, %{{customdata[0]}}: {_VALUE}<extra></extra>",
                **ALL_VISIBLE,
            )
        )
    every = -(-len(names) // 12)
    figure.update_xaxes(
        title_text=axis,
        tickmode="array",
        tickvals=list(range(0, len(names), every)),
        ticktext=list(names)[::every],
        range=[-0.6, len(names) - 0.4],
    )
    return _finished(figure, row, shown)


_SYMBOLS = ("circle", "square", "diamond", "triangle-up")
_VALUE = "%{customdata[1]}<br>n = %{customdata[2]}, %{customdata[3]} cycles"


def _look(curve: ScoreCurve, index: int) -> tuple[str, str]:
    named = _OF_BASELINES.get(curve.label.removeprefix("over "))
    return named if named is not None else (SERIES[index % len(SERIES)], "solid")


def _details(curve: ScoreCurve, shown: Shown) -> list[list[Any]]:
    """Per point: its group, the value with its interval, n, cycles."""
    rows = []
    for index, key in enumerate(curve.keys):
        numbers = [part[index] * shown.scale for part in (curve.value, curve.low, curve.high)]
        value, low, high = (f"{number:.{shown.decimals}f}" for number in numbers)
        span = f" ({low} to {high})" if np.isfinite(numbers[1]) else ""
        text = f"{value} {shown.unit}".strip() + span
        rows.append([str(key), text, int(curve.n[index]), int(curve.cycles[index])])
    return rows


def _tick(curves: Sequence[ScoreCurve]) -> int | None:
    last = max((int(str(curve.keys[-1])) for curve in curves if curve.keys), default=0)
    return next((step for step in (1, 3, 6, 12, 24) if last <= step * 8), 48)


def _finished(figure: go.Figure, row: Score, shown: Shown) -> go.Figure:
    way = better(row)
    figure.update_yaxes(
        title_text=f"{shown.title}<br>({way})" if way else shown.title,
        rangemode="tozero" if row.low == 0 else "normal",
    )
    if row.perfect is not None:
        figure.add_hline(y=row.perfect * shown.scale, line={"color": GREY, "width": 1})
    if row.baseline:
        figure.add_hline(y=0, line={"color": GREY, "width": 1, "dash": "dot"})
        # Far below zero a skill says no more than "worse"; the table has the numbers.
        lowest = min((np.nanmin(trace.y) for trace in figure.data if trace.name), default=0.0)
        figure.update_yaxes(range=[max(-1.0, min(0.0, float(lowest)) - 0.05), 1.05])
    figure.update_layout(
        height=440,
        margin={"t": 40, "b": 10, "l": 10, "r": 10},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        clickmode="event+select",
    )
    return figure
