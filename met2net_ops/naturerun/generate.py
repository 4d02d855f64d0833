"""Long hourly series as fast as they can be made, for training and for archives."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.errors import ArchiveError, Met2NetOpsError
from met2net_ops.naturerun.fields import sampler
from met2net_ops.naturerun.run import SPIN_UP, TRUNCATION, NatureRun, default_epoch
from met2net_ops.progress import Track, silent
from met2net_ops.times import HOUR, format_time, to_datetime64

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from met2net_ops.archive.frames import EncodedFrame, FrameArchive
    from met2net_ops.grids import LatLonGrid
    from met2net_ops.naturerun.run import AtmosphereState

_FRAMES_PER_WRITE = 192


def run_for(
    seed: int, start: datetime, epoch: datetime | None = None, truncation: int = TRUNCATION
) -> NatureRun:
    """The run that serves times from `start`; its epoch is `default_epoch` unless given.

    Raises:
        Met2NetOpsError: the epoch leaves too little time to spin up, the seed is negative or the
            start or epoch no full hour.
    """
    for time in filter(None, (start, epoch)):
        if time != time.replace(minute=0, second=0, microsecond=0):
            raise Met2NetOpsError(f"{time.isoformat()} is no full hour; frames are hourly")
    if seed < 0:
        raise Met2NetOpsError(f"the seed {seed} is negative; choose 0 or more")
    chosen = epoch or default_epoch(start)
    if start - chosen < SPIN_UP:
        raise Met2NetOpsError(
            f"the epoch {format_time(chosen)} is less than {SPIN_UP.days} days before "
            f"{format_time(start)}: the atmosphere is still spinning up; choose an earlier epoch"
        )
    return NatureRun(seed, chosen, truncation)


def frames(
    run: NatureRun,
    start: datetime | AtmosphereState,
    hours: int,
    grid: LatLonGrid,
    variables: Sequence[str],
) -> Iterator[tuple[datetime, NDArray[np.float32]]]:
    """Hourly weather of one run.

    Args:
        run: the atmosphere.
        start: the first time, aware UTC, a full hour; or the state then.
        hours: how many frames.
        grid: where.
        variables: canonical names.

    Yields:
        (valid time, (variable, lat, lon) float32 in the units of the variables table).

    Raises:
        UnknownVariableError: the synthetic atmosphere has no such variable.
    """
    sample = sampler(run, grid)
    for state in run.states(start, hours):
        yield state.time, sample.fields(state, variables)


def generate(
    start: datetime,
    stop: datetime,
    grid: LatLonGrid,
    variables: Sequence[str],
    seed: int,
    *,
    epoch: datetime | None = None,
    truncation: int = TRUNCATION,
) -> Iterator[tuple[datetime, NDArray[np.float32]]]:
    """Hourly weather from start to stop, both included.

    Args:
        start: aware UTC, a full hour.
        stop: the last time.
        grid: where.
        variables: canonical names.
        seed: chooses the weather.
        epoch: start of the run; the same seed and epoch always give the same weather.
        truncation: largest wavenumber; smaller is quicker and coarser.

    Yields:
        (valid time, (variable, lat, lon) float32 in the units of the variables table).

    Raises:
        Met2NetOpsError: the epoch is too close to the start.
        UnknownVariableError: the synthetic atmosphere has no such variable.
    """
    run = run_for(seed, start, epoch, truncation)
    yield from frames(run, start, (stop - start) // HOUR + 1, grid, variables)


def write_arrays(
    folder: Path,
    start: datetime,
    stop: datetime,
    grid: LatLonGrid,
    variables: Sequence[str],
    seed: int,
    *,
    epoch: datetime | None = None,
    truncation: int = TRUNCATION,
    track: Track = silent,
) -> None:
    """Write `values.npy` (time, variable, lat, lon) float32, `times.npy` and `about.json`.

    The array is a memory map while it grows; `about.json` comes last and says it is complete.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "about.json").unlink(missing_ok=True)
    count = (stop - start) // timedelta(hours=1) + 1
    shape = (count, len(variables), *grid.shape)
    values = np.lib.format.open_memmap(
        folder / "values.npy", mode="w+", dtype=np.float32, shape=shape
    )
    times = np.empty(count, dtype="datetime64[ns]")
    made = generate(start, stop, grid, variables, seed, epoch=epoch, truncation=truncation)
    for index, (time, frame) in enumerate(track(made, "making weather", total=count)):
        values[index] = frame
        times[index] = to_datetime64(time)
    values.flush()
    np.save(folder / "times.npy", times)
    about = {
        "synthetic": True,
        "seed": seed,
        "truncation": truncation,
        "epoch": format_time(epoch or default_epoch(start)),
        "start": format_time(start),
        "stop": format_time(stop),
        "grid": grid.name,
        "variables": list(variables),
    }
    (folder / "about.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


def fill_archive(
    archive: FrameArchive,
    run: NatureRun,
    start: datetime | AtmosphereState,
    hours: int,
    *,
    track: Track = silent,
) -> int:
    """Write the weather of `hours` hours into an archive, on its grid and for its variables.

    Returns:
        How many frames were not there before.

    Raises:
        ArchiveError: the archive cannot be written, or holds other frames at these times: those
            stay, and hours before them may have been written.
        UnknownVariableError: the archive wants a variable the synthetic atmosphere lacks.
    """
    changed = 0
    batch: list[EncodedFrame] = []
    made = frames(run, start, hours, archive.grid, archive.variables)
    for time, values in track(made, "filling the archive", total=hours):
        for name, field in zip(archive.variables, values, strict=True):
            batch.append(archive.encode(name, time, field))
        if len(batch) >= _FRAMES_PER_WRITE:
            changed += _write_new(archive, batch)
            batch = []
    return changed + _write_new(archive, batch)


def _write_new(archive: FrameArchive, batch: list[EncodedFrame]) -> int:
    with archive.locked():
        if other := archive.differing(batch):
            raise ArchiveError(
                f"{archive.url} already holds other frames at these times, among them "
                f"{other[0].variable} {format_time(other[0].time)}; synthetic weather does not "
                "replace them. Choose other times or another workspace."
            )
        return len(archive.write_frames(batch))
