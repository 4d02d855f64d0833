"""What the tick decides, at every moment of a clock that a test moves as it likes."""

from __future__ import annotations

import contextlib
import itertools
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from met2net_ops.errors import ServiceError
from met2net_ops.paths import WorkspacePaths
from met2net_ops.service import operator
from met2net_ops.service.ledger.changes import Enter, Move
from met2net_ops.service.ledger.events import CycleEvent, EventKind
from met2net_ops.service.ledger.reader import open_ledger_reader
from met2net_ops.service.ledger.records import Cycle
from met2net_ops.service.ledger.states import BAD, GOOD, OPEN, CycleState, ExitKind
from met2net_ops.service.ledger.transaction import AttemptResult
from met2net_ops.service.ledger.writer import open_ledger_writer
from met2net_ops.service.scheduler.actions import carry_out, deliver_events, record
from met2net_ops.service.scheduler.decisions import Readiness, Start, decide
from met2net_ops.service.scheduler.schedule import read_schedules
from met2net_ops.settings import Settings
from met2net_ops.times import HOUR, parse_time, time_range

MODEL = "m"
START = parse_time("2026-11-22T00")
MINUTE = timedelta(minutes=1)
CONFIGURED = Settings(
    schedules=[
        {"model": MODEL, "cron": "0 * * * *", "deadline_minutes": 90.0, "expire_hours": 6.0}
    ],
    serve={"catch_up": 3, "attempts": 3, "retry_seconds": 60.0, "timeout_seconds": 600.0},
)


@dataclass
class World:
    """A ledger, a clock and an archive that a test moves; runs end when it says so."""

    workspace: WorkspacePaths
    now: datetime = START + MINUTE
    complete: set[datetime] = field(default_factory=set)
    gappy: set[datetime] = field(default_factory=set)
    running: list[datetime] = field(default_factory=list)
    begun: list[datetime] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.writer = open_ledger_writer(self.workspace)
        self.ledger = open_ledger_reader(self.workspace)
        self.schedules = read_schedules(CONFIGURED, START)
        self.probed: list[datetime] = []

    def probe(self, model: str, time: datetime) -> Readiness:
        self.probed.append(time)
        there = time in self.complete
        return Readiness(there, there or time in self.gappy, "" if there else "frames are missing")

    def decide(self, minutes: float = 0) -> None:
        self.now += minutes * MINUTE
        snapshot = self.writer.snapshot(self.now)
        idle = frozenset() if self.running else frozenset({MODEL})
        decisions = decide(
            self.now, snapshot, self.schedules, CONFIGURED.serve, self.probe, idle,
            1 - len(self.running),
        )  # fmt: skip
        entered, begun = carry_out(self.writer, self.now, decisions)
        for _, time, _ in begun:
            self.running.append(time)
            self.begun.append(time)
        if entered:
            self.decide()

    def end(self, kind: ExitKind = ExitKind.PUBLISHED) -> None:
        product = "p.nc" if kind is ExitKind.PUBLISHED else ""
        attempt = (MODEL, self.running.pop(), AttemptResult(kind, kind.value, {}, product, 3))
        record(self.writer, self.now, attempt, CONFIGURED.serve)

    def cycle(self, time: datetime) -> Cycle:
        found = self.ledger.cycle(MODEL, time)
        assert found is not None
        return found

    def state(self, time: datetime) -> CycleState:
        return self.cycle(time).state

    def events(self) -> list[tuple[EventKind, datetime]]:
        return [(event.kind, event.reference_time) for event in self.all_events()]

    def all_events(self) -> list[CycleEvent]:
        return self.writer.undelivered_events()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(WorkspacePaths(tmp_path))
    made.decide()
    yield made
    made.writer.close()


def test_a_cycle_starts_when_its_window_is_complete(world: World) -> None:
    world.decide()
    assert world.state(START) is CycleState.WAITING
    assert world.state(START + HOUR) is CycleState.EXPECTED
    assert world.running == []
    world.complete.add(START)
    world.decide(1)
    assert world.running == [START]
    world.decide(1)
    assert world.begun == [START]
    world.end()
    assert world.state(START) is CycleState.PUBLISHED
    world.decide(1)
    assert world.begun == [START]
    assert world.events() == []


