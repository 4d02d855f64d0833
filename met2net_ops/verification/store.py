"""Stored sums: one Parquet file per model, cycle and truth, replaced whole; queried by DuckDB.

`verification/<truth>/<model>/<YYYY>/<MM>/<model>_<YYYYMMDDHH>.parquet`. A file says in its
metadata from what it was made (`Record`), so that nothing is computed twice and late truth
rewrites just the one file it belongs to.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from met2net_ops.errors import ProductError, VerificationError
from met2net_ops.products.publish import claim
from met2net_ops.times import format_time, parse_time
from met2net_ops.verification.axes import Axes
from met2net_ops.verification.sums import KINDS, Sums

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from met2net_ops.workspace import Workspace

FORMAT = 2
_RECORD = b"met2net-ops"
# A query for one variable and system passes over the groups that hold others.
_ROWS_PER_GROUP = 8192
TRUTHS = ("analysis", "stations")
FORECAST = "forecast"  # the system that is scored; the others are its baselines

_KEYS = pa.schema(
    [
        ("model", pa.string()),
        ("cycle", pa.timestamp("us")),
        ("truth", pa.string()),
        ("kind", pa.string()),
        ("system", pa.string()),
        ("variable", pa.string()),
        ("lead_hours", pa.int32()),
        ("valid_time", pa.timestamp("us")),
        ("subset", pa.string()),
        ("threshold", pa.float64()),
        ("neighbourhood", pa.int32()),
        ("latitude", pa.float64()),
        ("longitude", pa.float64()),
        ("height", pa.float64()),
        ("model_height", pa.float64()),
        ("model_land", pa.float64()),
    ]
)
_PLACE = ("latitude", "longitude", "height", "model_height", "model_land")
SUM_COLUMNS = tuple(dict.fromkeys(name for names in KINDS.values() for name in names))
SCHEMA = pa.schema([*_KEYS, *((name, pa.float64()) for name in SUM_COLUMNS)])


@dataclass(frozen=True, slots=True)
class Part:
    """Sums of one variable and system over leads and subsets.

    Attributes:
        system: "forecast" or the name of a baseline.
        variable: canonical name, or "wind10".
        sums: (lead, subset).
        threshold: of the event, for tables and fractions.
        neighbourhood: side of the window in points, for fractions.
    """

    system: str
    variable: str
    sums: Sums
    threshold: float | None = None
    neighbourhood: int | None = None


@dataclass(frozen=True, slots=True)
class Subset:
    """A region, or a station with its place; None where something is not known.

    Attributes:
        name: of the region, or identifier of the station.
        latitude: degrees north.
        longitude: degrees east.
        height: of the station above the sea, m.
        model_height: of the model's surface at the station, m.
        model_land: fraction of land the model has there.
    """

    name: str
    latitude: float | None = None
    longitude: float | None = None
    height: float | None = None
    model_height: float | None = None
    model_land: float | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """What a file of sums was made from.

    Attributes:
        model: name of the forecaster.
        cycle: reference time.
        truth: one of `TRUTHS`.
        status: "partial" while some truth is missing, then "final".
        product: size and modification time of the product file.
        settings: digest of everything that shapes the sums besides the data.
        truth_state: digest of which truth was there; a change makes the cycle due again.
        climatology: identity of the climatology per month used.
        step_seconds: between the product's leads.
        leads: of the product.
        variables: of the product.
        expected: pairs of variable and lead in the product.
        matched: those that had truth.
        notes: what a reader should know, such as coverage.
    """

    model: str
    cycle: datetime
    truth: str
    status: str
    product: str
    settings: str
    truth_state: str
    climatology: dict[str, str] = field(default_factory=dict)
    step_seconds: float = 3600.0
    leads: int = 0
    variables: tuple[str, ...] = ()
    expected: int = 0
    matched: int = 0
    notes: tuple[str, ...] = ()

    @property
    def axes(self) -> Axes:
        """The product's axes, so that it need not be opened to know what truth it wants."""
        step = timedelta(seconds=self.step_seconds)
        return Axes(self.cycle, step, self.leads, self.variables)


def sums_path(workspace: Workspace, truth: str, model: str, cycle: datetime) -> Path:
    """Where the sums of one model, cycle and truth lie."""
    folder = workspace.verification / truth / model / f"{cycle:%Y}" / f"{cycle:%m}"
    return folder / f"{model}_{cycle:%Y%m%d%H}.parquet"


