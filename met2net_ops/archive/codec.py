"""Arrays to chunk bytes and back, by the codecs that the archive's metadata names.

Bytes (little endian) → Blosc (zstd 1, byte shuffle) → CRC-32C: the chain of `CODECS`, so that
plain Zarr reads what is written here, and so that a flipped bit on disk is noticed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import google_crc32c
import numpy as np
from numcodecs import Blosc

from met2net_ops.errors import ArchiveError

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray

_CHECKSUM_BYTES = 4


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """One variable at one valid time, as the bytes of its chunk."""

    variable: str
    time: datetime
    data: bytes


def codecs(itemsize: int) -> list[dict[str, Any]]:
    """The `codecs` entry of Zarr v3 array metadata for items of that size."""
    blosc = {"typesize": itemsize, "cname": "zstd", "clevel": 1, "shuffle": "shuffle"}
    return [
        {"name": "bytes", "configuration": {"endian": "little"}},
        {"name": "blosc", "configuration": {**blosc, "blocksize": 0}},
        {"name": "crc32c"},
    ]


def encode(values: NDArray[Any]) -> bytes:
    """The bytes of one chunk: equal arrays give equal bytes."""
    little = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
    # One block: Blosc's threads would put several in the order in which they are done.
    packed = bytes(Blosc("zstd", 1, Blosc.SHUFFLE, blocksize=little.nbytes).encode(little))
    return packed + _checksum(packed)


def decode(data: bytes, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """The array in a chunk.

    Raises:
        ArchiveError: the bytes are damaged.
    """
    packed, checksum = data[:-_CHECKSUM_BYTES], data[-_CHECKSUM_BYTES:]
    if checksum != _checksum(packed):
        raise ArchiveError("its checksum does not hold")
    values = np.frombuffer(Blosc().decode(packed), dtype=dtype.newbyteorder("<"))
    if values.size != int(np.prod(shape)):
        raise ArchiveError(f"it holds {values.size} values where {shape} are due")
    return values.reshape(shape)


def _checksum(packed: bytes) -> bytes:
    return int(google_crc32c.value(packed)).to_bytes(_CHECKSUM_BYTES, "little")
