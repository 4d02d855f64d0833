"""The synthetic atmosphere: how fast it is made, and what its climate is like.

`python bench/naturerun.py` times the model; `python bench/naturerun.py FOLDER` measures what
`met2net-ops naturerun arrays` wrote there (t2m, u10, v10, msl on global-5p625).
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from met2net_ops.grids import named_grid
from met2net_ops.naturerun import planet
from met2net_ops.naturerun.fields import sampler
from met2net_ops.naturerun.run import NatureRun

NAMES = ("t2m", "u10", "v10", "msl")
LEADS = (1, 3, 6, 12, 24, 48)
GRID = named_grid("global-5p625")
HOURS = 240


def speed() -> None:
    """CPU seconds for ten days of hourly frames, scaled to a year."""
    run = NatureRun(1, datetime(2021, 1, 1, tzinfo=UTC))
    sample = sampler(run, GRID)
    first = run.start()
    while first.time.minute:
        first = run.step(first)
    began = time.process_time()
    *_, state = run.states(first, HOURS)
    stepping = time.process_time() - began
    began = time.process_time()
    for _ in range(HOURS):
        sample.fields(state, NAMES)
    sampling = time.process_time() - began
    year = 8760 / HOURS
    print(f"T{run.truncation}, 5 levels, one thread, CPU time for a year of hourly frames:")
    print(f"  model {stepping * year:6.0f} s   fields on {GRID.name} {sampling * year:6.0f} s")


def climate(folder: Path) -> None:
    """Means, spread, autocorrelation and persistence error, weighted by area."""
    values = np.load(folder / "values.npy", mmap_mode="r")
    weights = np.cos(np.deg2rad(GRID.latitudes))
    weights /= weights.sum()
    middle = (abs(GRID.latitudes) > 30) & (abs(GRID.latitudes) < 65)
    tropics = abs(GRID.latitudes) < 20
    print(f"{len(values)} hours; msl in hPa\n{'':5}   mean    min    max    std", end="")
    print("  std 30-65  std <20  acf12 30-65  persistence RMSE at", *(f"+{n}" for n in LEADS))
    for i, name in enumerate(NAMES):
        field = np.asarray(values[:, i], dtype=np.float64) / (100.0 if name == "msl" else 1.0)
        variance = field.var(axis=0).mean(axis=1)
        part = field[:, middle] - field[:, middle].mean(axis=0)
        correlation = (part[12:] * part[:-12]).mean() / (part**2).mean()
        errors = [
            np.sqrt(((field[n:] - field[:-n]) ** 2).mean(axis=(0, 2)) @ weights) for n in LEADS
        ]
        print(
            f"{name:5} {field.mean(axis=(0, 2)) @ weights:6.1f} {field.min():6.1f} "
            f"{field.max():6.1f} {np.sqrt(variance @ weights):6.2f} "
            f"{np.sqrt(variance[middle].mean()):10.2f} {np.sqrt(variance[tropics].mean()):8.2f} "
            f"{correlation:12.2f} {'':18}",
            *(f"{error:5.2f}" for error in errors),
        )
    july = np.asarray(values[181 * 24 : 212 * 24, 0]).reshape(-1, 24, *GRID.shape).mean(axis=0)
    july_range = july.max(axis=0) - july.min(axis=0)
    land = planet.land_fraction(GRID.latitudes, GRID.longitudes)
    north = ((GRID.latitudes > 0) & (GRID.latitudes < 60))[:, None]
    ashore, at_sea = (july_range[here & north].mean() for here in (land > 0.9, land < 0.05))
    print(f"daily range of t2m in July, 0-60° N: land {ashore:.1f} K, sea {at_sea:.1f} K")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        climate(Path(sys.argv[1]))
    else:
        speed()
