"""Decide which decoded frames win their place, write those, and remember it.

Frames are written before the catalog says where they came from. Killed in between, the file counts
as not read; reading it again decides the same way and finds the frames there.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.archive import codec
from met2net_ops.archive.codec import EncodedFrame
from met2net_ops.catalog.origin import are_tiles, beats
from met2net_ops.catalog.origins import origins, origins_of_file, record_origins
from met2net_ops.ingest.messages import DecodedFrame

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from met2net_ops.archive.frames import FrameArchive
    from met2net_ops.catalog.engine import Catalog
    from met2net_ops.catalog.origin import Origin

    Place = tuple[str, datetime]


class Fate(StrEnum):
    """What became of a decoded frame."""

    WRITTEN = "written"  # there was none
    REPLACED = "replaced"  # another one was there and ranked lower
    UNCHANGED = "unchanged"  # the very same values are there
    OUTRANKED = "outranked"  # a better one is there
    JOINED = "joined"  # a tile: its points were added to those of other tiles of the field


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
        shape = archive.grid.shape
        for item in decoded:
            rival = best.get(_place(item.origin))
            best[_place(item.origin)] = item if rival is None else _better(item, rival, shape)
        # An origin without its frame (the archive was moved away) holds no place.
        there = _present_places(archive, list(best))
        winners = []
        for place, item in best.items():
            if not there[place] or place not in before:
                winners.append(item)
                continue
            present = before[place]
            if are_tiles(item.origin, present):
                winners.append(_better(item, _read_present(archive, present), shape))
            elif beats(item.origin, present):
                winners.append(item)
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
    won = {_place(item.origin): item for item in winners}
    fates = []
    for item in decoded:
        place = _place(item.origin)
        winner = won.get(place)
        if winner is None:
            fate = Fate.OUTRANKED
        elif winner is not item:
            part = are_tiles(item.origin, replace(winner.origin, missing_points=1))
            same = item.origin.message_sha256 == winner.origin.message_sha256
            fate = Fate.JOINED if (part or same) and place in changed else Fate.OUTRANKED
        elif not there[place]:
            fate = Fate.WRITTEN
        else:
            fate = Fate.REPLACED if place in changed else Fate.UNCHANGED
        fates.append((item, fate))
    return fates


def _better(item: DecodedFrame, rival: DecodedFrame, shape: tuple[int, int]) -> DecodedFrame:
    """The one that ranks higher; tiles of one field are joined, its points first."""
    upper, lower = (item, rival) if beats(item.origin, rival.origin) else (rival, item)
    if not are_tiles(item.origin, rival.origin):
        return upper
    values, more = (
        codec.decode(one.frame.data, shape, np.dtype(np.float32)) for one in (upper, lower)
    )
    gaps = np.isnan(values)
    joined = np.where(gaps, more, values).astype("<f4")
    missing = int(np.isnan(joined).sum())
    if missing == upper.origin.missing_points:
        return upper  # the other adds no point
    return DecodedFrame(
        EncodedFrame(upper.frame.variable, upper.frame.time, codec.encode(joined[None])),
        replace(
            upper.origin,
            missing_points=missing,
            frame_sha256=hashlib.sha256(joined.tobytes()).hexdigest(),
        ),
        upper.warnings,
    )


def _read_present(archive: FrameArchive, origin: Origin) -> DecodedFrame:
    """The frame that is in the archive, and its origin."""
    (values,) = archive.read([origin.variable], [origin.valid_time])
    return DecodedFrame(archive.encode(origin.variable, origin.valid_time, values[0]), origin, ())


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
