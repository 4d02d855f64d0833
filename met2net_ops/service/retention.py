"""Remove old data by the rules of `[retention]`, but nothing that is still needed.

First a plan, which a dry run shows; then the plan is carried out, file by file. Killed at any
moment, it leaves whole files, and the next run removes the rest: products and quarantined bytes are
files of their own, and frames go before the catalog says so, which the ingest takes as "read that
file again" and nothing worse.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from met2net_ops.archive.frames import FrameArchive
from met2net_ops.catalog.origins import forget_frames
from met2net_ops.errors import Met2NetOpsError
from met2net_ops.products.index import list_products
from met2net_ops.products.publish import claim
from met2net_ops.progress import Track, silent
from met2net_ops.service.retained_data import RetainedData, retained_data
from met2net_ops.verification.due import compact_old_sums

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from met2net_ops.paths import WorkspacePaths
    from met2net_ops.service.retained_data import SpecOf
    from met2net_ops.workspace import Workspace

_SLACK = timedelta(days=1)
_MOMENT = timedelta(microseconds=1)
_AT_ONCE = 256  # frames removed under one lock, so that an ingest waits for a moment at most
# What met2net_ops.ingest.quarantine and met2net_ops.logs leave, and nothing else.
_QUARANTINED = re.compile(r".+\.(bin|json)|\..+\.partial")
_LOGS = re.compile(r".+\.(jsonl|log)(\..+)?")

_log = logging.getLogger(__name__)


class StaleKind(StrEnum):
    """What can be removed."""

    PRODUCTS = "products"
    REJECTED = "rejected"
    FRAMES = "frames"
    QUARANTINE = "quarantine"
    LOGS = "logs"


@dataclass(frozen=True, slots=True)
class StaleItem:
    """A file to remove.

    Attributes:
        kind: what it is.
        path: where.
        time: the time that makes it old: reference time, or when it was last written to.
        size: bytes.
        guarded: the product in whose place it lies, which must not be written meanwhile.
        product: model and cycle, where it is a product.
    """

    kind: StaleKind
    path: Path
    time: datetime
    size: int
    guarded: Path | None = None
    product: tuple[str, datetime] | None = None


@dataclass(frozen=True, slots=True)
class RetentionPlan:
    """What is to be removed.

    Attributes:
        files: oldest first within each kind.
        frames: (variable, valid time), oldest first.
        frames_before: frames valid before that are old; None if frames are kept for ever.
        spared: how many of a kind are old, but still needed.
        kept: what must stay.
        required_now: asks what must stay by now: cycles may have been entered since.
    """

    files: tuple[StaleItem, ...]
    frames: tuple[tuple[str, datetime], ...]
    frames_before: datetime | None
    spared: Counter[StaleKind]
    kept: RetainedData
    required_now: Callable[[], RetainedData]

    def counts(self) -> Counter[StaleKind]:
        """How many of each kind."""
        counts = Counter(file.kind for file in self.files)
        counts[StaleKind.FRAMES] += len(self.frames)
        return +counts

    def span(self, kind: StaleKind) -> tuple[datetime, datetime] | None:
        """Oldest and newest of a kind; None if none goes."""
        files = [file.time for file in self.files if file.kind is kind]
        times = files or ([time for _, time in self.frames] if kind is StaleKind.FRAMES else [])
        return (min(times), max(times)) if times else None

    def size(self, kind: StaleKind) -> int | None:
        """Bytes of a kind; None for frames, whose size is not measured."""
        if kind is StaleKind.FRAMES:
            return None
        return sum(file.size for file in self.files if file.kind is kind)


@dataclass(frozen=True, slots=True)
class Removed:
    """What was removed.

    Attributes:
        counts: how many of each kind.
        problems: what could not be removed, and why.
    """

    counts: Counter[StaleKind]
    problems: tuple[str, ...] = ()


def present(workspace: Workspace, clock: datetime) -> datetime:
    """The time from which days are counted back: the clock's, but a day past the newest frame.

    A clock that has jumped ahead, or a service that comes back after a year, must not find
    everything old; as long as nothing new comes in, nothing grows older.

    Raises:
        ArchiveError: what lies where the archive should is not one.
    """
    if not workspace.archive_identity:
        return clock
    span = FrameArchive.open(workspace.archive_url).span()
    return clock if span is None else min(clock, span[1] + _SLACK)


def plan_retention(workspace: Workspace, now: datetime, spec_of: SpecOf) -> RetentionPlan:
    """What the rules remove at that time.

    Args:
        workspace: where; of its settings, `retention` holds the rules, and `serve`, `schedules`
            and `forecast` say which cycles may still come.
        now: the present, aware UTC.
        spec_of: the model of a name; None if there is none.

    Raises:
        ArchiveError: what lies where the archive should is not one.
        ServiceError: the ledger cannot be read.
    """
    rules = workspace.settings.retention
    limits = {
        StaleKind.PRODUCTS: rules.products_days,
        StaleKind.REJECTED: rules.rejected_days,
        StaleKind.FRAMES: rules.archive_days,
        StaleKind.QUARANTINE: rules.quarantine_days,
        StaleKind.LOGS: rules.logs_days,
    }
    before = {kind: now - timedelta(days=days) for kind, days in limits.items() if days is not None}
    newest = max(before.values(), default=now)
    required_now = partial(retained_data, workspace, now, newest, spec_of)
    kept = required_now()
    spared: Counter[StaleKind] = Counter()
    files: list[StaleItem] = []
    for kind in (StaleKind.PRODUCTS, StaleKind.REJECTED):
        for stale, needed in _products(workspace.paths, kind, before.get(kind), kept):
            if needed:
                spared[kind] += 1
            else:
                files.append(stale)
    folders = {
        StaleKind.QUARANTINE: workspace.paths.quarantine,
        StaleKind.LOGS: workspace.paths.logs,
    }
    for kind, folder in folders.items():
        files += _files(kind, folder, before.get(kind))
    frames: list[tuple[str, datetime]] = []
    for frame in _frames(workspace, before.get(StaleKind.FRAMES)):
        if kept.frame(frame[1]):
            spared[StaleKind.FRAMES] += 1
        else:
            frames.append(frame)
    return RetentionPlan(
        tuple(files), tuple(frames), before.get(StaleKind.FRAMES), spared, kept, required_now
    )


def retain(
    workspace: Workspace,
    plan: RetentionPlan,
    *,
    track: Track = silent,
    should_stop: Callable[[], bool] = lambda: False,
) -> Removed:
    """Carry a plan out, and put old sums together; what fails is reported and stops nothing else.

    Args:
        workspace: where.
        settings: of that workspace.
        plan: see `plan_retention`; what cycles entered since then need stays as well.
        track: progress.
        should_stop: asked between removals.

    Raises:
        ServiceError: the ledger cannot be read; nothing was removed.
    """
    counts: Counter[StaleKind] = Counter()
    problems: list[str] = []
    needed = plan.required_now().products
    for file in track(plan.files, "removing files"):
        if should_stop():
            return Removed(counts, tuple(problems))
        if file.product in needed:
            continue
        try:
            _remove(file)
            counts[file.kind] += 1
        except (OSError, Met2NetOpsError) as error:
            problems.append(f"{file.path} stays: {error}")
    try:
        counts[StaleKind.FRAMES] += _remove_frames(workspace, plan, track, should_stop)
    except (OSError, Met2NetOpsError) as error:
        problems.append(f"frames stay: {error}")
    try:
        compact_old_sums(workspace.paths)
    except (OSError, Met2NetOpsError) as error:
        problems.append(f"sums of an old month stay in files of their own: {error}")
    for problem in problems:
        _log.warning("not removed: %s", problem)
    if counts := +counts:
        removed = {kind.value: count for kind, count in counts.items()}
        _log.info("old data removed", extra={"removed": removed})
    return Removed(counts, tuple(problems))


def _products(
    paths: WorkspacePaths, kind: StaleKind, before: datetime | None, kept: RetainedData
) -> Iterator[tuple[StaleItem, bool]]:
    """Old products, and whether a cycle still needs them."""
    if before is None:
        return
    rejected = kind is StaleKind.REJECTED
    for entry in list_products(paths, until=before - _MOMENT, rejected=rejected):
        place = paths.product(entry.model, entry.reference_time)
        name = entry.model, entry.reference_time
        stale = StaleItem(kind, entry.path, entry.reference_time, _size(entry.path), place, name)
        yield stale, name in kept.products


def _files(kind: StaleKind, folder: Path, before: datetime | None) -> list[StaleItem]:
    """Old files of the workspace's own making, directly in a folder, oldest first."""
    if before is None or not folder.is_dir():
        return []
    names = _QUARANTINED if kind is StaleKind.QUARANTINE else _LOGS
    found = []
    for path in folder.iterdir():
        if not names.fullmatch(path.name) or path.is_symlink() or not path.is_file():
            continue
        try:
            status = path.stat()
        except FileNotFoundError:
            continue  # someone else prunes at this moment
        written = datetime.fromtimestamp(status.st_mtime, UTC)
        if written < before:
            found.append(StaleItem(kind, path, written, status.st_size))
    # Bytes before the note that says what they are.
    return sorted(found, key=lambda file: (file.time, file.path.suffix != ".bin", file.path))


