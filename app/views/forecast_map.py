"""The map of the forecast page."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from met2net_ops.app import caches
from met2net_ops.app.context import utc_and_local
from met2net_ops.app.data.forecasts import (
    MOST_BARBS,
    MOST_NUMBERS,
    Shares,
    earlier_runs,
    load_analyses,
    shares,
    summary_table,
)
from met2net_ops.app.figures.basemap import north_at
from met2net_ops.app.figures.map_layout import MapLayout
from met2net_ops.app.figures.maps import MapFrame, Overlays, Panel, Pressure, Wind, map_figure
from met2net_ops.app.map_link import Linked, is_narrow, link_map
from met2net_ops.app.show import as_table, plot
from met2net_ops.app.text import plain, told
from met2net_ops.app.units import fitted, shown
from met2net_ops.app.views.map_view import lattice, look
from met2net_ops.errors import ProductError
from met2net_ops.times import format_time
from met2net_ops.variables import variable
from met2net_ops.visible import in_figure

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go
    from numpy.typing import NDArray

    from met2net_ops.app.context import PageContext
    from met2net_ops.app.data.forecasts import Field
    from met2net_ops.app.data.rasters import Raster
    from met2net_ops.app.views.map_view import Seen
    from met2net_ops.app.views.meteogram import Clicked
    from met2net_ops.products.header import ProductHeader
    from met2net_ops.products.index import ProductEntry
    from met2net_ops.variables import Display
    from met2net_ops.verification.inputs.regions import Region

    Values = NDArray[np.float32]

CHART = "map"
FIXED, FITTED = "fixed", "fitted"
ALONE, ANALYSIS, PREVIOUS, CHANGE = "alone", "analysis", "previous", "change"
COMPARISONS = {
    ALONE: "nothing",
    ANALYSIS: "minus analysis",
    PREVIOUS: "the run before",
    CHANGE: "minus run before",
}
_BARBS_NARROW = 70  # on a phone
_STATIONS_ACROSS = 34  # squares of a map's width, each with one station at most


@dataclass(frozen=True)
class MapChoice:
    """What the reader wants to see on the map.

    Attributes:
        entry: the product.
        header: its header.
        name: of the variable.
        region: box.
        kind: of projection.
        beside: one of `COMPARISONS`.
        every: every how many-th lead is drawn.
        isobars: whether they are.
        wind: whether barbs are.
        stations: whether they are.
        scale: `FIXED` per variable, or `FITTED` to what is drawn.
        lead: hours, from a link.
    """

    entry: ProductEntry
    header: ProductHeader
    name: str
    region: Region
    kind: str
    beside: str
    every: int
    isobars: bool
    wind: bool
    stations: bool
    scale: str
    lead: float | None

    @property
    def maps(self) -> int:
        """How many."""
        return 1 if self.beside == ALONE else 2

    @property
    def shares(self) -> Shares:
        """Of the figure's numbers."""
        frames = max(1, self.header.leads // self.every)
        return shares(frames, self.maps, isobars=self.isobars, barbs=self.wind)


@dataclass(frozen=True)
class _Shown:
    """A choice as it is drawn now.

    Attributes:
        choice: the reader's.
        known: the file.
        seen: the part of the map.
        field: of the variable.
        shape: where things are.
    """

    choice: MapChoice
    known: caches.Stamp
    seen: Seen
    field: Field[Raster]
    shape: MapLayout


def draw_map(
    context: PageContext, entries: list[ProductEntry], choice: MapChoice, place: Clicked
) -> None:
    """The map with its controls, and its numbers as a table."""
    narrow, known = is_narrow(), caches.stamp(choice.entry.path)
    row = variable(choice.name)
    shape = MapLayout(
        choice.maps, stacked=narrow, narrow=narrow, beside=place.place is not None and not narrow
    )
    display = context.units.display(row)
    rest = f"{known}{replace(choice, lead=None)}{display}{shape}{context.zone}{place.stations}"
    seen = look(choice.header.grid, choice.region, choice.kind, shape.aspect, rest)
    field = caches.raster(known, choice.name, seen.view, choice.shares.cells, choice.every)
    now = _Shown(choice, known, seen, field, shape)
    before = _run_before(entries, now) if choice.beside in (PREVIOUS, CHANGE) else None
    panels = _panels(context, now, None if before is None else before[1])
    hours = tuple(f"+{lead / timedelta(hours=1):g} h" for lead in field.lead_times)
    off_by = [abs(lead / timedelta(hours=1) - (choice.lead or 0)) for lead in field.lead_times]
    first = off_by.index(min(off_by))
    identity = f"{rest}{seen}" + ("" if before is None else str(before[0]))
    identity = hashlib.sha256(identity.encode()).hexdigest()[:16]

    def build() -> go.Figure:
        frame = _frame(context, now, hours, display)
        return map_figure(
            panels, frame, _overlays(now, place), shape, active=first, identity=identity
        )

    # Analyses come in one by one; everything else is known by what the key says.
    others = (first, [str(panel.remarks) for panel in panels], panels[-1].heading)
    analysed = choice.beside == ANALYSIS and len(panels) > 1
    plot(
        build() if analysed else caches.figure(f"{identity}{others}", build),
        key=CHART,
        alt=f"Map of {row.long_name}, {choice.region.name.replace('-', ' ')}, run "
        f"{format_time(choice.entry.reference_time)} of {choice.entry.model}, {len(hours)} lead "
        f"times up to {hours[-1]}; {panels[-1].heading}. The table below has its lowest, mean and "
        "highest values.",
        table=None,
        file_name=f"{choice.entry.path.stem}_{choice.name}",
        wheel=True,
    )
    lead = None if choice.lead is None else f"{choice.lead:g}"
    linked = Linked(
        CHART, identity, lead, seen.area, lattice(seen.view), format_time(field.reference_time)
    )
    link_map(linked, seen.view.projection, place.on_click)
    as_table(lambda: _table(context, choice), key=CHART)


def _frame(context: PageContext, now: _Shown, hours: tuple[str, ...], display: Display) -> MapFrame:
    row, entry, field = variable(now.choice.name), now.choice.entry, now.field
    times = tuple(
        f"<b>valid {utc_and_local(time, context.zone)}</b><br>"
        f"run {entry.reference_time:%Y-%m-%d %H:%M} UTC {hour}, {in_figure(entry.model)}"
        for hour, time in zip(hours, field.valid_times, strict=True)
    )
    title = f"{row.long_name[0].upper()}{row.long_name[1:]}, {display.units}"
    view, cut = now.seen.view, field.cut
    return MapFrame(view, now.seen.first, cut.x, cut.y, title, hours, times)


def _run_before(
    entries: list[ProductEntry], now: _Shown
) -> tuple[caches.Stamp, Field[Raster]] | None:
    """The run before at this one's valid times; None where it cannot be shown, and a word why."""
    choice, field = now.choice, now.field
    earlier = earlier_runs(entries, choice.entry, 1)
    if not earlier:
        st.info(plain(f"No earlier run of {choice.entry.model} is here."))
        return None
    called = format_time(earlier[0].reference_time)
    try:
        known = caches.stamp(earlier[0].path)
        if caches.header(known).grid != field.grid:
            st.info(f"The run before, {called}, has another grid.")
            return None
        cells, times = choice.shares.cells, field.valid_times
        return known, caches.raster_at(known, choice.name, now.seen.view, cells, times)
    except ProductError as error:
        st.info(f"The run before, {plain(called)}, cannot be shown: {told(error)}")
        return None


def _panels(context: PageContext, now: _Shown, before: Field[Raster] | None) -> list[Panel]:
    """The maps."""
    choice, field = now.choice, now.field
    row = variable(choice.name)
    display, apart = context.units.display(row), context.units.difference(row)
    drawn = shown(field.values, display)
    if choice.scale == FITTED:
        display = fitted(display, drawn)
    here = Panel("this run", drawn, display)
    if choice.beside == ANALYSIS:
        analyses = load_analyses(context.workspace, field, choice.name)
        if analyses is None:
            st.info("The archive has no analyses of this variable on this grid.")
            return [here]
        remarks = _remarks(analyses, "no analysis yet")
        return [here, _difference(now, analyses, apart, f"minus analysis, {apart.units}", remarks)]
    if before is None:
        return [here]
    name = f"run {before.reference_time:%m-%d %H} UTC"
    remarks = _remarks(before.values, "does not reach that far")
    if choice.beside == PREVIOUS:
        return [here, Panel(name, shown(before.values, display), display, remarks)]
    return [here, _difference(now, before.values, apart, f"minus {name}, {apart.units}", remarks)]


def _difference(
    now: _Shown, others: Values, display: Display, heading: str, remarks: tuple[str, ...]
) -> Panel:
    apart = shown(_apart(now.field.values, others, now.choice.name), display)
    if now.choice.scale == FITTED:
        display = fitted(display, apart)
    return Panel(heading, apart, display, remarks)


def _apart(values: Values, others: Values, name: str) -> Values:
    difference = values - others
    return (difference + 180) % 360 - 180 if variable(name).circular else difference


def _remarks(values: Values, text: str) -> tuple[str, ...]:
    return tuple("" if np.isfinite(of_lead).any() else text for of_lead in values)


def _overlays(now: _Shown, place: Clicked) -> Overlays:
    def layer(name: str, most: int) -> Field[Raster]:
        return caches.raster(now.known, name, now.seen.view, most, now.choice.every)

    pressure = wind = None
    if now.choice.isobars:
        found = layer("msl", now.choice.shares.pressures)
        pressure = Pressure(found.cut.x, found.cut.y, found.values * np.float32(0.01))
    if now.choice.wind:
        most = min(now.choice.shares.barbs, _BARBS_NARROW if now.shape.narrow else MOST_BARBS)
        wind = _wind(now, *(layer(name, most) for name in ("u10", "v10")))
    return Overlays(pressure, wind, _stations(now, place) if now.choice.stations else ())


def _wind(now: _Shown, east: Field[Raster], north: Field[Raster]) -> Wind:
    """Turned from the Earth's directions to those of the plane."""
    cut = east.cut
    x, y = np.meshgrid(cut.x, cut.y)
    turn = north_at(now.seen.view, cut.latitudes, cut.longitudes)
    right = east.values * np.cos(turn) - north.values * np.sin(turn)
    up = east.values * np.sin(turn) + north.values * np.cos(turn)
    leads = len(right)
    return Wind(
        x.ravel(), y.ravel(), cut.latitudes.ravel(), right.reshape(leads, -1),
        up.reshape(leads, -1), float(cut.x[1] - cut.x[0]),
    )  # fmt: skip


def _stations(now: _Shown, place: Clicked) -> tuple[tuple[str, float, float], ...]:
    """Those in view, so thinned out that they can be told apart."""
    if not place.stations:
        return ()
    x, y = now.seen.view.projection.forward(
        [station.latitude for station in place.stations],
        [station.longitude for station in place.stations],
    )
    extent, chosen = now.seen.view.extent, place.place and place.place.station
    side = now.seen.first.filling(now.shape.aspect).width / _STATIONS_ACROSS
    kept: dict[tuple[int, int], tuple[str, float, float]] = {}
    for station, at_x, at_y in zip(place.stations, x.tolist(), y.tolist(), strict=True):
        if extent.west <= at_x <= extent.east and extent.south <= at_y <= extent.north:
            square = int(at_x // side), int(at_y // side)
            if square not in kept or station == chosen:
                kept[square] = (station.name, at_x, at_y)
    return tuple(kept.values())


def _table(context: PageContext, choice: MapChoice) -> pd.DataFrame:
    """Lowest, mean and highest values of the region."""
    row, most = variable(choice.name), MOST_NUMBERS // max(1, choice.header.leads // choice.every)
    known = caches.stamp(choice.entry.path)
    field = caches.field(known, choice.name, choice.region, most, choice.every)
    apart: tuple[Any, Display] | None = None
    if choice.beside == ANALYSIS:
        analyses = load_analyses(context.workspace, field, choice.name)
        if analyses is not None:
            difference = _apart(field.values, analyses, choice.name)
            apart = difference, context.units.difference(row)
    return summary_table(field, context.units.display(row), apart)
