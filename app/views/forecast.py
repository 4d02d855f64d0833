"""Forecasts as maps, compared with what came before and after, and at one place."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from met2net_ops.app import caches
from met2net_ops.app.choices import choose, number_of, show_address, switch
from met2net_ops.app.context import utc_and_local
from met2net_ops.app.data.cuts import WHOLE, cut_out, region_names, regions_on
from met2net_ops.app.data.forecasts import (
    LEAD_STEPS,
    earlier_runs,
    every_with,
    frames_every,
    load_analyses,
    points_per_layer,
    summary_table,
)
from met2net_ops.app.figures import arrows, isobars
from met2net_ops.app.figures.maps import MapFrame, Overlays, Panel, map_figure
from met2net_ops.app.map_link import is_narrow, link_map
from met2net_ops.app.show import as_table, greet, plot
from met2net_ops.app.text import plain
from met2net_ops.app.units import shown
from met2net_ops.app.views.meteogram import Clicked, choose_place, draw_place
from met2net_ops.errors import ProductError
from met2net_ops.products.index import list_products
from met2net_ops.times import format_time
from met2net_ops.variables import variable
from met2net_ops.visible import in_figure

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from numpy.typing import NDArray
    from streamlit.delta_generator import DeltaGenerator

    from met2net_ops.app.context import PageContext
    from met2net_ops.app.data.forecasts import Field
    from met2net_ops.products.header import ProductHeader
    from met2net_ops.products.index import ProductEntry
    from met2net_ops.verification.inputs.regions import Region

CHART = "map"
ISOBAR_SPARSENESS = 2
ALONE, ANALYSIS, PREVIOUS, CHANGE = "alone", "analysis", "previous", "change"
_COMPARISONS = {
    ALONE: "nothing",
    ANALYSIS: "minus analysis",
    PREVIOUS: "the run before",
    CHANGE: "minus run before",
}


_WIDTH = 172  # pixels of a select box: two fit on a phone, six on a context


@dataclass(frozen=True)
class _Choice:
    """What the reader wants to see on the map."""

    entry: ProductEntry
    header: ProductHeader
    name: str
    region: Region
    beside: str
    every: int
    isobars: bool
    wind: bool
    lead: float | None  # hours, from a link

    @property
    def layers(self) -> float:
        """Fields per frame; isobars have a quarter of the points."""
        return (1 if self.beside == ALONE else 2) + self.isobars / ISOBAR_SPARSENESS**2

    @property
    def other_numbers(self) -> int:
        return self.wind * arrows.MOST_NUMBERS + self.isobars * isobars.MOST_NUMBERS

    @property
    def most(self) -> int:
        frames = max(1, self.header.leads // self.every)
        return points_per_layer(frames, self.layers, self.other_numbers)


def render(context: PageContext) -> None:
    """Draw the page."""
    entries = list_products(context.workspace.paths)
    if not entries:
        greet(
            "No forecast has been made here yet. These commands make one:",
            [
                f"met2net-ops ingest --workspace {context.workspace.root}",
                f"met2net-ops forecast --workspace {context.workspace.root}",
            ],
        )
        return
    choice, row = _choose(context, entries)
    place = choose_place(context, choice.header, row)
    show_address()  # before the map is drawn, which then adds the lead the reader is at
    _draw_map(context, entries, choice, place)
    _downloads(choice)
    draw_place(context, entries, choice.entry, choice.header, place)


def _choose(context: PageContext, entries: list[ProductEntry]) -> tuple[_Choice, DeltaGenerator]:
    """The choices, and the row below them, where there is room for one more."""
    row, overlays = _row(), _row()
    models = {entry.model: entry.model for entry in reversed(entries)}
    usual = context.settings.forecast.model
    model = choose("Model", models, key="model", default=usual, place=row, width=_WIDTH)
    cycles = {
        f"{entry.reference_time:%Y%m%d%H}": entry
        for entry in reversed(entries)
        if entry.model == model
    }
    labels = {code: f"{entry.reference_time:%Y-%m-%d %H} UTC" for code, entry in cycles.items()}
    entry = cycles[choose("Run", labels, key="cycle", place=row, width=_WIDTH, note_gone=True)]
    header = caches.header(caches.stamp(entry.path))
    names = {name: variable(name).long_name for name in header.variables}
    usual = "t2m" if "t2m" in names else header.variables[0]
    name = choose("Variable", names, key="variable", default=usual, place=row, width=_WIDTH)
    regions = regions_on(header.grid, context.settings.regions)
    titles = region_names(list(regions.values())) | {WHOLE: "Whole grid"}
    region = regions[choose("Region", titles, key="region", place=row, width=_WIDTH)]

    beside = choose("Beside it", _COMPARISONS, key="beside", place=row, width=_WIDTH)
    pressure = "msl" in names and switch("Isobars", key="isobars", default=True, place=overlays)
    wind = {"u10", "v10"} <= names.keys() and switch("Wind", key="arrows", place=overlays)
    lead = number_of("lead", 0, 10_000)
    choice = _Choice(entry, header, name, region, beside, 1, pressure, wind, lead)
    cut = cut_out(header.grid, region, 1_000_000_000)
    points = 0 if cut is None else cut.shape[0] * cut.shape[1]
    usual_every = frames_every(header.leads, points, choice.layers, choice.other_numbers)
    steps = {
        str(every): f"every {every * header.step_hours} h"
        for every in LEAD_STEPS
        if every == 1 or every <= header.leads
    }
    every = choose(
        "Time step",
        steps,
        key="every",
        default=str(every_with(lead, header.step_hours, usual_every)),
        place=row,
        width=_WIDTH,
        help="Fewer frames leave room for more points: a figure stays below 3 MB.",
    )
    return replace(choice, every=int(every)), overlays


def _row() -> DeltaGenerator:
    """As many widgets beside each other as there is room for."""
    return st.container(horizontal=True, vertical_alignment="bottom")


def _draw_map(
    context: PageContext, entries: list[ProductEntry], choice: _Choice, place: Clicked
) -> None:
    entry, row = choice.entry, variable(choice.name)
    known = caches.stamp(entry.path)
    field = caches.field(known, choice.name, choice.region, choice.most, choice.every)
    display, narrow = context.units.display(row), is_narrow()
    before = _run_before(entries, choice, field) if choice.beside in (PREVIOUS, CHANGE) else None
    panels, off = _panels(context, choice, field, None if before is None else before[1])
    hours = tuple(f"+{lead / timedelta(hours=1):g} h" for lead in field.lead_times)
    title = f"{row.long_name[0].upper()}{row.long_name[1:]}, {display.units}"
    times = tuple(
        f"<b>valid {utc_and_local(time, context.zone)}</b><br>"
        f"run {entry.reference_time:%Y-%m-%d %H:%M} UTC {hour}, {in_figure(entry.model)}"
        for hour, time in zip(hours, field.valid_times, strict=True)
    )
    cut = field.cut
    frame = MapFrame(cut.latitudes, cut.longitudes, cut.bounds, title, hours, times)
    identity = f"{known}{choice.name}{choice.region}{choice.beside}{choice.every}{display}{narrow}"
    identity += f"{choice.isobars}{choice.wind}{context.zone}"
    identity += "" if before is None else str(before[0])
    identity = hashlib.sha256(identity.encode()).hexdigest()[:16]
    off_by = [abs(lead / timedelta(hours=1) - (choice.lead or 0)) for lead in field.lead_times]
    first = off_by.index(min(off_by))

    def build() -> go.Figure:
        return map_figure(
            panels,
            frame,
            _overlays(choice, field, place),
            active=first,
            stacked=narrow,
            narrow=narrow,
            identity=identity,
        )

    # Analyses come in one by one; everything else is known by what the key says.
    others = (first, place.stations, [str(panel.remarks) for panel in panels], panels[-1].heading)
    figure = build() if off is not None else caches.figure(f"{identity}{others}", build)
    plot(
        figure,
        key=CHART,
        alt=f"Map of {row.long_name}, {choice.region.name.replace('-', ' ')}, run "
        f"{format_time(entry.reference_time)} of {entry.model}, {len(hours)} lead times up to "
        f"{hours[-1]}; {panels[-1].heading}. The table below has its lowest, mean and highest "
        "values.",
        table=None,
        file_name=f"{entry.path.stem}_{choice.name}",
    )
    link_map(CHART, identity, None if choice.lead is None else f"{choice.lead:g}", place.on_click)
    apart = None if off is None else (off, context.units.difference(row))
    as_table(summary_table(field, display, apart), key=CHART)


def _run_before(
    entries: list[ProductEntry], choice: _Choice, field: Field
) -> tuple[caches.Stamp, Field] | None:
    """The run before at this one's valid times; None where it cannot be shown, and a word why."""
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
        times = field.valid_times
        return known, caches.field_at(known, choice.name, choice.region, choice.most, times)
    except ProductError as error:
        st.info(plain(f"The run before, {called}, cannot be shown: {error}"))
        return None


