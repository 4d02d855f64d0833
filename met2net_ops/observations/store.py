"""Reports kept as they came: Parquet per file and day, and an account of every file imported.

`observations/reports/<YYYY>/<MM>/<DD>/<hash>.parquet` holds one row per station, time and
quantity; `observations/imports/<hash>.json` says what became of every record. The hash is that of
the file's bytes, so importing a file twice changes nothing. One that was read with a wrong column
map, say, is imported again on demand: new reports (`<hash>-<hash of the reports>.parquet`) take
the place of the old ones. The account is written last: a file whose import was killed is imported
again.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypedDict, Unpack

import pyarrow as pa
import pyarrow.parquet as pq

from met2net_ops.errors import ProductError
from met2net_ops.observations.loading import day_folder
from met2net_ops.observations.reading import read_file
from met2net_ops.observations.report import (
    LostValue,
    ObservationError,
    Reading,
    RecordRefusal,
)
from met2net_ops.products.publish import claim
from met2net_ops.progress import Track, silent
from met2net_ops.times import naive_utc

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from met2net_ops.paths import WorkspacePaths

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
        ("correction", pa.int32()),
    ]
)
_WAIT = 60.0  # seconds for another import of the same file to end


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
        refusals: every refused record, "record 3 (station 06260): reason".
        first: earliest valid time, ISO 8601; "" without any.
        last: latest valid time.
        new: whether it was imported now; False if it had been already.
        error: why the file cannot be read at all; then nothing of it is kept.
        lost: reason → how many values, in reports that were taken without them.
        lost_values: each of them, "record 3 (station 06260): reason".
        notes: what had to be assumed to read the file.
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
    refusals: tuple[str, ...] = ()
    error: str = ""
    lost: dict[str, int] = field(default_factory=dict)
    lost_values: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class ImportOptions(TypedDict, total=False):
    """How files are imported.

    Attributes:
        form: "bufr", "metar" or "csv"; recognised from the file by default.
        received: when METARs came, to know their month; the file's modification time by default.
        places: a file with the places of aerodromes, which go before those of the shipped list.
        again: read also what was imported before, and put the new reports in place of the old.
        track: progress.
    """

    form: str | None
    received: datetime | None
    places: Path | None
    again: bool
    track: Track


def import_files(
    workspace: WorkspacePaths,
    paths: Iterable[Path],
    columns: Sequence[str],
    **options: Unpack[ImportOptions],
) -> list[Import]:
    """Import files, and the files in folders, of which hidden ones are left alone.

    Raises:
        ObservationError: files cannot be read at all, after all the others have been imported; or
            the disk refused.
    """
    found = list(import_each(workspace, paths, columns, **options))
    raise_unreadable(found)
    return found


def import_each(
    workspace: WorkspacePaths,
    paths: Iterable[Path],
    columns: Sequence[str],
    **options: Unpack[ImportOptions],
) -> Iterator[Import]:
    """`import_files` one by one; a file that cannot be read gives an account with its `error`.

    Raises:
        ObservationError: the disk refused.
    """
    again, track = options.get("again", False), options.get("track", silent)
    form, received, places = (options.get(name) for name in ("form", "received", "places"))
    files = [file for path in paths for file in (files_in(path) if path.is_dir() else [path])]
    for file in track(files, "observations"):
        try:
            digest = _digest(file)
            known = None if again else _account(workspace, digest)
            reading = None if known else read_file(file, columns, form, received, places)
        except OSError as error:
            yield _unreadable(file, f"cannot read {file}: {error}")
        except ObservationError as error:
            yield _unreadable(file, str(error))
        else:
            if known is not None:
                yield known
            elif reading is not None:
                yield _import(workspace, file, digest, reading)


def files_in(folder: Path) -> list[Path]:
    """The files below a folder, by name, without hidden ones and those in hidden folders.

    Those who deliver files keep parts of them under such names until they are whole.
    """
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(
        path
        for path in found
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def _digest(file: Path) -> str:
    """Sixteen hexadecimal digits of a file's bytes."""
    if file.exists() and not file.is_file():  # a pipe would be waited for
        raise ObservationError(f"cannot read {file}: it is no ordinary file")
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


