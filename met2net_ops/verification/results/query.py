"""Scores from stored sums, grouped in any way, by DuckDB over the Parquet files.

A skill score joins forecast and baseline row by row before anything is added up, so both sides
hold the same model, cycle, variable, lead and region or station, and the same number of pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from met2net_ops.errors import VerificationError
from met2net_ops.times import to_datetime64
from met2net_ops.verification.inputs.regions import ALL, COAST, LAND, SEA, Region
from met2net_ops.verification.outcome import regions
from met2net_ops.verification.store.files import FORECAST, asking_sums, sums_files
from met2net_ops.verification.store.sums import CLASSES, KINDS, Sums, zeros

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from met2net_ops.paths import WorkspacePaths
    from met2net_ops.settings import Settings

# What tells the sums of a kind apart besides variable and lead.
MORE = {"contingency": ("threshold",), "fractions": ("threshold", "neighbourhood")}
HEIGHT_CLASS = 250  # m, of station heights

# All rows of $files. Older files lack some columns, which the empty second part has.
_LATER = ("model_height", "model_land", *CLASSES[2:])
STORED = f"""
    SELECT * FROM read_parquet($files, union_by_name = true) UNION ALL BY NAME
    SELECT {", ".join(f"NULL::DOUBLE AS {name}" for name in _LATER)} WHERE false
"""

GROUPS: dict[str, str] = {
    "model": "f.model",
    "cycle": "f.cycle",
    "variable": "f.variable",
    "lead": "f.lead_hours",
    "hour": "hour(f.valid_time)",
    "month": "month(f.valid_time)",
    "yyyymm": "strftime(f.valid_time, '%Y%m')",
    "subset": "f.subset",  # region, or station
    "region": "f.subset",
    "station": "f.subset",
    "height": f"CAST(floor(f.height / {HEIGHT_CLASS}) * {HEIGHT_CLASS} AS INTEGER)",  # stations'
    "latitude": "f.latitude",
    "longitude": "f.longitude",
    "elevation": "f.height",
    "model_elevation": "f.model_height",
    "surface": f"CASE WHEN f.model_land >= {COAST} THEN 'land' WHEN f.model_land < {COAST} "
    "THEN 'sea' END",  # what the model has at a station
    "threshold": "f.threshold",
    "neighbourhood": "f.neighbourhood",
}


@dataclass(frozen=True, slots=True)
class Selection:
    """Which sums to use; None means any.

    Attributes:
        truth: "analysis" or "stations".
        model: one forecaster.
        since: earliest cycle.
        until: latest cycle, included.
        variables: canonical names, or "wind10".
        region: a named region of the analysis sums, None for all of them side by side; for
            stations a box, or "land" or "sea", by what the model has at the station.
        leads: lead times in hours.
    """

    truth: str = "analysis"
    model: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    variables: tuple[str, ...] | None = None
    region: str | Region | None = ALL
    leads: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Grouped:
    """Sums per cycle and group.

    Attributes:
        keys: one tuple per group, in the order of `by`, sorted.
        cycles: reference times (naive UTC datetime64), ascending.
        forecast: (cycle, group) sums of the forecast.
        baseline: (cycle, group) sums of the baseline on the same pairs; None if none was asked.
    """

    keys: list[tuple[object, ...]]
    cycles: np.ndarray
    forecast: Sums
    baseline: Sums | None = None


def region_of(name: str, settings: Settings) -> str | Region:
    """The box of that name, by which stations are selected; all, land and sea stay as they are.

    Raises:
        VerificationError: no region has that name, or where land is, is not known.
    """
    if name in (LAND, SEA) and settings.verification.surface is None:
        raise VerificationError(
            f"where {name} is, is not known: name a file with the fraction of land as surface in "
            "[verification]"
        )
    boxes = {region.name: region for region in regions(settings)}
    if name not in (ALL, LAND, SEA) and name not in boxes:
        raise VerificationError(
            f"no region is called {name!r}; known: all, land, sea, {', '.join(boxes)}"
        )
    return boxes.get(name, name)


def grouped_sums(
    workspace: WorkspacePaths,
    kind: str,
    by: Sequence[str],
    selection: Selection,
    baseline: str | None = None,
    versus: str | None = None,
) -> Grouped:
    """Merge stored sums to (cycle, group).

    Args:
        workspace: where the sums lie.
        kind: a key of `sums.KINDS`.
        by: names from `GROUPS`; cycles are always kept apart.
        selection: which sums.
        baseline: name of a system; then only rows it shares with the forecast count.
        versus: name of another model, to stand in the place of a baseline; then only rows count
            that both models have, with the same pairs.

    Raises:
        VerificationError: an unknown grouping, or a file that cannot be read.
    """
    unknown = [name for name in by if name not in GROUPS]
    if unknown:
        raise VerificationError(
            f"cannot group by {', '.join(unknown)}; known are {', '.join(GROUPS)}"
        )
    both = baseline is not None or versus is not None
    models = (selection.model,) if versus is None else (selection.model, versus)
    files = [
        str(path)
        for model in dict.fromkeys((None,) if None in models else models)
        for path in sums_files(workspace, selection.truth, model, selection.since, selection.until)
    ]
    names = KINDS[kind]
    if not files:
        return _pivot([], by, kind, both)
    of_both, of_forecast, values = _conditions(kind, selection)
    columns = [f"{GROUPS[name]} AS key_{i}" for i, name in enumerate(by)]
    sums = [f"sum(f.{name}) AS f_{name}" for name in names]
    other = join = ""
    if both:
        sums += [f"sum(b.{name}) AS b_{name}" for name in names]
        # Both sides are cut down before they are joined: the other conditions would not reach b.
        other = f", b AS (SELECT * FROM stored WHERE {of_both} AND {_other(versus)})"
        join = f"JOIN b ON {_same_pairs(kind, versus)}"
        values |= {"baseline": baseline} if versus is None else {"versus": versus}
    group = ", ".join(["f.cycle", *(GROUPS[name] for name in by)])
    query = f"""
        WITH stored AS ({STORED}),
        f AS (SELECT * FROM stored WHERE {of_both} AND {of_forecast}){other}
        SELECT {", ".join(["f.cycle AS cycle", *columns, *sums])}
        FROM f {join} GROUP BY {group}
    """
    with asking_sums() as connection:
        rows = connection.execute(query, {"files": files, **values}).fetchall()
    return _pivot(rows, by, kind, both)


def _other(versus: str | None) -> str:
    """What the other side is: a baseline, or another model's forecast."""
    return "system = $baseline" if versus is None else "system = $system AND model = $versus"


