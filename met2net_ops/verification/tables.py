"""Rows of stored sums: what a file of them looks like, and how sums become rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from met2net_ops.errors import VerificationError
from met2net_ops.verification.sums import KINDS, Sums

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from met2net_ops.verification.axes import Axes

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
# Columns of few different values, which are stored as numbers of an entry in a list.
FEW_VALUES = [name for name in SCHEMA.names if name not in SUM_COLUMNS]
# Also the size of a row group: a query for one variable passes over the groups that hold others.
_ROWS_AT_ONCE = 8192


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


@dataclass(frozen=True)
class Rows:
    """All the sums of one file.

    Attributes:
        model: name of the forecaster.
        truth: "analysis" or "stations".
        axes: of the forecast.
        parts: sums of shape (lead, subset).
        subsets: regions or stations.
    """

    model: str
    truth: str
    axes: Axes
    parts: Sequence[Part]
    subsets: Sequence[Subset]

    def tables(self) -> Iterator[pa.Table]:
        """The rows that hold at least one pair, about 8,000 at a time; the same every time."""
        waiting: list[pa.Table] = []
        for part in self.parts:
            waiting.append(self._table(part))
            if sum(table.num_rows for table in waiting) >= _ROWS_AT_ONCE:
                yield pa.concat_tables(waiting).combine_chunks()
                waiting = []
        yield pa.concat_tables([*waiting, SCHEMA.empty_table()]).combine_chunks()

    def _table(self, part: Part) -> pa.Table:
        leads, valid_times = self.axes.lead_hours, self.axes.valid_times
        count = part.sums["n"]
        if count.shape != (len(leads), len(self.subsets)):
            raise VerificationError(
                f"sums of {part.variable} are {count.shape}, wanted "
                f"{(len(leads), len(self.subsets))}"
            )
        rows, columns = np.nonzero(count > 0)
        size = len(rows)
        values: dict[str, Any] = {
            "model": _constant(self.model, size),
            "cycle": _constant(_naive(self.axes.reference_time), size, "cycle"),
            "truth": _constant(self.truth, size),
            "kind": _constant(part.sums.kind, size),
            "system": _constant(part.system, size),
            "variable": _constant(part.variable, size),
            "lead_hours": pa.array(np.asarray(leads, dtype=np.int32)[rows]),
            "valid_time": _take([_naive(time) for time in valid_times], "valid_time", rows),
            "subset": _take([subset.name for subset in self.subsets], "subset", columns),
            "threshold": _constant(part.threshold, size, "threshold"),
            "neighbourhood": _constant(part.neighbourhood, size, "neighbourhood"),
        }
        for name in _PLACE:
            values[name] = _take([getattr(item, name) for item in self.subsets], name, columns)
        cells, names = part.sums.values[rows, columns], KINDS[part.sums.kind]
        for name in SUM_COLUMNS:
            values[name] = (
                pa.array(np.ascontiguousarray(cells[:, names.index(name)]))
                if name in names
                else pa.nulls(size, pa.float64())
            )
        return pa.table([values[column.name] for column in SCHEMA], schema=SCHEMA)


def _naive(time: datetime) -> datetime:
    """UTC without saying so, as arrays hold it."""
    return time.astimezone(UTC).replace(tzinfo=None)


def _constant(value: object, size: int, column: str = "model") -> pa.Array:
    return pa.repeat(pa.scalar(value, SCHEMA.field(column).type), size)


def _take(values: Sequence[object], column: str, indices: np.ndarray) -> pa.Array:
    kind = SCHEMA.field(column).type
    places = indices.astype(np.int32)
    return pa.DictionaryArray.from_arrays(places, pa.array(values, kind)).dictionary_decode()
