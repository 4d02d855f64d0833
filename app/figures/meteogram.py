"""Meteograms: everything a forecast says about one place, with what came before and after it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from met2net_ops.app.figures.barbs import barb
from met2net_ops.app.figures.daylight import nights
from met2net_ops.app.theme import BLUE, GREEN, GREY, VERMILION, translucent
from met2net_ops.app.units import shown
from met2net_ops.times import naive_utc
from met2net_ops.variables import variable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from met2net_ops.app.units import Units

_ROW = 118  # pixels per variable
_TOP, _TOP_NARROW, _BOTTOM = 100, 160, 44  # pixels around them
_COMPONENTS = ("u10", "v10")  # speed, direction and barbs say the same
_BEFORE = timedelta(hours=12)  # shown of earlier runs
_ROOM = timedelta(minutes=30)  # on either side of a single time
_BARB = 26  # pixels of a barb's staff
_BARBS, _BARBS_NARROW = 18, 9  # across, at most


@dataclass(frozen=True)
class MeteogramCurve:
    """Values of several variables over time, from one source.

    Attributes:
        times: valid times.
        values: variable → (time,), stored units.
    """

    times: tuple[datetime, ...]
    values: Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class _Source:
    """A curve, and how it looks."""

    label: str
    curve: MeteogramCurve
    colour: str
    width: float
    dot: float
    dash: str = "solid"
    symbol: str = "circle"
    dots: bool = False  # never a line


def meteogram(
    forecast: MeteogramCurve,
    earlier: Sequence[tuple[str, MeteogramCurve]],
    analyses: MeteogramCurve,
    observed: Mapping[str, MeteogramCurve],
    units: Units,
    *,
    title: str,
    place: tuple[float, float] | None = None,
    narrow: bool = False,
) -> go.Figure:
    """One row per variable of the forecast, on a common time axis in UTC.

    Components of the wind have no row where its speed has one, which bears barbs; nights are dark.

    Args:
        forecast: the run in question.
        earlier: name and curve of runs before it, newest first; the older, the fainter.
        analyses: what the archive has since.
        observed: variable → reports of a station.
        units: to show values in.
        title: of the place.
        place: degrees north and east, for nights and the side of barbs.
        narrow: for a phone.
    """
    rows = [variable(name) for name in _rows(forecast)]
    figure = make_subplots(
        rows=len(rows),
        cols=1,
        shared_xaxes=True,
        vertical_spacing=min(0.05, 26 / (_ROW * len(rows))),
        subplot_titles=[f"{row.long_name}, {units.display(row).units}" for row in rows],
    )
    said: set[str] = set()
    for at, row in enumerate(rows, start=1):
        display = units.display(row)
        for source in _sources(forecast, earlier, analyses, observed, row.name):
            if row.name not in source.curve.values:
                continue
            # A direction jumps from 360 to 0: points, never lines.
            trace = _trace(source, row.name, display, dots=row.circular or source.dots)
            trace.update(showlegend=source.label not in said)
            figure.add_trace(trace, row=at, col=1)
            said.add(source.label)
        if row.circular:
            figure.update_yaxes(range=[-15, 375], tickvals=[0, 90, 180, 270, 360], row=at, col=1)
    start = min(forecast.times) - _BEFORE if earlier else min(forecast.times)
    end = max(forecast.times)
    if start == end:
        start, end = start - _ROOM, end + _ROOM
    shapes = [] if place is None else _nights(place, start, end)
    names = [row.name for row in rows]
    if place is not None and "ws10" in names and {*_COMPONENTS} <= forecast.values.keys():
        at = names.index("ws10") + 1
        shapes += _barbs(forecast, place[0], at, _BARBS_NARROW if narrow else _BARBS)
        # Room for the barbs above the curves.
        figure.update_yaxes(autorangeoptions={"include": _raised(figure, at)}, row=at, col=1)
    _arrange(figure, title, len(rows), narrow=narrow)
    figure.update_layout(shapes=shapes)
    figure.update_xaxes(range=[naive_utc(start), naive_utc(end)], hoverformat="%a %d %H:%M UTC")
    figure.update_xaxes(title={"text": "UTC"}, row=len(rows), col=1)
    return figure


def _rows(forecast: MeteogramCurve) -> list[str]:
    spoken_for = _COMPONENTS if "ws10" in forecast.values else ()
    names = [name for name in forecast.values if name not in spoken_for]
    return sorted(names, key=lambda name: name in _COMPONENTS)


def _sources(
    forecast: MeteogramCurve,
    earlier: Sequence[tuple[str, MeteogramCurve]],
    analyses: MeteogramCurve,
    observed: Mapping[str, MeteogramCurve],
    name: str,
) -> list[_Source]:
    """Whose curves a row has, the lowest first."""
    found = [
        _Source(label, curve, translucent(GREY, max(0.3, 0.9 - 0.2 * age)), 1.5, 3)
        for age, (label, curve) in enumerate(earlier)
    ]
    found.append(_Source("analysis", analyses, GREEN, 2, 4, dash="dot"))
    found.append(_Source("forecast", forecast, BLUE, 2.5, 5))
    if name in observed:
        reports = observed[name]
        found.append(_Source("observed", reports, VERMILION, 1, 6, symbol="circle-open", dots=True))
    return found


def _trace(source: _Source, name: str, display: Any, *, dots: bool) -> go.Scatter:
    values = shown(source.curve.values[name], display)
    marker: dict[str, Any] = {"color": source.colour, "size": source.dot, "symbol": source.symbol}
    mode = "markers" if dots else "lines"
    if not dots and (alone := _alone(values)).any():
        mode = "lines+markers"
        marker["size"] = np.where(alone, 5, 0)
    return go.Scatter(
        x=[naive_utc(time) for time in source.curve.times],
        y=values,
        name=source.label,
        legendgroup=source.label,
        mode=mode,
        marker=marker,
        line={"color": source.colour, "width": source.width, "dash": source.dash},
        hovertemplate=f"%{{y:.{display.decimals}f}} {display.units}",
    )


def _nights(place: tuple[float, float], start: datetime, end: datetime) -> list[dict[str, Any]]:
    return [
        {
            "type": "rect",
            "xref": "x",
            "yref": "paper",
            "x0": str(sunset),
            "x1": str(sunrise),
            "y0": 0,
            "y1": 1,
            "fillcolor": translucent(GREY, 0.13),
            "line": {"width": 0},
            "layer": "below",
        }
        for sunset, sunrise in nights(*place, start, end)
    ]


def _barbs(forecast: MeteogramCurve, latitude: float, row: int, most: int) -> list[dict[str, Any]]:
    """Barbs of the forecast above the curves of a row, in pixels whatever the axes are."""
    axis = "" if row == 1 else str(row)
    step = -(-len(forecast.times) // most)
    found = []
    for time, east, north in zip(
        forecast.times[::step],
        forecast.values["u10"][::step],
        forecast.values["v10"][::step],
        strict=True,
    ):
        strokes = barb(float(east), float(north), latitude)
        path = "".join(
            "M" + "L".join(f"{_BARB * one.real:.1f},{_BARB * one.imag:.1f}" for one in stroke)
            for stroke in strokes
        )
        if path:
            found.append(
                {
                    "type": "path",
                    "path": path,
                    "xref": f"x{axis}",
                    "yref": f"y{axis} domain",
                    "xsizemode": "pixel",
                    "ysizemode": "pixel",
                    "xanchor": naive_utc(time).isoformat(),
                    "yanchor": 0.84,
                    "line": {"color": BLUE, "width": 1.3},
                }
            )
    return found


def _raised(figure: go.Figure, row: int) -> list[float]:
    """What an axis has to reach, so that the upper third of a row is free."""
    axis = "y" if row == 1 else f"y{row}"
    drawn = [np.asarray(one.y, dtype=float) for one in figure.data if (one.yaxis or "y") == axis]
    values = np.concatenate(drawn)
    if not np.isfinite(values).any():
        return []
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    return [high + max(0.6 * (high - low), 0.5)]


def _arrange(figure: go.Figure, title: str, rows: int, *, narrow: bool) -> None:
    top = _TOP_NARROW if narrow else _TOP
    height = _ROW * rows + top + _BOTTOM
    figure.update_layout(
        title={
            "text": title,
            "font": {"size": 12 if narrow else 14},
            "x": 0,
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "pad": {"l": 4, "t": 16},
        },
        height=height,
        hovermode="x unified",
        margin={"l": 48, "r": 12, "t": top, "b": _BOTTOM},
        legend={
            "orientation": "h",
            "y": 1 - 52 / height,
            "yref": "container",
            "yanchor": "top",
            "x": 0,
            "font": {"size": 11},
        },
    )
    figure.update_annotations(font={"size": 12}, x=0, xanchor="left")


def _alone(values: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which values have none before and none after them: a line does not show them."""
    there = np.concatenate([[False], np.isfinite(values), [False]])
    return np.asarray(there[1:-1] & ~there[:-2] & ~there[2:])
