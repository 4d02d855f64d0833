"""The window a forecast starts from: the T frames up to the reference time, or why not."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

import numpy as np

from met2net_ops.errors import ArchiveError, MissingInputError
from met2net_ops.times import format_time
from met2net_ops.variables import variable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime, timedelta

    from numpy.typing import NDArray

    from met2net_ops.forecast.forecaster import ForecasterSpec
    from met2net_ops.grids import LatLonGrid

PRESENT, ABSENT, FILLED = "✓", "✗", "~"
_SEARCH_FRAMES = 512  # times checked at once in the search for a complete window


class FrameReader(Protocol):
    """Gives frames by variable and time: all that training needs to copy a series."""

    @property
    def grid(self) -> LatLonGrid:
        """The grid of every frame."""
        ...

    @property
    def step(self) -> timedelta:
        """Time between frames."""
        ...

    def read(self, variables: Sequence[str], times: Sequence[datetime]) -> NDArray[np.float32]:
        """(time, variable, latitude, longitude); NaN where a frame or a point is missing."""
        ...


class FrameSource(FrameReader, Protocol):
    """Also knows what it holds; `met2net_ops.archive.FrameArchive` is one."""

    @property
    def variables(self) -> tuple[str, ...]:
        """Canonical names of what it may hold."""
        ...

    def span(self) -> tuple[datetime, datetime] | None:
        """First and last valid time of any frame; None if there is none."""
        ...

    def present(self, variables: Sequence[str], times: Sequence[datetime]) -> NDArray[np.bool_]:
        """(variable, time) whether the frame is there."""
        ...


@dataclass(frozen=True)
class FrameTable:
    """Which frames of a window are there, which are not, and which gaps may be filled.

    Attributes:
        variables: canonical names, one per row.
        times: valid times, one per column.
        present: (variable, time) whether the frame is there.
        fillable: (variable, time) whether it is absent but may be interpolated.
    """

    variables: tuple[str, ...]
    times: tuple[datetime, ...]
    present: NDArray[np.bool_]
    fillable: NDArray[np.bool_]

    @property
    def complete(self) -> bool:
        """Whether a forecast can start from it, gaps filled."""
        return bool((self.present | self.fillable).all())

    @property
    def missing(self) -> tuple[tuple[str, datetime], ...]:
        """What is absent and may not be interpolated."""
        return self._where(~(self.present | self.fillable))

    @property
    def gaps(self) -> tuple[tuple[str, datetime], ...]:
        """What is absent but may be interpolated."""
        return self._where(self.fillable)

    def marks(self) -> list[list[str]]:
        """One row per variable: ✓ there, ✗ missing, ~ to be interpolated."""
        return [
            [
                PRESENT if there else FILLED if fill else ABSENT
                for there, fill in zip(present, may, strict=True)
            ]
            for present, may in zip(self.present, self.fillable, strict=True)
        ]

    def __str__(self) -> str:
        """The table as text, one column per time, headed by hour and day."""
        width = max(len("hour"), *map(len, self.variables))
        lines = []
        for label, pattern in (("day", "%d"), ("hour", "%H")):
            cells = " ".join(f"{time:{pattern}}" for time in self.times)
            lines.append(f"{label:>{width}}  {cells}")
        for name, marks in zip(self.variables, self.marks(), strict=True):
            lines.append(f"{name:>{width}}  {' '.join(f'{mark:>2}' for mark in marks)}")
        return "\n".join(lines)

    def _where(self, mask: NDArray[np.bool_]) -> tuple[tuple[str, datetime], ...]:
        return tuple((self.variables[row], self.times[column]) for row, column in np.argwhere(mask))


@dataclass(frozen=True)
class Window:
    """Input of one forecast.

    Attributes:
        table: what it is made of.
        values: (frame, variable, latitude, longitude) float32, finite.
    """

    table: FrameTable
    values: NDArray[np.float32]

    @property
    def reference_time(self) -> datetime:
        """Valid time of the last frame."""
        return self.table.times[-1]


def window_times(spec: ForecasterSpec, reference_time: datetime) -> tuple[datetime, ...]:
    """Valid times of the frames a forecast from `reference_time` needs, ascending."""
    count = spec.input_frames
    return tuple(reference_time - spec.step * back for back in range(count - 1, -1, -1))


def fillable(present: NDArray[np.bool_], max_gap_frames: int) -> NDArray[np.bool_]:
    """Which absent frames lie in interior gaps of at most `max_gap_frames`.

    Args:
        present: (variable, time).
        max_gap_frames: longest gap, in consecutive frames; 0 fills nothing.

    Returns:
        (variable, time); a gap that touches either end of the window is not interior.

    >>> fillable(np.array([[True, False, True, False, False, True, False]]), 1).astype(int)
    array([[0, 1, 0, 0, 0, 0, 0]])
    """
    may = np.zeros_like(present)
    for row, there in enumerate(present):
        known = np.flatnonzero(there)
        for left, right in pairwise(known):
            if 1 < right - left <= max_gap_frames + 1:
                may[row, left + 1 : right] = True
    return may


def frame_table(
    source: FrameSource, spec: ForecasterSpec, reference_time: datetime, max_gap_frames: int = 0
) -> FrameTable:
    """What the source has of the window ending at `reference_time`."""
    times = window_times(spec, reference_time)
    present = source.present(spec.variables, times)
    return FrameTable(spec.variables, times, present, _may_fill(spec, present, max_gap_frames))


def check_source(source: FrameSource, spec: ForecasterSpec) -> None:
    """Refuse a source that can never feed the forecaster.

    Raises:
        MissingInputError: it lacks a variable, or has frames at other times.
    """
    absent = [name for name in spec.variables if name not in source.variables]
    if absent:
        raise MissingInputError(
            f"model {spec.name} needs {', '.join(absent)}, which the archive does not keep (it "
            f"has {', '.join(source.variables)}); add to archive.variables and ingest again"
        )
    if spec.step % source.step:
        raise MissingInputError(
            f"model {spec.name} steps {spec.step}, the archive has frames every {source.step}"
        )


def read_windows(
    source: FrameSource, spec: ForecasterSpec, tables: Sequence[FrameTable]
) -> list[Window]:
    """The windows of complete tables; frames that several share are read once.

    Raises:
        MissingInputError: a table is not complete, or a frame has points without a value.
        ArchiveError: a frame is damaged.
    """
    for table in tables:
        require_complete(table, spec)
    if not tables:
        return []
    times = sorted({time for table in tables for time in table.times})
    place = {time: index for index, time in enumerate(times)}
    frames = source.read(spec.variables, times)
    return [_window(frames[[place[time] for time in table.times]], spec, table) for table in tables]


def require_complete(table: FrameTable, spec: ForecasterSpec) -> None:
    """Raise MissingInputError, with the table, unless a forecast can start from it."""
    if table.complete:
        return
    raise MissingInputError(
        f"the window of {spec.name} ending {format_time(table.times[-1])} lacks "
        f"{len(table.missing)} of {table.present.size} frames "
        f"({PRESENT} there, {ABSENT} missing, {FILLED} can be interpolated):\n{table}\n"
        "Ingest what is missing, choose an earlier --cycle, or allow interior gaps with "
        "forecast.max_gap_frames. Frames that come from forecasts longer than "
        "archive.analysis_lead_hours, or that have points without a value, do not count."
    )


def latest_reference_time(
    source: FrameSource, spec: ForecasterSpec, max_gap_frames: int = 0
) -> datetime:
    """The newest reference time with a complete window, or with one whose gaps may be filled.

    Raises:
        MissingInputError: there is none; the message shows the fullest window.
    """
    check_source(source, spec)
    span = source.span()
    if span is None:
        raise MissingInputError("the archive holds no frames; run `met2net-ops ingest` first")
    first, last = span
    lag = spec.step * (spec.input_frames - 1)
    fullest, most = last, 0
    for candidate, present in _candidates(source, spec, first + lag, last):
        if (present | _may_fill(spec, present, max_gap_frames)).all():
            return candidate
        if (there := int(np.count_nonzero(present))) > most:
            fullest, most = candidate, there
    require_complete(frame_table(source, spec, fullest, max_gap_frames), spec)
    raise ArchiveError("the archive changed while looking for the latest window; try again")


def _candidates(
    source: FrameSource, spec: ForecasterSpec, earliest: datetime, latest: datetime
) -> Iterator[tuple[datetime, NDArray[np.bool_]]]:
    """Reference times, newest first, each with its (variable, frame) table of presence."""
    stride = spec.step // source.step
    reach = stride * (spec.input_frames - 1)
    while latest >= earliest:
        count = min(_SEARCH_FRAMES, (latest - earliest) // source.step + 1)
        start = latest - source.step * (count - 1 + reach)
        times = [start + source.step * index for index in range(count + reach)]
        present = source.present(spec.variables, times)
        for index in range(count - 1, -1, -1):
            yield times[index + reach], present[:, index : index + reach + 1 : stride]
        latest -= source.step * count


def _may_fill(
    spec: ForecasterSpec, present: NDArray[np.bool_], max_gap_frames: int
) -> NDArray[np.bool_]:
    may = fillable(present, max_gap_frames)
    # Between 350° and 10° lies north, not south: angles are not interpolated.
    may[[variable(name).circular for name in spec.variables]] = False
    return may


def _window(frames: NDArray[np.float32], spec: ForecasterSpec, table: FrameTable) -> Window:
    values = _interpolated(frames, table)
    holes = np.count_nonzero(~np.isfinite(values), axis=(-2, -1))
    if holes.any():
        named = [
            f"{spec.variables[column]} {format_time(table.times[row])}: {holes[row, column]}"
            for row, column in np.argwhere(holes)
        ]
        more = f" and {len(named) - 5} more frames" if len(named) > 5 else ""
        raise MissingInputError(
            f"the window of {spec.name} ending {format_time(table.times[-1])} has points without "
            f"a value, of {spec.grid.nlat * spec.grid.nlon} per frame: "
            f"{'; '.join(named[:5])}{more}. The feed does not cover the model's grid there, or a "
            "frame vanished meanwhile; choose a smaller grid or ingest a wider feed"
        )
    return Window(table, values)


def _interpolated(frames: NDArray[np.float32], table: FrameTable) -> NDArray[np.float32]:
    """The frames with gaps filled linearly in time, in float64."""
    values = frames.copy()
    for row, present in enumerate(table.present):
        known = np.flatnonzero(present)
        for column in np.flatnonzero(table.fillable[row]):
            right = int(np.searchsorted(known, column))
            before, after = known[right - 1], known[right]
            weight = (column - before) / (after - before)
            left_values = frames[before, row].astype(np.float64)
            values[column, row] = left_values + weight * (frames[after, row] - left_values)
    return values
