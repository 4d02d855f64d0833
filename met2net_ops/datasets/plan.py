"""What fetching will take, found before anything is fetched."""

from __future__ import annotations

import asyncio
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.archive import codec
from met2net_ops.datasets.opening import TIME
from met2net_ops.datasets.reading import (
    block_length,
    chunk_count,
    chunk_key,
    read_layer,
    stored_array,
)

if TYPE_CHECKING:
    from pathlib import Path

    from met2net_ops.datasets.cube import Layer
    from met2net_ops.datasets.request import Item, Request

_SIZES_ASKED = 64  # chunks per array whose size is asked for; the rest is like them
_FRAME_OVERHEAD = 4096  # bytes: a file's last block


@dataclass(frozen=True)
class Plan:
    """What a fetch reads and writes.

    Attributes:
        frames: fields that go into the archive.
        chunks: that are read.
        wire_bytes: over the network; of local data, from disk.
        disk_bytes: the archive grows by.
        free_bytes: on that disk; None where it is not local.
        seconds: at the rate of the sample; None for nothing to read.
        times: first and last, naive UTC.
    """

    frames: int
    chunks: int
    wire_bytes: int
    disk_bytes: int
    free_bytes: int | None
    seconds: float | None
    times: tuple[np.datetime64, np.datetime64]

    @property
    def fits(self) -> bool:
        """Whether the disk holds it with a tenth to spare."""
        return self.free_bytes is None or 1.1 * self.disk_bytes < self.free_bytes


def make_plan(request: Request, archive_folder: Path | None) -> Plan:
    """Count chunks and bytes; one chunk of every array is read as a sample.

    Args:
        request: what is wanted.
        archive_folder: where the archive lies; None where it is not on a local disk.

    Raises:
        DatasetError: the sample cannot be read.
    """
    chunks, wire, disk, seconds = 0, 0.0, 0.0, 0.0
    for item in request.items:
        for number, layer in enumerate(item.recipe.inputs):
            count, each, took, packed = _sample(item, layer)
            chunks += count
            wire += count * each
            seconds += count * took
            if number == 0:
                frame = 4 * int(np.prod(request.grid.shape)) * packed + _FRAME_OVERHEAD
                disk += frame * int(item.wanted.sum())
    free = None
    if archive_folder is not None:
        there = next(p for p in (archive_folder, *archive_folder.parents) if p.exists())
        free = shutil.disk_usage(there).free
    wanted = [item.cube.times[item.wanted] for item in request.items]
    span = min(times[0] for times in wanted), max(times[-1] for times in wanted)
    return Plan(request.frames, chunks, round(wire), round(disk), free, seconds, span)


def _sample(item: Item, layer: Layer) -> tuple[int, float, float, float]:
    """Of an array: chunks wanted, bytes and seconds per chunk, and how well its frames pack."""
    places = np.flatnonzero(item.wanted)
    starts = np.unique(places // layer.chunk(TIME)) * layer.chunk(TIME)
    across = chunk_count(layer, item.window, 0, 1)
    count = starts.size * across
    begin = int(starts[starts.size // 2])
    # A shard's index is read once per block, so the sample is a block of the size of the fetch's.
    length = block_length(layer, item.window) if _is_sharded(layer) else layer.chunk(TIME)
    end = min(begin + length, item.cube.times.size)
    traffic = layer.part.traffic
    before = traffic.bytes if traffic else 0
    clock = time.perf_counter()
    block = read_layer(layer, item.window, begin, end)
    read = chunk_count(layer, item.window, begin, end)
    took = (time.perf_counter() - clock) / read
    field = block.values[len(block.values) // 2]
    packed = len(codec.encode(field[None])) / max(1, field.nbytes)
    each = float(((traffic.bytes if traffic else 0) - before) / read)
    if traffic is not None and not _is_sharded(layer):
        sizes = _sizes(layer, item, starts)
        each = float(np.mean(sizes)) if sizes else each
    return count, each, took, min(1.0, packed)


def _is_sharded(layer: Layer) -> bool:
    return layer.part.store is not None and stored_array(layer).shards is not None


def _sizes(layer: Layer, item: Item, starts: np.ndarray) -> list[int]:
    """Bytes of chunks spread over what is wanted, as the store states them."""
    array, store = stored_array(layer), layer.part.store
    assert store is not None
    rows, columns = map(str, layer.array.dims[1:3])
    y, x = layer.chunk(rows), layer.chunk(columns)
    across = [
        (row, column)
        for row in range(item.window.rows.start // y, (item.window.rows.stop - 1) // y + 1)
        for part in item.window.columns
        for column in range(part.start // x, (part.stop - 1) // x + 1)
    ]
    keys = [
        chunk_key(layer, array, {TIME: int(start), rows: row * y, columns: column * x})
        for start in starts
        for row, column in across
    ]
    chosen = [keys[i] for i in np.unique(np.linspace(0, len(keys) - 1, _SIZES_ASKED).astype(int))]

    async def ask() -> list[int]:
        async def one(key: str) -> int:
            try:
                return await store.getsize(key)
            except FileNotFoundError:
                return 0

        return list(await asyncio.gather(*(one(key) for key in chosen)))

    # In a thread of its own: the caller may run in an event loop, as a notebook's cells do.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, ask()).result()
