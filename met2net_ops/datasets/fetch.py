"""From a dataset into the archive: read, remap, check, commit with its origin."""

from __future__ import annotations

import hashlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.archive import codec
from met2net_ops.archive.codec import EncodedFrame
from met2net_ops.catalog.origin import Origin
from met2net_ops.catalog.origins import origins
from met2net_ops.datasets.reading import Block, Problem, read_recipe, wanted_blocks
from met2net_ops.fields import FieldKind
from met2net_ops.ingest.commit import Fate, commit
from met2net_ops.ingest.messages import DecodedFrame
from met2net_ops.remap.weights import remap_series
from met2net_ops.times import format_time, from_datetime64
from met2net_ops.variables import variable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from met2net_ops.archive.frames import FrameArchive
    from met2net_ops.catalog.engine import Catalog
    from met2net_ops.datasets.request import Item, Request

_FRAMES_AT_ONCE = 128


@dataclass
class Fetched:
    """What became of a request.

    Attributes:
        fates: how many frames were written, replaced, unchanged, outranked.
        skipped: frames that were there already.
        refused: what gave no frame, each with variable, time and reason.
        problems: chunks that are missing or damaged.
    """

    fates: Counter[Fate] = field(default_factory=Counter)
    skipped: int = 0
    refused: list[str] = field(default_factory=list)
    problems: dict[str, Problem] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def frames(self) -> int:
        """That are in the archive now."""
        return self.skipped + sum(self.fates.values())


def fetch(
    request: Request, archive: FrameArchive, catalog: Catalog, result: Fetched
) -> Iterator[int]:
    """Fill the archive; frames that are there as analyses are not read again.

    Args:
        request: what is wanted.
        archive: to write to.
        catalog: of the archive.
        result: is filled while it goes on.

    Yields:
        How many frames each block dealt with.

    Raises:
        DatasetError: the host does not answer any more; what came is kept.
        ArchiveError: a frame cannot be written.
    """
    with ThreadPoolExecutor(1) as ahead:  # reads the next block while this one is remapped
        for item in request.items:
            todo = _not_yet(item, archive, catalog)
            done = int(item.wanted.sum() - todo.sum())
            result.skipped += done
            if done:
                yield done
            ranges = list(wanted_blocks(item.cube, item.recipe, item.window, todo))
            pending = [
                ahead.submit(read_recipe, item.recipe, item.window, *span) for span in ranges[:1]
            ]
            for number in range(len(ranges)):
                block = pending.pop().result()
                pending += [
                    ahead.submit(read_recipe, item.recipe, item.window, *span)
                    for span in ranges[number + 1 : number + 2]
                ]
                yield from _store(item, block, todo, archive, catalog, result)


def _not_yet(item: Item, archive: FrameArchive, catalog: Catalog) -> np.ndarray:
    """(time,) which wanted frames are not in the archive as analyses."""
    places, times = np.flatnonzero(item.wanted), item.times()
    (there,) = archive.present([item.recipe.target], times)
    todo = item.wanted.copy()
    kept = [time for time, yes in zip(times, there, strict=True) if yes]
    known = origins(catalog, [item.recipe.target], kept) if kept else {}
    for place, time, yes in zip(places, times, there, strict=True):
        origin = known.get((item.recipe.target, time))
        if yes and origin is not None and origin.kind is FieldKind.ANALYSIS and not origin.lead:
            todo[place] = False
    return todo


def _store(
    item: Item,
    block: Block,
    todo: np.ndarray,
    archive: FrameArchive,
    catalog: Catalog,
    result: Fetched,
) -> Iterator[int]:
    result.problems.update({problem.chunk: problem for problem in block.problems})
    name = item.recipe.target
    for begin in range(0, len(block.values), _FRAMES_AT_ONCE):
        part = slice(begin, begin + _FRAMES_AT_ONCE)
        first = block.start + begin
        wanted = todo[first : block.start + min(len(block.values), part.stop)]
        taken = np.flatnonzero(wanted & block.sound[part])
        frames = []
        if taken.size:
            source = block.values[part][taken]
            values = remap_series(variable(name), source, item.window.weights)
            for place, given, made in zip(taken, source, values, strict=True):
                frame = _frame(item, first + int(place), given, made)
                if isinstance(frame, str):
                    result.refused.append(frame)
                else:
                    frames.append(frame)
        if frames:
            result.fates.update(fate for _, fate in commit(archive, catalog, frames))
        if wanted.any():
            yield int(wanted.sum())


def _frame(item: Item, place: int, given: np.ndarray, values: np.ndarray) -> DecodedFrame | str:
    """A frame ready for the archive; or why there is none."""
    row, part = variable(item.recipe.target), item.recipe.inputs[0].part
    time = from_datetime64(item.cube.times[place])
    what = f"{row.name} {format_time(time)}"
    missing = int(np.isnan(values).sum())
    if missing == values.size:
        return f"{what}: no value in the grid's area"
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if low < row.hard.low or high > row.hard.high:
        return (
            f"{what}: {low:g} to {high:g} {row.units} is outside the possible {row.hard.low:g} to "
            f"{row.hard.high:g}; is the unit stated in the dataset right?"
        )
    if row.accumulated:
        values = np.where(values < 0, np.float32(0), values)
    little = values.astype("<f4", copy=False)
    origin = Origin(
        variable=row.name,
        valid_time=time,
        path=part.location,
        file_sha256=part.sha256,
        file_mtime_ns=0,
        message=place,
        field=place,
        message_sha256=hashlib.sha256(np.ascontiguousarray(given).tobytes()).hexdigest(),
        inputs=(place,),
        method=item.recipe.method,
        kind=FieldKind.ANALYSIS,
        reference_time=time,
        lead=timedelta(0),
        expver="",
        missing_points=missing,
        frame_sha256=hashlib.sha256(little.tobytes()).hexdigest(),
        recorded_at=datetime.now(UTC),
    )
    return DecodedFrame(EncodedFrame(row.name, time, codec.encode(little[None])), origin, ())
