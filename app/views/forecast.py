"""Forecasts as maps, compared with what came before and after, and at one place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from met2net_ops.app import caches
from met2net_ops.app.choices import choose, choose_one_of, number_of, show_address, switch
from met2net_ops.app.data.cuts import WHOLE, cut_out, region_names, regions_on
from met2net_ops.app.data.derived import inputs_of, with_derived
from met2net_ops.app.data.forecasts import LEAD_STEPS, every_with, frames_every
from met2net_ops.app.figures.projections import PROJECTIONS, possible, suited
from met2net_ops.app.map_link import is_narrow
from met2net_ops.app.notices import saw_newest
from met2net_ops.app.show import greet
from met2net_ops.app.text import plain, told
from met2net_ops.app.views.forecast_map import COMPARISONS, FITTED, FIXED, MapChoice, draw_map
from met2net_ops.app.views.meteogram import choose_place, draw_place
from met2net_ops.errors import ProductError
from met2net_ops.products.index import list_products
from met2net_ops.times import format_time
from met2net_ops.variables import variable

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from met2net_ops.app.context import PageContext
    from met2net_ops.products.header import ProductHeader
    from met2net_ops.products.index import ProductEntry
    from met2net_ops.verification.inputs.regions import Region

_WIDTH = 168  # pixels of a select box: two fit on a phone
_SCALES = {FIXED: "fixed", FITTED: "fitted to the map"}
_BY_DOMAIN = "auto"
_DAMAGED = "met2net damaged"  # in the session: product → why


def render(context: PageContext) -> None:
    """Draw the page."""
    entries = list_products(context.workspace.paths)
    if not entries:
        greet(
            "No forecast has been made here yet. These commands make one.",
            ["met2net-ops ingest", "met2net-ops forecast"],
        )
        return
    row = st.container(horizontal=True, vertical_alignment="bottom")
    newest_first = _choose_run(context, entries, row)
    entry = newest_first[0]
    try:
        _draw_run(context, entries, entry, row)
    except ProductError as error:
        if len(newest_first) == 1:
            raise
        st.session_state[_DAMAGED] = {**_damaged(), caches.stamp(entry.path): told(error)}
        st.rerun()


def _draw_run(
    context: PageContext, entries: list[ProductEntry], entry: ProductEntry, row: DeltaGenerator
) -> None:
    header = caches.header(caches.stamp(entry.path))
    name = _choose_variable(header, row)
    region = _choose_region(context, header, row)
    place = choose_place(context, header, row)
    choice = _choose_layers(entry, header, name, region, row)
    show_address()  # before the map is drawn, which then adds the lead the reader is at
    if place.place is None or is_narrow():
        draw_map(context, entries, choice, place)
        draw_place(context, entries, entry, header, place)
    else:
        left, right = st.columns([3, 2], gap="small")
        with left:
            draw_map(context, entries, choice, place)
        with right:
            draw_place(context, entries, entry, header, place)
    _downloads(choice)


def _damaged() -> dict[caches.Stamp, str]:
    """The products that could not be drawn in this session, and why."""
    found: dict[caches.Stamp, str] = st.session_state.get(_DAMAGED, {})
    return found


def _choose_run(
    context: PageContext, entries: list[ProductEntry], row: DeltaGenerator
) -> list[ProductEntry]:
    """The run to draw, and behind it those that may stand in for it should it be damaged.

    For the newest of a model, the newest good one does; any other is wanted for itself.
    """
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
    runs = list(cycles.values())
    if entry is not runs[0]:
        return [entry]
    saw_newest(entry)
    bad = [_damaged().get(caches.stamp(one.path)) for one in runs]
    good = [one for one, why in zip(runs, bad, strict=True) if why is None]
    if bad[0] is not None and good:
        st.warning(
            f"The newest forecast, {plain(format_time(entry.reference_time))}, cannot be used: "
            f"{bad[0]} The newest good one is shown: {plain(format_time(good[0].reference_time))}."
        )
    return good or runs[:1]


def _choose_variable(header: ProductHeader, row: DeltaGenerator) -> str:
    names = {name: variable(name).long_name for name in with_derived(header.variables)}
    usual = "t2m" if "t2m" in names else header.variables[0]
    return choose("Variable", names, key="variable", default=usual, place=row, width=_WIDTH)


def _choose_region(context: PageContext, header: ProductHeader, row: DeltaGenerator) -> Region:
    regions = regions_on(header.grid, context.settings.regions)
    titles = region_names(list(regions.values())) | {WHOLE: "Whole grid"}
    return regions[choose("Region", titles, key="region", place=row, width=_WIDTH)]


def _choose_layers(
    entry: ProductEntry, header: ProductHeader, name: str, region: Region, row: DeltaGenerator
) -> MapChoice:
    """What else is on the map, and how it is drawn: in a box that opens."""
    inside = row.popover("Layers", icon=":material/layers:")
    names = with_derived(header.variables)
    pressure = "msl" in names and switch(
        "Isobars", key="isobars", default=True, place=inside, folded=True
    )
    wind = {"u10", "v10"} <= set(names) and switch(
        "Wind barbs", key="arrows", place=inside, folded=True
    )
    stations = switch("Stations", key="stations", default=True, place=inside, folded=True)
    beside = choose("Beside it", COMPARISONS, key="beside", place=inside, folded=True)
    kinds = possible(region)
    titles = {_BY_DOMAIN: f"by domain: {PROJECTIONS[suited(region)]}"}
    titles |= {kind: PROJECTIONS[kind] for kind in kinds}
    kind = choose("Projection", titles, key="projection", place=inside, folded=True)
    scale = choose_one_of("Colours", _SCALES, key="scale", default=FIXED, place=inside, folded=True)
    lead = number_of("lead", 0, 10_000)
    cut = cut_out(header.grid, region, 1_000_000_000)
    points = 0 if cut is None else cut.shape[0] * cut.shape[1]
    maps = 1 if beside == next(iter(COMPARISONS)) else 2
    usual_every = frames_every(header.leads, points, maps, isobars=pressure, barbs=wind)
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
        place=inside,
        folded=True,
        help="Fewer frames leave room for more points: a figure stays below 3 MB.",
    )
    return MapChoice(
        entry=entry,
        header=header,
        name=name,
        region=region,
        kind=suited(region) if kind == _BY_DOMAIN else kind,
        beside=beside,
        every=int(every),
        isobars=pressure,
        wind=wind,
        stations=stations,
        scale=scale,
        lead=lead,
    )


def _downloads(choice: MapChoice) -> None:
    path, header = choice.entry.path, choice.header
    st.download_button(
        "Download the NetCDF",
        data=lambda: path.open("rb"),
        file_name=path.name,
        mime="application/x-netcdf",
        key="netcdf",
        on_click="ignore",  # a run of the page would remove the file that is being downloaded
    )
    remarks = "; ".join(header.findings) if header.findings else ""
    inputs = inputs_of(choice.name, header.variables)
    st.caption(
        plain(f"{choice.entry.model}, run {format_time(header.reference_time)}. ")
        + ("" if inputs == (choice.name,) else f"Made of {' and '.join(inputs)}. ")
        + (plain(f"The gate remarked: {remarks}. ") if remarks else "")
        + "Click the map or a station for a meteogram; the wheel zooms; arrow "
        "keys move the lead time when the map has the focus."
    )
