"""Reading a region from a local Zarr store: `xarray` and our remap, against `met2net_ops.datasets`.

    python bench/dataset.py [--hours 4380]

Both read the same variable on the same area from a store of 0.25 degrees in chunks of 1440 h by
50 by 50, and carry it to 0.5 degrees; the values must be equal. Each in a process of its own, in
turns; the time is the least CPU time of three rounds, memory the most it held.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import xarray as xr

from met2net_ops.grids import LatLonGrid

GRID = LatLonGrid(60.0, -10.0, 0.5, 0.5, 20, 26, "bench")
ROUNDS = 3


def make_store(path: Path, hours: int) -> None:
    """Noise on waves, 200 by 200 points."""
    latitudes, longitudes = np.arange(70, 20, -0.25), np.arange(-20, 30, 0.25)
    times = np.datetime64("2021-01-01", "ns") + np.arange(hours) * np.timedelta64(1, "h")
    waves = np.cos(np.deg2rad(longitudes) * 9)[None, :] * np.ones(latitudes.size)[:, None]
    random = np.random.default_rng(0)
    values = np.empty((hours, latitudes.size, longitudes.size), dtype="f4")
    for hour in range(hours):
        values[hour] = 280 + 8 * waves * np.cos(hour / 24) + random.normal(0, 0.3, waves.shape)
    data = xr.Dataset(
        {"t2m": (("time", "latitude", "longitude"), values, {"units": "K"})},
        {"time": times, "latitude": latitudes, "longitude": longitudes},
    )
    data.to_zarr(path, encoding={"t2m": {"chunks": (1440, 50, 50)}}, zarr_format=3)


def by_xarray(path: str) -> np.ndarray:
    """Select, load, and remap frame by frame."""
    from met2net_ops.grids import SourceGrid
    from met2net_ops.remap.remapper import Remapper, choose_method
    from met2net_ops.remap.weights import remap
    from met2net_ops.variables import variable

    part = xr.open_zarr(path).t2m.sel(latitude=slice(60.5, 50), longitude=slice(-10.5, 3)).load()
    latitudes, longitudes = part.latitude.values, part.longitude.values
    source = SourceGrid("regular_ll", latitudes, longitudes, True, False, part.shape[1:], "bench")
    weights = Remapper(GRID).weights(source, choose_method(source, GRID))
    return np.stack([remap(variable("t2m"), frame, weights) for frame in part.values])


def by_datasets(path: str) -> np.ndarray:
    """Block by block."""
    from met2net_ops.datasets.opening import opened
    from met2net_ops.datasets.reading import read_recipe, wanted_blocks
    from met2net_ops.datasets.request import make_request
    from met2net_ops.datasets.source import Dataset
    from met2net_ops.remap.weights import remap_series
    from met2net_ops.variables import variable

    with opened([path]) as parts:
        request = make_request(parts, Dataset(name="bench"), GRID, ["t2m"], timedelta(hours=1))
        (item,) = request.items
        return np.concatenate([
            remap_series(variable("t2m"), read_recipe(item.recipe, item.window, *span).values,
                         item.window.weights)
            for span in wanted_blocks(item.cube, item.recipe, item.window, item.wanted)
        ])  # fmt: skip


READERS = {"xarray": by_xarray, "datasets": by_datasets}


def peak_mb() -> float:
    """The most memory this process held, MB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return float(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1000


def main() -> None:
    """Print frames per CPU second of both, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=int, default=4380)
    parser.add_argument("--run", nargs=3, metavar=("READER", "STORE", "OUT"))
    given = parser.parse_args()
    if given.run:
        reader, store, out = given.run
        READERS[reader](store)  # imports and caches
        before = time.process_time()
        values = READERS[reader](store)
        np.save(out, values)
        print(time.process_time() - before, peak_mb())
        return
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store.zarr"
        make_store(store, given.hours)
        best: dict[str, tuple[float, float]] = {}
        for _ in range(ROUNDS):
            for name in READERS:
                out = str(Path(folder) / f"{name}.npy")
                call = [sys.executable, __file__, "--run", name, str(store), out]
                done = subprocess.run(call, check=True, capture_output=True, text=True)
                seconds, memory = map(float, done.stdout.split())
                best[name] = min(best.get(name, (np.inf, 0.0)), (seconds, memory))
        one, two = (np.load(Path(folder) / f"{name}.npy") for name in READERS)
        assert np.array_equal(one, two), f"values differ by {np.abs(one - two).max()}"
        for name, (seconds, memory) in best.items():
            print(f"{name:9} {given.hours / seconds:8.0f} frames/s of CPU, {memory:.0f} MB at most")
        print(f"ratio {best['xarray'][0] / best['datasets'][0]:.2f}, equal values")


if __name__ == "__main__":
    main()
