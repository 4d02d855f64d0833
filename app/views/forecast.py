"""Forecasts as maps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from met2net_ops.app.choices import choose
from met2net_ops.app.data.forecasts import ForecastField, load_field, summary_table
from met2net_ops.app.figures.maps import forecast_figure, thinning
from met2net_ops.app.show import greet, plot
from met2net_ops.products.index import list_products
from met2net_ops.products.read import read_header
from met2net_ops.times import format_time
from met2net_ops.variables import variable

if TYPE_CHECKING:
    from met2net_ops.app.desk import Desk


@st.cache_resource(max_entries=8, show_spinner=False)
def _field(path: str, modified_ns: int, name: str) -> ForecastField:
    """`modified_ns` is part of the key: a product made again is read again."""
    return load_field(Path(path), name)


def render(desk: Desk) -> None:
    """Draw the page."""
    entries = {
        f"{entry.model}_{entry.reference_time:%Y%m%d%H}": entry
        for entry in reversed(list_products(desk.workspace))
    }
    if not entries:
        greet(
            "No forecast has been made here yet. These commands make one:",
            [
                f"met2net-ops ingest --workspace {desk.workspace.root}",
                f"met2net-ops forecast --workspace {desk.workspace.root}",
            ],
        )
        return
    labels = {
        code: f"{format_time(entry.reference_time)}  {entry.model}"
        for code, entry in entries.items()
    }
    entry = entries[choose("Forecast", labels, key="forecast")]
    header = read_header(entry.path)
    names = {name: variable(name).long_name for name in header.variables}
    name = choose("Variable", names, key="variable")
    field = _field(str(entry.path), entry.path.stat().st_mtime_ns, name)
    figure = forecast_figure(
        field.values, header.grid, header.reference_time, header.lead_times, variable(name)
    )
    step = thinning(*field.values.shape)
    alt = f"Map of {names[name]}, run {format_time(header.reference_time)} of {entry.model}"
    plot(figure, key="map", alt=alt, table=summary_table(field, name))
    st.caption(
        f"{entry.model}, run {format_time(header.reference_time)}, times in UTC. "
        + (f"Every {step}th row and column is drawn. " if step > 1 else "")
        + f"File: {entry.path}"
    )
