"""Ingest 48 hourly steps x 6 variables at 0.25 degrees, against cfgrib and xarray.

    python bench/ingest.py [--hours 48] [--layout hourly|single]

Makes GRIB2 files in a temporary folder, archives them on the 1.40625 degree grid and on the
128 x 128 crop with `met2net-ops ingest`, and does the same with `cfgrib.open_datasets` and
`xarray.Dataset.interp`. Each runs in a child process of its own, the way it is used; printed are
the seconds from start to exit, the CPU seconds of all its processes, and the greatest sum of
their resident memory.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import eccodes
import numpy as np
import psutil

# short name, discipline, category, number, surface type, level, mean, spread
FIELDS = (
    ("t2m", 0, 0, 0, 103, 2, 280.0, 20.0),
    ("u10", 0, 2, 2, 103, 10, 0.0, 8.0),
    ("v10", 0, 2, 3, 103, 10, 0.0, 8.0),
    ("msl", 0, 3, 1, 101, 0, 101_000.0, 1_500.0),
    ("tcc", 0, 6, 1, 1, 0, 50.0, 15.0),
    ("r1000", 0, 1, 1, 100, 100_000, 60.0, 15.0),
)
TARGETS = {
    "1.40625 degrees global": "global-1p40625",
    "128 x 128 crop": "era5-cropped-128",
}


class Used(NamedTuple):
    """What a run took."""

    seconds: float
    cpu: float
    peak_mb: float


PEER = """
import sys, warnings
from pathlib import Path
warnings.simplefilter("ignore")
import cfgrib, xarray as xr
from met2net_ops.grids import named_grid
grid = named_grid(sys.argv[1])
out = Path(sys.argv[3])
latitudes = xr.DataArray(grid.latitudes, dims="latitude")
longitudes = xr.DataArray(grid.longitudes, dims="longitude")
for path in sorted(Path(sys.argv[2]).iterdir()):
    for number, dataset in enumerate(cfgrib.open_datasets(str(path), backend_kwargs={"indexpath": ""})):
        result = dataset.interp(latitude=latitudes, longitude=longitudes).load()
        result.to_zarr(out / f"{path.name}-{number}.zarr", mode="w")
"""  # noqa: E501


def main() -> None:
    """Make the files, run both, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=int, default=48)
    parser.add_argument("--layout", choices=("hourly", "single"), default="hourly")
    parser.add_argument("--skip-peer", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-ingest-") as name:
        folder = Path(name)
        feed = folder / "feed"
        feed.mkdir()
        make_feed(feed, chosen.hours, single=chosen.layout == "single")
        os.sync()  # or the first one measured waits for the disk to take what was just made
        size = sum(path.stat().st_size for path in feed.iterdir()) / 1e6
        time.sleep(3.0)  # files just written are given two seconds to prove complete
        print(f"{chosen.hours} hours x {len(FIELDS)} fields of 721 x 1440, {size:.0f} MB")
        print(f"{'target':24}{'':14}{'seconds':>9}{'CPU s':>8}{'peak MB':>9}{'ratio':>8}")
        for label, grid in TARGETS.items():
            ours = run(ingest_command(folder, feed, grid))
            report(label, "met2net-ops", ours)
            if not chosen.skip_peer:
                out = folder / f"peer-{grid}"
                peer = run([sys.executable, "-c", PEER, grid, str(feed), str(out)])
                report("", "cfgrib+xarray", peer, peer.seconds / ours.seconds)


def report(label: str, who: str, used: Used, ratio: float | None = None) -> None:
    """One line."""
    tail = f"{ratio:7.1f}x" if ratio else ""
    numbers = f"{used.seconds:9.2f}{used.cpu:8.2f}{used.peak_mb:9.0f}"
    print(f"{label:24}{who:14}{numbers}{tail}", flush=True)


def ingest_command(folder: Path, feed: Path, grid: str) -> list[str]:
    """A fresh workspace for that grid, and the command that fills it."""
    root = folder / f"workspace-{grid}"
    root.mkdir()
    names = ", ".join(f'"{row[0]}"' for row in FIELDS)
    settings = f'[grid]\nname = "{grid}"\n[archive]\nvariables = [{names}]\n'
    (root / "met2net.toml").write_text(settings)
    program = "from met2net_ops.cli.main import main; main()"
    return [sys.executable, "-c", program, "ingest", "-q", "-w", str(root), str(feed)]


def run(command: list[str]) -> Used:
    """Run a command and watch it."""
    cpu = children_cpu()
    begun = time.perf_counter()
    process = subprocess.Popen(command)
    watched = psutil.Process(process.pid)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, resident(watched))
        time.sleep(0.1)  # looking costs a core of what is measured, so not more often
    seconds = time.perf_counter() - begun
    if process.returncode:
        raise SystemExit(f"{command[:3]} … ended with {process.returncode}")
    return Used(seconds, children_cpu() - cpu, peak / 1e6)


def children_cpu() -> float:
    """CPU seconds of all child processes, and theirs, that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def resident(process: psutil.Process) -> float:
    """Bytes resident in a process and all its children."""
    total = 0
    try:
        for one in (process, *process.children(recursive=True)):
            total += one.memory_info().rss
    except psutil.NoSuchProcess:
        return 0.0
    return total


def make_feed(folder: Path, hours: int, *, single: bool) -> None:
    """GRIB2 files, simple packing, 16 bits: one per hour, or one with everything."""
    rng = np.random.default_rng(7)
    latitude = np.cos(np.deg2rad(np.linspace(90, -90, 721)))[:, None]
    longitude = np.deg2rad(np.arange(1440) * 0.25)[None, :]
    noise = rng.normal(0, 0.02, (721, 1440))
    for hour in range(hours):
        path = folder / ("all.grib2" if single else f"h{hour:03}.grib2")
        with path.open("ab") as stream:
            for number, row in enumerate(FIELDS):
                wave = np.sin((number + 2) * longitude + hour / 10) * latitude + noise
                write_message(stream, row, hour, row[6] + row[7] * wave)


def write_message(stream: object, row: tuple, hour: int, values: np.ndarray) -> None:
    """One analysis."""
    handle = eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib2")
    keys = {
        "centre": "ecmf", "Ni": 1440, "Nj": 721,
        "latitudeOfFirstGridPointInDegrees": 90.0, "longitudeOfFirstGridPointInDegrees": 0.0,
        "latitudeOfLastGridPointInDegrees": -90.0, "longitudeOfLastGridPointInDegrees": 359.75,
        "iDirectionIncrementInDegrees": 0.25, "jDirectionIncrementInDegrees": 0.25,
        "dataDate": 20240101 + hour // 24, "dataTime": hour % 24 * 100,
        "discipline": row[1], "parameterCategory": row[2], "parameterNumber": row[3],
        "typeOfFirstFixedSurface": row[4], "scaleFactorOfFirstFixedSurface": 0,
        "scaledValueOfFirstFixedSurface": row[5], "bitsPerValue": 16,
    }  # fmt: skip
    for key, value in keys.items():
        eccodes.codes_set(handle, key, value)
    eccodes.codes_set_values(handle, values.ravel())
    eccodes.codes_write(handle, stream)
    eccodes.codes_release(handle)


if __name__ == "__main__":
    main()
