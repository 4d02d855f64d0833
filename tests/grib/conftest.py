"""GRIB messages made to order with ecCodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import eccodes
import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray


def encode_message(
    values: NDArray[np.float64],
    *,
    edition: int = 2,
    bits: int = 24,
    missing: bool = False,
    **keys: float | str,
) -> bytes:
    """A message with these values in coded order; keys are set in the order given.

    A regular 5-degree 5 x 4 field of t2m unless keys say otherwise. NaN become missing points if
    `missing`.
    """
    handle = eccodes.codes_grib_new_from_samples(f"regular_ll_sfc_grib{edition}")
    try:
        if not any(key in keys for key in ("gridType", "Ni")):
            grid = {
                "Ni": 5, "Nj": 4,
                "latitudeOfFirstGridPointInDegrees": 60, "longitudeOfFirstGridPointInDegrees": 10,
                "latitudeOfLastGridPointInDegrees": 45, "longitudeOfLastGridPointInDegrees": 30,
                "iDirectionIncrementInDegrees": 5, "jDirectionIncrementInDegrees": 5,
            }  # fmt: skip
            for key, value in grid.items():
                eccodes.codes_set(handle, key, value)
        for key, value in ({"shortName": "2t"} | keys).items():
            eccodes.codes_set(handle, key, value)
        eccodes.codes_set(handle, "bitsPerValue", bits)
        if missing:
            eccodes.codes_set(handle, "missingValue", 1e30)
            eccodes.codes_set(handle, "bitmapPresent", 1)
            values = np.where(np.isnan(values), 1e30, values)
        eccodes.codes_set_values(handle, np.asarray(values, dtype=np.float64).ravel())
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
