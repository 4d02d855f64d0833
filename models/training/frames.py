"""Frames in one flat file, mapped into memory and never loaded whole.

Training reads windows at random; an archive with one compressed chunk per frame is slow at that.
So its frames are copied once, a few hundred at a time. The layout is that of
`met2net_ops.naturerun.generate.write_arrays`: `values.npy`, (time, variable, latitude, longitude)
float32, and `about.json`, which is written last and so marks the copy as complete.
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

import numpy as np

from met2net_ops.durable import replacing
from met2net_ops.errors import ArchiveError, Met2NetOpsError
from met2net_ops.grids import LatLonGrid, named_grid
from met2net_ops.progress import Track, silent
from met2net_ops.times import format_time, parse_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from numpy.typing import NDArray

    from met2net_ops.forecast.window import FrameReader

_FRAMES_PER_READ = 256


class Values(Protocol):
    """(time, variable, latitude, longitude) float32 that is read by slices of time."""

    def __len__(self) -> int:
        """How many times there are."""
        ...

    def __getitem__(self, key: tuple[slice, tuple[int, ...]], /) -> NDArray[np.float32]:
        """Some consecutive times of some variables."""
        ...


@dataclass(frozen=True)
class FlatFrames:
    """A regular series of frames, mapped from disk or made when they are read.

    Attributes:
        folder: that holds the file.
        variables: canonical names, in the order of the variable axis.
        grid: the grid of every frame.
        start: valid time of frame 0, UTC.
        step: time between frames.
        parts: number of the first frame, and (time, variable of the file, latitude, longitude)
            float32, such as a read-only map; in order, not overlapping.
        columns: where the variables lie in the files.
    """

    folder: Path
    variables: tuple[str, ...]
    grid: LatLonGrid
    start: datetime
    step: timedelta
    parts: tuple[tuple[int, Values], ...]
    columns: tuple[int, ...]

    def __len__(self) -> int:
        first, values = self.parts[-1]
        return first + len(values)

    def time(self, index: int) -> datetime:
        """Valid time of a frame."""
        return self.start + self.step * index

    def index(self, time: datetime) -> int:
        """Number of the first frame at or after a time; may lie outside the series."""
        return -((self.start - time) // self.step)

    def read(self, start: int, count: int) -> NDArray[np.float32]:
        """(count, variable, latitude, longitude) from frame `start` on, at most to the end.

        A copy; NaN between parts.
        """
        count = max(0, min(count, len(self) - start))
        shape = (count, len(self.columns), *self.grid.shape)
        out = np.full(shape, np.nan, dtype=np.float32)
        for first, values in self.parts:
            low, high = max(start, first), min(start + count, first + len(values))
            if low < high:
                out[low - start : high - start] = values[low - first : high - first, self.columns]
        return out

    def select(self, variables: Sequence[str]) -> FlatFrames:
        """The same series with these variables only, in this order.

        Raises:
            ArchiveError: a variable is not there.
        """
        missing = [name for name in variables if name not in self.variables]
        if missing:
            raise ArchiveError(
                f"{self.folder} has no {', '.join(missing)}; it has {', '.join(self.variables)}. "
                "Choose variables that are archived, or archive these first"
            )
        columns = tuple(self.columns[self.variables.index(name)] for name in variables)
        return replace(self, variables=tuple(variables), columns=columns)


@dataclass(frozen=True)
class FlatSource:
    """A flat series as a reader of frames by time."""

    frames: FlatFrames

    @property
    def grid(self) -> LatLonGrid:
        """The grid of every frame."""
        return self.frames.grid

    @property
    def step(self) -> timedelta:
        """Time between frames."""
        return self.frames.step

    def read(self, variables: Sequence[str], times: Sequence[datetime]) -> NDArray[np.float32]:
        """(time, variable, latitude, longitude); NaN where a frame is missing."""
        series = self.frames.select(variables)
        out = np.full((len(times), len(variables), *self.grid.shape), np.nan, dtype=np.float32)
        for row, time in enumerate(times):
            index = series.index(time)
            if 0 <= index < len(series) and series.time(index) == time:
                out[row] = series.read(index, 1)[0]
        return out


def open_flat(folder: Path) -> FlatFrames:
    """Map the frames of a folder.

    Raises:
        ArchiveError: no such folder, or its parts do not fit together.
    """
    try:
        about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
        described = about["grid"]
        grid = named_grid(described) if isinstance(described, str) else LatLonGrid(**described)
        variables = tuple(about["variables"])
        values = np.load(folder / "values.npy", mmap_mode="r")
        start = parse_time(about["start"])
        step = timedelta(hours=about.get("step_hours", 1))
    except (OSError, ValueError, KeyError, TypeError, Met2NetOpsError) as error:
        raise ArchiveError(f"{folder} has no valid flat frames: {error}") from error
    wanted = (len(variables), *grid.shape)
    if values.shape[1:] != wanted or values.dtype != np.float32:
        raise ArchiveError(
            f"{folder}/values.npy holds {values.dtype} {values.shape}, not float32 (time, "
            f"{', '.join(map(str, wanted))}) as about.json says. Remove the folder and copy the "
            "frames again"
        )
    columns = tuple(range(len(variables)))
    return FlatFrames(folder, variables, grid, start, step, ((0, values),), columns)


def join_flat(series: Sequence[FlatFrames]) -> FlatFrames:
    """Several series on one time axis, such as one per year.

    Weather need not be continuous from one to the next; if it is not, put no period of the split
    across the boundary.

    Raises:
        ArchiveError: different variables, grids or steps, or two that overlap in time.
    """
    ordered = sorted(series, key=lambda one: one.start)
    first = ordered[0]
    parts: list[tuple[int, Values]] = []
    for one in ordered:
        if (one.variables, one.grid, one.step) != (first.variables, first.grid, first.step):
            raise ArchiveError(
                f"{one.folder} and {first.folder} differ in variables, grid or step and cannot be "
                "one series"
            )
        offset, remainder = divmod(one.start - first.start, first.step)
        if remainder or (parts and offset < parts[-1][0] + len(parts[-1][1])):
            raise ArchiveError(
                f"{one.folder} overlaps the series before it, or its times lie between the others'"
            )
        parts += [(offset + number, values) for number, values in one.parts]
    return replace(first, parts=tuple(parts))


def flatten(
    archive: FrameReader,
    variables: Sequence[str],
    start: datetime,
    stop: datetime,
    folder: Path,
    track: Track = silent,
    source: str = "",
) -> FlatFrames:
    """Copy the frames from start to stop (both included) into a flat file, and map it.

    `source` is noted in `about.json`.

    Raises:
        ArchiveError: the archive lacks a variable, holds nothing in that time, or the disk
            refuses.
    """
    count = (stop - start) // archive.step + 1
    found = 0
    with flat_file(folder, variables, archive.grid, start, archive.step, count, source) as values:
        steps = range(0, count, _FRAMES_PER_READ)
        for first in track(steps, "copying frames", len(steps)):
            length = min(_FRAMES_PER_READ, count - first)
            times = [start + archive.step * (first + number) for number in range(length)]
            part = archive.read(variables, times)
            found += int(np.isfinite(part).all(axis=(1, 2, 3)).sum())
            values[first : first + length] = part
        if not found:
            raise ArchiveError(
                f"there is no complete frame of {', '.join(variables)} "
                f"from {format_time(start)} to {format_time(stop)}"
            )
    return open_flat(folder)


def source_of(folder: Path) -> str | None:
    """What the frames of a folder were copied from; None if it does not say.

    Raises:
        ArchiveError: the folder holds no frames.
    """
    try:
        stated = json.loads((folder / "about.json").read_text(encoding="utf-8")).get("source")
    except (OSError, ValueError, AttributeError) as error:
        raise ArchiveError(f"{folder} has no valid flat frames: {error}") from error
    return str(stated) if stated else None


@contextmanager
def flat_file(
    folder: Path,
    variables: Sequence[str],
    grid: LatLonGrid,
    start: datetime,
    step: timedelta,
    count: int,
    source: str = "",
) -> Iterator[NDArray[np.float32]]:
    """Give an array on disk to fill; the folder holds frames once the block has ended well.

    Yields:
        (count, variable, latitude, longitude) float32, mapped for writing.

    Raises:
        ArchiveError: the disk refuses.
    """
    about = {
        "start": format_time(start),
        "step_hours": step / timedelta(hours=1),
        "grid": asdict(grid),
        "variables": list(variables),
        "source": source,
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "about.json").unlink(missing_ok=True)
        values = np.lib.format.open_memmap(
            folder / "values.npy",
            mode="w+",
            dtype=np.float32,
            shape=(count, len(variables), *grid.shape),
        )
        # All room at once: a disk that fills up under a mapped file kills the process.
        if hasattr(os, "posix_fallocate"):
            with (folder / "values.npy").open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, file.seek(0, os.SEEK_END))
        yield values
        values.flush()
        with replacing(folder / "about.json", text=True) as file:
            json.dump(about, file, indent=1)
    except OSError as error:
        raise ArchiveError(f"cannot copy frames to {folder}: {error}") from error
