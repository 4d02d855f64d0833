"""Reports stored unchanged: Parquet per file and day, and an account of every file imported.

In the folder of observations, `reports/<YYYY>/<MM>/<DD>/<hash>.parquet` holds one row per station,
time and quantity; `imports/<hash>.json` accounts for every record. The hash is that of
the file's bytes, so importing a file twice changes nothing. One that was read with a wrong column
map, say, is imported again on demand: new reports (`<hash>-<hash of the reports>.parquet`) take
the place of the old ones. The account is written last: a file whose import was killed is imported
again.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypedDict, Unpack

import pyarrow as pa
import pyarrow.parquet as pq

from met2net_ops.errors import ProductError
from met2net_ops.observations.accounts import (
    Import,
    account_of,
    account_path,
    raise_unreadable,
    read_account,
    unreadable_file,
)
from met2net_ops.observations.loading import day_folder
from met2net_ops.observations.reading import read_file
from met2net_ops.observations.report import ObservationError, Reading
from met2net_ops.products.publish import claim
from met2net_ops.progress import Track, silent
from met2net_ops.times import naive_utc

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

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


class ImportOptions(TypedDict, total=False):
    """How files are imported.

    Attributes:
        form: "bufr", "metar" or "csv"; recognised from the file by default.
        received: when METARs were received; the file's modification time by default.
        places: a file with the places of aerodromes, which take precedence.
        again: read also what was imported before, and put the new reports in place of the old.
        track: progress.
    """

    form: str | None
    received: datetime | None
    places: Path | None
    again: bool
    track: Track


def import_files(
    folder: Path,
    paths: Iterable[Path],
    columns: Sequence[str],
    **options: Unpack[ImportOptions],
) -> list[Import]:
    """Import files, and the files in folders, of which hidden ones are left alone.

    Args:
        folder: where reports are kept: the workspace's folder of observations.
        paths: files, and folders of files.
        columns: column map for CSV.
        **options: see `ImportOptions`.

    Raises:
        ObservationError: files cannot be read at all, after all the others have been imported; or
            the disk refused.
    """
    found = list(import_each(folder, paths, columns, **options))
    raise_unreadable(found)
    return found


def import_each(
    folder: Path,
    paths: Iterable[Path],
    columns: Sequence[str],
    **options: Unpack[ImportOptions],
) -> Iterator[Import]:
    """`import_files` one by one; a file that cannot be read gives an account with its `error`.

    Raises:
        ObservationError: the disk refused.
    """
    again, track = options.get("again", False), options.get("track", silent)
    form, received, places = options.get("form"), options.get("received"), options.get("places")
    files = [file for path in paths for file in (files_in(path) if path.is_dir() else [path])]
    for file in track(files, "observations"):
        try:
            digest = _digest(file)
            known = None if again else read_account(folder, digest)
            reading = None if known else read_file(file, columns, form, received, places)
        except OSError as error:
            yield unreadable_file(file, f"cannot read {file}: {error}")
        except ObservationError as error:
            yield unreadable_file(file, str(error))
        else:
            if known is not None:
                yield known
            elif reading is not None:
                yield _import(folder, file, digest, reading)


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


def _import(folder: Path, path: Path, digest: str, reading: Reading) -> Import:
    days: dict[datetime, list[int]] = {}
    for index, report in enumerate(reading.reports):
        day = report.time.replace(hour=0, minute=0, second=0, microsecond=0)
        days.setdefault(day, []).append(index)
    before = _stored(folder, digest)
    name = f"{digest}-{_content(reading)}.parquet" if before else f"{digest}.parquet"
    try:
        written = [day_folder(folder, day) / name for day in days]
        for file, indices in zip(written, days.values(), strict=True):
            _write_day(file, reading, indices)
        for file in set(before) - set(written):
            file.unlink(missing_ok=True)
        done = account_of(reading, digest)
        account = account_path(folder, digest)
        with claim(account, _WAIT) as held:
            held.temporary.write_text(json.dumps(vars(done), indent=1), encoding="utf-8")
            held.place(account)
    except (OSError, ProductError) as error:
        raise ObservationError(f"cannot keep the reports of {path}: {error}") from error
    return done


def _stored(folder: Path, digest: str) -> list[Path]:
    """The files of reports that were made from a file."""
    return list((folder / "reports").glob(f"*/*/*/{digest}*.parquet"))


def _content(reading: Reading) -> str:
    """Eight hexadecimal digits that change with any report."""
    text = "\n".join(
        f"{r.station} {r.latitude} {r.longitude} {r.height} {r.time} {sorted(r.values.items())}"
        for r in reading.reports
    )
    return hashlib.sha256(text.encode()).hexdigest()[:8]


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
        held.place(path)
