"""The whole service in one process tree: real feed, real children, a clock set to a fixed day."""

from __future__ import annotations

import json
import re
import socket
import sqlite3
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from service_desk import (
    MODEL,
    BentClock,
    Desk,
    collected,
    eventually,
    hour_of,
    make_desk,
    serving,
)
from troubled_model import LIGHT_OPENER as TROUBLED
from troubled_model import plan

from met2net_ops import demo
from met2net_ops.errors import ServiceError, SettingsError
from met2net_ops.products.read import read_fields
from met2net_ops.service import operator
from met2net_ops.service.clock import SystemClock
from met2net_ops.service.integrations import Integrations
from met2net_ops.service.ledger.writer import open_ledger_writer
from met2net_ops.service.lock import lock_holder, take_lock
from met2net_ops.service.monitoring.daily_log import log_daily
from met2net_ops.service.monitoring.status import Level, status
from met2net_ops.service.scheduler.actions import carry_out
from met2net_ops.service.scheduler.decisions import Start
from met2net_ops.service.scheduler.schedule import read_schedules
from met2net_ops.settings import Settings
from met2net_ops.times import HOUR, time_range
from met2net_ops.verification.results.query import Selection
from met2net_ops.verification.results.summary import summary
from met2net_ops.workspace import Workspace

pytestmark = pytest.mark.timeout(400)  # it waits for processes, which a busy machine starts slowly
NOW = hour_of(SystemClock().now())


@pytest.fixture(autouse=True)
def support(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1] / "support"), prepend=":")


def stamp(time) -> str:
    return f"{time:%Y%m%d%H}"


def test_from_the_feed_to_the_scores(tmp_path: Path) -> None:
    place = demo.open_demo(tmp_path / "desk").paths
    text = place.settings_file.read_text(encoding="utf-8")
    for key, value in (("leads", "3"), ("verify_minutes", "0.0")):
        text = re.sub(rf"^#{key} = .*", f"{key} = {value}", text, flags=re.MULTILINE)
    text += '\n[[schedules]]\nmodel = "persistence"\ncron = "0 * * * *"\n'
    place.settings_file.write_text(text, encoding="utf-8")
    settings = demo.open_demo(place.root).settings
    desk = Desk(place, settings, None)  # type: ignore[arg-type] - made by the service
    first = demo.FEED_START
    clock = BentClock(first + 2 * HOUR + timedelta(minutes=5))
    with log_daily(place), serving(desk.service(clock=clock)):
        eventually(lambda: desk.ledger.cycle(MODEL, first + 2 * HOUR))
        demo.deliver(Workspace(place, settings), first, first + 5 * HOUR)
        eventually(lambda: desk.cycle(first + 2 * HOUR).state == "verified")
        clock.jump(HOUR)
        done = eventually(
            lambda: [one for one in desk.ledger.cycles(MODEL) if one.state == "published"]
        )
        assert done[0].reference_time == first + 3 * HOUR
        assert "partial" in eventually(lambda: desk.cycle(first + 3 * HOUR).verification)
        found = status(Workspace(place, settings), datetime.now(UTC))
        assert found.level is Level.FINE, found.reasons
    header, fields = read_fields(place.root / done[0].product)
    assert header.reference_time == first + 3 * HOUR
    assert len(fields) == 3
    scores = summary(place, Selection(truth="analysis", model=MODEL))
    assert {line.lead_hours for line in scores} == {1, 2, 3}
    (log,) = place.logs.glob("serve-*.jsonl")
    told = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert {"service starts", "file read", "attempt ended", "service ended"} <= {
        line["event"] for line in told
    }
    assert lock_holder(place) is None


