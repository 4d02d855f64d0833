"""Fetching from a centre: what comes is what was published, whatever goes wrong on the way."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import eccodes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from met2net_ops.centre.faults import CentreFault, FaultPlan
from met2net_ops.errors import FeedError
from met2net_ops.feeds.fetch import Fetched
from met2net_ops.feeds.http import Retries
from met2net_ops.feeds.run import Fetcher, missing_files, remote_feeds
from met2net_ops.feeds.watch import watch_feed
from met2net_ops.ingest.pipeline import ingest
from met2net_ops.times import HOUR
from met2net_ops.workspace import Workspace

RUN = datetime(2026, 11, 20, 6, tzinfo=UTC)
LATER = RUN + timedelta(days=2)
QUICK = Retries(attempts=3, first_wait=0.01, longest_wait=0.02, total=1.0)


def fetch_once(workspace: Workspace, hours: int = 3) -> list[Fetched]:
    """One round of what is missing."""
    (feed,) = remote_feeds(workspace)
    files = missing_files(workspace, feed, RUN, RUN + (hours - 1) * HOUR)
    with Fetcher(workspace, feed, retries=QUICK, pause=lambda s: time.sleep(min(s, 0.02))) as one:
        return list(one.fetch(files, lambda: LATER))


def fetch_all(workspace: Workspace, hours: int = 3, rounds: int = 12) -> int:
    """Rounds until nothing is missing."""
    for number in range(1, rounds + 1):
        if all(done.path is not None for done in fetch_once(workspace, hours)):
            return number
    raise AssertionError(f"still missing after {rounds} rounds")


def spooled(workspace: Workspace) -> dict[str, bytes]:
    folder = workspace.root / "spool" / "live"
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*"))}


def ready(workspace: Workspace) -> Workspace:
    workspace.create_archive()
    return workspace


@pytest.fixture
def sound(open_centre, make_workspace) -> dict[str, bytes]:
    """What a run without faults leaves."""
    workspace = ready(make_workspace(open_centre().url, name="sound"))
    assert fetch_all(workspace) == 1
    return spooled(workspace)


def test_wanted_messages_and_no_others_reach_the_archive(
    open_centre, make_workspace, published
) -> None:
    site = open_centre()
    workspace = ready(make_workspace(site.url))
    done = fetch_once(workspace)
    assert [one.file.lead for one in done] == [timedelta(0), HOUR, 2 * HOUR]
    per_file = site.centre.requests["/gfs.20261120/06/atmos/gfs.t06z.pgrb2.0p25.f000"]
    assert per_file == 1  # one range: the four messages lie side by side
    assert fetch_once(workspace) == []
    report = ingest(workspace, [])
    assert not report.refused_something
    times = [RUN + hour * HOUR for hour in range(3)]
    for name, accuracy in (("t2m", 1e-3), ("msl", 0.1)):
        read = workspace.archive.read([name], times)[:, 0]
        expected = np.stack([published(time)[name] for time in times])
        np.testing.assert_allclose(read, expected, atol=accuracy)


def test_what_lies_in_the_spool_is_read_by_ecCodes_as_planned(sound) -> None:  # noqa: N802
    names, steps = [], []
    for data in sound.values():
        at = 0
        while at < len(data):
            handle = eccodes.codes_new_from_message(data[at:])
            names.append(eccodes.codes_get(handle, "shortName"))
            steps.append(eccodes.codes_get(handle, "step"))
            at += eccodes.codes_get(handle, "totalLength")
            eccodes.codes_release(handle)
    assert names == ["2t", "10u", "10v", "msl"] * 3
    assert steps == [0] * 4 + [1] * 4 + [2] * 4


@pytest.mark.parametrize("fault", CentreFault)
@pytest.mark.parametrize("source", ["gfs", "ecmwf-ifs"])
def test_a_fault_is_never_delivered_and_is_overcome(
    fault: CentreFault, source: str, open_centre, make_workspace
) -> None:
    hours = 3 if source == "gfs" else 1
    clean = ready(make_workspace(open_centre(source).url, source, "clean"))
    fetch_all(clean, hours)
    plan = FaultPlan(1.0, (fault,), requests=5)
    workspace = ready(make_workspace(open_centre(source, plan).url, source))
    (first, *_) = fetch_once(workspace, hours)
    if first.path is None:
        assert first.failures["base_url"]
        assert not [name for name in spooled(workspace) if first.file.file_name == name]
    fetch_all(workspace, hours)
    assert spooled(workspace) == spooled(clean)


@settings(
    max_examples=12, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(
    seed=st.integers(0, 10**6),
    faults=st.lists(
        st.sampled_from([one for one in CentreFault if one is not CentreFault.DRIP]),
        min_size=1, max_size=5, unique=True,
    ),
    requests=st.integers(1, 8),
)  # fmt: skip
def test_any_mix_of_faults_ends_as_a_run_without(
    seed: int, faults: list, requests: int, open_centre, make_workspace, sound
) -> None:
    plan = FaultPlan(0.7, tuple(faults), seed, requests)
    site = open_centre(plan=plan)
    workspace = ready(make_workspace(site.url, name=f"mix{time.monotonic_ns()}"))
    rounds = fetch_all(workspace)
    assert spooled(workspace) == sound
    paths = {path: n for path, n in site.centre.requests.items() if path.startswith("/")}
    assert max(paths.values()) <= 3 * 3 * rounds + 3  # no request storm


def test_a_second_mirror_serves_what_the_first_cannot(open_centre, make_workspace, sound) -> None:
    bad = open_centre(plan=FaultPlan(1.0, (CentreFault.STALE_INDEX,), requests=1000))
    good = open_centre()
    workspace = ready(make_workspace(bad.url))
    (feed,) = remote_feeds(workspace)
    (mirror,) = feed.source.mirrors
    other = mirror.model_copy(
        update={"name": "second", "url": mirror.url.replace(bad.url, good.url)}
    )
    source = feed.source.model_copy(update={"mirrors": (mirror, other)})
    both = replace(feed, source=source)
    files = missing_files(workspace, both, RUN, RUN + 2 * HOUR)
    with Fetcher(workspace, both, retries=QUICK) as fetcher:
        done = list(fetcher.fetch(files, lambda: LATER))
        again = missing_files(workspace, both, RUN + 3 * HOUR, RUN + 3 * HOUR)
        (later,) = fetcher.fetch(again, lambda: LATER)
    assert all("index" in one.failures["base_url"] for one in done)
    assert {message.mirror for one in done for message in one.messages} == {"second"}
    assert later.failures == {}, "the mirror that worked last is asked first"
    assert {k: v for k, v in spooled(workspace).items() if "_f003" not in k} == sound


def test_what_is_not_due_is_waited_for_and_what_is_overdue_is_late(
    open_centre, make_workspace
) -> None:
    site = open_centre(plan=FaultPlan(1.0, (CentreFault.LATE,), requests=10**6))
    workspace = ready(make_workspace(site.url))
    (feed,) = remote_feeds(workspace)
    stop, clock = Event(), [RUN + timedelta(hours=3)]
    rounds = []
    for watch, done in watch_feed(
        workspace, feed, 0.3, stop, now=lambda: clock[0], retries=QUICK, wait=lambda _: None
    ):
        if done is not None:
            continue
        asked = sum(n for path, n in site.centre.requests.items() if "t06z" in path)
        rounds.append((asked, [str(one) for one in watch.late]))
        clock[0] += timedelta(minutes=22)
        if len(rounds) == 6:
            stop.set()
    asked, late = zip(*rounds, strict=True)
    assert asked[0] == 0, "before a file is due nothing is requested"
    assert not [text for text in late[3] if "T06Z" in text]
    (found,) = [text for text in late[5] if "T06Z +0 h" in text]
    assert "is late since 2026-11-20T10:25Z" in found
    assert "status 404" in found


def test_what_never_comes_is_asked_for_ever_more_rarely(open_centre, make_workspace) -> None:
    site = open_centre(plan=FaultPlan(1.0, (CentreFault.LATE,), requests=10**6))
    workspace = ready(make_workspace(site.url, leads=[0]))
    (feed,) = remote_feeds(workspace)
    clock, stop = [RUN + timedelta(hours=4)], Event()
    rounds = 0

    def wait(seconds: float) -> None:
        clock[0] += timedelta(seconds=seconds)
        if clock[0] > RUN + timedelta(days=1):
            stop.set()

    for _, done in watch_feed(
        workspace, feed, 2.0, stop, now=lambda: clock[0], retries=QUICK, wait=wait
    ):
        rounds += done is None
    asked = site.centre.requests["/gfs.20261120/06/atmos/gfs.t06z.pgrb2.0p25.f000.idx"]
    due = 25 * 2  # every half minute until the deadline
    assert due < asked < due + 60
    assert rounds < 1000


def test_killed_at_any_point_the_next_run_completes_it(open_centre, make_workspace, sound) -> None:
    site = open_centre(plan=FaultPlan(1.0, (CentreFault.DRIP,), requests=4))
    workspace = ready(make_workspace(site.url))
    command = [sys.executable, "-m", "met2net_ops.cli.main", "fetch", "-w", str(workspace.root),
               "--since", "2026-11-20T06", "--until", "2026-11-20T08", "--quiet"]  # fmt: skip
    for wait in (0.9, 1.4):
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(wait)
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
    fetch_all(workspace)
    shown = {name: data for name, data in spooled(workspace).items() if not name.startswith(".")}
    assert shown == sound


def run_cli(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "met2net_ops.cli.main", *words], text=True, capture_output=True
    )


def test_the_command_prints_its_plan_fetches_and_says_what_is_left(
    open_centre, make_workspace
) -> None:
    workspace = make_workspace(open_centre().url)
    times = ["--since", "2026-11-20T06", "--until", "2026-11-20T08"]
    where = ["-w", str(workspace.root)]
    plan = run_cli("fetch", "--dry-run", *times, *where)
    assert "live: 3 files of gfs from base_url, 12 messages" in plan.stdout, plan.stderr
    assert not (workspace.root / "spool").exists()
    done = run_cli("fetch", *times, *where)
    assert done.returncode == 0, done.stderr
    assert "Fetched 3 files" in done.stdout
    again = run_cli("fetch", *times, *where)
    assert "live: 0 files" in again.stdout


def test_a_host_that_cannot_be_reached_is_said_in_plain_words(make_workspace) -> None:
    for url, why in (
        ("http://127.0.0.1:9", "no connection"),
        ("http://nowhere.invalid", "its name cannot be resolved"),
    ):
        workspace = ready(make_workspace(url, name=why[:4].strip()))
        (done, *_) = fetch_once(workspace, 1)
        assert why in done.failures["base_url"]
        done_cli = run_cli("fetch", "-w", str(workspace.root), "--source", "nothing")
        assert done_cli.returncode == 14
        assert "no feed in met2net.toml has a source nothing" in done_cli.stderr


@pytest.mark.parametrize(
    ("feed", "why"),
    [
        ({"source": "gsf"}, "no source is called 'gsf'"),
        ({"mirrors": ["mars"]}, "has no mirror 'mars'; it has aws, nomads"),
        ({"leads": [999]}, "has leads up to 120 h, not 999"),
    ],
)
def test_a_feed_that_cannot_be_is_named(
    feed: dict[str, Sequence[str]], why: str, make_workspace
) -> None:
    source = feed.get("source", "gfs")
    workspace = make_workspace("http://127.0.0.1:9", str(source), **{
        key: value for key, value in feed.items() if key != "source"
    })  # fmt: skip
    with pytest.raises(FeedError, match=why):
        remote_feeds(workspace)


def test_nothing_of_a_refused_file_is_left(open_centre, make_workspace, tmp_path: Path) -> None:
    site = open_centre(plan=FaultPlan(1.0, (CentreFault.WRONG_FIELD,), requests=10**6))
    workspace = ready(make_workspace(site.url))
    for done in fetch_once(workspace):
        assert re.search(r"holds 10u|not the messages", done.failures["base_url"])
    assert spooled(workspace) == {}
