"""Decide which decoded frames win their place, write those, and remember it.

Frames are written before the catalog says where they came from. Killed in between, the file counts
as not read; reading it again decides the same way and finds the frames there.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from met2net_ops.catalog.origin import beats
from met2net_ops.catalog.origins import origins, origins_of_file, record_origins

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from met2net_ops.archive.frames import FrameArchive
    from met2net_ops.catalog.engine import Catalog
    from met2net_ops.catalog.origin import Origin
    from met2net_ops.ingest.messages import DecodedFrame

    Place = tuple[str, datetime]


class Fate(StrEnum):
    """What became of a decoded frame."""

    WRITTEN = "written"  # there was none
    REPLACED = "replaced"  # another one was there and ranked lower
    UNCHANGED = "unchanged"  # the very same values are there
    OUTRANKED = "outranked"  # a better one is there


def commit(
    archive: FrameArchive, catalog: Catalog, decoded: Sequence[DecodedFrame]
) -> list[tuple[DecodedFrame, Fate]]:
    """Write the frames that win and record their origins; one archive lock for all.

    Raises:
        ArchiveError: a frame could not be written (full disk); those before it may have been.
    """
    names = {item.origin.variable for item in decoded}
    times = {item.origin.valid_time for item in decoded}
    with archive.locked():
        before = origins(catalog, names, times)
        best: dict[Place, DecodedFrame] = {}
        for item in decoded:
            rival = best.get(_place(item.origin))
            if rival is None or beats(item.origin, rival.origin):
                best[_place(item.origin)] = item
        # An origin without its frame (the archive was moved away) holds no place.
        there = _present_places(archive, list(best))
        winners = [
            item
            for place, item in best.items()
            if not there[place] or place not in before or beats(item.origin, before[place])
        ]
        changed = {
            (frame.variable, frame.time)
            for frame in archive.write_frames([item.frame for item in winners])
        }
        news = [
            item.origin
            for item in winners
            if not _same_source(item.origin, before.get(_place(item.origin)))
        ]
        if news:
            record_origins(catalog, news)
    won = {id(item) for item in winners}
    fates = []
    for item in decoded:
        place = _place(item.origin)
        if id(item) not in won:
            fate = Fate.OUTRANKED
        elif not there[place]:
            fate = Fate.WRITTEN
        else:
            fate = Fate.REPLACED if place in changed else Fate.UNCHANGED
        fates.append((item, fate))
    return fates


def lost_frames(archive: FrameArchive, catalog: Catalog, file_sha256: str) -> bool:
    """Whether a frame that a file gave, and no other replaced, is no longer in the archive."""
    places = [_place(origin) for origin in origins_of_file(catalog, file_sha256)]
    known = [place for place in places if place[0] in archive.variables]
    return not all(_present_places(archive, known).values())


def _place(origin: Origin) -> Place:
    return origin.variable, origin.valid_time


def _present_places(archive: FrameArchive, places: Sequence[Place]) -> dict[Place, bool]:
    there = {}
    for name in sorted({variable for variable, _ in places}):
        times = [time for variable, time in places if variable == name]
        (row,) = archive.present([name], times)
        there.update({(name, time): bool(yes) for time, yes in zip(times, row, strict=True)})
    return there


def _same_source(new: Origin, old: Origin | None) -> bool:
    return old is not None and (
        (new.path, new.file_sha256, new.field, new.frame_sha256)
        == (old.path, old.file_sha256, old.field, old.frame_sha256)
    )
