"""Maps of forecasts: one figure whose frames are the lead times, so that moving keeps the zoom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from met2net_ops.app.figures.arrows import arrow_step, arrows
from met2net_ops.app.figures.coastlines import coastline
from met2net_ops.app.figures.isobars import INTERVAL, isobar_labels
from met2net_ops.app.figures.map_layout import MapLayout
from met2net_ops.app.theme import COASTLINE, HALO, ISOBAR, ISOBAR_LABEL, STATION, WIND
from met2net_ops.visible import in_figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from met2net_ops.variables import Display

    Fields = NDArray[Any]


@dataclass(frozen=True)
class Panel:
    """One map.

    Attributes:
        heading: what it shows, where there are several.
        values: (lead, row, column) in display units; NaN is left blank.
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
        latitudes: (row,) degrees north, descending.
        longitudes: (column,) degrees, ascending.
        bounds: west, east, south, north.
        title: what is shown.
        hours: per lead, its name on the slider; "+6 h".
        times: per lead: valid when, from which run.
    """

    latitudes: NDArray[Any]
    longitudes: NDArray[Any]
    bounds: tuple[float, float, float, float]
    title: str
    hours: tuple[str, ...]
    times: tuple[str, ...]


@dataclass(frozen=True)
class Overlays:
    """What is drawn over the first map.

    Attributes:
        isobars: (lead, row, column) hPa, on every `isobar_step`-th row and column.
        isobar_step: pressure is smooth and needs fewer points than colours do.
        wind: eastward and northward, each (lead, row, column), m/s.
        stations: (name, longitude, latitude) each.
    """

    isobars: Fields | None = None
    isobar_step: int = 1
    wind: tuple[Fields, Fields] | None = None
    stations: tuple[tuple[str, float, float], ...] = ()


def map_figure(
    panels: Sequence[Panel],
    frame: MapFrame,
    overlays: Overlays,
    *,
    active: int = 0,
    stacked: bool = False,
    narrow: bool = False,
    identity: str = "",
) -> go.Figure:
    """One or two maps with a slider over lead times.

    Colours span the fixed range of the variables table, whatever the field, so that maps can be
    compared.

    Args:
        panels: the maps, which share axes and slider.
        frame: where and when.
        overlays: over the first map.
        active: the lead shown first.
        stacked: maps one above the other instead of side by side.
        narrow: for a phone.
        identity: names this figure, as `layout.meta`.
    """
    shape = MapLayout(len(panels), stacked and len(panels) > 1, narrow, frame.bounds)
    moving: list[list[dict[str, Any]]] = []  # per lead, the traces that change
    arrow_lines = _arrow_lines(overlays, frame)
    labels = _labels(overlays, frame, narrow=narrow)
    for lead in range(len(frame.hours)):
        traces: list[dict[str, Any]] = [
            {"type": "heatmap", "z": panel.values[lead]} for panel in panels
        ]
        if overlays.isobars is not None:
            traces.append({"type": "contour", "z": overlays.isobars[lead]})
        if arrow_lines is not None:
            x, y = arrow_lines
            traces.append({"type": "scatter", "x": x[lead], "y": y[lead]})
        if overlays.isobars is not None:
            x, y, text = labels[lead]
            traces.append({"type": "scatter", "x": x, "y": y, "text": text})
        moving.append(traces)
    below = len(moving[0]) - (overlays.isobars is not None)
    places = [*range(below), *range(below + len(panels), len(moving[0]) + len(panels))]
    frames = [
        {
            "name": hour,
            "data": traces,
            "traces": places,
            "layout": {
                "meta": identity,
                "annotations": shape.headings(_names(panels, lead), times),
            },
        }
        for lead, (hour, times, traces) in enumerate(
            zip(frame.hours, frame.times, moving, strict=True)
        )
    ]
    figure = go.Figure(data=_first(panels, frame, overlays, moving[active], shape), frames=frames)
    figure.update_layout(
        title={
            "text": frame.title,
            "x": 0,
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "pad": {"t": 14, "l": 4},
            "font": {"size": 12 if narrow else 14},
        },
        meta=identity,
        annotations=shape.headings(_names(panels, active), frame.times[active]),
        sliders=[shape.slider(frame.hours, active)],
        margin=shape.margins,
        height=shape.height,
        showlegend=False,
        dragmode=False if narrow else "zoom",
        hovermode="closest",
        **shape.axes(),
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


def _arrow_lines(overlays: Overlays, frame: MapFrame) -> tuple[Fields, Fields] | None:
    if overlays.wind is None:
        return None
    step = arrow_step(*overlays.wind[0].shape[1:])
    return arrows(*overlays.wind, frame.longitudes, frame.latitudes, step)


def _labels(
    overlays: Overlays, frame: MapFrame, *, narrow: bool
) -> list[tuple[Fields, Fields, list[str]]]:
    if overlays.isobars is None:
        return []
    step = overlays.isobar_step
    return isobar_labels(
        overlays.isobars, frame.longitudes[::step], frame.latitudes[::step], narrow=narrow
    )


def _first(
    panels: Sequence[Panel],
    frame: MapFrame,
    overlays: Overlays,
    moving: list[dict[str, Any]],
    shape: MapLayout,
) -> list[Any]:
    """Every trace with all its properties, the lowest first.

    Those that move are in the frames' order; the coasts lie below the values of isobars, the last
    of them.
    """
    axes = {"x": frame.longitudes.astype("f4"), "y": frame.latitudes.astype("f4")}
    traces: list[Any] = list(moving)
    for at, (panel, trace) in enumerate(zip(panels, moving, strict=False)):
        low, high = panel.display.colour_range
        units, decimals = panel.display.units, panel.display.decimals
        traces[at] = go.Heatmap(
            trace,
            xaxis=_axis("x", at),
            yaxis=_axis("y", at),
            **axes,
            zmin=low,
            zmax=high,
            zsmooth="fast",
            colorscale=panel.display.palette,
            colorbar=shape.colour_bar(at, units),
            name=panel.heading,
            hovertemplate=f"%{{z:.{decimals}f}} {units}<br>%{{y:.2f}}°, %{{x:.2f}}°<extra></extra>",
        )
    at = len(panels)
    if overlays.isobars is not None:
        traces[at] = go.Contour(
            moving[at],
            **{letter: along[:: overlays.isobar_step] for letter, along in axes.items()},
            contours={
                "coloring": "none",
                "start": 880,
                "end": 1080,
                "size": INTERVAL,
            },
            line={"color": ISOBAR, "width": 0.8},
            showscale=False,
            hoverinfo="skip",
            name="mean sea level pressure",
        )
        at += 1
    if overlays.wind is not None:
        traces[at] = go.Scatter(
            moving[at],
            mode="lines",
            line={"color": WIND, "width": 1.2},
            hoverinfo="skip",
            name="wind",
        )
        at += 1
    x, y = coastline(*frame.bounds)
    coasts = [
        go.Scatter(
            x=x,
            y=y,
            mode="lines",
            line={"color": COASTLINE, "width": 1.2},
            hoverinfo="skip",
            name="coast",
            xaxis=_axis("x", at),
            yaxis=_axis("y", at),
        )
        for at in range(len(panels))
    ]
    traces[at:at] = coasts
    if overlays.isobars is not None:
        traces[-1] = go.Scatter(
            moving[-1],
            mode="text",
            textfont={"color": ISOBAR_LABEL, "size": 10, "shadow": HALO},
            hoverinfo="skip",
            name="hPa",
        )
    if overlays.stations:
        names, longitudes, latitudes = zip(*overlays.stations, strict=True)
        traces.append(
            go.Scatter(
                x=longitudes,
                y=latitudes,
                customdata=names,
                mode="markers",
                marker={
                    "size": 7,
                    "color": STATION,
                    "line": {"color": "white", "width": 1},
                },
                text=[in_figure(name) for name in names],
                hovertemplate="station %{text}<extra></extra>",
                name="stations",
            )
        )
    return traces


def _axis(letter: str, at: int) -> str:
    return letter if at == 0 else f"{letter}{at + 1}"
