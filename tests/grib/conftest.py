"""GRIB messages made to order with ecCodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import eccodes
import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_SMALL_GRID = {
    "Ni": 5, "Nj": 4,
    "latitudeOfFirstGridPointInDegrees": 60, "longitudeOfFirstGridPointInDegrees": 10,
    "latitudeOfLastGridPointInDegrees": 45, "longitudeOfLastGridPointInDegrees": 30,
    "iDirectionIncrementInDegrees": 5, "jDirectionIncrementInDegrees": 5,
}  # fmt: skip


def encode_message(
    values,
    *,
    edition: int = 2,
    bits: int = 24,
    missing: bool = False,
    **keys: float | str,
) -> bytes:
    """A message with these values in coded order; keys are set in the order given.

    2 metre temperature on a regular grid of 5 x 4 points unless keys say otherwise. With
    `missing`, NaN become missing points.
    """
    handle = eccodes.codes_grib_new_from_samples(f"regular_ll_sfc_grib{edition}")
    grid = {} if "gridType" in keys or "Ni" in keys else _SMALL_GRID
    values = np.asarray(values, dtype=np.float64)
    try:
        for key, value in (grid | {"shortName": "2t"} | keys).items():
            eccodes.codes_set(handle, key, value)
        eccodes.codes_set(handle, "bitsPerValue", bits)
        if missing:
            eccodes.codes_set(handle, "missingValue", 1e30)
            eccodes.codes_set(handle, "bitmapPresent", 1)
            values = np.where(np.isnan(values), 1e30, values)
        eccodes.codes_set_values(handle, values.ravel())
        return bytes(eccodes.codes_get_message(handle))
    finally:
        eccodes.codes_release(handle)


@pytest.fixture(scope="session")
def encode() -> Callable[..., bytes]:
    """`encode_message`, for tests."""
    return encode_message


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write bytes one after the other into a file."""

    def write_file(*parts: bytes, name: str = "file.grib") -> Path:
        path = tmp_path / name
        path.write_bytes(b"".join(parts))
        return path

    return write_file
