"""Read a cube block by block: each chunk that meets window and period once, several at once.

A block is a whole number of chunks in time, so memory depends on chunks and window, not on years.
"""

from __future__ import annotations

import itertools
import re
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr

from met2net_ops.datasets.opening import EXPVER, LEVEL, TIME
from met2net_ops.datasets.stores import is_of_the_host
from met2net_ops.errors import DatasetError
from met2net_ops.products.read import LIBRARY_LOCK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from met2net_ops.datasets.cube import Cube, Layer, Recipe
    from met2net_ops.datasets.window import Window

_BLOCK_BYTES = 64 << 20  # of decoded chunks, and of values in the window, per array
_SPILL_BYTES = 256 << 20  # one chunk of time over a large area; beyond it a scratch file is used


@dataclass(frozen=True)
class Problem:
    """A chunk that could not be used.

    Attributes:
        variable: canonical name.
        chunk: its key in the store.
        reason: missing, or damaged and how.
        first: index of the first time it concerns, in the cube.
        last: of the last.
    """

    variable: str
    chunk: str
    reason: str
    first: int
    last: int


@dataclass(frozen=True)
class Block:
    """Some times of one variable, as the file has them.

    Attributes:
        start: index of the first time in the cube.
        values: (time, y, x) of the window, north to south, in the variable's units.
        sound: (time,) whether every chunk of it was there.
        problems: the chunks that were not.
    """

    start: int
    values: NDArray[np.float32]
    sound: NDArray[np.bool_]
    problems: tuple[Problem, ...]


