"""Frames in flat files: one `.npy` per variable, mapped into memory and never loaded whole.

Training reads windows at random; an archive with one compressed chunk per frame is slow at that.
So the frames are copied once, a few hundred at a time, and checked on the way.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

import numpy as np

from met2net_ops.errors import ArchiveError
from met2net_ops.grids import LatLonGrid
from met2net_ops.progress import Track, silent
from met2net_ops.times import format_time, parse_time

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from numpy.typing import NDArray

_FRAMES_PER_READ = 256


class FrameReader(Protocol):
    """What is needed of an archive; `met2net_ops.archive.frames.FrameArchive` has it."""

    @property
    def grid(self) -> LatLonGrid:
        """The grid of every frame."""
        ...

    @property
    def step(self) -> timedelta:
        """Time between frames."""
        ...

    def read(self, variables: Sequence[str], times: Sequence[datetime]) -> NDArray[np.float32]:
        """(time, variable, latitude, longitude); NaN where missing."""
        ...


@dataclass(frozen=True)
class FlatFrames:
    """A regular series of frames, mapped from disk.

    Attributes:
        folder: where the files lie.
        variables: canonical names, in the order of the variable axis.
        grid: the grid of every frame.
        start: valid time of frame 0, UTC.
        step: time between frames.
        arrays: one per variable: (time, latitude, longitude) float32, read-only maps.
    """

    folder: Path
    variables: tuple[str, ...]
    grid: LatLonGrid
    start: datetime
    step: timedelta
    arrays: tuple[NDArray[np.float32], ...]

    def __len__(self) -> int:
        return len(self.arrays[0])

    def time(self, index: int) -> datetime:
        """Valid time of a frame."""
        return self.start + self.step * index

    def index(self, time: datetime) -> int:
        """Number of the first frame at or after a time; may lie outside the series."""
        return -((self.start - time) // self.step)

    def read(self, start: int, count: int) -> NDArray[np.float32]:
        """(count, variable, latitude, longitude) from frame `start` on; a copy."""
        return np.stack([array[start : start + count] for array in self.arrays], axis=1)

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
        arrays = tuple(self.arrays[self.variables.index(name)] for name in variables)
        return FlatFrames(self.folder, tuple(variables), self.grid, self.start, self.step, arrays)


def open_flat(folder: Path) -> FlatFrames:
    """Map the frames of a folder that `flatten` wrote.

    Raises:
        ArchiveError: no such folder, or its parts do not fit together.
    """
    try:
        about = json.loads((folder / "frames.json").read_text(encoding="utf-8"))
        grid = LatLonGrid(**about["grid"])
        variables = tuple(about["variables"])
        arrays = tuple(np.load(folder / f"{name}.npy", mmap_mode="r") for name in variables)
        start = parse_time(about["start"])
        step = timedelta(hours=about["step_hours"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArchiveError(f"{folder} does not hold flat frames: {error}") from error
    shapes = {(array.shape, array.dtype.str) for array in arrays}
    if len(shapes) != 1 or arrays[0].shape[1:] != grid.shape or arrays[0].dtype != np.float32:
        raise ArchiveError(
            f"{folder}: the arrays do not agree with each other or with the grid {grid.shape}: "
            f"{sorted(map(str, shapes))}. Delete the folder and flatten again"
        )
    return FlatFrames(folder, variables, grid, start, step, arrays)


def flatten(
    archive: FrameReader,
    variables: Sequence[str],
    start: datetime,
    stop: datetime,
    folder: Path,
    track: Track = silent,
) -> FlatFrames:
    """Copy the frames from start to stop (both included) into flat files, and map them.

    `frames.json` is written last: a copy that was interrupted is never taken for a whole one.

    Raises:
        ArchiveError: the archive lacks a variable or holds nothing in that time.
    """
    count = (stop - start) // archive.step + 1
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "frames.json").unlink(missing_ok=True)
    arrays = [
        np.lib.format.open_memmap(
            folder / f"{name}.npy", mode="w+", dtype=np.float32, shape=(count, *archive.grid.shape)
        )
        for name in variables
    ]
    found = 0
    steps = range(0, count, _FRAMES_PER_READ)
    for first in track(steps, "copying frames", len(steps)):
        length = min(_FRAMES_PER_READ, count - first)
        times = [start + archive.step * (first + number) for number in range(length)]
        values = archive.read(variables, times)
        found += int(np.isfinite(values).all(axis=(1, 2, 3)).sum())
        for number, array in enumerate(arrays):
            array[first : first + length] = values[:, number]
    for array in arrays:
        array.flush()
    if not found:
        raise ArchiveError(
            f"the archive has no complete frame of {', '.join(variables)} "
            f"from {format_time(start)} to {format_time(stop)}"
        )
    about = {
        "variables": list(variables),
        "grid": asdict(archive.grid),
        "start": format_time(start),
        "step_hours": archive.step / timedelta(hours=1),
    }
    (folder / "frames.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
    return open_flat(folder)