def sums_files(
    workspace: Workspace, truth: str | None = None, model: str | None = None
) -> list[Path]:
    """All files of sums, in order of name."""
    truths = TRUTHS if truth is None else (truth,)
    found = [
        path for name in truths for path in (workspace.verification / name).glob("*/*/*/*.parquet")
    ]
    return sorted(
        path
        for path in found
        if not path.name.startswith(".") and (model is None or path.parts[-4] == model)
    )


def to_table(
    record: Record,
    parts: Sequence[Part],
    leads: Sequence[int],
    valid_times: Sequence[datetime],
    subsets: Sequence[Subset],
) -> pa.Table:
    """Rows for all sums that hold at least one pair.

    Args:
        record: whose model, cycle and truth every row carries.
        parts: sums of shape (lead, subset).
        leads: hours.
        valid_times: one per lead.
        subsets: regions or stations.
    """
    tables = []
    for part in parts:
        count = part.sums["n"]
        if count.shape != (len(leads), len(subsets)):
            raise VerificationError(
                f"sums of {part.variable} are {count.shape}, wanted {(len(leads), len(subsets))}"
            )
        rows, columns = np.nonzero(count > 0)
        size = len(rows)
        if not size:
            continue
        values: dict[str, Any] = {
            "model": _constant(record.model, size),
            "cycle": _constant(_naive(record.cycle), size, "cycle"),
            "truth": _constant(record.truth, size),
            "kind": _constant(part.sums.kind, size),
            "system": _constant(part.system, size),
            "variable": _constant(part.variable, size),
            "lead_hours": pa.array(np.asarray(leads, dtype=np.int32)[rows]),
            "valid_time": _take([_naive(time) for time in valid_times], "valid_time", rows),
            "subset": _take([subset.name for subset in subsets], "subset", columns),
            "threshold": _constant(part.threshold, size, "threshold"),
            "neighbourhood": _constant(part.neighbourhood, size, "neighbourhood"),
        }
        for name in _PLACE:
            values[name] = _take([getattr(subset, name) for subset in subsets], name, columns)
        cells = part.sums.values[rows, columns]
        for name in SUM_COLUMNS:
            names = KINDS[part.sums.kind]
            values[name] = (
                pa.array(np.ascontiguousarray(cells[:, names.index(name)]))
                if name in names
                else pa.nulls(size, pa.float64())
            )
        tables.append(pa.table([values[column.name] for column in SCHEMA], schema=SCHEMA))
    return pa.concat_tables(tables) if tables else SCHEMA.empty_table()


def _naive(time: datetime) -> datetime:
    """UTC without saying so, as arrays hold it."""
    return time.astimezone(UTC).replace(tzinfo=None)


def _constant(value: object, size: int, column: str = "model") -> pa.Array:
    return pa.repeat(pa.scalar(value, SCHEMA.field(column).type), size)


def _take(values: Sequence[object], column: str, indices: np.ndarray) -> pa.Array:
    kind = SCHEMA.field(column).type
    places = indices.astype(np.int32)
    return pa.DictionaryArray.from_arrays(places, pa.array(values, kind)).dictionary_decode()


def write_sums(path: Path, record: Record, table: pa.Table) -> None:
    """Put a file in place whole, after reading it back.

    Raises:
        VerificationError: what was read back is not what was written, or the disk refused.
    """
    values = {**asdict(record), "cycle": format_time(record.cycle), "format": FORMAT}
    tagged = table.replace_schema_metadata({_RECORD: json.dumps(values)})
    try:
        with claim(path) as held:
            pq.write_table(
                tagged, held.temporary, compression="zstd", row_group_size=_ROWS_PER_GROUP
            )
            if not pq.ParquetFile(held.temporary).read().equals(table):
                raise VerificationError(f"{path}: the disk gave back other sums than were written")
            held.place(path)
    except OSError as error:
        raise VerificationError(
            f"cannot write {path}: {error}; make room or check permissions, then verify again"
        ) from error
    except ProductError as error:
        raise VerificationError(str(error)) from error


def read_record(path: Path) -> Record | None:
    """What a file was made from; None if there is no such file or one of another format.

    Raises:
        VerificationError: the file is damaged.
    """
    if not path.is_file():
        return None
    try:
        metadata = pq.read_schema(path).metadata or {}
        values = json.loads(metadata[_RECORD])
    except (OSError, KeyError, ValueError) as error:
        raise VerificationError(
            f"{path} is no file of sums or is damaged ({error}); remove it and verify again"
        ) from error
    if values.pop("format") != FORMAT:
        return None
    values["cycle"] = parse_time(values["cycle"])
    values["notes"], values["variables"] = tuple(values["notes"]), tuple(values["variables"])
    return Record(**values)
