"""Reports kept as they came: Parquet per file and day, and an account of every file imported.

`observations/reports/<YYYY>/<MM>/<DD>/<hash>.parquet` holds one row per station, time and
quantity; `observations/imports/<hash>.json` says what became of every record. The hash is that of
the file's bytes, so importing a file twice changes nothing. The account is written last: a file
whose import was killed is imported again.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from met2net_ops.errors import ProductError
from met2net_ops.observations.report import ObservationError, Reading
from met2net_ops.observations.table import parse_columns, read_table
from met2net_ops.products.publish import claim
from met2net_ops.progress import Track, silent

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from met2net_ops.workspace import Workspace

_SCHEMA = pa.schema(
    [
        ("station", pa.string()),
        ("latitude", pa.float64()),
        ("longitude", pa.float64()),
        ("height", pa.float64()),
        ("time", pa.timestamp("us")),
        ("quantity", pa.string()),
        ("value", pa.float64()),
        ("record", pa.int32()),
        ("imported", pa.timestamp("us")),
        ("at_sea", pa.bool_()),
    ]
)
_TEXT = (".csv", ".tsv")
_BINARY = (".bufr", ".bfr", ".buf")


@dataclass(frozen=True)
class Import:
    """What became of one file.

    Attributes:
        name: the file's name.
        digest: of its bytes (hexadecimal).
        form: "bufr", "metar" or "csv".
        records: in the file.
        taken: of them, became reports.
        values: in those reports.
        refused: reason → how many records.
        first: earliest valid time, ISO 8601; "" without any.
        last: latest valid time.
        new: whether it was imported now; False if it had been already.
    """

    name: str
    digest: str
    form: str
    records: int
    taken: int
    values: int
    refused: dict[str, int]
    first: str = ""
    last: str = ""
    new: bool = True


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

    def __len__(self) -> int:
        return len(self.value)


def detect_form(path: Path) -> str:
    """What a file holds: by its first bytes, then its name.

    Raises:
        ObservationError: it looks like none of the three.
    """
    with path.open("rb") as file:
        head = file.read(4096)
    if b"BUFR" in head or path.suffix.lower() in _BINARY:
        return "bufr"
    if path.suffix.lower() in _TEXT or b"," in head.partition(b"\n")[0]:
        return "csv"
    if b"Z " in head:
        return "metar"
    raise ObservationError(
        f"{path} looks neither like BUFR nor CSV nor METAR; name the form with --form"
    )


def read_file(path: Path, columns: Sequence[str], form: str | None = None) -> Reading:
    """Read any file of observations.

    Args:
        path: the file.
        columns: column map for CSV, see `table.parse_columns`.
        form: "bufr", "metar" or "csv"; told from the file by default.

    Raises:
        ObservationError: unreadable, unknown form, or CSV that does not fit the map.
    """
    try:
        match form or detect_form(path):
            case "bufr":
                from met2net_ops.observations.bufr import read_bufr

                return read_bufr(path)
            case "metar":
                from met2net_ops.observations.metar import read_metar

                return read_metar(path)
            case "csv":
                return read_table(path, parse_columns(columns))
            case other:
                raise ObservationError(f"no form {other!r}; known are bufr, metar, csv")
    except OSError as error:
        raise ObservationError(f"cannot read {path}: {error}") from error


def import_files(
    workspace: Workspace,
    paths: Iterable[Path],
    columns: Sequence[str],
    *,
    form: str | None = None,
    track: Track = silent,
) -> list[Import]:
    """Import files, and the files in folders, of which hidden ones are left alone.

    Raises:
        ObservationError: a file cannot be read at all, or the disk refused. Files before it
            are imported.
    """
    found = [
        file
        for path in paths
        for file in (sorted(path.rglob("*")) if path.is_dir() else [path])
        if path == file or (file.is_file() and not file.name.startswith("."))
    ]
    return [_import(workspace, file, columns, form) for file in track(found, "observations")]


def _import(workspace: Workspace, path: Path, columns: Sequence[str], form: str | None) -> Import:
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise ObservationError(f"cannot read {path}: {error}") from error
    account = workspace.observations / "imports" / f"{digest}.json"
    if account.is_file():
        return Import(**{**json.loads(account.read_text(encoding="utf-8")), "new": False})
    reading = read_file(path, columns, form)
    days: dict[datetime, list[int]] = {}
    for index, report in enumerate(reading.reports):
        day = report.time.replace(hour=0, minute=0, second=0, microsecond=0)
        days.setdefault(day, []).append(index)
    try:
        for day, indices in days.items():
            _write_day(_day_folder(workspace, day) / f"{digest}.parquet", reading, indices)
        refused: dict[str, int] = {}
        for refusal in reading.refusals:
            refused[refusal.reason] = refused.get(refusal.reason, 0) + 1
        times = sorted(report.time for report in reading.reports)
        done = Import(
            path.name, digest, reading.form, reading.records, len(reading.reports),
            sum(len(report.values) for report in reading.reports), refused,
            times[0].isoformat() if times else "", times[-1].isoformat() if times else "",
        )  # fmt: skip
        with claim(account) as held:
            held.temporary.write_text(json.dumps(vars(done), indent=1), encoding="utf-8")
            held.place(account)
    except (OSError, ProductError) as error:
        raise ObservationError(f"cannot keep the reports of {path}: {error}") from error
    return done


def _day_folder(workspace: Workspace, day: datetime) -> Path:
    return workspace.observations / "reports" / f"{day:%Y}" / f"{day:%m}" / f"{day:%d}"


def _write_day(path: Path, reading: Reading, indices: list[int]) -> None:
    imported = _naive(datetime.now(UTC))
    rows = [
        (
            report.station, report.latitude, report.longitude, report.height,
            _naive(report.time), quantity, value, report.record,
            imported, report.at_sea,
        )
        for report in (reading.reports[index] for index in indices)
        for quantity, value in report.values.items()
    ]  # fmt: skip
    columns = [
        pa.array(column, kind)
        for column, kind in zip(zip(*rows, strict=True), _SCHEMA.types, strict=True)
    ]
    table = pa.table(columns, schema=_SCHEMA)
    with claim(path) as held:
        pq.write_table(table, held.temporary, compression="zstd")
        held.place(path)


def report_files(workspace: Workspace, first: datetime, last: datetime) -> list[Path]:
    """The files that may hold reports between two times."""
    day = first.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    found: list[Path] = []
    while day <= last:
        found += sorted(_day_folder(workspace, day).glob("[!.]*.parquet"))
        day += timedelta(days=1)
    return found


def load_reports(workspace: Workspace, first: datetime, last: datetime) -> Reports:
    """All values between two times, both included, whatever their quality.

    Raises:
        ObservationError: a file of reports is damaged.
    """
    files = [str(path) for path in report_files(workspace, first, last)]
    names = (
        "station", "latitude", "longitude", "height", "time", "quantity", "value", "source",
        "at_sea",
    )  # fmt: skip
    if not files:
        empty: NDArray[np.float64] = np.zeros(0)
        text: NDArray[np.str_] = np.zeros(0, dtype=np.str_)
        return Reports(
            text, empty, empty, empty, np.zeros(0, "datetime64[us]"), text, empty, text,
            np.zeros(0, dtype=np.bool_),
        )  # fmt: skip
    # Files written before ships were told apart lack a column: the empty second part has it.
    query = """
        WITH stored AS (
            SELECT * FROM read_parquet($files, filename = true, union_by_name = true)
            UNION ALL BY NAME SELECT NULL::BOOLEAN AS at_sea WHERE false
        )
        SELECT station, latitude, longitude, height, time, quantity, value, filename AS source,
            coalesce(at_sea, false) AS at_sea
        FROM stored WHERE time BETWEEN $first AND $last
        ORDER BY time, station, quantity, imported, source, record
    """
    ends = {"first": _naive(first), "last": _naive(last)}
    try:
        with duckdb.connect() as connection:
            got = connection.execute(query, {"files": files, **ends}).fetchnumpy()
    except duckdb.Error as error:
        raise ObservationError(
            f"cannot read the reports in {workspace.observations}: {error}. Remove the file it "
            "names and its account in imports/, then import its source again"
        ) from error
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
    )


def _naive(time: datetime) -> datetime:
    return time.astimezone(UTC).replace(tzinfo=None)