def raise_unreadable(found: Sequence[Import]) -> None:
    """Raise one ObservationError that names all files that could not be read, if any."""
    errors = [item.error for item in found if item.error]
    if errors:
        others = len(found) - len(errors)
        kept = f"; {others} other files are imported" if others else ""
        raise ObservationError("\n".join(errors) + kept)


def _unreadable(path: Path, error: str) -> Import:
    return Import(path.name, "", "unreadable", 0, 0, 0, {error: 1}, new=False, error=error)


def _account_path(workspace: WorkspacePaths, digest: str) -> Path:
    return workspace.observations / "imports" / f"{digest}.json"


def _account(workspace: WorkspacePaths, digest: str) -> Import | None:
    """What became of a file when it was imported before; None if it was not."""
    path = _account_path(workspace, digest)
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        for name in ("refusals", "lost_values", "notes"):
            values[name] = tuple(values.get(name, ()))
        return Import(**{**values, "new": False})
    except (ValueError, TypeError) as error:
        raise ObservationError(
            f"the account {path} is damaged ({error}); remove it and import the file again"
        ) from error


def _import(workspace: WorkspacePaths, path: Path, digest: str, reading: Reading) -> Import:
    days: dict[datetime, list[int]] = {}
    for index, report in enumerate(reading.reports):
        day = report.time.replace(hour=0, minute=0, second=0, microsecond=0)
        days.setdefault(day, []).append(index)
    before = _stored(workspace, digest)
    name = f"{digest}-{_content(reading)}.parquet" if before else f"{digest}.parquet"
    try:
        written = [day_folder(workspace, day) / name for day in days]
        for file, indices in zip(written, days.values(), strict=True):
            _write_day(file, reading, indices)
        for file in set(before) - set(written):
            file.unlink(missing_ok=True)
        refused = Counter(refusal.reason for refusal in reading.refusals)
        lost = Counter(value.reason for value in reading.lost)
        account = _account_path(workspace, digest)
        times = sorted(report.time for report in reading.reports)
        done = Import(
            path.name, digest, reading.form, reading.records, len(reading.reports),
            sum(len(report.values) for report in reading.reports), dict(refused),
            times[0].isoformat() if times else "", times[-1].isoformat() if times else "",
            refusals=tuple(_described(refusal) for refusal in reading.refusals),
            lost=dict(lost),
            lost_values=tuple(_described(value) for value in reading.lost),
            notes=reading.notes,
        )  # fmt: skip
        with claim(account, _WAIT) as held:
            held.temporary.write_text(json.dumps(vars(done), indent=1), encoding="utf-8")
            held.sync()
            held.place(account)
    except (OSError, ProductError) as error:
        raise ObservationError(f"cannot keep the reports of {path}: {error}") from error
    return done


def _stored(workspace: WorkspacePaths, digest: str) -> list[Path]:
    """The files of reports that were made from a file."""
    return list((workspace.observations / "reports").glob(f"*/*/*/{digest}*.parquet"))


def _content(reading: Reading) -> str:
    """Eight hexadecimal digits that change with any report."""
    text = "\n".join(
        f"{r.station} {r.latitude} {r.longitude} {r.height} {r.time} {sorted(r.values.items())}"
        for r in reading.reports
    )
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _described(item: RecordRefusal | LostValue) -> str:
    station = f" (station {item.station})" if item.station else ""
    return f"record {item.record}{station}: {item.reason}"


def _write_day(path: Path, reading: Reading, indices: list[int]) -> None:
    imported = naive_utc(datetime.now(UTC))
    rows = [
        (
            report.station, report.latitude, report.longitude, report.height,
            naive_utc(report.time), quantity, value, report.record,
            imported, report.at_sea, report.correction,
        )
        for report in (reading.reports[index] for index in indices)
        for quantity, value in report.values.items()
    ]  # fmt: skip
    columns = [
        pa.array(column, kind)
        for column, kind in zip(zip(*rows, strict=True), _SCHEMA.types, strict=True)
    ]
    table = pa.table(columns, schema=_SCHEMA)
    with claim(path, _WAIT) as held:
        pq.write_table(table, held.temporary, compression="zstd")
        held.sync()
        held.place(path)
