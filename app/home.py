"""The dashboard's page: forecasts as maps, and what the archive has.

Run by `met2net-ops dashboard`; the workspace comes from $MET2NET_WORKSPACE.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import streamlit as st

from met2net_ops.app.data import ForecastField, coverage_table, load_field, summary_table
from met2net_ops.app.figures import forecast_figure, thinning
from met2net_ops.errors import ArchiveError, Met2NetOpsError, ProductError
from met2net_ops.products.index import ProductEntry, list_products
from met2net_ops.settings import Settings, load_settings
from met2net_ops.times import format_time
from met2net_ops.variables import variable
from met2net_ops.workspace import Workspace, find_workspace

_PRODUCTS = "products"


@st.cache_data(max_entries=8, show_spinner=False)
def _field(path: str, modified_ns: int, name: str) -> ForecastField:
    """`modified_ns` is part of the key: a product made again is read again."""
    return load_field(Path(path), name)


def _greeting(workspace: Workspace) -> None:
    st.info("No forecast has been made here yet. These commands make one:")
    st.code(
        f"met2net-ops ingest --workspace {workspace.root}\n"
        f"met2net-ops forecast --workspace {workspace.root}",
        language="bash",
    )


def _forecasts(entries: list[ProductEntry]) -> None:
    newest_first = entries[::-1]
    labels = {
        f"{format_time(entry.reference_time)}  {entry.model}": entry for entry in newest_first
    }
    left, right = st.columns(2)
    entry = labels[left.selectbox("Forecast", list(labels))]
    try:
        _one_forecast(entry, right)
    except (ProductError, OSError) as error:
        st.error(str(error))


def _one_forecast(entry: ProductEntry, place: st.delta_generator.DeltaGenerator) -> None:
    from met2net_ops.products.read import read_header

    header = read_header(entry.path)
    name = place.selectbox(
        "Variable", header.variables, format_func=lambda name: variable(name).long_name
    )
    field = _field(str(entry.path), entry.path.stat().st_mtime_ns, name)
    st.plotly_chart(
        forecast_figure(
            field.values, header.grid, header.reference_time, header.lead_times, variable(name)
        ),
        key=_PRODUCTS,
    )
    step = thinning(*field.values.shape)
    st.caption(
        f"{entry.model}, run {format_time(header.reference_time)}, times in UTC. "
        + (f"Every {step}th row and column is drawn. " if step > 1 else "")
        + f"File: {entry.path}"
    )
    with st.expander("The same as a table"):
        st.dataframe(summary_table(field, name), hide_index=True)


def _archive(workspace: Workspace, settings: Settings) -> None:
    st.subheader("Archive")
    try:
        table = coverage_table(workspace, settings, datetime.now(UTC))
    except ArchiveError as error:
        st.info(str(error))
        return
    if table is None:
        st.info("The archive has no frames yet.")
        return
    st.caption("The newest frames, day and hour in UTC: ✓ archived, ~ late, ✗ missing.")
    st.dataframe(table)


def _page() -> None:
    st.set_page_config(page_title="met2net-ops", layout="wide")
    st.title("met2net-ops")
    try:
        workspace = find_workspace(None)
        settings = load_settings(workspace)
    except Met2NetOpsError as error:
        st.error(str(error))
        return
    entries = list_products(workspace)
    if entries:
        _forecasts(entries)
    else:
        _greeting(workspace)
    _archive(workspace, settings)


_page()
