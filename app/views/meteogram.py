"""The part of the forecast page about one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from met2net_ops.app import caches
from met2net_ops.app.choices import choose, number_of, set_choice, set_text, switch
from met2net_ops.app.data.forecasts import earlier_runs
from met2net_ops.app.data.places import covers, place_table, stations_on
from met2net_ops.app.figures.meteogram import MeteogramCurve, meteogram
from met2net_ops.app.map_link import Click, is_narrow
from met2net_ops.app.show import plot
from met2net_ops.app.text import plain, told
from met2net_ops.errors import ProductError
from met2net_ops.times import format_time
from met2net_ops.visible import in_figure

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from met2net_ops.app.context import PageContext
    from met2net_ops.app.data.stations import Observed, StationPlace
    from met2net_ops.products.header import ProductHeader
    from met2net_ops.products.index import ProductEntry

NOWHERE, POINT = "-", "point"
_WIDTH = 260  # pixels
_EARLIER = 4  # runs drawn below this one
_LARGE = 20_000_000  # values in a product from which on only one of them is


@dataclass(frozen=True)
class MeteogramPlace:
    """Where the meteogram is.

    Attributes:
        latitude: degrees north.
        longitude: degrees east, -180 to 180.
        station: the station there, if it is one.
    """

    latitude: float
    longitude: float
    station: StationPlace | None = None

    @property
    def title(self) -> str:
        """For people."""
        where = f"{abs(self.latitude):.2f}° {'N' if self.latitude >= 0 else 'S'}, "
        where += f"{abs(self.longitude):.2f}° {'E' if self.longitude >= 0 else 'W'}"
        if self.station is None:
            return where
        height = self.station.height
        return f"Station {self.station.name}, {where}" + (
            f", {height:.0f} m" if np.isfinite(height) else ""
        )


@dataclass(frozen=True)
class Clicked:
    """The place chosen, and what a click on the map does.

    Attributes:
        place: None while nothing is chosen.
        stations: that can be chosen.
        earlier: whether earlier runs are drawn as well.
    """

    place: MeteogramPlace | None
    stations: tuple[StationPlace, ...]
    earlier: bool = False

    def on_click(self, click: Click) -> None:
        """Choose where the map was clicked; runs before the page does."""
        if click.station in {station.name for station in self.stations}:
            set_choice("at", click.station)
            set_text("lat", None)
            set_text("lon", None)
        else:
            set_text("lat", f"{click.latitude:.3f}")
            set_text("lon", f"{click.longitude:.3f}")
            set_choice("at", POINT)


def choose_place(context: PageContext, header: ProductHeader, row: DeltaGenerator) -> Clicked:
    """The select box of stations, with the point clicked on as one of its entries, and a switch."""
    first, last = header.reference_time, header.valid_times[-1]
    stations = stations_on(header.grid, caches.stations(context.workspace.paths, first, last))
    latitude, longitude = number_of("lat", -90, 90), number_of("lon", -180, 360)
    options = {NOWHERE: "click the map or choose"}
    point = None
    if latitude is not None and longitude is not None:
        point = MeteogramPlace(latitude, (longitude + 180.0) % 360.0 - 180.0)
        options[POINT] = f"the point {point.title}"
    options |= {station.name: f"Station {station.name}" for station in stations}
    code = choose(
        "Meteogram", options, key="at", default=POINT if point else NOWHERE, place=row, width=_WIDTH
    )
    chosen = {station.name: station for station in stations}.get(code)
    place = point if code == POINT else None
    if chosen is not None:
        place = MeteogramPlace(chosen.latitude, chosen.longitude, chosen)
    if place is None:
        return Clicked(None, stations)
    earlier = switch("Earlier runs", key="earlier", default=True, place=row)
    return Clicked(place, stations, earlier)


def draw_place(
    context: PageContext,
    entries: list[ProductEntry],
    entry: ProductEntry,
    header: ProductHeader,
    clicked: Clicked,
) -> None:
    """The meteogram of the place chosen, with observations, analyses and earlier runs."""
    place = clicked.place
    if place is None:
        return
    if not covers(header.grid, place.latitude, place.longitude):
        st.info(plain(f"{place.title} lies outside the grid of {entry.model}."))
        return
    run = caches.place(caches.stamp(entry.path), place.latitude, place.longitude)
    large = header.leads * len(header.variables) * header.grid.nlat * header.grid.nlon > _LARGE
    earlier: list[tuple[str, MeteogramCurve]] = []
    if clicked.earlier:
        for other in earlier_runs(entries, entry, 1 if large else _EARLIER):
            try:
                found = caches.place(caches.stamp(other.path), place.latitude, place.longitude)
            except ProductError as error:
                st.info(f"An earlier run cannot be shown: {told(error)}")
                continue
            if found.times[-1] >= run.times[0]:
                label = f"run {other.reference_time:%m-%d %H} UTC"
                earlier.append((label, MeteogramCurve(found.times, found.values)))
    analyses = caches.analyses(context, header, place.latitude, place.longitude)
    observed: dict[str, Observed] = {}
    if place.station is not None:
        first, last = min(run.reference_time, *run.times), run.times[-1]
        observed = caches.reports(context.workspace.paths, place.station.name, first, last)
    title = (
        f"<b>{in_figure(place.title)}</b><br>"
        f"run {format_time(entry.reference_time)}, {in_figure(entry.model)}"
    )
    figure = meteogram(
        MeteogramCurve(run.times, run.values),
        earlier,
        MeteogramCurve(run.times, analyses),
        {
            name: MeteogramCurve(found.times, {name: found.values})
            for name, found in observed.items()
            if name in run.values
        },
        context.units,
        title=title,
        place=(place.latitude, place.longitude),
        narrow=is_narrow(),
    )
    table = place_table(run, analyses, observed, context.units)
    said = ["the forecast", *(["earlier runs"] if earlier else [])]
    said += ["analyses"] if analyses else []
    said += ["observations"] if observed else []
    plot(
        figure,
        key="meteogram",
        alt=f"Meteogram at {place.title}: {', '.join(said)} for {len(run.values)} variables.",
        table=table,
        file_name=f"{entry.path.stem}_{place.title}",
    )
    st.download_button(
        "Download the place as CSV",
        data=table.to_csv(index=False),
        file_name=f"{entry.path.stem}_{place.latitude:.2f}_{place.longitude:.2f}.csv",
        mime="text/csv",
        key="csv",
        on_click="ignore",
    )
