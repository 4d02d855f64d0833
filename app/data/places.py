"""Forecasts and analyses at one place, interpolated as verification against stations does it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from met2net_ops.app.units import shown
from met2net_ops.derive import wind_direction, wind_speed
from met2net_ops.errors import ArchiveError
from met2net_ops.products.read import read_header, read_reduced
from met2net_ops.times import format_time
from met2net_ops.variables import variable
from met2net_ops.verification.inputs.interpolation import bilinear

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from numpy.typing import NDArray

    from met2net_ops.app.data.stations import Observed, StationPlace
    from met2net_ops.app.units import Units
    from met2net_ops.grids import LatLonGrid
    from met2net_ops.workspace import Workspace

    Series = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class RunAtPlace:
    """One forecast at one place.

    Attributes:
        model: its forecaster.
        reference_time: its cycle.
        times: valid times.
        values: variable → (time,), stored units; wind speed and direction follow from u and v.
    """

    model: str
    reference_time: datetime
    times: tuple[datetime, ...]
    values: Series


def covers(grid: LatLonGrid, latitude: float, longitude: float) -> bool:
    """Whether fields on the grid can be interpolated to a place."""
    return bool(bilinear(grid, [latitude], [longitude]).inside[0])


def stations_on(grid: LatLonGrid, stations: Sequence[StationPlace]) -> tuple[StationPlace, ...]:
    """Those that fields on the grid can be interpolated to."""
    if not stations:
        return ()
    latitudes = [station.latitude for station in stations]
    inside = bilinear(grid, latitudes, [station.longitude for station in stations]).inside
    return tuple(station for station, there in zip(stations, inside, strict=True) if there)


def run_at_place(path: Path, latitude: float, longitude: float) -> RunAtPlace:
    """All variables of a product at a place.

    Raises:
        ProductError: no such file, or damaged.
    """
    header = read_header(path)
    place = bilinear(header.grid, [latitude], [longitude])
    _, found = read_reduced(path, header.variables, lambda field: place(field)[0])
    values = {name: series.astype(np.float32) for name, series in found.items()}
    return RunAtPlace(header.model, header.reference_time, header.valid_times, with_wind(values))


def analyses_at_place(
    workspace: Workspace,
    names: Sequence[str],
    times: Sequence[datetime],
    latitude: float,
    longitude: float,
) -> Series:
    """Analyses at a place: variable → (time,), NaN where there is none; empty without archive.

    Raises:
        ArchiveError: a frame is damaged on disk.
    """
    try:
        analyses = workspace.analyses
    except ArchiveError:
        return {}
    wanted = [name for name in names if name in analyses.variables]
    if not wanted or not covers(analyses.grid, latitude, longitude):
        return {}
    place = bilinear(analyses.grid, [latitude], [longitude])
    values = np.stack([place(analyses.read(wanted, [time])[0])[:, 0] for time in times])
    return with_wind(
        {name: values[:, column].astype(np.float32) for column, name in enumerate(wanted)}
    )


def with_wind(values: Series) -> Series:
    """The same with wind speed and direction, where both components are there."""
    if not {"u10", "v10"} <= values.keys():
        return values
    u, v = values["u10"], values["v10"]
    speed = np.asarray(wind_speed(u, v), dtype=np.float32)
    direction = np.asarray(wind_direction(u, v), dtype=np.float32)
    return {**values, "ws10": speed, "wd10": direction}


def place_table(
    run: RunAtPlace,
    analyses: Mapping[str, NDArray[np.float32]],
    observed: Mapping[str, Observed],
    units: Units,
) -> pd.DataFrame:
    """Forecast, analysis and observation per valid time, in display units; the CSV of a place."""
    columns: dict[str, object] = {
        "valid time": [format_time(time) for time in run.times],
        "lead, h": [(time - run.reference_time) / timedelta(hours=1) for time in run.times],
    }
    for name, values in run.values.items():
        display = units.display(variable(name))
        columns[f"{name}, {display.units}"] = _rounded(shown(values, display))
        if name in analyses:
            column = f"{name} analysis, {display.units}"
            columns[column] = _rounded(shown(analyses[name], display))
        if name in observed:
            known = dict(zip(observed[name].times, observed[name].values, strict=True))
            found = np.array([known.get(time, np.nan) for time in run.times])
            columns[f"{name} observed, {display.units}"] = _rounded(shown(found, display))
    return pd.DataFrame(columns)


def _rounded(values: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(np.round(values.astype(np.float64), 2), dtype=np.float64)
