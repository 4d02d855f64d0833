"""Rows of stored sums: what a file of them looks like, and how sums become rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from met2net_ops.errors import VerificationError
from met2net_ops.times import naive_utc
from met2net_ops.verification.store.sums import KINDS, Sums

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from met2net_ops.verification.store.axes import Axes

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
        """The rows that hold at least one pair, some 8,000 at a time; the same every time."""
        waiting: list[_Cells] = []
        for part in self.parts:
            waiting.append(self._cells(part))
            if sum(len(cells.leads) for cells in waiting) >= _ROWS_AT_ONCE:
                yield self._table(waiting)
                waiting = []
        if waiting:
            yield self._table(waiting)

    def _cells(self, part: Part) -> _Cells:
        count = part.sums["n"]
        shape = self.axes.leads, len(self.subsets)
        if count.shape != shape:
            raise VerificationError(f"sums of {part.variable} are {count.shape}, wanted {shape}")
        leads, subsets = np.nonzero(count > 0)
        return _Cells(part, leads, subsets, part.sums.values[leads, subsets])

    def _table(self, several: Sequence[_Cells]) -> pa.Table:
        """All columns of several parts at once: one part has only a few hundred rows."""
        sizes = [len(cells.leads) for cells in several]
        size, parts = sum(sizes), [cells.part for cells in several]
        part = np.repeat(np.arange(len(several)), sizes)
        lead = np.concatenate([cells.leads for cells in several])
        subset = np.concatenate([cells.subsets for cells in several])
        columns: dict[str, pa.Array] = {
            "model": _repeat(self.model, size, "model"),
            "cycle": _repeat(naive_utc(self.axes.reference_time), size, "cycle"),
            "truth": _repeat(self.truth, size, "truth"),
            "kind": _take([item.sums.kind for item in parts], "kind", part),
            "lead_hours": _take(self.axes.lead_hours, "lead_hours", lead),
            "valid_time": _take([naive_utc(t) for t in self.axes.valid_times], "valid_time", lead),
            "subset": _take([item.name for item in self.subsets], "subset", subset),
        }
        for name in ("system", "variable", "threshold", "neighbourhood"):
            columns[name] = _take([getattr(item, name) for item in parts], name, part)
        for name in _PLACE:
            columns[name] = _take([getattr(item, name) for item in self.subsets], name, subset)
        for name in SUM_COLUMNS:
            values, absent = np.zeros(size), np.ones(size, dtype=np.bool_)
            first = 0
            for cells in several:
                names, stop = KINDS[cells.part.sums.kind], first + len(cells.leads)
                if name in names:
                    values[first:stop] = cells.values[:, names.index(name)]
                    absent[first:stop] = False
                first = stop
            columns[name] = pa.array(values, mask=absent)
        return pa.table([columns[name] for name in SCHEMA.names], schema=SCHEMA)


@dataclass(frozen=True)
class _Cells:
    """The cells of a part that hold pairs: where, and (cell, sum)."""

    part: Part
    leads: NDArray[np.intp]
    subsets: NDArray[np.intp]
    values: NDArray[np.float64]


def _repeat(value: object, size: int, column: str) -> pa.Array:
    return pa.repeat(pa.scalar(value, SCHEMA.field(column).type), size)


def _take(values: Sequence[object], column: str, places: NDArray[np.intp]) -> pa.Array:
    return pa.array(values, SCHEMA.field(column).type).take(pa.array(places.astype(np.int32)))
