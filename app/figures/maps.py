"""Maps of forecasts: one figure whose frames are the lead times, so that moving keeps the zoom."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from met2net_ops.app.figures.barbs import wind_barbs
from met2net_ops.app.figures.basemap import coasts, graticule
from met2net_ops.app.figures.isobars import BOLD, INTERVAL, isobar_labels, pressure_centres
from met2net_ops.app.theme import CASING, GRATICULE, HALO, LINE, STATION
from met2net_ops.visible import in_figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from met2net_ops.app.data.rasters import Extent, MapView
    from met2net_ops.app.figures.basemap import Graticule
    from met2net_ops.app.figures.map_layout import MapLayout
    from met2net_ops.variables import Display

    Fields = NDArray[Any]
    Floats = NDArray[np.float64]

_SHORTEST, _LONGEST = 880, 1100  # hPa between which isobars are drawn


@dataclass(frozen=True)
class Panel:
    """One map.

    Attributes:
        heading: what it shows, where there are several.
        values: (lead, row, column) in display units, south to north; NaN is left blank.
        display: units, colours and their range.
        remarks: per lead, such as why there is nothing; none by default.
    """

    heading: str
    values: Fields
    display: Display
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class MapFrame:
    """What all maps of a figure share.

    Attributes:
        view: the part of the plane that is drawn.
        seen: what the axes show of it at first.
        x: (column,) of the fields' points.
        y: (row,) of the fields' points, ascending.
        title: what is shown.
        hours: per lead, its name on the slider; "+6 h".
        times: per lead: valid when, from which run.
    """

    view: MapView
    seen: Extent
    x: Floats
    y: Floats
    title: str
    hours: tuple[str, ...]
    times: tuple[str, ...]


@dataclass(frozen=True)
class Pressure:
    """Mean sea level pressure for isobars.

    Attributes:
        x: (column,) on the plane.
        y: (row,) on the plane, ascending.
        values: (lead, row, column) hPa.
    """

    x: Floats
    y: Floats
    values: Fields


@dataclass(frozen=True)
class Wind:
    """Wind for barbs.

    Attributes:
        x: (barb,) on the plane.
        y: (barb,) on the plane.
        latitudes: (barb,) degrees north.
        right: (lead, barb) m/s towards the plane's positive x.
        up: (lead, barb) m/s towards its positive y.
        apart: distance between barbs on the plane.
    """

    x: Floats
    y: Floats
    latitudes: Floats
    right: Fields
    up: Fields
    apart: float


@dataclass(frozen=True)
class Overlays:
    """What is drawn over the first map.

    Attributes:
        isobars: pressure.
        wind: barbs.
        stations: (name, x, y) each.
    """

    isobars: Pressure | None = None
    wind: Wind | None = None
    stations: tuple[tuple[str, float, float], ...] = ()


@dataclass(frozen=True)
class _Trace:
    """A trace: what never changes, and per lead what does."""

    whole: dict[str, Any]
    leads: list[dict[str, Any]] = field(default_factory=list)


def map_figure(
    panels: Sequence[Panel],
    frame: MapFrame,
    overlays: Overlays,
    shape: MapLayout,
    *,
    active: int = 0,
    identity: str = "",
) -> go.Figure:
    """One or two maps with a slider over lead times.

    Args:
        panels: the maps, which share axes and slider.
        frame: where and when.
        overlays: over the first map.
        shape: where things are.
        active: the lead shown first.
        identity: names this figure, as `layout.meta`.
    """
    lines = graticule(frame.view, frame.seen.filling(shape.aspect))
    traces = _traces(panels, frame, overlays, shape, lines)
    moving = [at for at, trace in enumerate(traces) if trace.leads]
    frames = [
        {
            "name": hour,
            "data": [{"type": traces[at].whole["type"], **traces[at].leads[lead]} for at in moving],
            "traces": moving,
            "layout": {
                "meta": identity,
                "annotations": shape.headings(_names(panels, lead), times),
            },
        }
        for lead, (hour, times) in enumerate(zip(frame.hours, frame.times, strict=True))
    ]
    first = [{**trace.whole, **(trace.leads[active] if trace.leads else {})} for trace in traces]
    figure = go.Figure(data=first, frames=frames)
    figure.update_layout(
        title={
            "text": frame.title,
            "x": 0,
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "pad": {"t": 4, "l": 4},
            "font": {"size": 12 if shape.narrow else 14},
        },
        meta=identity,
        annotations=shape.headings(_names(panels, active), frame.times[active]),
        sliders=[shape.slider(frame.hours, active)],
        margin=shape.margins,
        height=shape.height,
        showlegend=False,
        dragmode=False if shape.narrow else "pan",
        hovermode="closest",
        hoverdistance=3,  # from the rim of a station, which is as wide again
        **shape.axes(frame.seen, lines),
    )
    return figure


def _names(panels: Sequence[Panel], lead: int) -> list[str]:
    """What stands above each map at a lead; a single one needs no name, but may have a remark."""
    remarks = [panel.remarks[lead] if panel.remarks else "" for panel in panels]
    if len(panels) == 1 and not remarks[0]:
        return [""]
    return [
        ", ".join(part for part in (panel.heading, remark) if part)
        for panel, remark in zip(panels, remarks, strict=True)
    ]


def _traces(
    panels: Sequence[Panel],
    frame: MapFrame,
    overlays: Overlays,
    shape: MapLayout,
    lines: Graticule,
) -> list[_Trace]:
    """All of them, the lowest first."""
    traces = [_field(panel, frame, shape, at) for at, panel in enumerate(panels)]
    if overlays.isobars is not None:
        traces += _isobars(overlays.isobars)
    coast = coasts(frame.view)
    for at in range(len(panels)):
        traces.append(_line("graticule", lines.line, GRATICULE, 0.7, at))
        traces.append(_line("coast casing", coast, CASING, 2.8, at))
        traces.append(_line("coast", coast, LINE, 1.1, at))
    if overlays.wind is not None:
        traces += _barbs(overlays.wind)
    if lines.inside:
        traces.append(_texts("degrees", lines.inside, LINE))
    if overlays.isobars is not None:
        traces.append(_pressures(overlays.isobars, narrow=shape.narrow))
    if overlays.stations:
        traces.append(_stations(overlays.stations))
    return traces


def _field(panel: Panel, frame: MapFrame, shape: MapLayout, at: int) -> _Trace:
    low, high = panel.display.colour_range
    whole = {
        "type": "heatmap",
        **_axes(at),
        "x": frame.x.astype("f4"),
        "y": frame.y.astype("f4"),
        "zmin": low,
        "zmax": high,
        "zsmooth": "fast",
        "colorscale": panel.display.palette,
        "colorbar": shape.colour_bar(at, panel.display),
        "name": panel.heading,
        "hoverinfo": "none",  # the page reads the value at the very point, see map_link.js
        "meta": {"units": panel.display.units, "decimals": panel.display.decimals},
    }
    return _Trace(whole, [{"z": values} for values in panel.values])


def _isobars(pressure: Pressure) -> list[_Trace]:
    """Thin lines on a light casing, and heavy ones."""
    styles = (
        ("isobars' casing", INTERVAL, CASING, 2.4),
        ("isobars", INTERVAL, LINE, 0.8),
        ("heavy isobars", BOLD, LINE, 2.0),
    )
    return [
        _Trace(
            {
                "type": "contour",
                "x": pressure.x.astype("f4"),
                "y": pressure.y.astype("f4"),
                "contours": {
                    "coloring": "none",
                    "start": _SHORTEST,
                    "end": _LONGEST,
                    "size": apart,
                },
                "line": {"color": colour, "width": width},
                "showscale": False,
                "hoverinfo": "skip",
                "name": name,
            },
            [{"z": values} for values in pressure.values],
        )
        for name, apart, colour, width in styles
    ]


def _barbs(wind: Wind) -> list[_Trace]:
    lines = [
        wind_barbs(wind.x, wind.y, right, up, wind.latitudes, wind.apart)
        for right, up in zip(wind.right, wind.up, strict=True)
    ]
    leads = [{"x": x, "y": y} for x, y in lines]
    casing, line = (
        _line(name, (np.zeros(0), np.zeros(0)), colour, width).whole
        for name, colour, width in (("wind casing", CASING, 3.0), ("wind", LINE, 1.2))
    )
    return [_Trace(casing, leads), _Trace(line, leads)]


def _pressures(pressure: Pressure, *, narrow: bool) -> _Trace:
    """Values of isobars, highs and lows."""
    leads = []
    labels = isobar_labels(pressure.values, pressure.x, pressure.y, narrow=narrow)
    for values, (x, y, texts) in zip(pressure.values, labels, strict=True):
        at_x, at_y, centres = pressure_centres(values, pressure.x, pressure.y)
        leads.append(
            {
                "x": np.concatenate([x, at_x]),
                "y": np.concatenate([y, at_y]),
                "text": [*texts, *centres],
            }
        )
    return _Trace(_texts("hPa", (), LINE).whole, leads)


def _stations(stations: Sequence[tuple[str, float, float]]) -> _Trace:
    names, x, y = zip(*stations, strict=True)
    return _Trace(
        {
            "type": "scatter",
            "x": x,
            "y": y,
            "customdata": names,
            "mode": "markers",
            "marker": {"size": 7, "color": STATION, "line": {"color": "white", "width": 1}},
            "text": [in_figure(name) for name in names],
            "hovertemplate": "station %{text}<extra></extra>",
            "name": "stations",
        }
    )


def _line(name: str, line: tuple[Fields, Fields], colour: str, width: float, at: int = 0) -> _Trace:
    return _Trace(
        {
            "type": "scatter",
            **_axes(at),
            "x": line[0],
            "y": line[1],
            "mode": "lines",
            "line": {"color": colour, "width": width},
            "hoverinfo": "skip",
            "name": name,
        }
    )


def _texts(name: str, texts: Sequence[tuple[float, float, str]], colour: str) -> _Trace:
    return _Trace(
        {
            "type": "scatter",
            "x": [one[0] for one in texts],
            "y": [one[1] for one in texts],
            "text": [one[2] for one in texts],
            "mode": "text",
            "textfont": {"color": colour, "size": 11, "shadow": HALO},
            "hoverinfo": "skip",
            "name": name,
        }
    )


def _axes(at: int) -> dict[str, str]:
    number = "" if at == 0 else str(at + 1)
    return {"xaxis": f"x{number}", "yaxis": f"y{number}"}