def _panels(
    context: PageContext, choice: _Choice, field: Field, before: Field | None
) -> tuple[list[Panel], NDArray[np.float32] | None]:
    """The maps, and the difference to the analyses if it is shown, in stored units."""
    row = variable(choice.name)
    display = context.units.display(row)
    apart = context.units.difference(row)
    here = Panel("this run", shown(field.values, display), display)
    if choice.beside == ANALYSIS:
        analyses = load_analyses(context.workspace, field, choice.name)
        if analyses is None:
            st.info("The archive has no analyses of this variable on this grid.")
            return [here], None
        difference = _difference(field.values, analyses, circular=row.circular)
        heading = f"minus analysis, {apart.units}"
        remarks = _remarks(analyses, "no analysis yet")
        return [here, Panel(heading, shown(difference, apart), apart, remarks)], difference
    if before is None:
        return [here], None
    name = f"run {before.reference_time:%m-%d %H} UTC"
    remarks = _remarks(before.values, "does not reach that far")
    if choice.beside == PREVIOUS:
        return [here, Panel(name, shown(before.values, display), display, remarks)], None
    difference = _difference(field.values, before.values, circular=row.circular)
    heading = f"minus {name}, {apart.units}"
    return [here, Panel(heading, shown(difference, apart), apart, remarks)], None


