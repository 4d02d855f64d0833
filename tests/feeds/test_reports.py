"""Station reports from public servers: fetched once, proven, and counted as those of a folder."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import eccodes
import pytest

from met2net_ops.centre.faults import CentreFault, FaultPlan
from met2net_ops.centre.reports import ReportObjects
from met2net_ops.centre.server import Centre, serving
from met2net_ops.errors import FeedError
from met2net_ops.feeds.http import Retries
from met2net_ops.feeds.run import Fetcher, missing_files, remote_feeds
from met2net_ops.feeds.source import read_source
from met2net_ops.feeds.state import Timeliness, source_states
from met2net_ops.observations.store import import_files
from met2net_ops.service.feed_watch import FeedWatchers
from met2net_ops.times import HOUR
from met2net_ops.workspace import Workspace, create_workspace

from .test_serve import eventually

HOUR_0 = datetime(2026, 11, 20, 6, tzinfo=UTC)
QUICK = Retries(attempts=2, first_wait=0.01, longest_wait=0.02, total=2.0)
TOML = """
name = "near"
title = "Reports of here"
reports = "FORM"
licence = "ours"
attribution = "Contains reports of here"
schedule = {{ hours = {hours}, first_minutes = 1, deadline_minutes = 30, longest_lead = 0 }}
mirrors = [{{ name = "main", url = "{url}/{{time:%Y%m%d%H}}" }}]
"""


def metar(hour: datetime) -> bytes:
    """Three reports of an hour in a bulletin of NOAA's form, one of them unreadable."""
    stamp = f"{hour:%d%H}00Z"
    lines = [
        f"{hour:%Y/%m/%d %H}:00",
        f"EDDF {stamp} 24008KT 9999 FEW030 {hour.hour:02d}/M01 Q1021",
        f"{hour:%Y/%m/%d %H}:00",
        f"EGLL {stamp} 27012KT 9999 SCT020 11/07 Q1009",
        f"{hour:%Y/%m/%d %H}:00",
        f"XXXX {stamp} 27012KT 9999 SCT020 11/07 Q1009",
    ]
    return "\n".join([*lines, ""]).encode()


def bufr(hour: datetime) -> bytes:
    """A SYNOP of one station."""
    handle = eccodes.codes_bufr_new_from_samples("BUFR4")
    facts = {
        "masterTablesVersionNumber": 31, "dataCategory": 0, "internationalDataSubCategory": 2,
        "typicalYear": hour.year, "typicalMonth": hour.month, "typicalDay": hour.day,
        "typicalHour": hour.hour, "typicalMinute": 0, "numberOfSubsets": 1, "observedData": 1,
    }  # fmt: skip
    for key, value in facts.items():
        eccodes.codes_set(handle, key, value)
    eccodes.codes_set(handle, "unexpandedDescriptors", 307080)
    values = {
        "blockNumber": 10, "stationNumber": 637, "year": hour.year, "month": hour.month,
        "day": hour.day, "hour": hour.hour, "minute": 0, "latitude": 50.05, "longitude": 8.6,
        "heightOfStationGroundAboveMeanSeaLevel": 112.0, "airTemperature": 280.0 + hour.hour,
    }  # fmt: skip
    for key, value in values.items():
        eccodes.codes_set(handle, key, value)
    eccodes.codes_set(handle, "pack", 1)
    message: bytes = eccodes.codes_get_message(handle)
    eccodes.codes_release(handle)
    return message


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Callable[..., tuple[Workspace, Centre]]]:
    with ExitStack() as stack:

        def make(
            form: str,
            reports: Callable[[datetime], bytes],
            plan: FaultPlan | None = None,
            first: datetime = HOUR_0,
            now: Callable[[], datetime] = lambda: HOUR_0 + timedelta(days=1),
        ) -> tuple[Workspace, Centre]:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            url = "http://{}:{}".format(*listener.getsockname())
            text = TOML.format(hours=list(range(24)), url=url).replace("FORM", form)
            objects = ReportObjects(read_source(text, "near"), reports, first, first + 23 * HOUR)
            centre = Centre(objects, now, plan)
            stack.enter_context(serving(centre, listener))
            workspace = create_workspace(
                tmp_path / form, {"observations": {"sources": ["near"], "source_days": 0.2}}
            )
            own = workspace.root / "sources" / "near.toml"
            own.parent.mkdir()
            own.write_text(text)
            workspace.create_archive()
            return workspace, centre

        yield make


