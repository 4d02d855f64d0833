"""Maps of forecasts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from met2net_ops.times import format_time

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from numpy.typing import NDArray

    from met2net_ops.grids import LatLonGrid
    from met2net_ops.variables import Variable

_MAX_VALUES = 750_000  # float32 values in one figure: 3 MB to the browser, before compression


def thinning(leads: int, rows: int, columns: int) -> int:
    """Every how many-th row and column to draw, so that the figure stays quick.

    >>> thinning(48, 32, 64), thinning(48, 721, 1440)
    (1, 9)
    """
    return max(1, math.ceil(math.sqrt(leads * rows * columns / _MAX_VALUES)))


def forecast_figure(
    values: NDArray[np.float32],
    grid: LatLonGrid,
    reference_time: datetime,
    lead_times: Sequence[timedelta],
    row: Variable,
) -> go.Figure:
    """A map of one variable with a slider over lead times.

    The leads are frames of one figure, so that moving the slider keeps the zoom. Colours span the
    fixed range of the variables table, whatever the field, so that maps can be compared.

    Args:
        values: (lead, latitude, longitude), canonical units.
        grid: where they are.
        reference_time: of the forecast.
        lead_times: one per lead.
        row: the variable.
    """
    step = thinning(*values.shape)
    shown = (values[:, ::step, ::step] * row.display.scale + row.display.offset).astype(np.float32)
    titles = [_title(row, reference_time, lead) for lead in lead_times]
    hours = [f"+{lead.total_seconds() / 3600:g} h" for lead in lead_times]
    low, high = row.display.colour_range
    first = go.Heatmap(
        z=shown[0],
        x=grid.longitudes[::step].astype(np.float32),
        y=grid.latitudes[::step].astype(np.float32),
        zmin=low,
        zmax=high,
        colorscale=row.display.palette,
        colorbar={"title": {"text": row.display.units}},
        hovertemplate=(
            f"%{{z:.{row.display.decimals}f}} {row.display.units}<br>"
            "%{y:.2f}° N, %{x:.2f}° E<extra></extra>"
        ),
    )
    frames = [
        go.Frame(name=hour, data=[go.Heatmap(z=field)], layout={"title": {"text": title}})
        for hour, title, field in zip(hours, titles, shown, strict=True)
    ]
    figure = go.Figure(data=[first], frames=frames)
    figure.update_layout(
        title={"text": titles[0]},
        xaxis={"title": {"text": "longitude, °E"}, "constrain": "domain"},
        yaxis={"title": {"text": "latitude, °N"}, "scaleanchor": "x", "constrain": "domain"},
        sliders=[_slider(hours)],
        updatemenus=[_buttons()],
        margin={"t": 60, "b": 20, "l": 60, "r": 20},
        height=560,
    )
    return figure


def _title(row: Variable, reference_time: datetime, lead: timedelta) -> str:
    hours = lead.total_seconds() / 3600
    return (
        f"{row.long_name}, valid {format_time(reference_time + lead)} "
        f"(run {format_time(reference_time)} +{hours:g} h)"
    )


def _slider(hours: Sequence[str]) -> dict[str, Any]:
    at_once = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}}
    return {
        "currentvalue": {"prefix": "lead time "},
        "x": 0.16,
        "len": 0.84,
        "pad": {"t": 40},
        "steps": [
            {"label": hour, "method": "animate", "args": [[hour], at_once]} for hour in hours
        ],
    }


def _buttons() -> dict[str, Any]:
    play = {"frame": {"duration": 300, "redraw": True}, "fromcurrent": True}
    stop = {"mode": "immediate", "frame": {"duration": 0, "redraw": False}}
    return {
        "type": "buttons",
        "direction": "left",
        "x": 0,
        "y": 0,
        "xanchor": "left",
        "yanchor": "top",
        "pad": {"t": 60},
        "buttons": [
            {"label": "Play", "method": "animate", "args": [None, play]},
            {"label": "Pause", "method": "animate", "args": [[None], stop]},
        ],
    }
