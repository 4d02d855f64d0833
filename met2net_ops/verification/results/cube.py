"""Sums of one variable as arrays of (cycle, lead), all systems in one pass over the files.

For screens, which group the same sums again and again: by lead, by hour, by month, by cell. Where
a baseline was there for a cycle and lead it has the forecast's pairs, and where it was not it has
none (`match`, `stations`), so a cell is shared when both counts are equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.parquet import number_column, text_column
from met2net_ops.verification.inputs.regions import LAND, SEA
from met2net_ops.verification.results.query import Grouped
from met2net_ops.verification.store.files import FORECAST
from met2net_ops.verification.store.sums import KINDS, Sums, zeros

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from met2net_ops.verification.results.conditions import Slice
    from met2net_ops.verification.store.listing import StoredSums

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Cube:
    """Sums per cycle and lead.

    Attributes:
        kind: a key of `sums.KINDS`.
        cycles: (cycle,) reference times, naive UTC datetime64[us], ascending.
        leads: (lead,) hours, ascending.
        systems: the forecast and its baselines: (cycle, lead) sums, zeros where there is nothing.
    """

    kind: str
    cycles: NDArray[np.datetime64]
    leads: NDArray[np.int64]
    systems: dict[str, Sums]

    @property
    def valid_times(self) -> NDArray[np.datetime64]:
        """(cycle, lead) naive UTC datetime64[us]."""
        hours = self.leads.astype("timedelta64[h]").astype("timedelta64[us]")
        return np.asarray(self.cycles[:, None] + hours[None, :])

    def lacking(self, baseline: str) -> list[tuple[np.datetime64, int]]:
        """Cycles and leads the forecast has pairs for, but the baseline not the same number."""
        shape = (len(self.cycles), len(self.leads))
        ours = self.systems[FORECAST]["n"]
        theirs = self.systems.get(baseline, zeros(self.kind, shape))["n"]
        rows, columns = np.nonzero((ours > 0) & (ours != theirs))
        return [
            (self.cycles[row], int(self.leads[column]))
            for row, column in zip(rows, columns, strict=True)
        ]

    def grouped(
        self, labels: NDArray[np.int64], system: str = FORECAST, baseline: str | None = None
    ) -> Grouped:
        """Merge leads that bear the same label.

        Args:
            labels: (cycle, lead) which group a cell belongs to; negative for none.
            system: whose sums stand as the forecast's.
            baseline: another system; then only cells both have, on as many pairs, count.

        Returns:
            Groups in the order of their labels, with the label as their key.
        """
        keys = np.unique(labels[labels >= 0])
        shape = (len(self.cycles), len(self.leads))
        ours = self.systems.get(system, zeros(self.kind, shape)).values
        theirs = None if baseline is None else self.systems.get(baseline, zeros(self.kind, shape))
        same = ours[..., 0] > 0
        if theirs is not None:
            same = same & (ours[..., 0] == theirs.values[..., 0])
        cells = [same & (labels == key) for key in keys]

        def merged(values: Floats) -> Sums:
            parts = [np.einsum("clk,cl->ck", values, cell.astype(np.float64)) for cell in cells]
            width = len(KINDS[self.kind])
            together = np.stack(parts, axis=1) if parts else np.zeros((shape[0], 0, width))
            return Sums(self.kind, together)

        return Grouped(
            keys=[(int(key),) for key in keys],
            cycles=self.cycles,
            forecast=merged(ours),
            baseline=None if theirs is None else merged(theirs.values),
        )


@dataclass(frozen=True)
class StationCube:
    """Sums per station, over all cycles.

    Attributes:
        names: (station,) identifiers, sorted.
        latitude: (station,) degrees north.
        longitude: (station,) degrees east.
        height: (station,) m, NaN if unknown.
        forecast: (station,) sums.
        baseline: (station,) sums on the same pairs; None if none was asked.
    """

    names: tuple[str, ...]
    latitude: Floats
    longitude: Floats
    height: Floats
    forecast: Sums
    baseline: Sums | None = None


def load_cube(stored: StoredSums, part: Slice) -> Cube:
    """Sums of all systems by cycle and lead.

    Args:
        stored: of one model.
        part: which of their sums.

    Raises:
        VerificationError: a file cannot be read.
    """
    got = _ask(stored, part, ("system", "cycle", "lead_hours"))
    cycles, at_cycle = np.unique(number_column(got, "cycle"), return_inverse=True)
    hours = number_column(got, "lead_hours").astype(np.int64)
    leads, at_lead = np.unique(hours, return_inverse=True)
    table = _table(got, part.kind)
    systems = {}
    of_rows = text_column(got, "system")
    for system in dict.fromkeys([FORECAST, *sorted(set(of_rows.tolist()))]):
        sums = zeros(part.kind, (len(cycles), len(leads)))
        rows = np.flatnonzero(of_rows == system)
        sums.values[at_cycle[rows], at_lead[rows]] = table[rows]
        systems[system] = sums
    return Cube(part.kind, cycles.astype("datetime64[us]"), leads, systems)


def load_stations(
    stored: StoredSums,
    part: Slice,
    leads: Sequence[int] | None = None,
    baseline: str | None = None,
    lacking: Sequence[tuple[np.datetime64, int]] = (),
) -> StationCube:
    """Sums by station over all their cycles, and over some or all leads.

    Args:
        stored: of one model, against stations.
        part: which of their sums.
        leads: hours; None for all.
        baseline: a system whose sums are wanted too.
        lacking: cycles and leads for which that system was not there, see `Cube.lacking`: they
            are left out, so that both have the same pairs.

    Raises:
        VerificationError: a file cannot be read.
    """
    where = "system IN ($forecast, $baseline)"
    values: dict[str, object] = {"forecast": FORECAST, "baseline": baseline or FORECAST}
    if leads is not None:
        where += " AND list_contains($leads, lead_hours)"
        values["leads"] = list(leads)
    if lacking:
        where += f" AND {_CELL} NOT IN (SELECT unnest($lacking))"
        seconds = [(cycle.astype("datetime64[s]").astype(int), lead) for cycle, lead in lacking]
        values["lacking"] = [int(second) * 1000 + int(lead) for second, lead in seconds]
    place = [f"arg_max({name}, cycle) AS {name}" for name in ("latitude", "longitude", "height")]
    got = _ask(stored, part, ("system", "subset"), where, values, place)
    table, subsets = _table(got, part.kind), text_column(got, "subset")
    systems = text_column(got, "system")
    ours = np.flatnonzero(systems == FORECAST)
    ours = ours[np.argsort(subsets[ours], kind="stable")]
    other = None
    if baseline is not None:
        at = {str(subsets[row]): int(row) for row in np.flatnonzero(systems == baseline)}
        rows = [at.get(str(name)) for name in subsets[ours]]
        nothing = np.zeros(len(KINDS[part.kind]))
        sums = [nothing if row is None else table[row] for row in rows]
        other = Sums(part.kind, np.stack(sums) if sums else table[:0])
    return StationCube(
        names=tuple(str(name) for name in subsets[ours]),
        latitude=number_column(got, "latitude")[ours],
        longitude=number_column(got, "longitude")[ours],
        height=number_column(got, "height")[ours],
        forecast=Sums(part.kind, table[ours]),
        baseline=other,
    )


# One number per cycle and lead.
_CELL = "(CAST(epoch(cycle) AS BIGINT) * 1000 + lead_hours)"


def _ask(
    stored: StoredSums,
    part: Slice,
    keys: Sequence[str],
    where: str = "true",
    values: dict[str, object] | None = None,
    more: Sequence[str] = (),
) -> pa.Table:
    """Sums by keys, as columns, with others beside; of the rows that meet a further condition."""
    sums = [f"coalesce(sum({name}), 0) AS {name}" for name in KINDS[part.kind]]
    columns = ", ".join([*keys, *more, *sums])
    of_part, named = part.conditions(stored.truth)
    query = f"SELECT {columns} FROM stored WHERE {of_part} AND {where} GROUP BY {', '.join(keys)}"
    later = part.region in (LAND, SEA) or part.kind == "classes"
    return stored.ask(query, {**named, **(values or {})}, later=later)


def _table(got: pa.Table, kind: str) -> Floats:
    """(row, sum) of what was asked."""
    columns = [number_column(got, name) for name in KINDS[kind]]
    return np.stack(columns, axis=-1)
