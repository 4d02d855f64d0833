"""Station reports beside valid times: one value per station, variable and lead, flags counted."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.derive import wind_components
from met2net_ops.observations.quality import (
    Flag,
    buddy_flags,
    departure_flags,
    duplicate_flags,
    range_flags,
    station_names,
)
from met2net_ops.times import to_datetime64
from met2net_ops.verification.inputs.accumulations import accumulated, complete_accumulations

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from met2net_ops.observations.loading import Reports

    Floats = NDArray[np.float64]

# Variables that stations measure as such. Surface pressure is not among them: at a station's
# barometer it is another quantity than at the model's surface.
_SAME = ("t2m", "d2m", "msl", "tcc", "tp")
_WIND = ("u10", "v10")
_PLACE = 0.1  # degrees; lists of stations differ by less


@dataclass(frozen=True)
class MatchedReports:
    """What stations say for the valid times of a forecast.

    Attributes:
        names: (station,) identifiers.
        latitude: (station,) degrees north.
        longitude: (station,) degrees east.
        height: (station,) m, NaN if unknown.
        at_sea: (station,) whether it is a ship, buoy or platform.
        values: variable → (lead, station) float64, NaN where there is no good value; with
            precipitation also its sums, keys of `accumulations.PERIODS`.
        used: values used.
        flagged: flag → values left out for it.
        moved: stations on land that report from several places; all count at the first of them.
    """

    names: tuple[str, ...]
    latitude: Floats
    longitude: Floats
    height: Floats
    at_sea: NDArray[np.bool_]
    values: dict[str, Floats]
    used: int = 0
    flagged: dict[str, int] = field(default_factory=dict)
    moved: tuple[str, ...] = ()


def match_reports(
    reports: Reports,
    variables: Sequence[str],
    valid_times: Sequence[datetime],
    window: timedelta = timedelta(minutes=10),
) -> MatchedReports:
    """Choose for every station, variable and valid time the good report nearest in time.

    Args:
        reports: of the whole period.
        variables: canonical names; those stations do not measure are left out.
        valid_times: one per lead.
        window: how far a report may be from a valid time.

    Returns:
        Values with those left out that are out of range, duplicates or unlike their neighbours.
    """
    names, first, station = np.unique(
        station_names(reports), return_index=True, return_inverse=True
    )
    flags = range_flags(reports.quantity, reports.value) | duplicate_flags(reports)
    wanted = [*(name for name in _SAME if name in variables), *accumulated(variables, valid_times)]
    measured = {name: _of_quantity(reports, name, flags) for name in wanted}
    if any(name in variables for name in _WIND):
        wanted += ["wind_speed", "wind_from"]
        rows, *components = _winds(reports, station, flags)
        measured |= {
            name: (rows, values)
            for name, values in zip(_WIND, components, strict=True)
            if name in variables
        }
    asked = np.isin(reports.quantity, wanted)
    near = np.zeros(len(reports), dtype=np.bool_)
    shape = len(valid_times), len(names)
    values = {name: np.full(shape, np.nan) for name in measured}
    times = reports.time.astype("datetime64[us]")
    for lead, valid in enumerate(valid_times):
        off = np.abs(times - to_datetime64(valid).astype("datetime64[us]"))
        there = asked & (off <= np.timedelta64(window))
        near |= there
        for name, (rows, found) in measured.items():
            chosen = np.flatnonzero(there[rows])
            # The last assignment wins: farthest first.
            order = np.argsort(-off[rows[chosen]].astype(np.int64), kind="stable")
            chosen = chosen[order]
            values[name][lead, station[rows[chosen]]] = found[chosen]
    complete_accumulations(values)
    latitude, longitude = reports.latitude[first], reports.longitude[first]
    height = reports.height[first]
    flagged = {
        flag.name.lower(): int(np.sum(near & ((flags & int(flag)) > 0)))
        for flag in (Flag.RANGE, Flag.DUPLICATE)
        if flag.name
    }
    flagged["buddy"] = 0
    for name, table in values.items():
        for row in table:
            unlike = buddy_flags(name, latitude, longitude, row, height) > 0
            flagged["buddy"] += int(unlike.sum())
            row[unlike] = np.nan
    used = sum(int(np.isfinite(table).sum()) for table in values.values())
    return MatchedReports(
        tuple(str(name) for name in names), latitude, longitude, height,
        reports.at_sea[first], values, used, flagged, _moved(reports, names, first, station),
    )  # fmt: skip


def _moved(
    reports: Reports, names: NDArray[np.str_], first: NDArray[np.intp], station: NDArray[np.intp]
) -> tuple[str, ...]:
    """Stations that are farther from their first place at another time than rounding explains."""
    north = np.abs(reports.latitude - reports.latitude[first][station])
    east = np.abs((reports.longitude - reports.longitude[first][station] + 180) % 360 - 180)
    return tuple(str(name) for name in np.unique(names[station[np.maximum(north, east) > _PLACE]]))


def _of_quantity(
    reports: Reports, quantity: str, flags: NDArray[np.uint8]
) -> tuple[NDArray[np.intp], Floats]:
    """Rows of good values of a quantity, and the values; traces of rain count as none."""
    rows = np.flatnonzero((reports.quantity == quantity) & (flags == 0))
    values = reports.value[rows]
    return rows, np.maximum(values, 0.0) if quantity.startswith("tp") else values


def _winds(
    reports: Reports, station: NDArray[np.intp], flags: NDArray[np.uint8]
) -> tuple[NDArray[np.intp], Floats, Floats]:
    """Rows of wind speeds whose direction was reported with them, and the components.

    A direction of another time belongs to another wind; calm needs none.
    """
    speeds, speed = _of_quantity(reports, "wind_speed", flags)
    turns, direction = _of_quantity(reports, "wind_from", flags)
    times = reports.time.astype(np.int64)
    known = dict(
        zip(zip(station[turns].tolist(), times[turns].tolist(), strict=True), direction.tolist(),
            strict=True)
    )  # fmt: skip
    at = zip(station[speeds].tolist(), times[speeds].tolist(), strict=True)
    u, v = wind_components(speed, np.array([known.get(key, np.nan) for key in at]))
    whole = np.isfinite(u)
    return speeds[whole], u[whole], v[whole]


def drop_departures(truth: MatchedReports, variable: str, background: Floats) -> int:
    """Take out of `truth` what is far from the background (lead, station); says how many."""
    table = truth.values[variable]
    far = departure_flags(variable, table, background) > 0
    table[far] = np.nan
    return int(far.sum())
