"""How the context does: cycles with their states and reasons, stage timings, feeds, disk."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from met2net_ops.archive.coverage import coverage, default_end
from met2net_ops.errors import Met2NetOpsError
from met2net_ops.ingest.files import feed_folders, find_files
from met2net_ops.observations.loading import connect_reports, report_files
from met2net_ops.products.index import list_products, newest_product
from met2net_ops.service.ledger.reader import open_ledger_reader
from met2net_ops.service.ledger.states import CycleState
from met2net_ops.times import format_time, naive_utc
from met2net_ops.verification.store.files import TRUTHS
from met2net_ops.verification.store.listing import stored_sums

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from met2net_ops.archive.coverage import Coverage
    from met2net_ops.paths import WorkspacePaths
    from met2net_ops.products.header import ProductHeader
    from met2net_ops.products.index import ProductEntry
    from met2net_ops.service.ledger.records import Cycle
    from met2net_ops.workspace import Workspace

_MOST_FILES = 50_000  # read in one folder
_MOST_TIMED = 200  # newest forecasts whose timings are shown


@dataclass(frozen=True)
class CycleMark:
    """One cycle of one model, from the ledger or from its product alone.

    Attributes:
        model: its name.
        time: reference time.
        state: where it stands.
        reason: why; "" where there is nothing to say.
        seconds: per stage, of the last attempt that has any.
        cycle: as the ledger has it; None where only a product tells.
    """

    model: str
    time: datetime
    state: CycleState
    reason: str = ""
    seconds: Mapping[str, float] | None = None
    cycle: Cycle | None = None

    @property
    def code(self) -> str:
        """How the address bar calls it."""
        return f"{self.model}@{self.time:%Y%m%d%H%M}"


def cycle_marks(paths: WorkspacePaths, since: datetime) -> list[CycleMark]:
    """Cycles of the ledger, and products it knows nothing of, newest first.

    Raises:
        ServiceError: the ledger cannot be read.
        VerificationError: a file of stored sums is damaged.
    """
    stored = {truth: stored_sums(paths, truth, since=since).verified() for truth in TRUTHS}
    known = {
        (cycle.model, cycle.reference_time): _of_ledger(cycle)
        for cycle in open_ledger_reader(paths).cycles(since=since)
    }
    for rejected in (False, True):
        for entry in list_products(paths, since=since, rejected=rejected):
            key = entry.model, entry.reference_time
            if key not in known:
                known[key] = _of_product(entry, [t for t in TRUTHS if key in stored[t]])
    return sorted(known.values(), key=lambda mark: (mark.time, mark.model), reverse=True)


def _of_ledger(cycle: Cycle) -> CycleMark:
    timed = next((dict(one.seconds) for one in reversed(cycle.attempts) if one.seconds), None)
    return CycleMark(cycle.model, cycle.reference_time, cycle.state, cycle.reason, timed, cycle)


def _of_product(entry: ProductEntry, found: list[str]) -> CycleMark:
    if entry.rejected:
        reason = f"the gate refused it; it is kept as {entry.path.name}"
        return CycleMark(entry.model, entry.reference_time, CycleState.FAILED, reason)
    state = CycleState.VERIFIED if found else CycleState.PUBLISHED
    reason = f"made by hand{', compared with ' + ' and '.join(found) if found else ''}"
    return CycleMark(entry.model, entry.reference_time, state, reason)


def newest_time(paths: WorkspacePaths, now: datetime, days: int) -> datetime:
    """Where the last days end: now, or the newest cycle where all are older than so many days."""
    product = newest_product(paths)
    times = [] if product is None else [product.reference_time]
    times += [
        cycle.reference_time for cycle in open_ledger_reader(paths).cycles(until=now, limit=1)
    ]
    newest = max(times, default=now)
    return now if now - newest < timedelta(days=days) else newest


def stage_timings(
    marks: Sequence[CycleMark],
    paths: WorkspacePaths,
    read: Callable[[Path], ProductHeader],
) -> pd.DataFrame:
    """Seconds per stage of the newest forecasts, oldest first: model, cycle, and a column each.

    Args:
        marks: newest first.
        paths: where products of cycles the ledger has no timings of lie.
        read: gives the header of a product.
    """
    rows = []
    for mark in islice(marks, _MOST_TIMED):
        seconds = mark.seconds
        if seconds is None and mark.state in (CycleState.PUBLISHED, CycleState.VERIFIED):
            try:
                seconds = dict(read(paths.product(mark.model, mark.time)).timings)
            except (Met2NetOpsError, OSError):
                continue  # the Forecast page says what is wrong with it
        if seconds:
            rows.append({"model": mark.model, "cycle": mark.time, **seconds})
    return pd.DataFrame(rows[::-1])


def frame_coverage(workspace: Workspace, now: datetime, hours: int) -> Coverage | None:
    """Variable x time of the newest so many hours; None where the archive has no frame.

    Raises:
        ArchiveError: the archive is not for these settings, or damaged.
    """
    url = workspace.archive_url
    if "://" not in url and not Path(url).exists():
        return None
    archive = workspace.archive
    span = archive.span()
    if span is None:
        return None
    until = default_end(archive, now)
    if now - span[1] > timedelta(hours=hours):
        until = span[1]
    return coverage(
        archive,
        workspace.usable_frames,
        workspace.settings.archive.variables,
        max(span[0], until - timedelta(hours=hours - 1)),
        until,
        now=now,
        late_after=timedelta(hours=workspace.settings.ingest.late_after_hours),
    )


def coverage_frame(found: Coverage) -> pd.DataFrame:
    """The states as words, one row per time, newest first."""
    columns = {
        name: [str(state) for state in row][::-1]
        for name, row in zip(found.variables, found.states, strict=True)
    }
    return pd.DataFrame({"valid time": [format_time(t) for t in found.times][::-1], **columns})


@dataclass(frozen=True, slots=True)
class FeedState:
    """What a feed's folder holds.

    Attributes:
        name: of the feed.
        files: how many files match its pattern.
        newest: modification time of the newest; None without any.
        problem: why it cannot be read, or "".
    """

    name: str
    files: int
    newest: datetime | None
    problem: str = ""


def feed_states(workspace: Workspace) -> list[FeedState]:
    """When each feed, and the observations' folder, last received something."""
    found = [
        _feed(feed.name, folder, partial(_grib, workspace, folder))
        for folder, feed in feed_folders(workspace).items()
    ]
    folder = workspace.root / workspace.settings.observations.folder
    return [*found, _feed("observations", folder, partial(_visible, folder))]