def block_length(layer: Layer, window: Window) -> int:
    """Times per block: whole chunks, as many as keep memory low and connections busy."""
    chunk = layer.chunk(TIME)
    dims = layer.array.dims[1:3]
    area = np.prod([layer.chunk(str(name)) * _chunks_across(layer, window, str(name))
                    for name in dims])  # fmt: skip
    per_chunk = 4 * chunk * int(max(area, np.prod(window.shape)))
    return chunk * max(1, _BLOCK_BYTES // per_chunk)


def _chunks_across(layer: Layer, window: Window, name: str) -> int:
    size = layer.chunk(name)
    parts = (window.rows,) if name == layer.array.dims[1] else window.columns
    return sum((part.stop - 1) // size - part.start // size + 1 for part in parts)


def chunk_count(layer: Layer, window: Window, first: int, last: int) -> int:
    """Chunks of an array that meet the window and the times from `first` to before `last`."""
    times = (last - 1) // layer.chunk(TIME) - first // layer.chunk(TIME) + 1
    rows, columns = (_chunks_across(layer, window, str(name)) for name in layer.array.dims[1:3])
    return times * rows * columns


def read_recipe(recipe: Recipe, window: Window, first: int, last: int) -> Block:
    """The variable of a recipe at the times from `first` to before `last`.

    Raises:
        DatasetError: the host cannot be reached any more.
    """
    blocks = [read_layer(layer, window, first, last) for layer in recipe.inputs]
    values = blocks[0].values
    if recipe.function is not None:
        values = recipe.function(*(block.values for block in blocks)).astype(np.float32)
    sound = np.logical_and.reduce([block.sound for block in blocks])
    return Block(first, values, sound, tuple(p for block in blocks for p in block.problems))


def read_layer(layer: Layer, window: Window, first: int, last: int) -> Block:
    """One array, see `read_recipe`."""
    problems: list[Problem] = []
    try:
        values = _load(layer, window, first, last)
    except Exception as error:
        # A codec raises what it likes for damaged bytes; which chunk it was is found one by one.
        _check_reachable(layer, error)
        if layer.part.store is None:
            raise DatasetError(f"{layer.part.location}: cannot read {layer.name}: {error}. "
                               "The file is damaged; fetch it again") from error  # fmt: skip
        values = _load_apart(layer, window, first, last, problems)
    problems += _absent_chunks(layer, window, first, last)
    sound = np.ones(last - first, dtype=bool)
    for problem in problems:
        sound[max(0, problem.first - first) : problem.last + 1 - first] = False
    values *= np.float32(layer.scale)
    values += np.float32(layer.offset)
    return Block(first, window.oriented(values), sound, tuple(problems))


def _load(layer: Layer, window: Window, first: int, last: int) -> NDArray[np.float32]:
    height, width = window.shape
    shape = (last - first, height, width)
    values: NDArray[np.float32]
    if 4 * np.prod(shape) > _SPILL_BYTES:
        with tempfile.TemporaryFile(prefix="met2net-") as file:
            values = np.memmap(file, np.float32, "w+", shape=shape)
    else:
        values = np.empty(shape, dtype=np.float32)
    left = 0
    for columns in window.columns:
        wide = columns.stop - columns.start
        _load_into(values[:, :, left : left + wide], layer, first, window.rows, columns)
        left += wide
    return values


def _load_into(
    target: NDArray[np.float32], layer: Layer, first: int, rows: slice, columns: slice
) -> None:
    """Fill (time, y, x) from one range of rows and columns."""
    last = first + len(target)
    if isinstance(target, np.memmap) or isinstance(target.base, np.memmap):
        # Chunk columns one after the other: the whole would not fit into memory.
        for y0, y1 in _edges(rows, layer.chunk(str(layer.array.dims[1]))):
            for x0, x1 in _edges(columns, layer.chunk(str(layer.array.dims[2]))):
                target[:, y0 - rows.start : y1 - rows.start, x0 - columns.start :
                       x1 - columns.start] = _values(layer, first, last, slice(y0, y1),
                                                     slice(x0, x1))  # fmt: skip
        return
    target[...] = _values(layer, first, last, rows, columns)


def _edges(part: slice, size: int) -> Iterator[tuple[int, int]]:
    for start in range(part.start // size * size, part.stop, size):
        yield max(start, part.start), min(start + size, part.stop)


def _values(layer: Layer, first: int, last: int, rows: slice, columns: slice) -> NDArray[Any]:
    y, x = layer.array.dims[1:3] if TIME in layer.array.dims else layer.array.dims[:2]
    place: dict[Any, slice] = {y: rows, x: columns}
    if TIME in layer.array.dims:
        place[TIME] = slice(first, last)
    part = layer.array.isel(place)
    if layer.part.store is None:
        with LIBRARY_LOCK:  # netCDF4 is not safe with several threads
            values = part.values
    else:
        values = part.values
    if EXPVER in layer.array.dims:  # final beside preliminary: each time has one of them
        merged = values[..., 0]
        for number in range(1, values.shape[-1]):
            merged = np.where(np.isnan(merged), values[..., number], merged)
        values = merged
    return np.asarray(values)


def read_static(layer: Layer, window: Window) -> NDArray[np.float32]:
    """(y, x) of an array without times, north to south, in the variable's units."""
    pieces = [_values(layer, 0, 1, window.rows, columns) for columns in window.columns]
    values = np.concatenate(pieces, axis=-1).astype(np.float32)
    return window.oriented(values * np.float32(layer.scale) + np.float32(layer.offset))


def stored_array(layer: Layer) -> zarr.Array[Any]:
    """The Zarr array behind a layer of a store."""
    assert layer.part.store is not None
    return zarr.open_array(layer.part.store, path=layer.name, mode="r")


def chunk_key(layer: Layer, array: zarr.Array[Any], starts: dict[str, int]) -> str:
    """The key of the chunk, or shard, that holds a point given by dimension."""
    size = array.shards or array.chunks
    starts = {LEVEL: int(layer.array.attrs["stored_as"].get(LEVEL, 0)), **starts}
    dims = map(str, layer.part.data[layer.name].dims)
    place = tuple(starts.get(d, 0) // step for d, step in zip(dims, size, strict=True))
    return f"{layer.name}/{array.metadata.encode_chunk_key(place)}"


def _absent_chunks(layer: Layer, window: Window, first: int, last: int) -> list[Problem]:
    """Chunks in reach that were asked for and are not there, unless that means their fill value."""
    traffic = layer.part.traffic
    keys = sorted(k for k in traffic.absent if k.startswith(f"{layer.name}/")) if traffic else []
    if not keys or layer.absent == "fill":
        return []
    array = stored_array(layer)
    axis = list(layer.part.data[layer.name].dims).index(TIME)
    size = (array.shards or array.chunks)[axis]
    found = []
    for key in keys:
        place = [int(part) for part in re.findall(r"\d+", key[len(layer.name) :])]
        begin = place[axis] * size
        end = min(begin + size, array.shape[axis]) - 1
        if begin < last and end >= first:
            reason = "missing in the store"
            found.append(Problem(layer.variable, key, reason, begin, end))
    return found


def _load_apart(
    layer: Layer, window: Window, first: int, last: int, problems: list[Problem]
) -> NDArray[np.float32]:
    """As `_load`, chunk by chunk; those that cannot be decoded are missing and named."""
    array = stored_array(layer)
    values = np.full((last - first, *window.shape), np.nan, dtype=np.float32)
    names = [str(name) for name in layer.array.dims]
    left = 0
    for columns in window.columns:
        for (t0, t1), (y0, y1), (x0, x1) in itertools.product(
            _edges(slice(first, last), layer.chunk(TIME)),
            _edges(window.rows, layer.chunk(names[1])),
            _edges(columns, layer.chunk(names[2])),
        ):
            try:
                piece = _values(layer, t0, t1, slice(y0, y1), slice(x0, x1))
            except Exception as error:  # as above; named, and what it concerns is left out
                _check_reachable(layer, error)
                key = chunk_key(layer, array, {names[0]: t0, names[1]: y0, names[2]: x0})
                why = f"damaged: {type(error).__name__}: {error}"
                problems.append(Problem(layer.variable, key, why, t0, t1 - 1))
                continue
            x = x0 - columns.start + left
            values[t0 - first : t1 - first, y0 - window.rows.start : y1 - window.rows.start,
                   x : x + x1 - x0] = piece  # fmt: skip
        left += columns.stop - columns.start
    return values


def _check_reachable(layer: Layer, error: Exception) -> None:
    """Raise if an error is the host's and not the data's."""
    if layer.part.store is not None and is_of_the_host(error):
        reason = str(error).splitlines()[0]
        raise DatasetError(
            f"{layer.part.location} does not answer any more, at {layer.name}: {reason}. What came "
            "is kept; the same command goes on"
        ) from error


def wanted_blocks(
    cube: Cube, recipe: Recipe, window: Window, wanted: NDArray[np.bool_]
) -> Iterator[tuple[int, int]]:
    """Ranges of times to read at once, without those in which nothing is wanted."""
    length = max(block_length(layer, window) for layer in recipe.inputs)
    for start in range(0, cube.times.size, length):
        inside = np.flatnonzero(wanted[start : start + length])
        if inside.size:
            yield start + int(inside[0]), start + int(inside[-1]) + 1