def _same_pairs(kind: str, versus: str | None) -> str:
    """Rows of f and b that hold the same pairs."""
    keys = ["cycle", "variable", "lead_hours", "subset", "n", *MORE.get(kind, ())]
    conditions = [f"f.{key} = b.{key}" for key in (keys if versus else [*keys, "model"])]
    if versus is not None:
        # The truth's own sums tell whether both were compared with the same values.
        own = {"continuous": "woo", "contingency": "hits + {0}.misses"}.get(kind, "w")
        ours, theirs = (f"({side}.{own.format(side)})" for side in "fb")
        conditions += [
            f"abs({ours} - {theirs}) <= 1e-10 * {ours}", "abs(f.w - b.w) <= 1e-10 * f.w"
        ]  # fmt: skip
    return " AND ".join(conditions)


def _conditions(kind: str, selection: Selection) -> tuple[str, str, dict[str, object]]:
    """Conditions for both sides, those for the forecast alone, and the values they name."""
    both = ["kind = $kind"]
    own = ["system = $system"]
    values: dict[str, object] = {"kind": kind, "system": FORECAST}
    if selection.model is not None:
        own.append("model = $model")
        values["model"] = selection.model
    if selection.since is not None:
        both.append("cycle >= $since")
        values["since"] = to_datetime64(selection.since).astype("datetime64[us]").item()
    if selection.until is not None:
        both.append("cycle <= $until")
        values["until"] = to_datetime64(selection.until).astype("datetime64[us]").item()
    if selection.variables is not None:
        both.append("list_contains($variables, variable)")
        values["variables"] = list(selection.variables)
    if selection.leads is not None:
        both.append("list_contains($leads, lead_hours)")
        values["leads"] = list(selection.leads)
    match selection.region:
        case Region() as box:
            own.append(WITHIN)
            values |= corners(box)
        case str() as name if selection.truth == "analysis":
            both.append("subset = $subset")
            values["subset"] = name
        case str() as name if name in (LAND, SEA):
            own.append(f"model_land {'>=' if name == LAND else '<'} {COAST}")
        case str() as name if name != ALL:
            raise VerificationError(f"stations are selected by a box, not by the name {name!r}")
    return " AND ".join(both), " AND ".join(own), values


# Stations in a box, which may lie across the dateline.
WITHIN = "latitude BETWEEN $south AND $north AND ((longitude - $west) % 360 + 360) % 360 <= $width"


def corners(box: Region) -> dict[str, float]:
    """The values `WITHIN` names."""
    width = (box.east - box.west) % 360.0 or 360.0
    return {"south": box.south, "north": box.north, "west": box.west, "width": width}


def _pivot(rows: list[tuple[Any, ...]], by: Sequence[str], kind: str, both: bool) -> Grouped:
    width = len(KINDS[kind])
    first = 1 + len(by)
    keys = sorted({row[1:first] for row in rows}, key=_sortable)
    cycles = np.array(sorted({row[0] for row in rows}), dtype="datetime64[us]")
    place_key = {key: i for i, key in enumerate(keys)}
    place_cycle = {time: i for i, time in enumerate(cycles.tolist())}
    shape = (len(cycles), len(keys))
    forecast, other = zeros(kind, shape), zeros(kind, shape)
    for row in rows:
        cell = place_cycle[row[0]], place_key[row[1:first]]
        forecast.values[cell] = row[first : first + width]
        if both:
            other.values[cell] = row[first + width :]
    return Grouped(keys, cycles, forecast, other if both else None)


def _sortable(key: tuple[Any, ...]) -> tuple[tuple[bool, Any], ...]:
    """None (no threshold, no height) sorts first."""
    return tuple((item is not None, item if item is not None else 0) for item in key)