def _grib(workspace: Workspace, folder: Path) -> Iterator[Path]:
    return (offer.path for offer in find_files(workspace, [folder]).offers)


def _visible(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))


def _feed(name: str, folder: Path, files: Callable[[], Iterator[Path]]) -> FeedState:
    if not folder.is_dir():
        return FeedState(name, 0, None, f"{folder} is no folder")
    count, newest = 0, 0.0
    try:
        for path in islice(files(), _MOST_FILES):
            try:
                newest = max(newest, path.stat().st_mtime)
            except FileNotFoundError:  # taken away since it was listed
                continue
            count += 1
    except (OSError, ValueError, Met2NetOpsError) as error:
        return FeedState(name, count, None, f"cannot be read: {error}")
    return FeedState(name, count, datetime.fromtimestamp(newest, UTC) if count else None)


def observation_counts(paths: WorkspacePaths, since: datetime, until: datetime) -> pd.DataFrame:
    """How many stations reported each quantity in each hour: hour, quantity, stations.

    Raises:
        ObservationError: a file of reports is damaged.
    """
    files = [str(path) for path in report_files(paths.observations, since, until)]
    if not files:
        return pd.DataFrame({"hour": [], "quantity": [], "stations": []})
    ends = {"since": naive_utc(since), "until": naive_utc(until)}
    with connect_reports(paths.observations) as connection:
        return connection.execute(
            "SELECT date_trunc('hour', time + INTERVAL 30 MINUTE) AS hour, quantity, "
            "count(DISTINCT station) AS stations FROM read_parquet($files) "
            "WHERE time BETWEEN $since AND $until GROUP BY ALL ORDER BY ALL",
            {"files": files, **ends},
        ).df()


@dataclass(frozen=True, slots=True)
class Disk:
    """What lies where.

    Attributes:
        parts: name → bytes; "other" is what lies beside the folders.
        free: bytes left on its disk.
        total: bytes of its disk.
        cut_short: folders with more files than are counted.
    """

    parts: dict[str, int]
    free: int
    total: int
    cut_short: tuple[str, ...] = ()


def disk_use(workspace: Workspace) -> Disk:
    """Bytes by folder of the workspace and free space.

    Raises:
        OSError: the workspace cannot be read.
    """
    named = {
        "archive": workspace.paths.archive,
        "products": workspace.paths.products,
        "observations": workspace.paths.observations,
        "verification": workspace.paths.verification,
        "models": workspace.paths.models,
        "quarantine": workspace.paths.quarantine,
        "logs": workspace.paths.logs,
        "cache": workspace.paths.cache,
    }
    for feed in workspace.settings.feeds:
        folder = (workspace.root / feed.path).resolve()
        if folder.is_relative_to(workspace.root):
            named[f"feed {feed.name}"] = folder
    parts, short = {}, []
    for name, folder in named.items():
        size, whole = _size(folder)
        parts[name] = size
        if not whole:
            short.append(name)
    parts |= {"databases": 0, "other": 0}
    for entry in os.scandir(workspace.root):
        if entry.is_file(follow_symlinks=False):
            name = "databases" if ".sqlite" in entry.name else "other"
            parts[name] += entry.stat(follow_symlinks=False).st_size
    usage = shutil.disk_usage(workspace.root)
    return Disk(parts, usage.free, usage.total, tuple(short))


def _size(folder: Path) -> tuple[int, bool]:
    total = 0
    for number, size in enumerate(_sizes(str(folder))):
        if number >= _MOST_FILES:
            return total, False
        total += size
    return total, True


def _sizes(folder: str) -> Iterator[int]:
    try:
        entries = list(os.scandir(folder))
    except OSError:  # not there, or taken away meanwhile
        return
    for entry in entries:
        try:
            if entry.is_dir(follow_symlinks=False):
                yield from _sizes(entry.path)
            else:
                yield entry.stat(follow_symlinks=False).st_size
        except FileNotFoundError:
            continue


def age(since: datetime, now: datetime) -> str:
    """How long ago, for people.

    >>> from met2net_ops.times import parse_time
    >>> age(parse_time("2026-11-22T06"), parse_time("2026-11-22T07:30"))
    '1 h 30 min ago'
    >>> age(parse_time("2026-11-20T06"), parse_time("2026-11-22T07:30"))
    '2 d 1 h ago'
    """
    minutes = int((now - since).total_seconds() // 60)
    if minutes < 0:
        return "ahead of the clock"
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} d {hours} h ago"
    return f"{hours} h {rest} min ago" if hours else f"{rest} min ago"