def fetch(workspace: Workspace, hours: int = 3) -> list[Path | None]:
    (feed,) = remote_feeds(workspace)
    files = missing_files(workspace, feed, HOUR_0, HOUR_0 + (hours - 1) * HOUR)
    with Fetcher(workspace, feed, retries=QUICK, pause=lambda _: None) as fetcher:
        return [one.path for one in fetcher.fetch(files, lambda: HOUR_0 + timedelta(days=1))]


@pytest.mark.parametrize(("form", "reports"), [("metar", metar), ("bufr", bufr)])
def test_each_hour_is_fetched_once_and_reaches_the_store(desk, form, reports) -> None:
    workspace, centre = desk(form, reports)
    paths = fetch(workspace)
    assert [path.read_bytes() for path in paths] == [reports(HOUR_0 + n * HOUR) for n in range(3)]
    assert fetch(workspace) == []
    assert sum(centre.requests[f"/{HOUR_0 + n * HOUR:%Y%m%d%H}"] for n in range(3)) == 3
    settings = workspace.settings.observations
    done = import_files(
        workspace.paths.observations, [workspace.root / settings.folder], settings.columns
    )
    assert sum(one.taken for one in done) == (6 if form == "metar" else 3)
    assert sum(sum(one.refused.values()) for one in done) == (3 if form == "metar" else 0)


def test_the_service_fetches_reports_when_they_are_due(desk) -> None:
    def now() -> datetime:
        return datetime.now(UTC)

    today = now().replace(minute=0, second=0, microsecond=0)
    workspace, _ = desk("metar", metar, first=today - 12 * HOUR, now=now)
    watchers = FeedWatchers(workspace, lambda: None, lambda: None)
    try:
        eventually(lambda: watchers.counts.imported >= 3)
        assert watchers.problems == {}
    finally:
        watchers.stop()
        assert watchers.join(30.0)
    (state,) = source_states(workspace, now() + timedelta(minutes=1))
    assert state.source == "near"
    assert state.state in (Timeliness.COMPLETE, Timeliness.WAITING)


@pytest.mark.parametrize("fault", [CentreFault.WEB_PAGE, CentreFault.EMPTY, CentreFault.SLOW_DOWN])
def test_what_is_no_file_of_reports_is_never_delivered(desk, fault) -> None:
    workspace, _ = desk("metar", metar, FaultPlan(1.0, (fault,), requests=2))
    for _ in range(4):
        fetch(workspace)
    folder = workspace.root / "observations" / "incoming" / "near"
    found = {path.read_bytes() for path in folder.iterdir()}
    assert found == {metar(HOUR_0 + n * HOUR) for n in range(3)}


def test_reports_of_another_form_or_hour_are_refused(desk) -> None:
    workspace, _ = desk("metar", bufr)
    assert fetch(workspace) == [None] * 3
    other, _ = desk("bufr", lambda hour: gzip.compress(bufr(hour)))
    assert all(fetch(other))


def test_yesterdays_file_under_todays_name_is_waited_for(desk) -> None:
    workspace, _ = desk("metar", metar)
    (feed,) = remote_feeds(workspace)
    (mirror,) = feed.source.mirrors
    same = mirror.model_copy(update={"url": mirror.address(HOUR_0, timedelta(0))})
    source = feed.source.model_copy(update={"mirrors": (same,)})
    (file, *_) = missing_files(workspace, feed, HOUR_0 + 12 * HOUR, HOUR_0 + 12 * HOUR)
    with Fetcher(workspace, replace(feed, source=source), retries=QUICK) as fetcher:
        (done,) = fetcher.fetch([replace(file, source=source)], lambda: HOUR_0 + 24 * HOUR)
    assert done.path is None
    assert not done.published
    assert "is that of 2026-11-20T06:01Z" in done.failures["main"]


def test_sources_are_named_where_they_belong(make_workspace, tmp_path: Path) -> None:
    with pytest.raises(FeedError, match=r"station reports; name it in observations\.sources"):
        remote_feeds(make_workspace("http://127.0.0.1:9", source="metar-noaa"))
    desk = create_workspace(tmp_path / "other", {"observations": {"sources": ["gfs"]}})
    with pytest.raises(FeedError, match="has no station reports"):
        remote_feeds(desk)
    text = TOML.format(hours=[0], url="http://x").replace("FORM", "metar")
    with pytest.raises(FeedError, match="fields has no meaning for station reports"):
        read_source(text + '[fields.t2m]\nname = "x"\n', "near")
