"""The service fetches what is due, `doctor` asks a source once, and lateness is a problem."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
from dashboard import open_page
from typer.testing import CliRunner

from met2net_ops.centre.faults import CentreFault, FaultPlan
from met2net_ops.cli.main import build
from met2net_ops.doctor import CheckState, check_feeds
from met2net_ops.feeds.run import remote_feeds
from met2net_ops.feeds.state import Timeliness, source_states
from met2net_ops.service.feed_watch import FeedWatchers
from met2net_ops.service.integrations import Integrations
from met2net_ops.service.monitoring.listeners import ServicePhase, ServiceSnapshot
from met2net_ops.service.monitoring.metrics import Seen
from met2net_ops.service.monitoring.status import status
from met2net_ops.settings import HookSettings
from met2net_ops.times import HOUR

TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def now() -> datetime:
    return datetime.now(UTC)


def eventually(what: Callable[[], object], seconds: float = 60.0) -> object:
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.1)
    return found


def test_what_is_due_is_fetched_read_and_said(open_centre, make_workspace, published) -> None:
    site = open_centre(run=TODAY, now=now)
    workspace = make_workspace(site.url, days=1.0)
    woken: list[float] = []
    watchers = FeedWatchers(workspace, lambda: woken.append(time.monotonic()), lambda: None)
    try:
        due = TODAY - 6 * HOUR
        archive = workspace.create_archive()
        eventually(lambda: archive.present(["t2m"], [due]).all())
        (values,) = workspace.archive.read(["t2m"], [due])
        np.testing.assert_allclose(values[0], published(due)["t2m"], atol=1e-3)
        assert woken
        assert watchers.problems == {}
    finally:
        watchers.stop()
        assert watchers.join(30.0)


def test_a_source_that_delivers_nothing_is_late(open_centre, make_workspace) -> None:
    plan = FaultPlan(1.0, (CentreFault.LATE,), requests=10**6)
    workspace = make_workspace(open_centre(run=TODAY, now=now, plan=plan).url, days=1.0)
    workspace.create_archive()
    watchers = FeedWatchers(workspace, lambda: None, lambda: None)
    try:
        text = str(eventually(lambda: watchers.problems.get("feed live")))
        assert text.startswith("gfs ")
        assert "is late since" in text
        late = watchers.late
    finally:
        watchers.stop()
        assert watchers.join(30.0)
    first = late["live"]
    lateness = next(one for one in source_states(workspace, now()) if one.state is Timeliness.LATE)
    assert (lateness.feed, lateness.source) == ("live", "gfs")
    assert lateness.reference_time == first.file.reference_time
    assert lateness.since == first.since
    assert lateness.files > 1
    assert lateness in status(workspace, now()).sources

    heard = workspace.root / "heard"
    hook = HookSettings(
        name="file",
        on=("late", "recovered"),
        command=("sh", "-c", f'echo "$HOOK_EVENT $HOOK_FEED $HOOK_SOURCE $HOOK_CYCLE" >> {heard}'),
    )
    settings = workspace.settings.model_copy(update={"hooks": (hook,)})
    called = Integrations(workspace, lambda _: None)
    called.listeners.on_settings(settings)
    for shown in (late, late, {}):
        called.listeners.on_snapshot(ServiceSnapshot(at=now(), started=now(), late=shown))
    called.listeners.on_phase(ServicePhase.STOPPED, "ended")
    run = first.file.reference_time.isoformat()
    assert heard.read_text() == f"late live gfs {run}\nrecovered live gfs {run}\n"
    called.board.seen = Seen(ServiceSnapshot(at=now(), started=now(), late=late), {})
    assert (
        'met2net_source_late_seconds{feed="live",source="gfs"}' in called.board.metrics().decode()
    )


def test_a_file_is_waited_for_until_its_deadline(open_centre, make_workspace) -> None:
    workspace = make_workspace(open_centre(run=TODAY, now=now).url, days=0.5)
    (feed,) = remote_feeds(workspace)
    expected = feed.source.schedule.expected(TODAY, timedelta(0))
    asked = expected + timedelta(minutes=1)
    waiting = [one for one in source_states(workspace, asked) if one.state is Timeliness.WAITING]
    assert [(one.reference_time, one.since) for one in waiting] == [(TODAY, expected)]
    arguments = ["coverage", "--workspace", str(workspace.root), "--json"]
    workspace.create_archive()
    told = json.loads(CliRunner().invoke(build(arguments), arguments).stdout)
    assert told["sources"][0]["state"] == "late"
    page = open_page(workspace.root, "operations")
    (table,) = [one.value for one in page.dataframe if "source" in one.value.columns]
    assert table["source"].iloc[0] == "gfs"


def test_doctor_asks_once(open_centre, make_workspace) -> None:
    site = open_centre(run=TODAY, now=now)
    workspace = make_workspace(site.url)
    (check,) = check_feeds(workspace, now())
    assert check.state is CheckState.OK, check
    assert "base_url has gfs" in check.finding
    assert sum(count for path, count in site.centre.requests.items() if path[0] == "/") == 1
    (skewed,) = check_feeds(workspace, now() + timedelta(minutes=10))
    assert skewed.state is CheckState.FAIL
    assert "this clock is 0:0" in skewed.finding or "this clock is 0:1" in skewed.finding
    (gone,) = check_feeds(make_workspace("http://127.0.0.1:9", name="gone"), now())
    assert gone.state is CheckState.FAIL
    assert "no connection" in gone.finding
