"""Station reports beside valid times: one value per station, variable and lead, flags counted."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.observations.quality import (
    Flag,
    buddy_flags,
    departure_flags,
    duplicate_flags,
    range_flags,
    station_names,
)
from met2net_ops.times import to_datetime64

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from met2net_ops.observations.loading import Reports

    Floats = NDArray[np.float64]

# Variables that stations measure as such. Surface pressure is not among them: at a station's
# barometer it is another quantity than at the model's surface.
_SAME = ("t2m", "d2m", "msl", "tcc", "tp")
_WIND = {"u10": "v10"}


@dataclass(frozen=True)
class StationTruth:
    """What stations say for the valid times of a forecast.

    Attributes:
        names: (station,) identifiers.
        latitude: (station,) degrees north.
        longitude: (station,) degrees east.
        height: (station,) m, NaN if unknown.
        at_sea: (station,) whether it is a ship, buoy or platform.
        values: variable → (lead, station) float64, NaN where there is no good value.
        used: values used.
        flagged: flag → values left out for it.
    """

    names: tuple[str, ...]
    latitude: Floats
    longitude: Floats
    height: Floats
    at_sea: NDArray[np.bool_]
    values: dict[str, Floats]
    used: int = 0
    flagged: dict[str, int] = field(default_factory=dict)


def match_reports(
    reports: Reports,
    variables: Sequence[str],
    valid_times: Sequence[datetime],
    window: timedelta = timedelta(minutes=10),
) -> StationTruth:
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
    times = reports.time.astype("datetime64[us]")
    near = np.zeros(len(reports), dtype=np.bool_)
    quantities: dict[str, Floats] = {}
    wanted = [name for name in _SAME if name in variables]
    if any(u in variables or v in variables for u, v in _WIND.items()):
        wanted += ["wind_speed", "wind_from"]
    for quantity in wanted:
        table = np.full((len(valid_times), len(names)), np.nan)
        measured = reports.quantity == quantity
        for lead, valid in enumerate(valid_times):
            off = np.abs(times - to_datetime64(valid).astype("datetime64[us]"))
            there = measured & (off <= np.timedelta64(window))
            near |= there
            good = np.flatnonzero(there & (flags == 0))
            # The last assignment wins: farthest first.
            good = good[np.argsort(-off[good].astype(np.int64), kind="stable")]
            table[lead, station[good]] = reports.value[good]
        quantities[quantity] = table
    latitude, longitude = reports.latitude[first], reports.longitude[first]
    values = {name: quantities[name] for name in wanted if name in _SAME}
    if "wind_speed" in quantities:
        u, v = wind_components(quantities["wind_speed"], quantities["wind_from"])
        values |= {name: field for name, field in (("u10", u), ("v10", v)) if name in variables}
    flagged = {
        flag.name.lower(): int(np.sum(near & ((flags & int(flag)) > 0)))
        for flag in (Flag.RANGE, Flag.DUPLICATE)
        if flag.name
    }
    flagged["buddy"] = 0
    for name, table in values.items():
        for row in table:
            unlike = buddy_flags(name, latitude, longitude, row) > 0
            flagged["buddy"] += int(unlike.sum())
            row[unlike] = np.nan
    used = sum(int(np.isfinite(table).sum()) for table in values.values())
    return StationTruth(
        tuple(str(name) for name in names), latitude, longitude, reports.height[first],
        reports.at_sea[first], values, used, flagged,
    )  # fmt: skip


def wind_components(speed: Floats, direction: Floats) -> tuple[Floats, Floats]:
    """Eastward and northward components; calm has none, whatever its direction says.

    >>> u, v = wind_components(np.array([10.0, 0.0]), np.array([270.0, np.nan]))
    >>> [round(float(x), 9) for x in (*u, *v)]
    [10.0, 0.0, 0.0, 0.0]
    """
    angle = np.deg2rad(np.where(speed == 0, 0.0, direction))
    # Adding zero turns -0.0 into 0.0.
    return -speed * np.sin(angle) + 0.0, -speed * np.cos(angle) + 0.0


def drop_departures(truth: StationTruth, variable: str, background: Floats) -> int:
    """Take out of `truth` what is far from the background (lead, station); says how many."""
    table = truth.values[variable]
    far = departure_flags(variable, table, background) > 0
    table[far] = np.nan
    return int(far.sum())
