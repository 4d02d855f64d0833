"""Retention: what goes, what must stay, and what is left when it is killed half-way."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from verification_desk import GRID, HOUR, NAMES, START, Desk, make_desk

from met2net_ops.catalog.origin import Origin
from met2net_ops.catalog.origins import history, origins, record_origins
from met2net_ops.fields import FieldKind as SourceKind
from met2net_ops.forecast.forecaster import ForecasterSpec
from met2net_ops.products.index import list_products
from met2net_ops.products.publish import claim
from met2net_ops.products.read import read_header
from met2net_ops.service.ledger.changes import Enter
from met2net_ops.service.ledger.states import CycleState
from met2net_ops.service.ledger.writer import open_ledger_writer
from met2net_ops.service.retained_data import RetainedData, retained_data
from met2net_ops.service.retention import StaleKind, plan_retention, retain
from met2net_ops.settings import RetentionSettings, ScheduleSettings, ServeSettings, Settings
from met2net_ops.workspace import Workspace

DAY = timedelta(days=1)
ALL = dict.fromkeys(RetentionSettings.model_fields, 2)
NONE = dict.fromkeys(RetentionSettings.model_fields)


def spec_of(model: str) -> ForecasterSpec | None:
    return None if model == "gone" else ForecasterSpec(model, "", NAMES, GRID, 4)


def with_rules(desk: Desk, serve: dict | None = None, **days: int | None) -> Settings:
    return desk.settings.model_copy(
        update={
            "retention": RetentionSettings(**{**NONE, **days}),
            "serve": ServeSettings(**(serve or {"verify_days": 0})),
        }
    )


def enter(desk: Desk, cycle: datetime, state: CycleState, model: str = "tester") -> None:
    ledger = open_ledger_writer(desk.workspace)
    with ledger.transaction(cycle) as transaction:
        transaction.enter(Enter(model, cycle, state, cycle + HOUR, cycle + DAY, ""))
    ledger.close()


def record(desk: Desk, name: str, when: datetime, lead: int = 0) -> Origin:
    """Say of a frame which file it came from."""
    values = desk.archive.read([name], [when])[0, 0]
    digest = hashlib.sha256(values.astype("<f4").tobytes()).hexdigest()
    origin = Origin(
        name, when, f"/feed/{when:%d%H}", "ab" * 32, 1, 0, 0, "cd" * 32, (0,), "",
        SourceKind.FORECAST if lead else SourceKind.ANALYSIS, when - lead * HOUR, lead * HOUR, "",
        0, digest, START,
    )  # fmt: skip
    catalog = Workspace(desk.workspace, desk.settings).create_catalog()
    record_origins(catalog, [origin])
    catalog.dispose()
    return origin


def frames(desk: Desk) -> set[tuple[str, datetime]]:
    return {(name, when) for name in NAMES for when in desk.archive.times(name)}


@pytest.fixture
def desk(tmp_path) -> Desk:
    return make_desk(tmp_path / "desk")


def test_by_default_no_product_and_no_frame_goes(desk):
    desk.observe(START, 5)
    desk.forecast(START)
    plan = plan_retention(Workspace(desk.workspace, desk.settings), START + 3000 * DAY, spec_of)
    assert plan.counts() == {}


def test_products_go_by_reference_time_and_empty_days_with_them(desk):
    for hours in (0, 6, 30, 54):
        desk.forecast(START + hours * HOUR)
    settings = with_rules(desk, products_days=2)
    now = START + 2 * DAY + 12 * HOUR
    plan = plan_retention(Workspace(desk.workspace, settings), now, spec_of)
    assert plan.counts() == {StaleKind.PRODUCTS: 2}
    assert plan.span(StaleKind.PRODUCTS) == (START, START + 6 * HOUR)
    assert plan.size(StaleKind.PRODUCTS) == sum(file.path.stat().st_size for file in plan.files)
    assert len(list_products(desk.workspace)) == 4  # a plan changes nothing
    assert retain(Workspace(desk.workspace, settings), plan).counts == {StaleKind.PRODUCTS: 2}
    left = [entry.reference_time for entry in list_products(desk.workspace)]
    assert left == [START + 30 * HOUR, START + 54 * HOUR]
    assert not desk.workspace.product("tester", START).parent.exists()
    assert plan_retention(Workspace(desk.workspace, settings), now, spec_of).counts() == {}


def test_rejected_forecasts_have_a_rule_of_their_own(desk):
    path = desk.forecast(START)
    kept = desk.forecast(START + 6 * HOUR)
    rejected = path.rename(path.with_name(f"{path.stem}.rejected.nc"))
    settings = with_rules(desk, rejected_days=2)
    plan = plan_retention(Workspace(desk.workspace, settings), START + 9 * DAY, spec_of)
    retain(Workspace(desk.workspace, settings), plan)
    assert not rejected.exists()
    assert kept.exists()


@pytest.mark.parametrize(
    "state", [s for s in CycleState if s not in (CycleState.PUBLISHED, CycleState.VERIFIED)]
)
def test_nothing_an_unfinished_cycle_needs_goes(desk, state):
    desk.observe(START - 2 * DAY, 96, ("t2m",))
    desk.forecast(START)  # of a rerun, say
    enter(desk, START, state)
    settings = with_rules(desk, **ALL)
    now = START + 30 * DAY
    plan = plan_retention(Workspace(desk.workspace, settings), now, spec_of)
    retain(Workspace(desk.workspace, settings), plan)
    finished = state in (CycleState.FAILED, CycleState.EXPIRED, CycleState.SKIPPED)
    assert len(list_products(desk.workspace)) == (0 if finished else 1)
    ahead = desk.settings.forecast.leads
    span = [] if finished else [START + h * HOUR for h in range(-24, min(ahead, 47) + 1)]
    assert frames(desk) == {("t2m", when) for when in span}
    if not finished:
        assert plan.spared == {StaleKind.PRODUCTS: 1, StaleKind.FRAMES: len(span)}


def test_while_a_cycle_of_an_unknown_model_is_open_every_frame_stays(desk):
    desk.observe(START - 2 * DAY, 10)
    enter(desk, START, CycleState.WAITING, model="gone")
    plan = plan_retention(
        Workspace(desk.workspace, with_rules(desk, **ALL)), START + 30 * DAY, spec_of
    )
    assert plan.counts() == {}


def test_truth_and_product_stay_until_the_truth_may_no_longer_come(desk):
    desk.observe(START - 2 * DAY, 72, ("t2m",))
    desk.forecast(START, leads=6)
    settings = with_rules(desk, {"verify_days": 5}, products_days=1, archive_days=2)
    last = START + 6 * HOUR
    plan = plan_retention(Workspace(desk.workspace, settings), last + 5 * DAY, spec_of)
    assert plan.spared[StaleKind.PRODUCTS] == 1
    assert plan.counts()[StaleKind.PRODUCTS] == 0
    retain(Workspace(desk.workspace, settings), plan)
    assert {when for _, when in frames(desk)} == {START + h * HOUR for h in range(-24, 7)}
    later = plan_retention(Workspace(desk.workspace, settings), last + 5 * DAY + HOUR, spec_of)
    retain(Workspace(desk.workspace, settings), later)
    assert frames(desk) == set()
    assert list_products(desk.workspace) == []


def test_windows_of_cycles_a_schedule_may_still_bring_stay(desk):
    desk.observe(START, 24 * 6, ("t2m",))
    schedule = ScheduleSettings(model="tester", cron="0 * * * *", expire_hours=72)
    settings = with_rules(desk, archive_days=2).model_copy(update={"schedules": (schedule,)})
    now = START + 5 * DAY
    retain(
        Workspace(desk.workspace, settings),
        plan_retention(Workspace(desk.workspace, settings), now, spec_of),
    )
    # 72 h back, and from there a day that the baselines need (more than the window of 4 h)
    assert min(when for _, when in frames(desk)) == now - 4 * DAY


def test_quarantine_and_logs_go_by_when_they_were_written_and_nothing_else_goes(desk):
    now = datetime.now(UTC)
    old, new = (now - 3 * DAY).timestamp(), (now - DAY).timestamp()
    made = {
        "quarantine/a.grib-0.bin": old, "quarantine/a.grib-0.json": old,
        "quarantine/.0123.partial": old, "quarantine/b.grib-0.bin": new,
        "quarantine/b.grib-0.json": new, "quarantine/notes of mine.txt": old,
        "logs/service.jsonl.2026-01-01": old, "logs/service.jsonl": new, "logs/readme": old,
    }  # fmt: skip
    for name, stamp in made.items():
        path = desk.workspace.root / name
        path.write_text("x")
        os.utime(path, (stamp, stamp))
    folder = desk.workspace.quarantine / "folder.json"
    folder.mkdir()
    elsewhere = desk.workspace.root / "elsewhere.log"
    elsewhere.write_text("x")
    link = desk.workspace.logs / "link.log"
    link.symlink_to(elsewhere)
    os.utime(link, (old, old), follow_symlinks=False)
    os.utime(folder, (old, old))
    settings = with_rules(desk, quarantine_days=2, logs_days=2)
    plan = plan_retention(Workspace(desk.workspace, settings), now, spec_of)
    assert retain(Workspace(desk.workspace, settings), plan).counts == {
        StaleKind.QUARANTINE: 3,
        StaleKind.LOGS: 1,
    }
    left = {name for name in made if (desk.workspace.root / name).exists()}
    assert left == {
        "quarantine/b.grib-0.bin", "quarantine/b.grib-0.json", "quarantine/notes of mine.txt",
        "logs/service.jsonl", "logs/readme",
    }  # fmt: skip
    assert folder.is_dir()
    assert link.is_symlink()


def test_a_product_being_written_stays_and_keeps_nothing_else_from_going(desk):
    busy, other = desk.forecast(START), desk.forecast(START + HOUR)
    settings = with_rules(desk, products_days=1)
    plan = plan_retention(Workspace(desk.workspace, settings), START + 9 * DAY, spec_of)
    with claim(busy):
        removed = retain(Workspace(desk.workspace, settings), plan)
    assert busy.exists()
    assert not other.exists()
    assert removed.counts == {StaleKind.PRODUCTS: 1}
    assert len(removed.problems) == 1
    assert "another process is writing" in removed.problems[0]


def test_the_catalog_no_longer_counts_removed_frames_but_remembers_them(desk):
    desk.observe(START, 72, ("t2m",))
    old = record(desk, "t2m", START)
    young = record(desk, "t2m", START + 71 * HOUR)
    settings = with_rules(desk, archive_days=2)
    now = START + 4 * DAY
    retain(
        Workspace(desk.workspace, settings),
        plan_retention(Workspace(desk.workspace, settings), now, spec_of),
    )
    catalog = Workspace(desk.workspace, settings).catalog
    assert list(origins(catalog, NAMES, [START, young.valid_time])) == [("t2m", young.valid_time)]
    assert history(catalog, "t2m", START) == [old]
    catalog.dispose()
    # it can come again
    desk.observe(START, 1)
    again = record(desk, "t2m", START)
    catalog = Workspace(desk.workspace, settings).catalog
    assert history(catalog, "t2m", START) == [again, old]
    catalog.dispose()


def test_a_forecast_frame_that_was_removed_never_comes_back_as_an_analysis(desk):
    """Written between the removal of frames and the word to the catalog, it goes as well."""
    desk.observe(START, 3)
    settings = with_rules(desk, archive_days=2)
    plan = plan_retention(Workspace(desk.workspace, settings), START + 9 * DAY, spec_of)
    desk.observe(START - DAY, 1)  # an ingest that was quicker than the plan
    record(desk, "t2m", START - DAY, lead=12)
    retain(Workspace(desk.workspace, settings), plan)
    assert frames(desk) == set()
    assert not Workspace(desk.workspace, settings).analyses.present(["t2m"], [START - DAY]).any()


def test_frames_that_cannot_be_removed_are_told(desk):
    desk.observe(START, 3)
    settings = with_rules(desk, archive_days=2)
    plan = plan_retention(Workspace(desk.workspace, settings), START + 9 * DAY, spec_of)
    desk.workspace.catalog.mkdir()  # not a database
    removed = retain(Workspace(desk.workspace, settings), plan)
    assert "frames stay" in removed.problems[0]


def test_a_workspace_without_anything_has_nothing_to_remove(tmp_path):
    desk_ = make_desk(tmp_path / "new")
    plan = plan_retention(Workspace(desk_.workspace, with_rules(desk_, **ALL)), START, spec_of)
    assert plan.counts() == {}
    assert retain(Workspace(desk_.workspace, desk_.settings), plan).counts == {}


hours = st.integers(-90, 0)


@given(
    cycles=st.dictionaries(hours, st.sampled_from([*CycleState]), max_size=4),
    products=st.dictionaries(hours, st.integers(1, 30), max_size=4),
    archive_days=st.integers(2, 4),
    products_days=st.integers(1, 4),
    verify_days=st.sampled_from([0.0, 1.0, 3.5]),
)
@hypothesis_settings(max_examples=4, deadline=None)
def test_what_goes_is_old_and_needed_by_no_one(
    cycles, products, archive_days, products_days, verify_days
):
    """Against the rules said over again, one frame and one product at a time."""
    with tempfile.TemporaryDirectory() as folder:
        desk = make_desk(Path(folder))
        desk.observe(START - 120 * HOUR, 121, ("t2m",))
        for hour, leads in products.items():
            desk.forecast(START + hour * HOUR, leads=leads)
        for hour, state in cycles.items():
            enter(desk, START + hour * HOUR, state)
        settings = with_rules(
            desk, {"verify_days": verify_days}, archive_days=archive_days,
            products_days=products_days,
        )  # fmt: skip
        retain(
            Workspace(desk.workspace, settings),
            plan_retention(Workspace(desk.workspace, settings), START, spec_of),
        )

        patience = verify_days * 24
        unfinished = {
            hour for hour, state in cycles.items()
            if state in ("expected", "waiting", "ready", "running", "late", "held")
        }  # fmt: skip
        verifiable = {hour: leads for hour, leads in products.items() if hour + leads >= -patience}
        kept_products = {
            hour for hour in products
            if hour >= -24 * products_days or hour in unfinished or hour in verifiable
        }  # fmt: skip
        there = {(e.reference_time - START) // HOUR for e in list_products(desk.workspace)}
        assert there == kept_products
        ahead = settings.forecast.leads
        kept_frames = {
            hour for hour in range(-120, 1)
            if hour >= -24 * archive_days
            or any(cycle - 24 <= hour <= cycle + ahead for cycle in unfinished)
            or any(cycle - 24 <= hour <= cycle + leads for cycle, leads in verifiable.items())
        }  # fmt: skip
        assert {(when - START) // HOUR for when in desk.archive.times("t2m")} == kept_frames


@given(spans=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), max_size=6))
def test_needs_are_spans_apart_that_cover_what_they_were_made_of(spans):
    from met2net_ops.service.retained_data import _merged

    made = [(START + a * HOUR, START + (a + n) * HOUR) for a, n in spans]
    merged = _merged(made)
    assert all(a[1] < b[0] for a, b in pairwise(merged))
    for hour in range(-1, 85):
        when = START + hour * HOUR
        assert RetainedData(merged).frame(when) == any(a <= when <= b for a, b in made)


_PRUNE = """
import sys
from datetime import datetime
from pathlib import Path
from met2net_ops.service.retention import plan_retention, retain
from met2net_ops.workspace import find_workspace
workspace = find_workspace(Path(sys.argv[1]))
now = datetime.fromisoformat(sys.argv[2])
plan = plan_retention(workspace, now, lambda model: None)
print("on", flush=True)
retain(workspace, plan)
"""


def test_killed_at_any_moment_the_rest_is_whole_and_the_next_run_finishes(desk):
    desk.workspace.settings_file.write_text(
        desk.workspace.settings_file.read_text()
        .replace("#archive_days =", "archive_days = 2")
        .replace("#products_days =", "products_days = 2")
    )
    desk.observe(START, 60)
    for hour in range(20):
        desk.forecast(START + hour * HOUR)
    for hour in range(0, 60, 10):
        record(desk, "t2m", START + hour * HOUR)
    now = START + 30 * DAY
    command = [sys.executable, "-c", _PRUNE, str(desk.workspace.root), now.isoformat()]
    environment = {**os.environ, "MET2NET_SERVE__VERIFY_DAYS": "0"}
    for pause in (0.03,):
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "on\n"
            time.sleep(pause)
            process.send_signal(signal.SIGKILL)
        for entry in list_products(desk.workspace):
            assert read_header(entry.path).leads == 6
        for name, when in sorted(frames(desk)):
            assert np.isfinite(desk.archive.read([name], [when])).all()
        catalog = Workspace(desk.workspace, desk.settings).catalog
        there = frames(desk)
        known = origins(catalog, NAMES, [START + h * HOUR for h in range(60)])
        # what is there is never without its origin
        assert {p for p in there if p[0] == "t2m" and not (p[1] - START) % (10 * HOUR)} <= set(
            known
        )
        catalog.dispose()
    subprocess.run(command, env=environment, check=True, timeout=60)
    assert frames(desk) == set()
    assert list_products(desk.workspace) == []
    catalog = Workspace(desk.workspace, desk.settings).catalog
    assert origins(catalog, NAMES, [START + h * HOUR for h in range(60)]) == {}
    catalog.dispose()


def test_needs_tell_products_by_model_and_cycle(desk):
    desk.forecast(START)
    enter(desk, START + DAY, CycleState.HELD)
    found = retained_data(
        Workspace(desk.workspace, desk.settings), START + HOUR, START + DAY, spec_of
    )
    assert found.products == {("tester", START), ("tester", START + DAY)}


def test_what_a_cycle_needs_that_was_entered_after_the_plan_stays(desk):
    desk.observe(START, 56, NAMES[:1])
    desk.forecast(START)
    settings = with_rules(desk, archive_days=2, products_days=2)
    plan = plan_retention(Workspace(desk.workspace, settings), START + 5 * DAY, spec_of)
    assert plan.counts() == {StaleKind.FRAMES: 56, StaleKind.PRODUCTS: 1}
    enter(desk, START, CycleState.WAITING)  # a backfill, say
    retain(Workspace(desk.workspace, settings), plan)
    assert [entry.reference_time for entry in list_products(desk.workspace)] == [START]
    needed = {when for _, when in frames(desk)}
    assert START in needed
    assert START + 55 * HOUR not in needed
