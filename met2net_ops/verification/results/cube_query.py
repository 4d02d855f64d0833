"""The questions behind a cube of sums, for DuckDB over the Parquet files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from met2net_ops.verification.inputs.regions import ALL, COAST, LAND, SEA, Region
from met2net_ops.verification.results.query import WITHIN, corners
from met2net_ops.verification.store.files import asking_sums
from met2net_ops.verification.store.sums import KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

# One number per cycle and lead.
CELL = "(CAST(epoch(cycle) AS BIGINT) * 1000 + lead_hours)"


@dataclass(frozen=True, slots=True)
class Slice:
    """Which sums of the files to take.

    Attributes:
        kind: a key of `sums.KINDS`.
        variable: canonical name, or "wind10".
        region: a named region of the analysis sums; for stations a box, "land", "sea" or "all".
        station: one station, by its identifier.
        threshold: of an event; None for kinds without.
        neighbourhood: of fractions; None for the other kinds.
    """

    kind: str
    variable: str
    region: str | Region = ALL
    station: str | None = None
    threshold: float | None = None
    neighbourhood: int | None = None


def ask(
    files: Sequence[Path],
    part: Slice,
    keys: Sequence[str],
    where: str,
    values: dict[str, object],
    more: Sequence[str] = (),
) -> dict[str, Any]:
    """Sums by keys, as columns.

    Args:
        files: of one model and one truth.
        part: which of their sums.
        keys: columns to group by.
        where: conditions on rows, see `conditions`.
        values: what they name.
        more: further columns.

    Raises:
        VerificationError: a file cannot be read.
    """
    names = KINDS[part.kind]
    if not files:
        empty: dict[str, Any] = {name: np.zeros(0) for name in names}
        return {
            **empty, "system": np.zeros(0, object), "subset": np.zeros(0, object),
            "cycle": np.zeros(0, "datetime64[us]"), "lead_hours": np.zeros(0, np.int64),
            "latitude": np.zeros(0), "longitude": np.zeros(0), "height": np.zeros(0),
        }  # fmt: skip
    by_name = ", union_by_name = true" if part.region in (LAND, SEA) else ""
    columns = ", ".join([*keys, *more, *(f"sum({name}) AS {name}" for name in names)])
    query = f"""
        WITH stored AS (SELECT * FROM read_parquet($files{by_name}))
        SELECT {columns} FROM stored WHERE {where} GROUP BY {", ".join(keys)}
    """
    with asking_sums() as connection:
        everything = {"files": [str(path) for path in files], **values}
        return connection.execute(query, everything).fetchnumpy()


def conditions(part: Slice) -> tuple[str, dict[str, object]]:
    """Which rows belong to a part, and the values the conditions name."""
    found = [
        "kind = $kind",
        "variable = $variable",
        "threshold IS NOT DISTINCT FROM $threshold",
        "neighbourhood IS NOT DISTINCT FROM $neighbourhood",
    ]
    values: dict[str, object] = {
        "kind": part.kind,
        "variable": part.variable,
        "threshold": part.threshold,
        "neighbourhood": part.neighbourhood,
    }
    match part.region:
        case Region() as box:
            found.append(WITHIN)
            values |= corners(box)
        case str() as name if name in (ALL, LAND, SEA):
            # The sums against analyses have such regions of their own, those of stations have not.
            side = {ALL: "true", LAND: f"model_land >= {COAST}", SEA: f"model_land < {COAST}"}
            found.append(
                f"CASE truth WHEN 'stations' THEN {side[name]} ELSE subset = $subset END"
                if name != ALL
                else "(truth = 'stations' OR subset = $subset)"
            )
            values["subset"] = name
        case name:
            found.append("subset = $subset")
            values["subset"] = name
    if part.station is not None:
        found.append("subset = $station")
        values["station"] = part.station
    return " AND ".join(found), values


def table_of(got: dict[str, Any], kind: str) -> Floats:
    """(row, sum) of what `ask` got."""
    columns = [np.ma.filled(got[name].astype(np.float64), 0.0) for name in KINDS[kind]]
    return np.ascontiguousarray(np.stack(columns, axis=-1))


def filled(column: Any) -> Floats:
    """A column of numbers, NaN where it has none."""
    return np.asarray(np.ma.filled(column.astype(np.float64), np.nan))
