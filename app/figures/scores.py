"""Scores as figures: curves with bands, scorecards, and errors on a map of stations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from met2net_ops.app.data.scored import VERDICTS
from met2net_ops.app.data.verified import variable_name
from met2net_ops.app.figures.coastlines import coastline
from met2net_ops.app.theme import GREEN, GREY, ORANGE, PURPLE, SERIES, translucent
from met2net_ops.app.units import METRES_PER_SECOND_TO_KNOTS
from met2net_ops.variables import VARIABLES
from met2net_ops.verification.scores import Orientation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from met2net_ops.app.data.scored import Cell, Curve
    from met2net_ops.app.units import Units
    from met2net_ops.verification.scores import Score

# Baselines look the same on every page, whichever of them there are.
_OF_BASELINES = {
    "persistence": (GREEN, "dash"),
    "24 h persistence": (PURPLE, "dashdot"),
    "climatology": (ORANGE, "dot"),
}
_BETTER = "RdBu"  # blue is better, red is worse: told apart with any colour vision
_NOT_SIGNIFICANT = "#c4c4c4"
_SIGNS = {VERDICTS[0]: "▲", VERDICTS[1]: "▼", VERDICTS[2]: ""}
_FULL_COLOUR = 50.0  # a gain from which on the colour stays the same
_ALL_VISIBLE = {
    "selected": {"marker": {"opacity": 1}},
    "unselected": {"marker": {"opacity": 1}},
}
_HIDDEN = {"selected": {"marker": {"opacity": 0}}, "unselected": {"marker": {"opacity": 0}}}


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
    >>> from met2net_ops.verification.scores import score
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

    >>> from met2net_ops.verification.scores import score
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


def lead_figure(curves: Sequence[Curve], row: Score, shown: Shown) -> go.Figure:
    """A score by lead time, with 95 % bands."""
    figure = go.Figure()
    for index, curve in enumerate(curves):
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
                name=curve.label,
                legendgroup=curve.label,
                line={"color": colour, "dash": dash, "width": 2},
                marker={"size": 6},
                customdata=_details(curve, shown),
                hovertemplate=f"{curve.label}, +%{{x}} h: {_VALUE}<extra></extra>",
                **_ALL_VISIBLE,
            )
        )
    figure.update_xaxes(title_text="lead time, h", dtick=_tick(curves))
    return _finished(figure, row, shown)


def group_figure(
    curves: Sequence[Curve], row: Score, shown: Shown, axis: str, names: Sequence[str]
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
        colour, _ = _look(curve, index)
        value, low, high = (part * shown.scale for part in (curve.value, curve.low, curve.high))
        offset = (index - (len(curves) - 1) / 2) * 0.6 / max(len(curves), 1)
        figure.add_trace(
            go.Scatter(
                x=[names.index(str(key)) + offset for key in curve.keys],
                y=value,
                mode="markers",
                name=curve.label,
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
                hovertemplate=f"{curve.label}, %{{customdata[0]}}: {_VALUE}<extra></extra>",
                **_ALL_VISIBLE,
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


def scorecard_figure(cells: Sequence[Cell], row: Score) -> go.Figure:
    """The model against a reference: blue better, red worse, grey where nothing can be said.

    An invisible point lies on every cell, because cells of a heatmap do not tell of clicks; its
    `customdata` is variable and lead.
    """
    variables = list(dict.fromkeys(cell.variable for cell in cells))[::-1]
    leads = sorted({cell.lead for cell in cells})
    shape = (len(variables), len(leads))
    gain, grey = np.full(shape, np.nan), np.full(shape, np.nan)
    text = np.full(shape, "", dtype=object)
    for cell in cells:
        at = variables.index(cell.variable), leads.index(cell.lead)
        (grey if cell.verdict == VERDICTS[2] else gain)[at] = cell.gain
        text[at] = _signed(cell)
    x, y = [f"+{lead}" for lead in leads], [_short(name) for name in variables]
    figure = go.Figure()
    figure.add_trace(
        go.Heatmap(
            z=np.where(np.isnan(grey), np.nan, 0.0), x=x, y=y, showscale=False, xgap=2, ygap=2,
            colorscale=[[0, _NOT_SIGNIFICANT], [1, _NOT_SIGNIFICANT]], hoverinfo="skip",
            text=text, texttemplate="%{text}", textfont={"color": "#111111", "size": 11},
        )
    )  # fmt: skip
    unit = "%" if row.orientation is Orientation.LOWER else "x 0.01"
    figure.add_trace(
        go.Heatmap(
            z=gain, x=x, y=y, zmin=-_FULL_COLOUR, zmax=_FULL_COLOUR, colorscale=_BETTER, xgap=2,
            ygap=2, hoverinfo="skip", text=text, texttemplate="%{text}", textfont={"size": 11},
            colorbar={
                "orientation": "h", "y": -0.34, "yanchor": "top", "thickness": 10, "len": 0.8,
                "title": {"text": f"better by, {unit}", "side": "bottom"},
            },
        )
    )  # fmt: skip
    figure.add_trace(
        go.Scattergl(
            x=[f"+{cell.lead}" for cell in cells],
            y=[_short(cell.variable) for cell in cells],
            mode="markers",
            marker={"opacity": 0, "size": 24, "symbol": "square"},
            customdata=[[cell.variable, cell.lead, _verdict(cell, unit)] for cell in cells],
            hovertemplate="%{customdata[0]} +%{customdata[1]} h<br>%{customdata[2]}<extra></extra>",
            showlegend=False,
            **_HIDDEN,
        )
    )
    figure.update_xaxes(title_text="lead time, h", type="category", showgrid=False)
    figure.update_yaxes(type="category", automargin=True, showgrid=False)
    figure.update_layout(
        height=160 + 44 * len(variables), margin={"t": 10, "b": 10, "l": 10, "r": 10},
        dragmode=False, clickmode="event+select",
    )  # fmt: skip
    return figure


def station_figure(
    names: Sequence[str],
    latitude: NDArray[np.float64],
    longitude: NDArray[np.float64],
    value: NDArray[np.float64],
    n: NDArray[np.int64],
    row: Score,
    shown: Shown,
) -> go.Figure:
    """A score per station on a map with coastlines; `customdata` begins with the station."""
    east = np.where(longitude > 180, longitude - 360, longitude)
    west, right, south, north = _box(east, latitude)
    coast_x, coast_y = coastline(west, right, south, north)
    drawn = value * shown.scale
    low, high, palette = _range(drawn, row, shown)
    figure = go.Figure(
        go.Scatter(
            x=coast_x, y=coast_y, mode="lines", line={"color": GREY, "width": 1},
            hoverinfo="skip", showlegend=False,
        )
    )  # fmt: skip
    figure.add_trace(
        go.Scatter(
            x=east,
            y=latitude,
            mode="markers",
            marker={
                "color": drawn, "cmin": low, "cmax": high, "colorscale": palette, "size": 10,
                "line": {"color": GREY, "width": 1},
                "colorbar": {
                    "orientation": "h", "y": -0.14, "yanchor": "top", "thickness": 10, "len": 0.9,
                    "title": {"text": shown.title, "side": "bottom"},
                },
            },
            customdata=[
                [name, f"{number:.{shown.decimals}f} {shown.unit}".strip(), int(count)]
                for name, number, count in zip(names, drawn, n, strict=True)
            ],
            hovertemplate=(
                "%{customdata[0]}: %{customdata[1]}<br>n = %{customdata[2]}<br>"
                "%{y:.2f}° N, %{x:.2f}° E<extra></extra>"
            ),
            showlegend=False,
            **_ALL_VISIBLE,
        )
    )  # fmt: skip
    figure.update_xaxes(range=[west, right], constrain="domain", title_text="longitude, °E")
    figure.update_yaxes(
        range=[south, north], scaleanchor="x", constrain="domain", title_text="latitude, °N"
    )
    figure.update_layout(
        height=480, margin={"t": 10, "b": 10, "l": 10, "r": 10}, clickmode="event+select"
    )
    return figure


def _look(curve: Curve, index: int) -> tuple[str, str]:
    named = _OF_BASELINES.get(curve.label.removeprefix("over "))
    return named if named is not None else (SERIES[index % len(SERIES)], "solid")


def _details(curve: Curve, shown: Shown) -> list[list[Any]]:
    """Per point: its group, the value with its interval, n, cycles."""
    rows = []
    for index, key in enumerate(curve.keys):
        numbers = [part[index] * shown.scale for part in (curve.value, curve.low, curve.high)]
        value, low, high = (f"{number:.{shown.decimals}f}" for number in numbers)
        span = f" ({low} to {high})" if np.isfinite(numbers[1]) else ""
        text = f"{value} {shown.unit}".strip() + span
        rows.append([str(key), text, int(curve.n[index]), int(curve.cycles[index])])
    return rows


def _tick(curves: Sequence[Curve]) -> int | None:
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


def _signed(cell: Cell) -> str:
    if not np.isfinite(cell.gain):
        return ""
    return f"{_SIGNS[cell.verdict]}{abs(cell.gain):.0f}" if _SIGNS[cell.verdict] else (
        f"{cell.gain:+.0f}"
    )  # fmt: skip


def _verdict(cell: Cell, unit: str) -> str:
    size = "undefined" if not np.isfinite(cell.gain) else f"{cell.gain:+.1f} {unit}"
    return f"{cell.verdict} ({size})<br>{cell.why}<br>n = {cell.n}, {cell.cycles} cycles"


def _short(variable: str) -> str:
    """Rows are narrow: canonical names, which the page explains."""
    return variable if variable in VARIABLES else variable_name(variable).split()[0] + " m wind"


def _range(values: NDArray[np.float64], row: Score, shown: Shown) -> tuple[float, float, str]:
    """Limits and palette: around zero for what is best there, else from the better end on."""
    finite = values[np.isfinite(values)]
    reach = float(np.quantile(np.abs(finite), 0.98)) if len(finite) else 1.0
    reach = reach or 1.0
    if row.low < 0 and row.orientation is Orientation.TARGET:
        return -reach, reach, "RdBu_r"
    if row.orientation is Orientation.HIGHER:
        return (-1.0, 1.0, "RdBu") if row.low < 0 else (row.low, row.high, "Cividis")
    if row.orientation is Orientation.TARGET and row.perfect:
        return 0.0, 2 * row.perfect * shown.scale, "RdBu_r"
    return 0.0, reach, "Cividis"


def _box(
    longitude: NDArray[np.float64], latitude: NDArray[np.float64]
) -> tuple[float, float, float, float]:
    """West, east, south, north of the stations, with a margin."""
    if not len(longitude):
        return -180.0, 180.0, -90.0, 90.0
    margin = max(2.0, 0.05 * float(np.ptp(longitude)), 0.05 * float(np.ptp(latitude)))
    return (
        max(-180.0, float(longitude.min()) - margin), min(180.0, float(longitude.max()) + margin),
        max(-90.0, float(latitude.min()) - margin), min(90.0, float(latitude.max()) + margin),
    )  # fmt: skip