def test_gaps_are_filled_at_the_deadline_not_before(world: World) -> None:
    world.gappy.add(START)
    world.decide(88)
    assert world.state(START) is CycleState.WAITING
    world.decide(2)  # now it is 01:31
    assert world.running == [START]
    assert world.events() == []


def test_late_then_recovered(world: World) -> None:
    world.decide(91)
    assert world.state(START) is CycleState.LATE
    assert world.events() == [(EventKind.LATE, START)]
    world.decide(10)
    assert world.events() == [(EventKind.LATE, START)]
    world.gappy.add(START)
    world.decide(10)
    world.end()
    assert world.events() == [(EventKind.LATE, START), (EventKind.RECOVERED, START)]
    assert world.cycle(START).late_at == START + 92 * MINUTE


def test_late_then_expired(world: World) -> None:
    world.decide(91)
    world.decide(6 * 60)
    assert world.state(START) is CycleState.EXPIRED
    assert [kind for kind, time in world.events() if time == START] == ["late", "failed"]
    world.complete.add(START)
    world.decide(1)
    assert START not in world.begun


def test_a_cycle_whose_run_drags_on_past_the_deadline_is_told_of_once(world: World) -> None:
    world.complete.add(START)
    world.decide()
    for _ in range(4):
        world.decide(60)
    assert [kind for kind, time in world.events() if time == START] == [EventKind.LATE]
    assert world.state(START) is CycleState.RUNNING


def test_attempts_wait_longer_each_time_and_end_in_failed(world: World) -> None:
    world.complete.add(START)
    world.decide()
    world.end(ExitKind.CRASHED)
    world.decide(0.5)
    assert world.running == []
    world.decide(0.6)
    assert world.running == [START]
    world.end(ExitKind.TIMEOUT)
    world.decide(1.1)
    assert world.running == []
    world.decide(1)
    world.end(ExitKind.MEMORY)
    assert world.state(START) is CycleState.FAILED
    assert world.events() == [(EventKind.FAILED, START)]
    assert [one.kind for one in world.cycle(START).attempts] == ["crashed", "timeout", "memory"]
    world.decide(30)
    assert world.begun == [START] * 3


def test_a_rejected_forecast_is_not_tried_again(world: World) -> None:
    world.complete.add(START)
    world.decide()
    world.end(ExitKind.REJECTED)
    assert world.state(START) is CycleState.FAILED
    assert world.events() == [(EventKind.REJECTED, START)]
    world.decide(30)
    assert world.begun == [START]


def test_an_abandoned_attempt_costs_nothing(world: World) -> None:
    world.complete.add(START)
    for _ in range(5):
        world.decide()
        world.end(ExitKind.ABANDONED)
    assert world.state(START) is CycleState.READY
    assert world.cycle(START).failures == 0


def test_catching_up_is_bounded_and_newest_first(world: World) -> None:
    world.complete |= set(time_range(START, START + 50 * HOUR))
    world.decide()
    world.end()
    world.decide(20 * 60)  # 20:01, the service was down
    while world.running:
        world.end()
        world.decide()
    # 01:00 was in the ledger as the next one; of those missed the newest three are made up for.
    assert world.begun[1:4] == [START + hour * HOUR for hour in (20, 19, 18)]
    assert world.begun[4:] == []
    assert world.state(START + HOUR) is CycleState.EXPIRED
    skipped = [world.cycle(START + hour * HOUR) for hour in range(2, 18)]
    assert {cycle.state for cycle in skipped} == {CycleState.SKIPPED}
    assert all("not running" in cycle.reason for cycle in skipped)


def test_the_first_start_of_all_has_missed_nothing() -> None:
    with fresh_world() as world:
        world.decide(5 * 60)
        states = world.ledger.counts()
    assert states == {(MODEL, CycleState.WAITING): 1, (MODEL, CycleState.EXPECTED): 1}


def six_hourly() -> Settings:
    other = [{"model": MODEL, "cron": "0 */6 * * *"}]
    return CONFIGURED.model_copy(update={"schedules": Settings(schedules=other).schedules})


