"""What monitors are told, from ledgers as a service leaves them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from met2net_ops.errors import ServiceError
from met2net_ops.paths import WorkspacePaths
from met2net_ops.service import operator
from met2net_ops.service.ledger.changes import Enter, Move
from met2net_ops.service.ledger.events import EventKind
from met2net_ops.service.ledger.records import Heartbeat
from met2net_ops.service.ledger.states import CycleState, ExitKind
from met2net_ops.service.ledger.transaction import AttemptResult
from met2net_ops.service.ledger.writer import LedgerWriter, open_ledger_writer
from met2net_ops.service.lock import lock_file, lock_holder, take_lock
from met2net_ops.service.monitoring.status import Level, status
from met2net_ops.service.scheduler.actions import carry_out, record
from met2net_ops.service.scheduler.decisions import Start
from met2net_ops.service.scheduler.schedule import read_schedules
from met2net_ops.settings import Settings
from met2net_ops.times import HOUR, parse_time
from met2net_ops.workspace import Workspace

MODEL = "m"
START = parse_time("2026-11-22T00")
DAY = timedelta(days=1)
SETTINGS = Settings(schedules=[{"model": MODEL, "cron": "0 0 * * sun"}])


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[LedgerWriter]:
    made = open_ledger_writer(WorkspacePaths(tmp_path))
    yield made
    made.close()


def ended(ledger: LedgerWriter, time: datetime, kind: ExitKind) -> None:
    """A cycle that ran, an hour after its reference time."""
    at = time + HOUR
    entry = Enter(MODEL, time, CycleState.WAITING, at + 6 * HOUR, at + DAY, "")
    move = Move(MODEL, time, CycleState.WAITING, CycleState.READY, "")
    carry_out(ledger, at, [entry, move])
    carry_out(ledger, at, [Start(MODEL, time)])
    attempt = (MODEL, time, AttemptResult(kind, "because", {}, "p.nc", 3))
    record(ledger, at, attempt, SETTINGS.serve.model_copy(update={"attempts": 1}))


def beat(ledger: LedgerWriter, at: datetime, **problems: str) -> None:
    with ledger.transaction(at) as transaction:
        transaction.write_heartbeat(Heartbeat("host", 1, at, at, None, problems))


def look(tmp_path: Path, now: datetime) -> tuple[Level, str]:
    found = status(Workspace(WorkspacePaths(tmp_path), SETTINGS), now)
    return found.level, " ".join(found.reasons)


def test_a_weekly_cycle_counts_until_the_next_one(ledger: LedgerWriter, tmp_path: Path) -> None:
    ended(ledger, START, ExitKind.PUBLISHED)
    now = START + 8 * DAY
    with take_lock(WorkspacePaths(tmp_path), since=now):
        beat(ledger, now)
        (line,) = status(Workspace(WorkspacePaths(tmp_path), SETTINGS), now).models
        assert line.newest == START
        ended(ledger, START + HOUR, ExitKind.ERROR)
        level, reasons = look(tmp_path, now)
    assert level is Level.FAILING
    assert "2026-11-22T01:00Z failed" in reasons


def test_the_newest_forecast_is_shown_to_monitors_however_old(ledger: LedgerWriter) -> None:
    ended(ledger, START, ExitKind.PUBLISHED)
    assert ledger.newest_published() == {MODEL: START}


def test_a_forecast_made_anew_is_not_late_for_having_been_late_once(
    ledger: LedgerWriter, tmp_path: Path
) -> None:
    now = START + HOUR
    ended(ledger, START, ExitKind.PUBLISHED)
    with ledger.transaction(now) as transaction:
        transaction.move(
            Move(MODEL, START, CycleState.PUBLISHED, CycleState.PUBLISHED, "", EventKind.LATE)
        )
    (schedule,) = read_schedules(SETTINGS, now)
    with take_lock(WorkspacePaths(tmp_path), since=now):
        beat(ledger, now)
        operator.run_now(WorkspacePaths(tmp_path), schedule, [START], now, again=True)
        assert look(tmp_path, now) == (Level.FINE, "")


def test_a_service_that_starts_is_not_taken_for_the_one_before(
    ledger: LedgerWriter, tmp_path: Path
) -> None:
    ended(ledger, START, ExitKind.PUBLISHED)
    beat(ledger, START + HOUR, ingest="no such folder")
    now = START + 2 * DAY
    with take_lock(WorkspacePaths(tmp_path), since=now):
        assert look(tmp_path, now + timedelta(minutes=1)) == (Level.FINE, "")
        level, reasons = look(tmp_path, now + timedelta(minutes=6))
        assert (level, "no heartbeat" in reasons) == (Level.STOPPED, True)
        beat(ledger, now + timedelta(minutes=6), ingest="no such folder")
        level, reasons = look(tmp_path, now + timedelta(minutes=7))
        assert (level, "no such folder" in reasons) == (Level.FAILING, True)


def test_who_runs_cycles_by_hand_does_not_serve(ledger: LedgerWriter, tmp_path: Path) -> None:
    workspace = WorkspacePaths(tmp_path)
    with take_lock(workspace, serves=False):
        holder = lock_holder(workspace)
        assert holder is not None
        assert not holder.serves
        level, reasons = look(tmp_path, START)
        assert (level, "never run" in reasons) == (Level.STOPPED, True)
        with pytest.raises(ServiceError, match=f"process {holder.pid} on .* by hand"):
            take_lock(workspace)


def test_a_lock_that_cannot_be_looked_at_is_not_taken_for_none(tmp_path: Path) -> None:
    workspace = WorkspacePaths(tmp_path)
    lock_file(workspace).symlink_to(lock_file(workspace))
    with pytest.raises(ServiceError, match="cannot see"):
        lock_holder(workspace)
