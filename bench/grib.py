"""Decoding time per field: ours, one plain ecCodes pass, and cfgrib, on the same file.

`python bench/grib.py` writes 48 global 0.25 degree fields (12 hours of 4 variables) and prints
milliseconds of processor time per field and ratios, the best of alternating runs. Ours includes
the inventory, checks, orientation and limits; ecCodes alone does none of that.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import cfgrib
import eccodes
import numpy as np

from met2net_ops.grib.inventory import inventory
from met2net_ops.grib.reader import read_fields
from met2net_ops.grib.records import SourceField
from met2net_ops.grids import named_grid
from met2net_ops.naturerun.grib import Packing, encode_field
from met2net_ops.times import HOUR
from met2net_ops.variables import variable

if TYPE_CHECKING:
    from collections.abc import Callable

VARIABLES = ("t2m", "u10", "v10", "msl")
HOURS = 12
REPEATS = 3
FIELDS = HOURS * len(VARIABLES)


def write(path: Path, packing: Packing) -> None:
    """A file of smooth fields with noise."""
    grid, rng = named_grid("global-0p25"), np.random.default_rng(1)
    start = datetime(2026, 11, 22, tzinfo=UTC)
    with path.open("wb") as file:
        for name in VARIABLES:
            soft = variable(name).soft
            middle, width = (soft.low + soft.high) / 2, (soft.high - soft.low) / 8
            for hour in range(HOURS):
                noise = np.clip(rng.standard_normal(grid.shape, dtype=np.float32), -3, 3)
                values = (middle + width * noise).astype(np.float32)
                file.write(encode_field(name, start + hour * HOUR, values, grid, packing=packing))


def ours(path: Path) -> float:
    """Everything `read_fields` does."""
    fields = (item for item in read_fields(path, VARIABLES) if isinstance(item, SourceField))
    return sum(float(field.values[0, 0]) for field in fields)


def listing(path: Path) -> float:
    """Headers only."""
    return len(inventory(path).records)


def plain_eccodes(path: Path) -> float:
    """One pass: name, times, float32 values."""
    total = 0.0
    with path.open("rb") as file:
        while (handle := eccodes.codes_grib_new_from_file(file)) is not None:
            for key in ("shortName", "level", "validityDate", "validityTime"):
                eccodes.codes_get(handle, key)
            total += float(eccodes.codes_get_float_array(handle, "values")[0])
            eccodes.codes_release(handle)
    return total


def through_cfgrib(path: Path) -> float:
    """`open_datasets` and load, without an index file."""
    found = cfgrib.open_datasets(str(path), backend_kwargs={"indexpath": ""})
    return sum(float(v.load().values.flat[0]) for d in found for v in d.data_vars.values())


def main() -> None:
    """Print one line per packing and way."""
    logging.disable(logging.ERROR)
    ways: dict[str, Callable[[Path], float]] = {
        "ours": ours,
        "ours, listing only": listing,
        "one ecCodes pass": plain_eccodes,
        "cfgrib": through_cfgrib,
    }
    for packing in ("simple", "ccsds"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "fields.grib2"
            write(path, packing)
            best = dict.fromkeys(ways, float("inf"))
            for _ in range(REPEATS):
                for name, way in ways.items():
                    start = time.process_time()
                    way(path)
                    best[name] = min(best[name], time.process_time() - start)
        for name, seconds in best.items():
            ratio = seconds / best["ours"]
            print(f"{packing:7} {name:20} {1e3 * seconds / FIELDS:7.2f} ms/field {ratio:6.2f} x")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
