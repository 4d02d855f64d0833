"""Scores from stored sums, grouped in any way, by DuckDB in one pass over the Parquet files.

Rows are first added up to cells: of one model, cycle, variable, lead and group, and against
analyses one region. A baseline that was there for a cycle and lead has the forecast's pairs, and
one that was not has none (`compute.match`, `compute.station_parts`), so forecast and baseline share
a cell when both count the same pairs. Two models share a cell of one region or station.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from met2net_ops.errors import VerificationError
from met2net_ops.parquet import encoded_column, number_column, text_column
from met2net_ops.verification.inputs.regions import ALL, COAST, LAND, SEA, Region, regions
from met2net_ops.verification.results.conditions import conditions
from met2net_ops.verification.store.files import FORECAST
from met2net_ops.verification.store.listing import StoredSums, stored_sums
from met2net_ops.verification.store.sums import KINDS, Sums, zeros

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    import pyarrow as pa
    from numpy.typing import NDArray

    from met2net_ops.paths import WorkspacePaths
    from met2net_ops.settings import Settings

# What tells the sums of a kind apart besides variable and lead.
MORE = {"contingency": ("threshold",), "fractions": ("threshold", "neighbourhood")}
HEIGHT_CLASS = 250  # m, of station heights

GROUPS: dict[str, str] = {
    "model": "model",
    "cycle": "cycle",
    "variable": "variable",
    "lead": "lead_hours",
    "hour": "hour(valid_time)",
    "month": "month(valid_time)",
    "yyyymm": "strftime(valid_time, '%Y%m')",
    "subset": "subset",  # region, or station
    "region": "subset",
    "station": "subset",
    "height": f"CAST(floor(height / {HEIGHT_CLASS}) * {HEIGHT_CLASS} AS INTEGER)",  # stations'
    "latitude": "latitude",
    "longitude": "longitude",
    "elevation": "height",
    "model_elevation": "model_height",
    "surface": f"CASE WHEN model_land >= {COAST} THEN 'land' WHEN model_land < {COAST} "
    "THEN 'sea' END",  # what the model has at a station
    "threshold": "threshold",
    "neighbourhood": "neighbourhood",
}


# What is told apart before anything is added up.
_CELL = ("kind", "system", "model", "cycle", "variable", "lead_hours", "threshold", "neighbourhood")
_FROM_LATER = {"surface", "model_elevation"}  # groups made from `listing.LATER`


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
    paths: WorkspacePaths,
    kind: str,
    by: Sequence[str],
    selection: Selection,
    baseline: str | None = None,
    versus: str | None = None,
) -> Grouped:
    """Merge stored sums to (cycle, group).

    Args:
        paths: of the workspace.
        kind: a key of `sums.KINDS`.
        by: names from `GROUPS`; cycles are always kept apart.
        selection: which sums.
        baseline: name of a system; then only pairs it shares with the forecast count.
        versus: name of another model, to stand in the place of a baseline; then only rows count
            that both models have, with the same pairs.

    Raises:
        VerificationError: an unknown grouping, or a file that cannot be read.
    """
    systems = (FORECAST,) if baseline is None else (FORECAST, baseline)
    question = _Question.of(paths, (kind,), by, selection, systems, versus)
    both = baseline is not None or versus is not None
    apart = [*_CELL, *(["subset"] if versus or selection.truth == "analysis" else [])]
    ours, theirs = f"system = '{FORECAST}'", f"system <> '{FORECAST}'"
    values: dict[str, object] = {}
    same = [name for name in (*apart, *question.keys) if name != "system"]
    if versus is not None:
        ours, theirs = "model = $ours", "model = $versus"
        values = {"ours": selection.model, "versus": versus}
        same = [name for name in apart if name != "model"]
    pairs = [f"f.{name} IS NOT DISTINCT FROM b.{name}" for name in (*same, "n")]
    if versus is not None:
        pairs += _same_truth(kind)
    sides = "fb" if both else "f"
    sums = [f"sum({side}.{name}) AS {side}_{name}" for side in sides for name in KINDS[kind]]
    group = ["f.cycle AS cycle", *(f"f.{key} AS {key}" for key in question.keys)]
    got = question.ask(
        apart,
        f"""
        SELECT {", ".join([*group, *sums])}
        FROM (SELECT * FROM cells WHERE {ours}) AS f
        {f"JOIN (SELECT * FROM cells WHERE {theirs}) AS b ON {' AND '.join(pairs)}" if both else ""}
        GROUP BY ALL
        """,
        values,
    )
    axes = _Axes.of(got, question.keys)
    forecast = axes.sums(got, kind, prefix="f_")
    other = axes.sums(got, kind, prefix="b_") if both else None
    return Grouped(axes.keys, axes.cycles, forecast, other)


def grouped_systems(
    paths: WorkspacePaths,
    kinds: Sequence[str],
    by: Sequence[str],
    selection: Selection,
    baselines: Sequence[str],
) -> dict[str, dict[str | None, Grouped]]:
    """What `grouped_sums` merges for several kinds and baselines, in one pass over the files.

    Args:
        paths: of the workspace.
        kinds: keys of `sums.KINDS`.
        by: names from `GROUPS`, model, variable and lead among them.
        selection: which sums.
        baselines: names of systems.

    Returns:
        By kind and baseline, None for the forecast alone.

    Raises:
        VerificationError: an unknown grouping, or a file that cannot be read.
    """
    question = _Question.of(paths, kinds, by, selection, (FORECAST, *baselines))
    table = question.ask(["kind", "system", "cycle"], "SELECT * FROM cells", {})
    of_kinds, of_systems = text_column(table, "kind"), text_column(table, "system")
    found: dict[str, dict[str | None, Grouped]] = {}
    for kind in kinds:
        rows = of_kinds == kind
        axes = _Axes.of(table, question.keys, rows)
        systems = {
            name: axes.sums(table, kind, rows & (of_systems == name))
            for name in (FORECAST, *baselines)
        }
        ours = systems[FORECAST]
        found[kind] = {None: Grouped(axes.keys, axes.cycles, ours)}
        for name in baselines:
            shared = (ours["n"] == systems[name]["n"])[..., None]
            pair = [Sums(kind, np.where(shared, one.values, 0.0)) for one in (ours, systems[name])]
            found[kind][name] = Grouped(axes.keys, axes.cycles, *pair)
    return found


@dataclass(frozen=True)
class _Question:
    """What sums are asked for.

    Attributes:
        stored: the files.
        names: of the sums.
        keys: key_0, key_1 …, and what each is in SQL.
        where: which rows.
        values: what `where` names.
        later: whether columns are asked for that older files lack.
    """

    stored: StoredSums
    names: tuple[str, ...]
    keys: dict[str, str]
    where: str
    values: dict[str, object]
    later: bool

    @classmethod
    def of(
        cls,
        paths: WorkspacePaths,
        kinds: Sequence[str],
        by: Sequence[str],
        selection: Selection,
        systems: tuple[str, ...],
        versus: str | None = None,
    ) -> _Question:
        unknown = [name for name in by if name not in GROUPS]
        if unknown:
            raise VerificationError(
                f"cannot group by {', '.join(unknown)}; known are {', '.join(GROUPS)}"
            )
        models = tuple(filter(None, (selection.model, versus))) or None
        columns = {
            "kind": tuple(kinds), "system": systems, "model": models,
            "variable": selection.variables, "lead_hours": selection.leads,
        }  # fmt: skip
        given = {name: value for name, value in columns.items() if value is not None}
        where, values = conditions(selection.truth, selection.region, given)
        return cls(
            stored_sums(paths, selection.truth, models, selection.since, selection.until),
            tuple(dict.fromkeys(name for kind in kinds for name in KINDS[kind])),
            {f"key_{i}": GROUPS[name] for i, name in enumerate(by)},
            where,
            values,
            bool(_FROM_LATER & set(by)) or selection.region in (LAND, SEA) or "classes" in kinds,
        )

    def ask(self, apart: Sequence[str], query: str, values: dict[str, object]) -> pa.Table:
        """A query over the table `cells`: sums by the columns `apart` and the keys."""
        columns = [*apart, *(f"{text} AS {key}" for key, text in self.keys.items()),
                   *(f"coalesce(sum({name}), 'nan') AS {name}" for name in self.names)]  # fmt: skip
        cells = f"SELECT {', '.join(columns)} FROM stored WHERE {self.where} GROUP BY ALL"
        whole = f", cells AS ({cells}) {query}"
        return self.stored.ask(whole, {**self.values, **values}, later=self.later)


@dataclass(frozen=True)
class _Axes:
    """Cycles and groups, and where each row of a table belongs."""

    cycles: NDArray[np.datetime64]
    keys: list[tuple[object, ...]]
    at: tuple[NDArray[np.intp], NDArray[np.intp]]

    @classmethod
    def of(
        cls, table: pa.Table, keys: Iterable[str], rows: NDArray[np.bool_] | None = None
    ) -> _Axes:
        """Those of a table; of some of its rows."""
        rows = np.ones(table.num_rows, dtype=np.bool_) if rows is None else rows
        times = number_column(table, "cycle").astype("datetime64[us]")
        cycles = np.unique(times[rows])
        codes = np.zeros(table.num_rows, dtype=np.int64)
        columns = [encoded_column(table, key) for key in keys]
        for values, places in columns:
            codes = codes * len(values) + places
        there, at_key = np.unique(codes[rows], return_inverse=True)
        labels: list[tuple[object, ...]] = [()] * len(there)
        for values, _ in reversed(columns):
            there, places = np.divmod(there, len(values))
            labels = [(values[p], *label) for p, label in zip(places, labels, strict=True)]
        order = sorted(range(len(labels)), key=lambda place: _sortable(labels[place]))
        at = np.zeros((2, table.num_rows), dtype=np.intp)
        at[0, rows] = np.searchsorted(cycles, times[rows])
        at[1, rows] = np.argsort(order)[at_key]
        return cls(cycles, [labels[place] for place in order], (at[0], at[1]))

    def sums(
        self, table: pa.Table, kind: str, rows: NDArray[np.bool_] | None = None, prefix: str = ""
    ) -> Sums:
        """(cycle, group) of the table, or some of its rows; zeros where there is none."""
        rows = np.ones(table.num_rows, dtype=np.bool_) if rows is None else rows
        sums = zeros(kind, (len(self.cycles), len(self.keys)))
        for place, name in enumerate(KINDS[kind]):
            cells = self.at[0][rows], self.at[1][rows], place
            sums.values[cells] = number_column(table, f"{prefix}{name}")[rows]
        return sums


def _same_truth(kind: str) -> list[str]:
    """The truth's own sums tell whether two models were compared with the same values."""
    own = {"continuous": "{0}.woo", "contingency": "({0}.hits + {0}.misses)"}.get(kind, "{0}.w")
    ours, theirs = own.format("f"), own.format("b")
    return [f"abs({ours} - {theirs}) <= 1e-10 * {ours}", "abs(f.w - b.w) <= 1e-10 * f.w"]


def _sortable(key: tuple[Any, ...]) -> tuple[tuple[bool, Any], ...]:
    """None (no threshold, no height) sorts first."""
    return tuple((item is not None, item if item is not None else 0) for item in key)