def test_years_of_downtime_enter_a_year_at_most(world: World) -> None:
    world.schedules = read_schedules(six_hourly(), START)
    world.decide()
    world.now += timedelta(days=4000)
    world.decide()
    counts = world.ledger.counts()
    assert counts[MODEL, CycleState.SKIPPED] == 366 * 4 - 3 + 1  # and 01:00, no longer on schedule


def test_a_clock_that_jumps_ahead_and_back_loses_no_cycle(world: World) -> None:
    world.decide()
    world.decide(12 * 60)  # half a day ahead: all that were waiting are given up
    assert world.state(START) is CycleState.EXPIRED
    world.now -= 12 * HOUR - MINUTE
    world.decide()
    assert world.state(START) is CycleState.WAITING
    assert world.state(START + 12 * HOUR) is CycleState.EXPECTED
    assert world.state(START + 5 * HOUR) is CycleState.EXPECTED
    world.complete |= set(time_range(START, START + 12 * HOUR))
    for _ in range(12 * 6 + 3):
        world.decide(10)
        if world.running:
            world.end()
    assert world.begun == time_range(START, START + 12 * HOUR)


def test_a_clock_that_goes_back_does_not_repeat_and_does_not_wait_for_ever(world: World) -> None:
    world.complete.add(START)
    world.decide()
    world.end(ExitKind.CRASHED)  # to be tried again in a minute
    world.now -= 24 * HOUR
    world.decide()
    assert world.begun == [START, START]
    world.end()
    for _ in range(24 * 2):
        world.decide(30)
    assert world.begun == [START, START]


def test_a_changed_schedule_drops_the_cycle_it_no_longer_has(world: World) -> None:
    world.decide()
    world.schedules = read_schedules(six_hourly(), START)
    world.decide(1)
    assert world.state(START + HOUR) is CycleState.SKIPPED
    assert world.state(START + 6 * HOUR) is CycleState.EXPECTED
    world.decide(1)
    assert world.state(START + HOUR) is CycleState.SKIPPED


def test_operators_hold_release_skip_and_run(world: World) -> None:
    world.decide()
    schedule = world.schedules[0]
    operator.hold(world.workspace, MODEL, [START], world.now)
    world.complete.add(START)
    world.decide(1)
    assert world.begun == []
    operator.release(world.workspace, MODEL, [START], world.now)
    world.decide(1)
    assert world.begun == [START]
    with pytest.raises(ServiceError, match="running"):
        operator.skip(world.workspace, MODEL, [START], world.now)
    world.end()
    with pytest.raises(ServiceError, match="rerun"):
        operator.run_now(world.workspace, schedule, [START], world.now)
    operator.run_now(world.workspace, schedule, [START], world.now, again=True)
    world.decide()
    assert world.begun == [START, START]
    world.end()
    operator.skip(world.workspace, MODEL, [START + HOUR], world.now)
    world.complete.add(START + HOUR)
    world.decide(60)
    assert world.state(START + HOUR) is CycleState.SKIPPED
    with pytest.raises(ServiceError, match="no cycle"):
        operator.hold(world.workspace, MODEL, [START + 99 * HOUR], world.now)
    with pytest.raises(ServiceError, match="in the future"):
        operator.run_now(world.workspace, schedule, [START + 99 * HOUR], world.now)
    assert [change.by for change in world.cycle(START + HOUR).history] == ["service", "operator"]


def test_one_wrong_name_changes_nothing(world: World) -> None:
    world.decide()
    with pytest.raises(ServiceError):
        operator.hold(world.workspace, MODEL, [START, START - HOUR], world.now)
    assert world.state(START) is CycleState.WAITING


def test_a_backfill_comes_after_the_current_cycles_and_raises_no_alarm(world: World) -> None:
    past = time_range(START - 48 * HOUR, START - 46 * HOUR)
    world.complete |= {START, *past[:2]}
    world.decide()
    world.end()
    assert operator.backfill(world.workspace, world.schedules[0], past, world.now) == 3
    assert operator.backfill(world.workspace, world.schedules[0], past, world.now) == 0
    world.complete.add(START + HOUR)
    world.decide(60)
    for _ in range(4):
        if world.running:
            world.end()
        world.decide()
    assert world.begun == [START, START + HOUR, past[1], past[0]]
    world.decide(7 * 60)
    assert world.state(past[2]) is CycleState.EXPIRED
    assert all(time >= START for _, time in world.events())


