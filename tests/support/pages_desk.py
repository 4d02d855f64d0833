"""Stored sums and a ledger whose every number is known, for the pages that show them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np

from met2net_ops.paths import WorkspacePaths
from met2net_ops.service.ledger.changes import Enter, Move
from met2net_ops.service.ledger.events import EventKind
from met2net_ops.service.ledger.records import Heartbeat
from met2net_ops.service.ledger.states import CycleState, ExitKind
from met2net_ops.service.ledger.transaction import (
    OPERATOR,
    SERVICE,
    AttemptResult,
    LedgerTransaction,
)
from met2net_ops.service.ledger.writer import open_ledger_writer
from met2net_ops.times import HOUR
from met2net_ops.verification.store.axes import Axes
from met2net_ops.verification.store.files import Record, sums_path, write_sums
from met2net_ops.verification.store.rows import Part, Rows, Subset
from met2net_ops.verification.store.sums import KINDS, Sums

FIRST = datetime(2026, 11, 1, tzinfo=UTC)
CYCLES = tuple(FIRST + timedelta(hours=6 * index) for index in range(12))
LEADS = (6, 12, 18, 24)
REGIONS = ("all", "northern-extratropics", "tropics", "southern-extratropics")
STATIONS = (
    Subset("EDDM", 48.35, 11.79, 453.0),
    Subset("KJFK", 40.64, -73.76, 4.0),
    Subset("<b>odd* [name](http://example.org)", -34.0, 151.0, None),
)
PAIRS = 30
SYSTEMS = ("forecast", "persistence", "persistence-24h", "climatology")


def errors(
    model: str,
    truth: str,
    variable: str,
    system: str,
    cycle: datetime,
    leads: tuple[int, ...] = LEADS,
) -> np.ndarray:
    """(lead, subset, pair) errors, float64: what every sum is made from.

    The forecast is better than persistence but for the southern extratropics, where both are as
    good as each other; 24-hour persistence is missing for the first cycle.
    """
    subsets = len(REGIONS) if truth == "analysis" else len(STATIONS)
    turn = (cycle - CYCLES[0]) // timedelta(hours=6) % 2**31
    number = [*"".join((model, truth, variable, system)).encode(), turn]
    random = np.random.default_rng(number)
    scale = {"msl": 100.0}.get(variable, 1.0)
    size = {"forecast": 0.5 if model == "desk" else 0.6}.get(system, 2.0)
    growth = 1 + np.array(leads)[:, None, None] / 24
    values = random.normal(0.1, 1.0, (len(leads), subsets, PAIRS)) * growth * size * scale
    if truth == "analysis" and system == "forecast":
        values[:, -1] *= 2.0 / size
    return values


def make_scores(
    workspace: WorkspacePaths,
    models: tuple[str, ...] = ("desk", "rival"),
    cycles: tuple[datetime, ...] = CYCLES,
    leads: tuple[int, ...] = LEADS,
) -> None:
    """Store sums of t2m, msl and wind10 against analyses, and of the first model stations.

    Leads are equally far apart, the first of them as far from the cycle.
    """
    for model in models:
        for cycle in cycles:
            _store(workspace, model, cycle, "analysis", leads)
            if model == models[0]:
                _store(workspace, model, cycle, "stations", leads)


def _store(
    workspace: WorkspacePaths, model: str, cycle: datetime, truth: str, leads: tuple[int, ...]
) -> None:
    subsets = [Subset(name) for name in REGIONS] if truth == "analysis" else list(STATIONS)
    parts = []
    for system in SYSTEMS:
        if system == "persistence-24h" and cycle == CYCLES[0]:
            continue
        for variable in ("t2m", "msl"):
            values = errors(model, truth, variable, system, cycle, leads)
            parts.append(Part(system, variable, _continuous(values)))
        values = errors(model, truth, "wind10", system, cycle, leads)
        parts.append(Part(system, "wind10", _vector(values)))
        parts.append(Part(system, "t2m", _table(len(leads), len(subsets)), 273.15))
    axes = Axes(cycle, timedelta(hours=leads[0]), len(leads), ("t2m", "msl"))
    record = Record(model, cycle, truth, "final", "", "", "")
    path = sums_path(workspace, truth, model, cycle)
    write_sums(path, record, Rows(model, truth, axes, parts, subsets))


def _continuous(e: np.ndarray) -> Sums:
    o = np.full(e.shape, 280.0)
    f = o + e
    one = np.ones(e.shape)
    cells = {
        "n": one, "w": one, "we": e, "wabs": np.abs(e), "wee": e**2, "wf": f, "wo": o,
        "wff": f**2, "woo": o**2, "wfo": f * o,
    }  # fmt: skip
    nothing = np.zeros(e.shape)
    columns = [cells.get(name, nothing).sum(axis=-1) for name in KINDS["continuous"]]
    return Sums("continuous", np.stack(columns, axis=-1))


def _vector(values: np.ndarray) -> Sums:
    names = KINDS["vector"]
    sums = np.zeros((*values.shape[:2], len(names)))
    sums[..., names.index("n")] = sums[..., names.index("w")] = values.shape[-1]
    sums[..., names.index("wvv")] = (values**2).sum(axis=-1)
    return Sums("vector", sums)


def _table(leads: int, subsets: int) -> Sums:
    cell = {"n": PAIRS, "w": PAIRS, "hits": 20, "false_alarms": 5, "misses": 5}
    row = [float(cell.get(name, 20)) for name in KINDS["contingency"]]
    return Sums("contingency", np.tile(row, (leads, subsets, 1)))


NOW = datetime.now(UTC)  # the service looks at the clock
REASON = "t2m 2026-11-22T05:00Z is missing\n<img src=x> ![](http://example.org/x.png) $x$"


def make_ledger(
    workspace: WorkspacePaths, now: datetime, hours: int = 24, model: str = "desk", every: int = 1
) -> None:
    """A ledger of cycles up to `now`, one of them in every state."""
    newest = now.replace(minute=0, second=0, microsecond=0)
    times = [newest - HOUR * index for index in range(0, hours, every)]
    ledger = open_ledger_writer(workspace)
    ways: tuple[tuple[CycleState, ...], ...] = (
        (CycleState.EXPECTED,),
        (CycleState.WAITING,),
        (CycleState.READY,),
        (CycleState.READY, CycleState.RUNNING),
        (CycleState.WAITING, CycleState.LATE),
        (CycleState.READY, CycleState.RUNNING, CycleState.FAILED),
        (CycleState.WAITING, CycleState.LATE, CycleState.EXPIRED),
        (CycleState.WAITING, CycleState.HELD),
        (CycleState.WAITING, CycleState.SKIPPED),
        (CycleState.READY, CycleState.RUNNING, CycleState.PUBLISHED),
        (CycleState.READY, CycleState.RUNNING, CycleState.PUBLISHED, CycleState.VERIFIED),
    )
    for index, time in enumerate(times):
        way = ways[min(index, len(ways) - 1)]
        at = time + timedelta(minutes=10)
        with ledger.transaction(at) as transaction:
            transaction.enter(Enter(model, time, way[0], time + HOUR * 2, time + HOUR * 12, "new"))
        for before, after in pairwise(way):
            with ledger.transaction(at + timedelta(minutes=2)) as transaction:
                _step(transaction, model, time, before, after)
    with ledger.transaction(now) as transaction:
        transaction.write_heartbeat(Heartbeat("box", 4242, now - HOUR * 30, now, None, {}))
    ledger.close()


def _step(
    transaction: LedgerTransaction,
    model: str,
    time: datetime,
    before: CycleState,
    after: CycleState,
) -> None:
    if after is CycleState.RUNNING:
        assert transaction.begin(model, time) == 1
        return
    by = OPERATOR if after in (CycleState.HELD, CycleState.SKIPPED) else SERVICE
    event = {CycleState.LATE: EventKind.LATE, CycleState.FAILED: EventKind.FAILED}.get(after)
    reason = REASON if after in (CycleState.LATE, CycleState.FAILED) else f"now {after}"
    move = Move(model, time, before, after, reason, event)
    if before is CycleState.RUNNING:
        failed = after is CycleState.FAILED
        kind = ExitKind.TIMEOUT if failed else ExitKind.PUBLISHED
        seconds = {} if failed else {"window": 0.1, "rollout": 0.5, "write": 0.2}
        assert transaction.end(move, AttemptResult(kind, reason if failed else "", seconds), {})
    else:
        assert transaction.move(move, by=by)
