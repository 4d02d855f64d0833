"""Where frames come from: an archive, flat files, or WeatherBench as it was unpacked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from met2net_ops.errors import ArchiveError
from met2net_ops.models.training.frames import (
    FlatFrames,
    flatten,
    join_flat,
    open_flat,
    source_of,
)
from met2net_ops.models.training.weatherbench import (
    WeatherBench,
    holds_weatherbench,
    variables_in,
)
from met2net_ops.models.training.workers import join_workers
from met2net_ops.progress import Track, silent
from met2net_ops.times import format_time

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime, timedelta
    from pathlib import Path

    from met2net_ops.forecast.window import FrameReader
    from met2net_ops.grids import LatLonGrid
    from met2net_ops.models.training.settings import TrainingSettings


@dataclass(frozen=True)
class Source:
    """Frames that have been found, but not copied yet.

    Attributes:
        grid: the grid of every frame.
        variables: what it has.
        where: for messages.
        frames: gives the frames; may take a while, because it may copy them.
    """

    grid: LatLonGrid
    variables: tuple[str, ...]
    where: str
    frames: Callable[[], FlatFrames]


def find_source(
    settings: TrainingSettings,
    archive: str | None,
    folders: Sequence[Path],
    out: Path,
    track: Track = silent,
) -> Source:
    """Find the frames of a run; the layout of a folder is recognised by its contents.

    Copies go to `out/frames`; one that is there already is used again if it is of the same source,
    variables, grid and time.

    Args:
        settings: name the variables and periods.
        archive: URL of an archive, or None for folders.
        folders: flat frames (several are joined), or one folder of WeatherBench.
        out: folder of the run.
        track: shows progress of copying.

    Raises:
        ArchiveError: nothing there, an unknown layout, a variable that is missing, or a period
            outside what there is.
    """
    copies = out / "frames"
    if archive is not None:
        return _archive(settings, archive, copies, track)
    if all((folder / "about.json").exists() for folder in folders):
        joined = join_flat([open_flat(folder) for folder in folders])
        return Source(joined.grid, joined.variables, _text(folders), lambda: joined)
    if len(folders) > 1:
        raise ArchiveError(f"only folders of flat frames can be joined, not {_text(folders)}")
    (root,) = folders
    if holds_weatherbench(root):
        return _weatherbench(settings, root, copies, track)
    raise ArchiveError(
        f"{root} holds neither flat frames (about.json) nor WeatherBench (2m_temperature/*.nc …). "
        "ERA5-Cropped and MvMFMNIST are converted first: see docs/training.md"
    )


def series_for(
    settings: TrainingSettings,
    archive: str | None,
    folders: Sequence[Path],
    out: Path,
    track: Track = silent,
) -> FlatFrames:
    """The frames of `find_source`, copied where that is needed.

    Raises:
        ArchiveError: as `find_source`, or the disk refuses the copy.
    """
    return find_source(settings, archive, folders, out, track).frames()


def _archive(settings: TrainingSettings, url: str, copies: Path, track: Track) -> Source:
    from met2net_ops.archive.frames import FrameArchive

    archive = FrameArchive.open(url)
    names = settings.data.variables
    missing = [name for name in names if name not in archive.variables]
    if missing:
        raise ArchiveError(
            f"{url} has no {', '.join(missing)}; it has {', '.join(archive.variables)}. Choose "
            "variables that are archived (data.variables), or archive these first"
        )
    span = archive.span()
    if span is None:
        raise ArchiveError(f"{url} holds no frame yet; `met2net-ops ingest` fills it")
    copy = _copier(settings, archive, span, url, copies, track)
    return Source(archive.grid, tuple(archive.variables), url, copy)


def _weatherbench(settings: TrainingSettings, root: Path, copies: Path, track: Track) -> Source:
    reader = WeatherBench(root, settings.data.variables)
    copy = _copier(settings, reader, reader.span(), str(root), copies, track)
    return Source(reader.grid, tuple(variables_in(root)), str(root), copy)


def _copier(
    settings: TrainingSettings,
    source: FrameReader,
    span: tuple[datetime, datetime],
    where: str,
    copies: Path,
    track: Track,
) -> Callable[[], FlatFrames]:
    """Copies the time that the periods span, when called.

    Raises:
        ArchiveError: the source ends before the periods begin.
    """
    names, split = settings.data.variables, settings.data.split()
    periods = (*split.train, *split.validation, *split.test)
    # The first time anchors the axis: later frames lie whole steps after it.
    before = max(0, (min(period.start for period in periods) - span[0]) // source.step)
    start = span[0] + source.step * before
    stop = min(span[1], max(period.stop for period in periods))
    if stop < start:
        raise ArchiveError(
            f"{where} ends at {format_time(span[1])}, before the first period of the settings "
            f"begins: {min(map(str, periods))}"
        )

    def copy() -> FlatFrames:
        if not _is_copy(copies, names, source.grid, start, stop, source.step, where):
            flatten(source, names, start, stop, copies, track, where)
        return open_flat(copies)

    return lambda: _copied_once(copy)


def _copied_once(copy: Callable[[], FlatFrames]) -> FlatFrames:
    """Copy in one of the processes that train together; the others wait and find it done."""
    workers = join_workers()
    if workers.is_first:
        series = copy()
        workers.wait()
        return series
    workers.wait()
    return copy()


def _is_copy(
    folder: Path,
    names: tuple[str, ...],
    grid: LatLonGrid,
    start: datetime,
    stop: datetime,
    step: timedelta,
    where: str,
) -> bool:
    if not (folder / "about.json").exists():
        return False
    copied = open_flat(folder)
    last = copied.time(len(copied) - 1)
    same = (copied.variables, copied.grid, copied.start) == (names, grid, start)
    same = same and source_of(folder) in (None, where)
    return same and last <= stop < last + step


def _text(folders: Sequence[Path]) -> str:
    return ", ".join(map(str, folders))