STEPS = st.one_of(
    st.tuples(st.just("wait"), st.integers(0, 130)),
    st.tuples(st.just("jump"), st.integers(-20 * 60, 20 * 60)),
    st.tuples(st.just("frames"), st.integers(-3, 8)),
    st.tuples(st.just("gaps"), st.integers(-3, 8)),
    st.tuples(st.just("end"), st.sampled_from(list(ExitKind))),
    st.tuples(st.just("restart"), st.none()),
    st.tuples(st.just("hold"), st.integers(-3, 8)),
    st.tuples(st.just("release"), st.integers(-3, 8)),
    st.tuples(st.just("skip"), st.integers(-3, 8)),
)


@contextmanager
def fresh_world() -> Iterator[World]:
    # In memory: what is shown here does not depend on the disk, which takes half of the time.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with TemporaryDirectory(dir=memory) as folder:
        world = World(WorkspacePaths(Path(folder)))
        try:
            yield world
        finally:
            world.writer.close()


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEPS, min_size=5, max_size=40))
def test_whatever_happens_nothing_runs_twice_and_nothing_is_lost(steps) -> None:
    with fresh_world() as world:
        world.decide()
        latest = world.now
        for what, value in steps:
            target = START + value * HOUR if isinstance(value, int) else START
            match what:
                case "wait":
                    world.now += value * MINUTE
                case "jump":
                    world.now += value * MINUTE
                case "frames":
                    world.complete.add(target)
                case "gaps":
                    world.gappy.add(target)
                case "end" if world.running:
                    world.end(value)
                case "restart" if world.running:  # killed, and found by the next one
                    world.end(ExitKind.LOST)
                case "hold" | "release" | "skip":
                    with suppress(ServiceError):  # not possible now: nothing is changed then
                        getattr(operator, what)(world.workspace, MODEL, [target], world.now)
            world.decide()
            latest = max(latest, world.now)
        cycles = world.ledger.cycles()
        known = {cycle.reference_time for cycle in cycles}
        assert known >= set(time_range(START, latest.replace(minute=0)))
        for cycle in cycles:
            _check_history(cycle)
            successes = [one for one in cycle.attempts if one.kind in ("published", "unchanged")]
            assert len(successes) <= 1
            if successes:
                assert cycle.attempts[-1] is successes[0]
        assert len(world.running) <= 1
        # Left alone, with all frames there, every cycle comes to an end that fits its history.
        world.complete |= known
        for _ in range(len(cycles) + 20):
            if world.running:
                world.end()
            world.decide(20)
        for cycle in world.ledger.cycles(until=world.now - 7 * HOUR):
            assert cycle.state not in OPEN, cycle
            _check_history(cycle)


def _check_history(cycle: Cycle) -> None:
    assert cycle.history[0].before is None
    assert cycle.history[-1].after is cycle.state
    for one, following in itertools.pairwise(cycle.history):
        assert one.after is following.before
        if one.after is not following.after and following.by == "service":
            assert one.after not in GOOD | {CycleState.FAILED, CycleState.HELD}
            if one.after in BAD | {CycleState.SKIPPED}:
                assert following.reason == "the clock went back"
    numbers = [one.number for one in cycle.attempts]
    assert numbers == list(range(1, len(numbers) + 1))
    began = [change for change in cycle.history if change.after is CycleState.RUNNING
             and change.before is CycleState.READY]  # fmt: skip
    assert len(began) == len(numbers)


def test_decisions_are_values_that_depend_on_nothing_else(world: World) -> None:
    world.decide()
    world.complete.add(START)
    snapshot = world.writer.snapshot(world.now)
    arguments = (world.now, snapshot, world.schedules, CONFIGURED.serve, world.probe)
    first = decide(*arguments, frozenset({MODEL}))
    assert first == decide(*arguments, frozenset({MODEL}))
    assert [type(one) for one in first] == [Move, Start]
    assert decide(*arguments, frozenset({MODEL}), room=0)[1:] == []
    assert not [one for one in first if isinstance(one, Enter)]


