"""Stations and what one of them reported, without reading what all others did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any

import numpy as np

from met2net_ops.derive import wind_components
from met2net_ops.observations.loading import STORED_REPORTS, connect_reports, report_files
from met2net_ops.observations.quality import Flag, range_flags
from met2net_ops.times import naive_utc

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray

    from met2net_ops.paths import WorkspacePaths


@dataclass(frozen=True, slots=True)
class StationPlace:
    """Where a station stands.

    Attributes:
        name: identifier.
        latitude: degrees north.
        longitude: degrees east, -180 to 180.
        height: m; NaN if unknown.
    """

    name: str
    latitude: float
    longitude: float
    height: float


@dataclass(frozen=True)
class Observed:
    """What a station reported of one variable.

    Attributes:
        times: valid times, ascending.
        values: (time,) in the variable's unit.
    """

    times: tuple[datetime, ...]
    values: NDArray[np.float64]


def list_stations(
    paths: WorkspacePaths, first: datetime, last: datetime
) -> tuple[StationPlace, ...]:
    """The stations with reports between two times, by identifier; where they last stood.

    Raises:
        ObservationError: a file of reports is damaged.
    """
    rows = _ask(
        paths,
        "SELECT station, arg_max(latitude, time), arg_max(longitude, time), "
        "coalesce(arg_max(height, time), 'nan') FROM read_parquet($files) "
        "WHERE time BETWEEN $first AND $last GROUP BY station ORDER BY station",
        first,
        last,
    )
    return tuple(StationPlace(str(row[0]), *(float(number) for number in row[1:])) for row in rows)


def station_reports(
    paths: WorkspacePaths, station: str, first: datetime, last: datetime
) -> dict[str, Observed]:
    """What a station reported between two times, by variable.

    Of repeated reports the last correction counts, else the last. Impossible values are left out.
    Wind, reported as speed and direction, also comes as its eastward and northward components.

    Raises:
        ObservationError: a file of reports is damaged.
    """
    rows = _ask(
        paths,
        f"WITH valid AS (SELECT * FROM ({STORED_REPORTS}) "
        "WHERE time BETWEEN $first AND $last AND station = $station "
        "QUALIFY correction = max(correction) OVER (PARTITION BY time)) "
        "SELECT quantity, time, arg_max(value, (imported, record)) FROM valid "
        "GROUP BY quantity, time ORDER BY quantity, time",
        first,
        last,
        station=station,
    )
    series: dict[str, dict[datetime, float]] = {}
    for quantity, time, value in rows:
        if not Flag(int(range_flags([quantity], [value])[0])) & Flag.RANGE:
            series.setdefault(quantity, {})[time.replace(tzinfo=UTC)] = value
    speed, direction = series.pop("wind_speed", {}), series.pop("wind_from", {})
    both = sorted(speed.keys() & direction.keys())
    u, v = wind_components(
        np.array([speed[time] for time in both]), np.array([direction[time] for time in both])
    )
    series |= {
        "ws10": speed,
        "wd10": {time: direction[time] for time in both if speed[time] > 0},
        "u10": dict(zip(both, u.tolist(), strict=True)),
        "v10": dict(zip(both, v.tolist(), strict=True)),
    }
    return {
        name: Observed(tuple(found), np.array(list(found.values()), dtype=np.float64))
        for name, found in series.items()
        if found
    }


def _ask(
    paths: WorkspacePaths, query: str, first: datetime, last: datetime, **values: object
) -> list[Any]:
    files = [str(path) for path in report_files(paths.observations, first, last)]
    if not files:
        return []
    ends = {"first": naive_utc(first), "last": naive_utc(last)}
    with connect_reports(paths.observations) as connection:
        return connection.execute(query, {"files": files, **ends, **values}).fetchall()
