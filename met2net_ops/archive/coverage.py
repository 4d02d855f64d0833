"""Which variable x time is there, late or missing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from met2net_ops.times import time_range

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from met2net_ops.archive.frames import FrameArchive

_ARCHIVE_IS_OLD = timedelta(days=5)


class FrameState(StrEnum):
    """How it stands with a frame."""

    THERE = "there"  # a forecast can start from it
    INCOMPLETE = "incomplete"  # it is there, but has gaps or comes from too long a forecast
    LATE = "late"  # its valid time has passed, but not long ago
    MISSING = "missing"  # it should have come long ago
    DUE = "due"  # its valid time lies ahead


class Frames(Protocol):
    """Says which frames there are."""

    def present(self, variables: Sequence[str], times: Sequence[datetime]) -> NDArray[np.bool_]:
        """(variable, time) whether the frame is there and counts."""
        ...


@dataclass(frozen=True, slots=True)
class Coverage:
    """The state of every variable at every time.

    Attributes:
        variables: canonical names.
        times: valid times, ascending, one step apart.
        states: one row per variable, one state per time.
    """

    variables: tuple[str, ...]
    times: tuple[datetime, ...]
    states: tuple[tuple[FrameState, ...], ...]

    def counts(self) -> Counter[FrameState]:
        """How many are in which state."""
        return Counter(state for row in self.states for state in row)

    def lacking(self) -> list[tuple[str, datetime, FrameState]]:
        """What is incomplete, late or missing, by time."""
        return [
            (name, time, row[index])
            for index, time in enumerate(self.times)
            for name, row in zip(self.variables, self.states, strict=True)
            if row[index] not in (FrameState.THERE, FrameState.DUE)
        ]


def coverage(
    archive: FrameArchive,
    usable: Frames,
    variables: Sequence[str],
    since: datetime,
    until: datetime,
    *,
    now: datetime,
    late_after: timedelta,
) -> Coverage:
    """Look at all times from `since` to `until`, both rounded down to the archive's step.

    Args:
        archive: what is stored.
        usable: the frames of it that a forecast can start from.
        variables: canonical names.
        since: first valid time.
        until: last valid time.
        now: the present.
        late_after: how long after its valid time a frame may still come.
    """
    times = time_range(_floor(since, archive.step), _floor(until, archive.step), archive.step)
    stored = archive.present(variables, times)
    counts = usable.present(variables, times)

    def state(present: bool, counted: bool, time: datetime) -> FrameState:
        if present:
            return FrameState.THERE if counted else FrameState.INCOMPLETE
        if time > now:
            return FrameState.DUE
        return FrameState.LATE if now - time <= late_after else FrameState.MISSING

    states = tuple(
        tuple(
            state(bool(yes), bool(counted), time)
            for yes, counted, time in zip(*rows, times, strict=True)
        )
        for rows in zip(stored, counts, strict=True)
    )
    return Coverage(tuple(variables), tuple(times), states)


def default_end(archive: FrameArchive, now: datetime) -> datetime:
    """Now; or the newest frame, where that is older than five days."""
    span = archive.span()
    return now if span is None or now - span[1] <= _ARCHIVE_IS_OLD else span[1]


def _floor(time: datetime, step: timedelta) -> datetime:
    return time - (time - datetime(1970, 1, 1, tzinfo=UTC)) % step
