"""Scores as figures: the cells of a scorecard, and stations on a map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from met2net_ops.app.data.scored import VERDICTS
from met2net_ops.app.data.verified import variable_name
from met2net_ops.app.figures.coastlines import coastline
from met2net_ops.app.figures.scores import ALL_VISIBLE, Shown
from met2net_ops.app.theme import DIVERGING, GREY, INVISIBLE
from met2net_ops.variables import VARIABLES
from met2net_ops.verification.results.scores import Orientation
from met2net_ops.visible import in_figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from met2net_ops.app.data.scored import Cell
    from met2net_ops.verification.results.scores import Score

_BETTER = "RdBu"  # blue is better, red is worse: told apart with any colour vision
_NOT_SIGNIFICANT = "#c4c4c4"
_SIGNS = {VERDICTS[0]: "▲", VERDICTS[1]: "▼", VERDICTS[2]: ""}
_FULL_COLOUR = 50.0  # a gain from which on the colour stays the same


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
            **INVISIBLE,
        )
    )
    figure.update_xaxes(title_text="lead time, h", type="category", showgrid=False)
    figure.update_yaxes(type="category", automargin=True, showgrid=False)
    figure.update_layout(
        height=160 + 44 * len(variables), margin={"t": 10, "b": 10, "l": 10, "r": 10},
        dragmode=False, clickmode="event+select", hoverdistance=-1,
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
            text=[in_figure(name) for name in names],
            hovertemplate=(
                "%{text}: %{customdata[1]}<br>n = %{customdata[2]}<br>"
                "%{y:.2f}° N, %{x:.2f}° E<extra></extra>"
            ),
            showlegend=False,
            **ALL_VISIBLE,
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
        return -reach, reach, DIVERGING
    if row.orientation is Orientation.HIGHER:
        return (-1.0, 1.0, "RdBu") if row.low < 0 else (row.low, row.high, "Cividis")
    if row.orientation is Orientation.TARGET and row.perfect:
        return 0.0, 2 * row.perfect * shown.scale, DIVERGING
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
