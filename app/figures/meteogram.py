"""Meteograms: everything a forecast says about one place, with what came before and after it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from met2net_ops.app.theme import BLUE, GREEN, GREY, VERMILION, translucent
from met2net_ops.app.units import shown
from met2net_ops.times import naive_utc
from met2net_ops.variables import variable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from met2net_ops.app.units import Units

_ROW = 150  # pixels per variable
_COMPONENTS = ("u10", "v10")  # after speed and direction, which say the same
_BEFORE = timedelta(hours=12)  # shown of earlier runs
_ROOM = timedelta(minutes=30)  # on either side of a single time


@dataclass(frozen=True)
class MeteogramCurve:
    """Values of several variables over time, from one source.

    Attributes:
        times: valid times.
        values: variable → (time,), stored units.
    """

    times: tuple[datetime, ...]
    values: Mapping[str, NDArray[Any]]


def meteogram(
    forecast: MeteogramCurve,
    earlier: Sequence[tuple[str, MeteogramCurve]],
    analyses: MeteogramCurve,
    observed: Mapping[str, MeteogramCurve],
    units: Units,
    *,
    title: str,
    narrow: bool = False,
) -> go.Figure:
    """One row per variable of the forecast, on a common time axis in UTC.

    Args:
        forecast: the run in question.
        earlier: name and curve of runs before it, newest first.
        analyses: what the archive has since.
        observed: variable → reports of a station.
        units: to show values in.
        title: the place.
        narrow: for a phone.
    """
    names = sorted(forecast.values, key=lambda name: name in _COMPONENTS)
    rows = [variable(name) for name in names]
    figure = make_subplots(
        rows=len(names),
        cols=1,
        shared_xaxes=True,
        vertical_spacing=min(0.05, 28 / (_ROW * len(names))),
        subplot_titles=[f"{row.long_name}, {units.display(row).units}" for row in rows],
    )
    said: set[str] = set()
    for at, (name, row) in enumerate(zip(names, rows, strict=True), start=1):
        display = units.display(row)

        def draw(
            label: str,
            curve: MeteogramCurve,
            name: str = name,
            at: int = at,
            display: Any = display,
            **style: Any,
        ) -> None:
            if name not in curve.values:
                return
            values = shown(curve.values[name], display)
            if style["mode"] == "lines" and (alone := _alone(values)).any():
                style["mode"] = "lines+markers"
                style["marker"] = {**style["marker"], "size": np.where(alone, 5, 0)}
            figure.add_trace(
                go.Scatter(
                    x=[naive_utc(time) for time in curve.times],
                    y=values,
                    name=label,
                    legendgroup=label,
                    showlegend=label not in said,
                    hovertemplate=f"%{{y:.{display.decimals}f}} {display.units}",
                    **style,
                ),
                row=at,
                col=1,
            )
            said.add(label)

        # A direction jumps from 360 to 0: points, never lines.
        line_or_dots = "markers" if row.circular else "lines"
        for age, (label, curve) in enumerate(earlier):
            colour = translucent(GREY, max(0.3, 0.8 - 0.15 * age))
            draw(
                label,
                curve,
                mode=line_or_dots,
                line={"color": colour, "width": 1.5},
                marker={"color": colour, "size": 3},
            )
        draw(
            "analysis",
            analyses,
            mode=line_or_dots,
            line={"color": GREEN, "width": 2, "dash": "dot"},
            marker={"color": GREEN, "size": 4},
        )
        draw(
            "forecast",
            forecast,
            mode=line_or_dots,
            line={"color": BLUE, "width": 2.5},
            marker={"color": BLUE, "size": 5},
        )
        if name in observed:
            draw(
                "observed",
                observed[name],
                mode="markers",
                marker={"color": VERMILION, "size": 6, "symbol": "circle-open"},
            )
        if row.circular:
            figure.update_yaxes(range=[-15, 375], tickvals=[0, 90, 180, 270, 360], row=at, col=1)
    top = 200 if narrow else 120
    height = _ROW * len(names) + top + 50
    figure.update_layout(
        title={
            "text": title,
            "font": {"size": 12 if narrow else 14},
            "x": 0,
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "pad": {"l": 4, "t": 20},
        },
        height=height,
        hovermode="x unified",
        margin={"l": 48, "r": 12, "t": top, "b": 50},
        legend={
            "orientation": "h",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "x": 0,
            "font": {"size": 11},
        },
    )
    figure.update_layout(legend={"y": 1 - 60 / height})
    start = min(forecast.times) - _BEFORE if earlier else min(forecast.times)
    end = max(forecast.times)
    if start == end:
        start, end = start - _ROOM, end + _ROOM
    figure.update_xaxes(range=[naive_utc(start), naive_utc(end)])
    figure.update_annotations(font={"size": 12}, x=0, xanchor="left")
    figure.update_xaxes(hoverformat="%a %d %H:%M UTC")
    figure.update_xaxes(title={"text": "UTC"}, row=len(names), col=1)
    return figure


def _alone(values: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which values have none before and none after them: a line does not show them."""
    there = np.concatenate([[False], np.isfinite(values), [False]])
    return np.asarray(there[1:-1] & ~there[:-2] & ~there[2:])
