"""What the service, `status` and `prune` ask of the ledger costs the same after years."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from met2net_ops.products.index import list_products
from met2net_ops.service.ledger.states import OPEN
from met2net_ops.service.ledger.writer import open_ledger_writer
from met2net_ops.service.monitoring.status import status
from met2net_ops.service.retained_data import retained_data
from met2net_ops.times import HOUR
from met2net_ops.workspace import Workspace, create_workspace

NOW = datetime(2026, 11, 22, 6, 30, tzinfo=UTC)
MODELS = ("one", "two")
_COUNTED_IN = 100  # instructions of SQLite's machine


def aged(folder: Path, days: int) -> Workspace:
    """A workspace whose models have run every hour for so long; some cycles had no forecast."""
    schedules = [{"model": model, "cron": "0 * * * *"} for model in MODELS]
    workspace = create_workspace(folder, {"schedules": schedules})
    open_ledger_writer(workspace.paths).close()
    states = {7: "expired", 9: "skipped", 11: "failed"}
    with closing(sqlite3.connect(workspace.paths.ledger)) as ledger:
        for model in MODELS:
            for hour in range(days * 24):
                time = NOW - timedelta(minutes=30) - hour * HOUR
                state = states.get(hour % 50, "verified")
                stamps = [f"{time + delay:%Y-%m-%d %H:%M:%S.%f}" for delay in (0 * HOUR, HOUR)]
                row = ledger.execute(
                    "INSERT INTO cycles (model, reference_time, state, since, reason, by, deadline,"
                    " expires, product, leads, published_at, alarmed, backfill, force, failures,"
                    " verification) VALUES (?, ?, ?, ?, '', 'service', ?, ?, '', 3, ?, 0, 0, 0, 0,"
                    " '')",
                    (model, stamps[0], state, *stamps[1:] * 3, stamps[1]),
                )
                ledger.execute(
                    "INSERT INTO history (cycle_id, at, after, reason, by)"
                    " VALUES (?, ?, 'waiting', '', 'service')",
                    (row.lastrowid, stamps[0]),
                )
        ledger.commit()
    return workspace


@contextmanager
def counted() -> Iterator[list[int]]:
    """The instructions that SQLite carries out."""
    steps = [0]

    def count() -> int:
        steps[0] += 1
        return 0

    def listen(connection: Any, _record: object) -> None:
        connection.set_progress_handler(count, _COUNTED_IN)

    event.listen(Engine, "connect", listen)
    try:
        yield steps
    finally:
        event.remove(Engine, "connect", listen)


def the_service(workspace: Workspace) -> None:
    ledger = workspace.create_ledger()
    ledger.snapshot(NOW)
    ledger.published(NOW - timedelta(days=13), NOW - timedelta(days=1))
    ledger.states(NOW - timedelta(days=7))
    ledger.newest_published()
    ledger.undelivered_events()
    ledger.close()


QUESTIONS: dict[str, Callable[[Workspace], object]] = {
    "the service": the_service,
    "status": lambda workspace: status(workspace, NOW),
    "prune": lambda workspace: retained_data(workspace, NOW, NOW, lambda _: None),
    "unfinished cycles": lambda workspace: workspace.ledger.cycles(MODELS[0], states=OPEN),
    "the newest cycles": lambda workspace: workspace.ledger.cycles(limit=24),
    "the models": lambda workspace: workspace.ledger.models(),
}


@pytest.fixture(scope="module")
def workspaces(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Workspace]:
    folder = tmp_path_factory.mktemp("age")
    return aged(folder / "young", 30), aged(folder / "old", 300)


@pytest.mark.parametrize("name", QUESTIONS)
def test_questions_to_the_ledger_cost_the_same_after_years(
    workspaces: tuple[Workspace, Workspace], name: str
) -> None:
    costs = []
    for workspace in workspaces:
        with counted() as steps:
            QUESTIONS[name](Workspace(workspace.paths, workspace.settings))
        costs.append(steps[0])
    assert costs[1] <= 1.3 * costs[0] + 5, costs


def test_products_of_other_days_are_not_looked_at(tmp_path: Path) -> None:
    workspace = create_workspace(tmp_path / "desk").paths
    for model in MODELS:
        for day in range(40):
            file = workspace.product(model, NOW - timedelta(days=day))
            file.parent.mkdir(parents=True)
            file.touch()
    since, until = NOW - timedelta(days=9), NOW - timedelta(days=7)
    found = list_products(workspace, since=since - HOUR, until=until + HOUR)
    days = sorted({entry.reference_time.date() for entry in found})
    assert days == [(NOW - timedelta(days=day)).date() for day in (9, 8, 7)]
    assert len(found) == 6
    every = [entry for entry in list_products(workspace) if since <= entry.reference_time <= until]
    assert [one for one in found if since <= one.reference_time <= until] == every
