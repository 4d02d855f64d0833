"""What pages read again and again, kept by path, modification time and size, within limits.

Streamlit hashes arrays by a sample, so no array is ever part of a key. What is kept is shared by
all readers and must not be changed.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go
import streamlit as st

from met2net_ops.app.data.forecasts import Field, at_valid_times, load_field, load_raster
from met2net_ops.app.data.places import RunAtPlace, analyses_at_place, run_at_place
from met2net_ops.app.data.stations import Observed, StationPlace, list_stations, station_reports
from met2net_ops.errors import ProductError
from met2net_ops.observations.loading import report_files
from met2net_ops.paths import WorkspacePaths
from met2net_ops.products.read import read_header

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray

    from met2net_ops.app.context import PageContext
    from met2net_ops.app.data.cuts import Cut
    from met2net_ops.app.data.rasters import MapView, Raster
    from met2net_ops.products.header import ProductHeader
    from met2net_ops.verification.inputs.regions import Region

Stamp = tuple[str, int, int]  # path, modification time in ns, size


def stamp(path: Path) -> Stamp:
    """What a file is known by: made again, it is another one.

    Raises:
        ProductError: it is gone.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise ProductError(
            f"{path} cannot be read: {error.strerror}. It may just have been removed; choose "
            "another forecast."
        ) from error
    return str(path), status.st_mtime_ns, status.st_size


@st.cache_resource(max_entries=256, show_spinner=False)
def header(of: Stamp) -> ProductHeader:
    """See `read_header`."""
    return read_header(Path(of[0]))


@st.cache_resource(max_entries=4, show_spinner="Reading the forecast …")
def field(of: Stamp, name: str, region: Region, most: int, every: int) -> Field[Cut]:
    """See `load_field`; at most 2 MB each."""
    return load_field(Path(of[0]), name, region, most, every)


@st.cache_resource(max_entries=24, show_spinner="Reading the forecast …")
def raster(of: Stamp, name: str, view: MapView, most: int, every: int) -> Field[Raster]:
    """See `load_raster`; at most 2 MB each."""
    return load_raster(Path(of[0]), name, view, most, every)


@st.cache_resource(max_entries=8, show_spinner="Reading the run before …")
def raster_at(
    of: Stamp, name: str, view: MapView, most: int, times: tuple[datetime, ...]
) -> Field[Raster]:
    """A field at another run's valid times, NaN where it has none; at most 2 MB each."""
    found = load_raster(Path(of[0]), name, view, most)
    leads = tuple(time - found.reference_time for time in times)
    return replace(found, lead_times=leads, values=at_valid_times(found, times))


@st.cache_resource(max_entries=8, show_spinner=False)
def figure(key: str, _build: Callable[[], go.Figure]) -> go.Figure:
    """A figure that is the same whenever the key is, written out once; at most 3 MB each."""
    return Written(_build())


class Written(go.Figure):  # type: ignore[misc]
    """A figure whose dictionary is made once: half of the time of showing it goes into that."""

    def __init__(self, figure: go.Figure) -> None:
        super().__init__()
        object.__setattr__(self, "_written", figure.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """As it was given; not to be changed."""
        return self._written  # type: ignore[no-any-return]


@st.cache_resource(max_entries=128, show_spinner="Reading the forecast at that place …")
def place(of: Stamp, latitude: float, longitude: float) -> RunAtPlace:
    """See `run_at_place`."""
    return run_at_place(Path(of[0]), latitude, longitude)


def analyses(
    context: PageContext, of: ProductHeader, latitude: float, longitude: float
) -> dict[str, NDArray[np.float32]]:
    """See `analyses_at_place`; read again after a minute, as frames have no single file."""
    return _analyses(
        context.workspace.root, context, of.variables, of.valid_times, latitude, longitude
    )


@st.cache_resource(max_entries=64, ttl=60, show_spinner=False)
def _analyses(
    root: Path,
    _context: PageContext,
    names: tuple[str, ...],
    times: tuple[datetime, ...],
    latitude: float,
    longitude: float,
) -> dict[str, NDArray[np.float32]]:
    return analyses_at_place(_context.workspace, names, times, latitude, longitude)


def stations(paths: WorkspacePaths, first: datetime, last: datetime) -> tuple[StationPlace, ...]:
    """See `list_stations`; read again when a file of reports came or changed."""
    return _stations(str(paths.root), _reports_stamp(paths, first, last), first, last)


def reports(
    paths: WorkspacePaths, station: str, first: datetime, last: datetime
) -> dict[str, Observed]:
    """See `station_reports`; read again when a file of reports came or changed."""
    known = _reports_stamp(paths, first, last)
    return _reports(str(paths.root), known, station, first, last)


@st.cache_resource(max_entries=16, show_spinner=False)
def _stations(
    root: str, known: tuple[Stamp, ...], first: datetime, last: datetime
) -> tuple[StationPlace, ...]:
    return list_stations(WorkspacePaths(Path(root)), first, last)


@st.cache_resource(max_entries=64, show_spinner=False)
def _reports(
    root: str, known: tuple[Stamp, ...], station: str, first: datetime, last: datetime
) -> dict[str, Observed]:
    return station_reports(WorkspacePaths(Path(root)), station, first, last)


def _reports_stamp(paths: WorkspacePaths, first: datetime, last: datetime) -> tuple[Stamp, ...]:
    return tuple(stamp(path) for path in report_files(paths.observations, first, last))
