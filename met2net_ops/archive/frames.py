"""The archive of frames: what forecasts start from, models learn from and scores compare with."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.archive import codec
from met2net_ops.archive.codec import EncodedFrame
from met2net_ops.archive.layout import ROOT, Layout, parse_layout
from met2net_ops.archive.store import FolderStore, Store, open_store
from met2net_ops.errors import ArchiveError
from met2net_ops.times import format_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime, timedelta
    from pathlib import Path

    from numpy.typing import NDArray

    from met2net_ops.grids import LatLonGrid

__all__ = ["EncodedFrame", "FrameArchive", "archive_identity", "open_archive"]

_LISTING_PAYS_FROM = 64  # requested times; below it, checking key by key is quicker


class FrameArchive:
    """`archive.zarr`: (time, latitude, longitude) float32, one array per variable.

    One chunk is one frame, so presence of a frame is presence of its chunk. The time axis is
    regular; it begins with the month of the oldest frame and ends with the newest. Frames appear
    whole or not at all; any number of processes may read and write at once.
    """

    def __init__(self, url: str, store: Store) -> None:
        self.url = url
        self._store = store
        self._version: object = None
        self._known: Layout | None = None
        self._layout()

    @classmethod
    def create(
        cls, url: str | Path, grid: LatLonGrid, variables: Sequence[str], step: timedelta
    ) -> FrameArchive:
        """Make an archive, or open the one there and give it the variables it lacks.

        Raises:
            ArchiveError: there is one for another grid or step.
        """
        store = open_store(str(url))
        if isinstance(store, FolderStore):
            store.make()
        wanted = Layout(grid, tuple(variables), step)
        with store.lock:
            document = store.read(ROOT)
            present = None if document is None else parse_layout(document, str(url))
            if present is None or present.start is None:  # none, or an empty one
                identity = (present and present.identity) or uuid.uuid4().hex
                wanted = replace(wanted, identity=identity)
                for key, data in {**wanted.coordinate_chunks(), **wanted.documents()}.items():
                    store.write(key, data)
            else:
                _check_same(present, wanted, str(url))
                extra = tuple(name for name in variables if name not in present.variables)
                if extra:
                    layout = replace(present, variables=present.variables + extra)
                    for key, data in layout.documents().items():
                        store.write(key, data)
            store.sync()
        return cls(str(url), store)

    @classmethod
    def open(cls, url: str | Path) -> FrameArchive:
        """Open an archive.

        Raises:
            ArchiveError: there is none, or it is not one of ours.
        """
        return cls(str(url), open_store(str(url)))

    @property
    def grid(self) -> LatLonGrid:
        """The grid of every frame."""
        return self._layout().grid

    @property
    def variables(self) -> tuple[str, ...]:
        """Canonical names of the variables it has arrays for."""
        return self._layout().variables

    @property
    def step(self) -> timedelta:
        """Time between frames."""
        return self._layout().step

    def span(self) -> tuple[datetime, datetime] | None:
        """First and last valid time present in any variable; None if there is no frame."""
        layout = self._layout()
        first, last = layout.length, -1
        for name in layout.variables:
            indices = self._indices(layout, name)
            if indices:
                first, last = min(first, *indices), max(last, *indices)
        return (layout.time(first), layout.time(last)) if last >= 0 else None

    def present(self, variables: Sequence[str], times: Sequence[datetime]) -> NDArray[np.bool_]:
        """(variable, time) whether the frame is there."""
        layout = self._layout()
        _check_known(layout, variables, self.url)
        wanted = [layout.index(time) for time in times]
        there = np.zeros((len(variables), len(times)), dtype=np.bool_)
        for row, name in enumerate(variables):
            if len(times) >= _LISTING_PAYS_FROM:
                indices = self._indices(layout, name)
                there[row] = [index in indices for index in wanted]
            else:
                there[row] = [
                    0 <= index < layout.length and self._store.exists(layout.chunk(name, index))
                    for index in wanted
                ]
        return there

    def read(self, variables: Sequence[str], times: Sequence[datetime]) -> NDArray[np.float32]:
        """(time, variable, latitude, longitude) float32; NaN where a frame is missing.

        Raises:
            ArchiveError: a frame is damaged on disk, or a variable has no array.
        """
        while True:
            layout = self._layout()
            _check_known(layout, variables, self.url)
            values = np.full(
                (len(times), len(variables), *layout.grid.shape), np.nan, dtype=np.float32
            )
            for column, name in enumerate(variables):
                for row, time in enumerate(times):
                    self._read_into(values[row, column], layout, name, time)
            # Two growths backward while reading would have given our keys to other frames.
            if self._layout().generation == layout.generation:
                return values

    def write(self, variable: str, time: datetime, values: NDArray[np.float32]) -> bool:
        """Write one frame; says whether anything changed (identical content changes nothing).

        Args:
            variable: canonical name.
            time: valid time, UTC, a multiple of the step.
            values: (latitude, longitude), canonical units; NaN where there is no value.

        Raises:
            ArchiveError: wrong shape, no value at all, a time off the axis, or a full disk.
        """
        return bool(self.write_frames([self.encode(variable, time, values)]))

    def encode(self, variable: str, time: datetime, values: NDArray[np.float32]) -> EncodedFrame:
        """Check a frame and pack it, without writing.

        Raises:
            ArchiveError: wrong shape, no value at all, unknown variable or a time off the axis.
        """
        layout = self._layout()
        _check_known(layout, [variable], self.url)
        layout.index(time)
        if values.shape != layout.grid.shape:
            raise ArchiveError(
                f"frame {variable} {format_time(time)} has shape {values.shape}, "
                f"the archive's grid {layout.grid.shape}"
            )
        if not np.isfinite(values).any():
            raise ArchiveError(f"frame {variable} {format_time(time)} holds no value at all")
        return EncodedFrame(variable, time, codec.encode(values.astype(np.float32, copy=False)))

    def write_frames(self, frames: Sequence[EncodedFrame]) -> list[EncodedFrame]:
        """Write many frames with one change of the time axis; returns those that changed.

        Frames are written before the axis grows over them, so a reader never sees an axis that
        promises what is not there yet.
        """
        if not frames:
            return []
        times = [frame.time for frame in frames]
        with self._store.lock:
            if isinstance(self._store, FolderStore):
                self._store.sweep()
            before = self._layout()
            after = before.grown(min(times), max(times))
            if after.generation != before.generation:
                before = self._renumber(before, after)
            changed = [frame for frame in frames if self._put(after, frame)]
            self._store.sync()
            if after != before:
                self._publish(after)
            return changed

    def times(self, variable: str) -> list[datetime]:
        """Valid times at which a variable has a frame, ascending."""
        layout = self._layout()
        _check_known(layout, [variable], self.url)
        return [layout.time(index) for index in sorted(self._indices(layout, variable))]

    def remove_frames(self, frames: Iterable[tuple[str, datetime]]) -> int:
        """Remove frames for good, by (variable, valid time); says how many there were.

        The time axis stays as it is: a frame that was removed reads like one that never came.
        Second names that frames had before the axis grew backward go as well; whoever opened the
        archive before that, and not through this class, finds frames missing then.
        """
        with self._store.lock:
            layout = self._layout()
            keys = [layout.chunk(name, layout.index(time)) for name, time in frames]
            there = [key for key in keys if self._store.exists(key)]
            self._store.remove(there)
            if there:
                for name in layout.variables:
                    self._store.remove(layout.former_chunks(name, self._store.names(name)))
            self._store.sync()
            return len(there)

    def differing(self, frames: Sequence[EncodedFrame]) -> list[EncodedFrame]:
        """Those in whose place the archive holds another frame."""
        layout = self._layout()
        found = []
        for frame in frames:
            index = layout.index(frame.time)
            if 0 <= index < layout.length:
                there = self._store.read(layout.chunk(frame.variable, index))
                if there is not None and there != frame.data:
                    found.append(frame)
        return found

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the write lock over several steps; writing inside is fine."""
        with self._store.lock:
            yield

    def _put(self, layout: Layout, frame: EncodedFrame) -> bool:
        key = layout.chunk(frame.variable, layout.index(frame.time))
        if self._store.read(key) == frame.data:
            return False
        self._store.write(key, frame.data)
        return True

    def _renumber(self, before: Layout, after: Layout) -> Layout:
        """Move to a generation that starts earlier: second names for all chunks, then the axis.

        Readers of the old layout keep the old names; what lay under the new ones is two
        generations old and goes first.
        """
        assert before.start is not None
        shift = after.index(before.start)
        moved = replace(after, length=before.length + shift)
        for name in before.variables:
            old = self._indices(before, name, beyond=True)
            stale = (moved.parse(key) for key in self._store.names(name))
            self._store.remove(moved.chunk(name, index) for index in stale if index is not None)
            self._store.duplicate(
                (before.chunk(name, index), moved.chunk(name, index + shift)) for index in old
            )
        self._publish(moved)
        return moved

    def _publish(self, layout: Layout) -> None:
        for key, data in layout.time_chunks().items():
            if self._store.read(key) != data:
                self._store.write(key, data)
        for key, data in layout.documents().items():
            if key == ROOT:
                self._store.sync()
            self._store.write(key, data)
        self._store.sync()

    def _read_into(
        self, target: NDArray[np.float32], layout: Layout, name: str, time: datetime
    ) -> None:
        index = layout.index(time)
        if not 0 <= index < layout.length:
            return
        key = layout.chunk(name, index)
        data = self._store.read(key)
        if data is None:
            return
        try:
            target[...] = codec.decode(data, layout.grid.shape, np.dtype(np.float32))
        except (ArchiveError, RuntimeError, ValueError) as error:
            raise ArchiveError(
                f"frame {name} {format_time(time)} is damaged on disk ({self.url}/{key}): {error}. "
                f"Remove that file and ingest its source again."
            ) from error

    def _indices(self, layout: Layout, name: str, *, beyond: bool = False) -> set[int]:
        """Indices present, on the axis or (`beyond`) also after its end."""
        parsed = (layout.parse(key) for key in self._store.names(name))
        return {
            index for index in parsed if index is not None and (beyond or index < layout.length)
        }

    def _layout(self) -> Layout:
        version = self._store.version(ROOT)
        if self._known is None or version is None or version != self._version:
            document = self._store.read(ROOT)
            if document is None:
                raise ArchiveError(
                    f"there is no archive at {self.url}; `met2net-ops ingest` makes it"
                )
            self._known, self._version = parse_layout(document, self.url), version
        return self._known


