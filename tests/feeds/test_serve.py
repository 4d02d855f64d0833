"""The service fetches what is due, `doctor` asks a source once, and lateness is a problem."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np

from met2net_ops.centre.faults import CentreFault, FaultPlan
from met2net_ops.doctor import CheckState, check_feeds
from met2net_ops.service.feed_watch import FeedWatchers
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
    finally:
        watchers.stop()
        assert watchers.join(30.0)


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