def test_a_cycle_run_by_hand_hides_none_that_were_missed(world: World) -> None:
    world.complete.update(time_range(START, START + 10 * HOUR))
    world.decide(1)
    world.end()
    world.now = START + 10 * HOUR + MINUTE  # the service was down
    operator.run_now(world.workspace, world.schedules[0], [START + 9 * HOUR], world.now)
    world.decide()
    assert world.state(START + 7 * HOUR) is CycleState.SKIPPED
    assert world.state(START + 8 * HOUR) in OPEN
    assert world.state(START + 10 * HOUR) is CycleState.RUNNING
    world.end()
    world.decide(1)
    assert world.running == [START + 9 * HOUR]


def test_a_cycle_run_by_hand_ahead_of_the_first_start_keeps_nothing_from_starting(
    world: World,
) -> None:
    operator.run_now(world.workspace, world.schedules[0], [START], world.now)
    world.decide()
    assert world.running == [START]


def test_a_long_backfill_does_not_expire_while_it_waits_for_its_turn(world: World) -> None:
    past = time_range(START - 30 * HOUR, START - 10 * HOUR)
    world.complete.update(past[:-1])
    operator.backfill(world.workspace, world.schedules[0], past, world.now)
    world.decide()
    world.decide(60 * 24)
    while world.running:
        world.end()
        world.decide(1)
    states = [world.state(time) for time in past]
    assert states == [CycleState.PUBLISHED] * (len(past) - 1) + [CycleState.EXPIRED]


def test_a_retry_is_not_waited_for_when_a_cycle_is_asked_for_by_hand(world: World) -> None:
    world.complete.add(START)
    world.decide(1)
    world.end(ExitKind.ERROR)
    world.decide()
    assert world.running == []
    operator.run_now(world.workspace, world.schedules[0], [START], world.now)
    assert world.cycle(START).failures == 0
    world.decide()
    assert world.running == [START]
    with pytest.raises(ServiceError, match="is running already"):
        operator.run_now(world.workspace, world.schedules[0], [START], world.now)
    # What a killed service left: whoever knows to be alone may ask for it.
    operator.run_now(world.workspace, world.schedules[0], [START], world.now, alone=True)
    assert world.state(START) is CycleState.RUNNING


def test_an_event_is_handed_over_once_though_that_cannot_be_noted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("met2net_ops.service.ledger.writer._BUSY_TIMEOUT_S", 0.1)
    writer = open_ledger_writer(world.workspace)
    world.decide(91)
    told: list[CycleEvent] = []
    handed: set[int] = set()
    with contextlib.closing(sqlite3.connect(world.workspace.ledger, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for _ in range(3):
            with pytest.raises(ServiceError, match="locked"):
                deliver_events(writer, world.now, told.append, handed)
    assert [event.kind for event in told] == [EventKind.LATE]
    deliver_events(writer, world.now, told.append, handed)
    assert len(told) == 1
    assert handed == set()
    assert writer.undelivered_events() == []
    writer.close()


def test_a_first_start_after_a_deadline_alarms_nobody(tmp_path: Path) -> None:
    for name, complete in (("empty", False), ("filled", True)):
        (tmp_path / name).mkdir()
        world = World(WorkspacePaths(tmp_path / name), now=START + 95 * MINUTE)
        world.schedules = read_schedules(
            CONFIGURED.model_copy(
                update={
                    "schedules": (
                        CONFIGURED.schedules[0].model_copy(update={"cron": "0 */12 * * *"}),
                    )
                }
            ),
            START,
        )
        if complete:
            world.complete.add(START)
        world.decide()
        assert world.running == ([START] if complete else [])
        if complete:
            world.end()
        for _ in range(8):
            world.decide(60)
        assert world.state(START) is (CycleState.PUBLISHED if complete else CycleState.EXPIRED)
        assert world.events() == []
        world.writer.close()