def test_trouble_costs_attempts_and_never_the_service(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk", serve={"timeout_seconds": 1.0, "attempts": 3})
    desk.fill(NOW - 6 * HOUR, 7)
    plan(desk.workspace, stamp(NOW), "segfault", "hang")
    plan(desk.workspace, stamp(NOW - HOUR), "refuse", "refuse", "refuse")
    plan(desk.workspace, stamp(NOW - 2 * HOUR), "reject")
    events, listeners = collected()
    clock = BentClock(NOW + timedelta(minutes=1))
    with serving(desk.service(opener=TROUBLED, listeners=listeners, clock=clock)):
        cycle = eventually(lambda: (one := desk.ledger.cycle(MODEL, NOW)) and one.attempts and
                           one.state == "published" and one)  # fmt: skip
        assert [one.kind for one in cycle.attempts] == ["crashed", "timeout", "published"]
        assert all(one.reason for one in cycle.attempts[:2])
        past = time_range(NOW - 2 * HOUR, NOW - HOUR)
        (schedule,) = read_schedules(desk.settings, NOW)
        operator.run_now(desk.workspace, schedule, past, clock.now())
        eventually(lambda: {desk.cycle(time).state for time in past} == {"failed"})
        eventually(lambda: len(events) == 2)
        assert (
            status(Workspace(desk.workspace, desk.settings), datetime.now(UTC)).level is Level.FINE
        )
    assert [one.kind for one in desk.cycle(NOW - HOUR).attempts] == ["refused"] * 3
    assert {(one.kind, one.reference_time) for one in events} == {
        ("failed", NOW - HOUR), ("rejected", NOW - 2 * HOUR),
    }  # fmt: skip
    assert not list(desk.workspace.products.rglob("*.tmp"))


def test_asked_to_end_it_lets_a_run_finish_or_abandons_it(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk", serve={"stop_seconds": 3.0})
    desk.fill(NOW - 3 * HOUR, 4)
    plan(desk.workspace, stamp(NOW), "slow")
    with serving(desk.service(opener=TROUBLED)):
        eventually(lambda: (one := desk.ledger.cycle(MODEL, NOW)) and one.state == "running")
    assert desk.cycle(NOW).state == "published"
    desk.rewrite(serve={"stop_seconds": 0.0})
    (schedule,) = read_schedules(desk.settings, NOW)
    plan(desk.workspace, stamp(NOW - HOUR), "hang")
    operator.run_now(desk.workspace, schedule, [NOW - HOUR], SystemClock().now())
    with serving(desk.service(opener=TROUBLED)):
        eventually(lambda: desk.cycle(NOW - HOUR).state == "running")
    cycle = desk.cycle(NOW - HOUR)
    assert (cycle.state, cycle.failures) == ("ready", 0)
    assert [one.kind for one in cycle.attempts] == ["abandoned"]


def test_settings_are_reloaded_or_refused(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk")
    seen: list[Settings] = []
    events, listeners = collected()
    service = desk.service(
        listeners=type(listeners)(on_event=events.append, on_settings=seen.append)
    )
    with serving(service):
        eventually(desk.ledger.heartbeat)
        desk.rewrite(schedules=[{"model": MODEL, "cron": "30 * * * *"}])
        service.reload()
        problem = eventually(lambda: service.problems.get("reload"))
        assert "every 1 h" in problem
        desk.rewrite(archive={"variables": ["t2m"]})
        service.reload()
        eventually(lambda: "[archive] cannot change" in service.problems["reload"])
        desk.workspace.settings_file.write_text("[forecast]\nleeds = 3\n", encoding="utf-8")
        service.reload()
        eventually(lambda: "did you mean leads" in service.problems["reload"])
        assert len(seen) == 1
        desk.rewrite(schedules=[{"model": MODEL, "cron": "0 */6 * * *"}])
        service.reload()
        eventually(lambda: len(seen) == 2 and not service.problems)
        ahead = NOW.replace(hour=0) + (NOW.hour // 6 + 1) * 6 * HOUR
        eventually(lambda: desk.ledger.cycle(MODEL, ahead))


def test_a_locked_ledger_loses_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("met2net_ops.service.ledger.writer._BUSY_TIMEOUT_S", 0.2)
    desk = make_desk(tmp_path / "desk")
    desk.fill(NOW - 3 * HOUR, 4)
    plan(desk.workspace, stamp(NOW), "slow")
    service = desk.service(opener=TROUBLED)
    with serving(service):
        eventually(lambda: (one := desk.ledger.cycle(MODEL, NOW)) and one.state == "running")
        other = sqlite3.connect(desk.workspace.ledger, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        eventually(lambda: "database is locked" in service.problems.get("ledger", ""))
        assert desk.cycle(NOW).state == "running"
        other.execute("ROLLBACK")
        other.close()
        eventually(lambda: desk.cycle(NOW).state == "published")
        eventually(lambda: not service.problems)
    assert len(desk.cycle(NOW).attempts) == 1


def test_a_killed_services_attempt_is_found_and_made_again(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk")
    desk.fill(NOW - 3 * HOUR, 4)
    (schedule,) = read_schedules(desk.settings, NOW)
    operator.run_now(desk.workspace, schedule, [NOW], NOW + HOUR)
    ledger = open_ledger_writer(desk.workspace)
    carry_out(ledger, NOW + HOUR, [Start(MODEL, NOW)])  # as a service that ends right after
    ledger.close()
    assert desk.cycle(NOW).state == "running"
    with serving(desk.service(opener=TROUBLED, clock=BentClock(NOW + timedelta(minutes=1)))):
        eventually(lambda: desk.cycle(NOW).state == "published")
    assert [one.kind for one in desk.cycle(NOW).attempts] == ["lost", "published"]


def test_only_one_serves_and_a_second_hears_who(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk")
    with take_lock(desk.workspace):
        holder = lock_holder(desk.workspace)
        assert holder is not None
        with pytest.raises(ServiceError, match=f"served already, by process {holder.pid} on "):
            desk.service().run()
    assert lock_holder(desk.workspace) is None
    with take_lock(desk.workspace):
        pass


def test_without_schedules_there_is_nothing_to_serve(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk", schedules=[])
    with pytest.raises(SettingsError, match=r"\[\[schedules\]\]"):
        desk.service()


def test_metrics_that_cannot_be_shown_are_a_problem_until_they_can(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        desk = make_desk(tmp_path / "desk", monitor={"port": other.getsockname()[1]})
        integrations = Integrations(Workspace(desk.workspace, desk.settings), lambda model: None)
        service = desk.service(opener=TROUBLED, listeners=integrations.listeners)
        with serving(service):
            for _ in range(2):  # it is not forgotten when other listeners work
                last = desk.ledger.heartbeat()
                heartbeat = eventually(
                    lambda last=last: (one := desk.ledger.heartbeat()) != last and one
                )
                assert "cannot listen" in heartbeat.problems["monitor"]
            other.close()
            eventually(lambda: integrations.server is not None and not service.problems)


def test_asked_twice_it_does_not_wait_for_a_feed(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk", serve={"stop_seconds": 50.0})
    (desk.workspace.root / "feed" / "odd.grib2").write_bytes(b"no GRIB at all")
    service = desk.service(opener=TROUBLED)
    wake, held, free = service.wake, threading.Event(), threading.Event()

    def hang() -> None:
        if threading.current_thread().name == "ingest":
            held.set()
            free.wait(100)
        wake()

    service.wake = hang  # type: ignore[method-assign]
    with serving(service):
        assert held.wait(90)
        begun = time.monotonic()
        service.stop()
        service.stop()
        eventually(lambda: lock_holder(desk.workspace) is None)
        assert time.monotonic() - begun < 30
        free.set()
