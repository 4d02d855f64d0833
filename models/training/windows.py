"""Windows of consecutive frames, split by time, never across a gap."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.errors import ArchiveError
from met2net_ops.times import format_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from met2net_ops.models.training.frames import FlatFrames

_FRAMES_PER_READ = 256


@dataclass(frozen=True)
class Period:
    """A stretch of time, both ends included."""

    start: datetime
    stop: datetime

    def __str__(self) -> str:
        return f"{format_time(self.start)}..{format_time(self.stop)}"


@dataclass(frozen=True)
class Split:
    """Which time trains, which chooses, which judges; each may be several stretches."""

    train: tuple[Period, ...]
    validation: tuple[Period, ...]
    test: tuple[Period, ...]


def check_split(split: Split, guard_hours: float) -> None:
    """Refuse a split whose parts overlap or lie closer than the guard gap.

    Frames some hours apart are nearly the same weather: without the gap the scores of one part
    would be helped by the other.

    Raises:
        ArchiveError: two parts too close; both are named.
    """
    parts = [
        (name, period)
        for name, periods in (
            ("train", split.train), ("validation", split.validation), ("test", split.test)
        )
        for period in periods
    ]  # fmt: skip
    ordered = sorted(parts, key=lambda part: part[1].start)
    # All pairs, not neighbours alone: a long period may extend beyond one inside it.
    for (name, period), (next_name, following) in combinations(ordered, 2):
        hours = (following.start - period.stop).total_seconds() / 3600
        if name == next_name or (hours > 0 and hours >= guard_hours):
            continue
        how = f"begins {hours:g} h after" if hours > 0 else "overlaps"
        raise ArchiveError(
            f"the {next_name} period {following} {how} the {name} period {period}"
            f"{' ends' if hours > 0 else ''}; leave at least {guard_hours:g} h between them"
        )


def complete_frames(frames: FlatFrames, periods: Sequence[Period]) -> NDArray[np.bool_]:
    """(time,) whether a frame is in one of the periods and every value of it is finite."""
    inside = np.zeros(len(frames), dtype=bool)
    for first, last in _bounds(frames, periods):
        inside[first:last] = True
    for start in range(0, len(frames), _FRAMES_PER_READ):
        part = slice(start, start + _FRAMES_PER_READ)
        if inside[part].any():
            inside[part] &= np.isfinite(frames.read(start, _FRAMES_PER_READ)).all(axis=(1, 2, 3))
    return inside


def window_starts(
    frames: FlatFrames, periods: Sequence[Period], length: int, stride: int = 1
) -> NDArray[np.int64]:
    """First frames of all windows of `length` complete frames inside one period each.

    Raises:
        ArchiveError: no window fits; the longest run of complete frames is named.
    """
    complete = complete_frames(frames, periods)
    starts: list[NDArray[np.int64]] = []
    longest = 0
    for first, last in _bounds(frames, periods):
        if last <= first:
            continue
        # Length of the run of complete frames that begins at each frame.
        missing = np.flatnonzero(~complete[first:last])
        edges = np.concatenate([[-1], missing, [last - first]])
        runs = np.diff(edges) - 1
        longest = max(longest, int(runs.max()))
        starts += [
            np.arange(edge + 1, edge + 1 + run - length + 1, dtype=np.int64) + first
            for edge, run in zip(edges[:-1], runs, strict=True)
            if run >= length
        ]
    if not starts:
        span = ", ".join(map(str, periods)) or "no period"
        raise ArchiveError(
            f"no window of {length} consecutive frames in {span}: the longest run without a gap "
            f"has {longest}. The series at {frames.folder} goes from {format_time(frames.start)} "
            f"to {format_time(frames.time(len(frames) - 1))}; fill its gaps or choose other periods"
        )
    return np.unique(np.concatenate(starts))[::stride]


def _bounds(frames: FlatFrames, periods: Sequence[Period]) -> Iterator[tuple[int, int]]:
    """Each period as a half-open range of frames, clipped to the series."""
    for period in periods:
        first = max(0, frames.index(period.start))
        last = (period.stop - frames.start) // frames.step  # the latest that is not after it
        yield first, min(len(frames), last + 1)


def batch_order(windows: int, batch: int, seed: int, step: int) -> NDArray[np.int64]:
    """Which windows make the batch of one step: (batch,) positions.

    Every epoch is a new shuffle that depends on seed and epoch alone, so a run that resumes at a
    step sees the batches it would have seen.
    """
    batch = min(batch, windows)
    per_epoch = windows // batch
    epoch, place = divmod(step, per_epoch)
    order = np.random.default_rng((seed, epoch)).permutation(windows)
    return np.asarray(order[place * batch : (place + 1) * batch], dtype=np.int64)