def _difference(
    values: NDArray[np.float32], others: NDArray[np.float32], *, circular: bool
) -> NDArray[np.float32]:
    difference = values - others
    return (difference + 180) % 360 - 180 if circular else difference


def _remarks(values: NDArray[np.float32], text: str) -> tuple[str, ...]:
    return tuple("" if np.isfinite(of_lead).any() else text for of_lead in values)


def _overlays(choice: _Choice, field: Field, place: Clicked) -> Overlays:
    stamp = caches.stamp(choice.entry.path)

    def same_cut(name: str) -> NDArray[np.float32]:
        return caches.field(stamp, name, choice.region, choice.most, choice.every).values

    pressure = None
    step = ISOBAR_SPARSENESS if min(field.cut.shape) > 40 else 1
    if choice.isobars:
        pressure = same_cut("msl")[:, ::step, ::step] * np.float32(0.01)
    wind = (same_cut("u10"), same_cut("v10")) if choice.wind else None
    west, east, south, north = field.cut.bounds
    stations = tuple(
        (station.name, longitude, station.latitude)
        for station in place.stations
        if (longitude := west + (station.longitude - west) % 360.0) <= east
        and south <= station.latitude <= north
    )
    return Overlays(pressure, step, wind, stations)


def _downloads(choice: _Choice) -> None:
    path, cut = choice.entry.path, cut_out(choice.header.grid, choice.region, choice.most)
    st.download_button(
        "Download the NetCDF",
        data=lambda: path.open("rb"),
        file_name=path.name,
        mime="application/x-netcdf",
        key="netcdf",
        on_click="ignore",  # a run of the page would remove the file that is being downloaded
    )
    remarks = "; ".join(choice.header.findings) if choice.header.findings else ""
    st.caption(
        plain(f"{choice.entry.model}, run {format_time(choice.header.reference_time)}. ")
        + (
            f"Of {cut.step} rows and columns one is drawn; a smaller region shows more. "
            if cut is not None and cut.step > 1
            else ""
        )
        + (plain(f"The gate remarked: {remarks}. ") if remarks else "")
        + "Colours span a fixed range per variable. Click the map or a station for a meteogram; "
        "arrow keys move the lead time when the map has the focus."
    )
