"""Reports read back: all values between two times, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.observations.report import ObservationError
from met2net_ops.parquet import asking
from met2net_ops.times import naive_utc

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    import duckdb
    from numpy.typing import NDArray


# All that is stored in `$files`. Early files lack columns: the empty second part has them.
STORED_REPORTS = """
    SELECT * REPLACE (coalesce(at_sea, false) AS at_sea, coalesce(correction, 0) AS correction)
    FROM (
        SELECT * FROM read_parquet($files, filename = true, union_by_name = true)
        UNION ALL BY NAME SELECT NULL::BOOLEAN AS at_sea, NULL::INTEGER AS correction WHERE false
    )
"""


@dataclass(frozen=True)
class Reports:
    """Values of stations, one row each, as arrays of equal length.

    Attributes:
        station: identifiers.
        latitude: degrees north.
        longitude: degrees east.
        height: m, NaN if unknown.
        time: naive UTC datetime64[us].
        quantity: key of `report.QUANTITIES`.
        value: as reported.
        source: the file of reports it lies in. Rows of one station, time and quantity are in the
            order of their import.
        at_sea: whether it is a ship, buoy or platform.
        correction: number of the correction; a higher one replaces a lower one.
    """

    station: NDArray[np.str_]
    latitude: NDArray[np.float64]
    longitude: NDArray[np.float64]
    height: NDArray[np.float64]
    time: NDArray[np.datetime64]
    quantity: NDArray[np.str_]
    value: NDArray[np.float64]
    source: NDArray[np.str_]
    at_sea: NDArray[np.bool_]
    correction: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.value)


def day_folder(folder: Path, day: datetime) -> Path:
    """Where the reports of a day lie, in the folder of observations."""
    return folder / "reports" / f"{day:%Y}" / f"{day:%m}" / f"{day:%d}"


def report_files(folder: Path, first: datetime, last: datetime) -> list[Path]:
    """The files that may hold reports between two times."""
    day = first.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    found: list[Path] = []
    while day <= last:
        found += sorted(day_folder(folder, day).glob("[!.]*.parquet"))
        day += timedelta(days=1)
    return found


def load_reports(folder: Path, first: datetime, last: datetime) -> Reports:
    """All values between two times, both included, whatever their quality.

    Raises:
        ObservationError: a file of reports is damaged.
    """
    files = [str(path) for path in report_files(folder, first, last)]
    names = (
        "station", "latitude", "longitude", "height", "time", "quantity", "value", "source",
        "at_sea", "correction",
    )  # fmt: skip
    if not files:
        empty: NDArray[np.float64] = np.zeros(0)
        text: NDArray[np.str_] = np.zeros(0, dtype=np.str_)
        return Reports(
            text, empty, empty, empty, np.zeros(0, "datetime64[us]"), text, empty, text,
            np.zeros(0, dtype=np.bool_), np.zeros(0, dtype=np.int32),
        )  # fmt: skip
    query = f"""
        SELECT station, latitude, longitude, height, time, quantity, value, filename AS source,
            at_sea, correction
        FROM ({STORED_REPORTS}) WHERE time BETWEEN $first AND $last
        ORDER BY time, station, quantity, imported, source, record
    """
    ends = {"first": naive_utc(first), "last": naive_utc(last)}
    with connect_reports(folder) as connection:
        got = connection.execute(query, {"files": files, **ends}).fetchnumpy()
    columns = {name: np.ma.filled(got[name], np.nan) if name == "height" else np.asarray(got[name])
               for name in names}  # fmt: skip
    return Reports(
        station=columns["station"].astype(np.str_),
        latitude=columns["latitude"],
        longitude=columns["longitude"],
        height=columns["height"],
        time=columns["time"].astype("datetime64[us]"),
        quantity=columns["quantity"].astype(np.str_),
        value=columns["value"],
        source=columns["source"].astype(np.str_),
        at_sea=columns["at_sea"].astype(np.bool_),
        correction=columns["correction"].astype(np.int32),
    )


def connect_reports(folder: Path) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
    """A connection to ask files of reports with; a damaged one is an ObservationError."""
    what = f"the reports in {folder}"
    return asking(what, "its account in imports/, then import its source again", ObservationError)
