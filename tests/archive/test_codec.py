"""Chunks: equal arrays give equal bytes, and damage is noticed."""

from __future__ import annotations

import numpy as np
import pytest

from met2net_ops.archive import codec
from met2net_ops.errors import ArchiveError


@pytest.mark.parametrize("dtype", [np.int64, np.float32])
def test_equal_arrays_give_equal_bytes(dtype):
    # Large enough for several blocks: compressed side by side, they once came in any order.
    values = np.arange(65_536, dtype=dtype) * 3600
    assert len({codec.encode(values) for _ in range(200)}) == 1


def test_a_flipped_bit_is_noticed():
    values = np.arange(512, dtype=np.float32)
    data = bytearray(codec.encode(values))
    np.testing.assert_array_equal(codec.decode(bytes(data), (512,), values.dtype), values)
    data[len(data) // 2] ^= 1
    with pytest.raises(ArchiveError, match="checksum"):
        codec.decode(bytes(data), (512,), values.dtype)
