"""Maps of forecasts: one figure whose frames are the lead times, so that moving keeps the zoom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from met2net_ops.app.figures.arrows import arrow_step, arrows
from met2net_ops.app.figures.coastlines import coastline
from met2net_ops.app.figures.isobars import INTERVAL, isobar_labels
from met2net_ops.app.text import in_figure
from met2net_ops.app.theme import COASTLINE, HALO, ISOBAR, ISOBAR_LABEL, STATION, WIND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from met2net_ops.variables import Display

    Fields = NDArray[Any]

_TOP, _TICKS, _BAR, _SLIDER = 84, 22, 52, 84  # pixels: title, tick labels, colour bars, slider
_WIDE, _NARROW = 1120, 350  # pixels a figure is expected to have, on a desk and on a phone
_GAP = 0.04  # of the figure, between two maps


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
    """One or two maps with a slider over lead times and a button to play them.

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
    shape = _Shape(len(panels), stacked and len(panels) > 1, narrow, frame.bounds)
    moving: list[list[dict[str, Any]]] = []  # per lead, the traces that change
    arrow_lines = _arrow_lines(overlays, frame)
    labels = _labels(overlays, frame, narrow=narrow)
    for lead in range(len(frame.hours)):
        traces: list[dict[str, Any]] = [
            {"type": "heatmap", "z": panel.values[lead]} for panel in panels
        ]
        if overlays.isobars is not None:
            traces.append({"type": "contour", "z": overlays.isobars[lead]})
            x, y, text = labels[lead]
            traces.append({"type": "scatter", "x": x, "y": y, "text": text})
        if arrow_lines is not None:
            x, y = arrow_lines
            traces.append({"type": "scatter", "x": x[lead], "y": y[lead]})
        moving.append(traces)
    places = list(range(len(moving[0])))
    frames = [
        {
            "name": hour,
            "data": traces,
            "traces": places,
            "layout": {
                "meta": identity,
                "annotations": shape.headings(panels, lead, times),
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
        annotations=shape.headings(panels, active, frame.times[active]),
        sliders=[_slider(frame.hours, active, shape)],
        updatemenus=[_buttons(shape)],
        margin=shape.margins,
        height=shape.height,
        showlegend=False,
        dragmode=False if narrow else "zoom",
        hovermode="closest",
        **shape.axes(),
    )
    return figure


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
    shape: _Shape,
) -> list[Any]:
    """Every trace with all its properties: those that move, in the frames' order, then the rest."""
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
        traces[at + 1] = go.Scatter(
            moving[at + 1],
            mode="text",
            textfont={"color": ISOBAR_LABEL, "size": 10, "shadow": HALO},
            hoverinfo="skip",
            name="hPa",
        )
        at += 2
    if overlays.wind is not None:
        traces[at] = go.Scatter(
            moving[at],
            mode="lines",
            line={"color": WIND, "width": 1.2},
            hoverinfo="skip",
            name="wind",
        )
    x, y = coastline(*frame.bounds)
    traces += [
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


@dataclass(frozen=True)
class _Shape:
    """Where things are in the figure, in pixels and in fractions of the plotting area."""

    count: int
    stacked: bool
    narrow: bool
    bounds: tuple[float, float, float, float]

    @property
    def _rows(self) -> int:
        return self.count if self.stacked else 1

    @property
    def _map_height(self) -> float:
        west, east, south, north = self.bounds
        across = (_NARROW if self.narrow else _WIDE) / (1 if self.stacked else self.count)
        return min(max(across * (north - south) / (east - west), 150.0), 560.0)

    @property
    def _plot_height(self) -> float:
        return self._rows * self._map_height + (self._rows - 1) * (_TICKS + _BAR + 30)

    @property
    def _heading(self) -> int:
        return 22 if self.count > 1 else 0

    @property
    def margins(self) -> dict[str, int]:
        top = _TOP + self._heading
        return {"t": top, "b": _TICKS + _BAR + _SLIDER, "l": 40, "r": 12}

    @property
    def height(self) -> int:
        return round(self._plot_height + self.margins["t"] + self.margins["b"])

    def _below(self, pixels: float) -> float:
        return -pixels / self._plot_height

    def _span(self, at: int) -> tuple[tuple[float, float], tuple[float, float]]:
        """Horizontal and vertical extent of a map, as fractions."""
        if self.count == 1:
            return (0.0, 1.0), (0.0, 1.0)
        if self.stacked:
            share = self._map_height / self._plot_height
            return (0.0, 1.0), ((1 - share, 1.0) if at == 0 else (0.0, share))
        half = (1 - _GAP) / 2
        return ((0.0, half) if at == 0 else (1 - half, 1.0)), (0.0, 1.0)

    def axes(self) -> dict[str, Any]:
        """Axes of all maps, moving together, with degrees as squares."""
        west, east, south, north = self.bounds
        found: dict[str, Any] = {}
        for at in range(self.count):
            number = "" if at == 0 else str(at + 1)
            across, up = self._span(at)
            shared = {
                "constrain": "domain",
                "ticksuffix": "°",
                "showgrid": False,
                "zeroline": False,
            }
            shared |= {"ticklabelposition": "outside", "ticks": "outside", "ticklen": 3}
            shared |= {"tickfont": {"size": 10}, "title": {"text": ""}, "automargin": False}
            found[f"xaxis{number}"] = {
                **shared,
                "domain": across,
                "range": [west, east],
                "anchor": f"y{number}",
                **({"matches": "x"} if at else {}),
            }
            found[f"yaxis{number}"] = {
                **shared,
                "domain": up,
                "range": [south, north],
                "anchor": f"x{number}",
                "constraintoward": "top",
                **({"matches": "y"} if at else {"scaleanchor": "x"}),
            }
        return found

    def colour_bar(self, at: int, units: str) -> dict[str, Any]:
        """Below its map."""
        (left, right), (bottom, _) = self._span(at)
        return {
            "orientation": "h",
            "ticksuffix": f" {units}",
            "showticksuffix": "last",
            "x": (left + right) / 2,
            "len": (right - left) * 0.9,
            "y": bottom + self._below(_TICKS + 2),
            "yanchor": "top",
            "ypad": 0,
            "thickness": 12,
        }

    def headings(self, panels: Sequence[Panel], lead: int, times: str) -> list[dict[str, Any]]:
        """The times of a lead; the name above each map and its remark, none above a single one."""
        above: dict[str, Any] = {
            "xref": "paper",
            "yref": "paper",
            "xanchor": "left",
            "yanchor": "bottom",
        }
        above |= {"showarrow": False, "align": "left"}
        small = {"size": 11 if self.narrow else 13}
        found: list[dict[str, Any]] = [
            {**above, "text": times, "x": 0, "y": 1, "font": small,
             "xshift": 4 - self.margins["l"], "yshift": 6 + self._heading}
        ]  # fmt: skip
        for at, panel in enumerate(panels):
            remark = panel.remarks[lead] if panel.remarks else ""
            text = ", ".join(part for part in (panel.heading, remark) if part)
            if self.count == 1 and not remark:
                continue
            (left, _), (_, top) = self._span(at)
            found.append({**above, "text": text, "x": left, "y": top, "font": small})
        return found

    def controls(self) -> tuple[float, float]:
        """Where the slider's top edge is, and the buttons': y in the plotting area."""
        return self._below(_TICKS + _BAR), self._below(_TICKS + _BAR + 26)


def _slider(hours: Sequence[str], active: int, shape: _Shape) -> dict[str, Any]:
    at_once = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}}
    at_once["transition"] = {"duration": 0}
    return {
        "active": active,
        "currentvalue": {"prefix": "lead time ", "font": {"size": 13}},
        "x": 0.36 if shape.narrow else 0.13,
        "len": 0.62 if shape.narrow else 0.87,
        "y": shape.controls()[0],
        "pad": {"t": 0, "b": 0},
        "ticklen": 4,
        "steps": [
            {"label": hour, "method": "animate", "args": [[hour], at_once]} for hour in hours
        ],
    }


def _buttons(shape: _Shape) -> dict[str, Any]:
    play: dict[str, Any] = {"frame": {"duration": 250, "redraw": True}, "fromcurrent": True}
    play["transition"] = {"duration": 0}
    stop = {"mode": "immediate", "frame": {"duration": 0, "redraw": False}}
    return {
        "type": "buttons",
        "direction": "left",
        "x": 0,
        "y": shape.controls()[1],
        "xanchor": "left",
        "yanchor": "top",
        "pad": {"t": 0, "r": 4},
        "showactive": False,
        "buttons": [
            {"label": "Play", "method": "animate", "args": [None, play]},
            {"label": "Pause", "method": "animate", "args": [[None], stop]},
        ],
    }