def _frames(workspace: Workspace, before: datetime | None) -> list[tuple[str, datetime]]:
    """Old frames of every variable, oldest first."""
    if before is None or not workspace.archive_identity:
        return []
    archive = FrameArchive.open(workspace.archive_url)
    old = [(name, time) for name in archive.variables for time in archive.times(name)]
    return sorted((frame for frame in old if frame[1] < before), key=lambda frame: frame[::-1])


def _remove(file: StaleItem) -> None:
    if file.guarded is None:
        file.path.unlink(missing_ok=True)
        return
    with claim(file.guarded):
        file.path.unlink(missing_ok=True)
    for folder in list(file.path.parents)[:3]:  # day, month, year
        try:
            folder.rmdir()
        except OSError:
            return  # not empty


def _remove_frames(
    workspace: Workspace,
    plan: RetentionPlan,
    track: Track,
    should_stop: Callable[[], bool],
) -> int:
    if plan.frames_before is None or not workspace.archive_identity:
        return 0
    archive = FrameArchive.open(workspace.archive_url)
    removed = 0
    kept = plan.required_now()
    frames = [frame for frame in plan.frames if not kept.frame(frame[1])]
    starts = range(0, len(frames), _AT_ONCE)
    for start in track(starts, "removing frames"):
        if should_stop():
            return removed
        removed += archive.remove_frames(frames[start : start + _AT_ONCE])
    catalog = workspace.create_catalog()
    try:
        # Under the lock no ingest is between writing a frame and saying where it came from; what
        # it wrote meanwhile goes as well, for a frame without an origin would count as an analysis.
        with archive.locked():
            there = _frames(workspace, plan.frames_before)
            removed += archive.remove_frames([one for one in there if not kept.frame(one[1])])
            forget_frames(catalog, plan.frames_before, kept.frames)
    finally:
        catalog.dispose()
    return removed


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