def archive_identity(url: str) -> str:
    """What the catalog tells an archive from others by; "" while there is none.

    It moves with the archive. One made without has that of its place.

    Raises:
        ArchiveError: what lies there is not an archive.
    """
    document = open_store(url).read(ROOT)
    if document is None:
        return ""
    return parse_layout(document, url).identity or uuid.uuid5(uuid.NAMESPACE_URL, url).hex


def open_archive(
    url: str, grid: LatLonGrid, variables: Sequence[str], step: timedelta
) -> FrameArchive:
    """The archive at `url`, which must be one of that grid and step.

    Raises:
        ArchiveError: there is none yet, or it is of another grid or step.
    """
    archive = FrameArchive.open(url)
    _check_same(archive._layout(), Layout(grid, tuple(variables), step), archive.url)
    return archive


def _check_same(present: Layout, wanted: Layout, url: str) -> None:
    if present.grid != wanted.grid:
        raise ArchiveError(
            f"{url} holds frames on grid {present.grid}, the settings want {wanted.grid}; "
            "set the grid back, or point archive.url to a new place and ingest again"
        )
    if present.step != wanted.step:
        raise ArchiveError(
            f"{url} holds frames every {present.step}, the settings want {wanted.step}; "
            "set archive.step_hours back, or point archive.url to a new place"
        )


def _check_known(layout: Layout, variables: Sequence[str], url: str) -> None:
    unknown = [name for name in variables if name not in layout.variables]
    if unknown:
        raise ArchiveError(
            f"{url} has no array for {', '.join(unknown)} (it has {', '.join(layout.variables)}); "
            "add it to archive.variables and ingest again"
        )
