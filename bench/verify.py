"""Verification of many cycles: NetCDF products and archive to stored sums, against `scores`.

    python bench/verify.py [--cycles 200] [--leads 48] [--size 128] [--workers 2] [--keep FOLDER]

Makes an archive and products of synthetic fields, verifies them as `met2net-ops verify` does
(forecast, two persistences and climatology, in four regions, stored as sums), and computes RMSE,
MAE, bias and anomaly correlation of the forecast alone, in one region, with `scores` and xarray
from the same files to one Parquet file of the same scores. Both run in a process of their own,
one thread; times are wall clock with processor time in brackets, for machines that have other
things to do, and memory is the peak resident set of the largest process. With `--workers`, the same
through Dask on as many processes, whose sums are compared with those of the single process.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from met2net_ops.workspace import Workspace

NAMES = ("t2m", "u10", "v10", "msl")
MEAN = {"t2m": 280.0, "u10": 0.0, "v10": 0.0, "msl": 101_300.0}
SPREAD = {"t2m": 15.0, "u10": 6.0, "v10": 6.0, "msl": 1_200.0}
START = "2026-01-02T00"
SPIN_UP = 24  # frames before the first cycle, for 24-hour persistence


class Weather:
    """Smooth fields that drift: cheap to make, and compressed about as well as real ones."""

    def __init__(self, size: int) -> None:
        from scipy.ndimage import gaussian_filter

        rng = np.random.default_rng(0)
        noise = rng.standard_normal((len(NAMES), 6, size, size))
        smooth = gaussian_filter(noise, (0, 0, size / 16, size / 16), mode="wrap")
        self._patterns = smooth / smooth.std(axis=(2, 3), keepdims=True)
        self._rough = rng.standard_normal((8, size, size)).astype(np.float32) * 0.02

    def field(self, name: str, hour: float, error: float = 0.0) -> np.ndarray:
        """(latitude, longitude) float32; `error` is that of a forecast, in spreads."""
        index = NAMES.index(name)
        phases = hour / np.array([11.0, 17.0, 24.0, 40.0, 73.0, 200.0]) + error
        field = np.tensordot(np.sin(2 * np.pi * phases), self._patterns[index], axes=1) / 2
        field = field.astype(np.float32) + self._rough[int(hour * 7 + error * 100) % 8]
        return (MEAN[name] + SPREAD[name] * field).astype(np.float32)


def make(folder: Path, cycles: int, leads: int, size: int) -> None:
    """Fill a workspace: an archive that covers all valid times, and one product per cycle."""
    from met2net_ops.products.header import ProductHeader
    from met2net_ops.products.write import write_product
    from met2net_ops.settings import load_settings
    from met2net_ops.times import HOUR, parse_time
    from met2net_ops.workspace import create_workspace

    grid = {"name": "bench", "north": 44.0, "west": 110.0, "dlat": 0.25, "dlon": 0.25}
    workspace = create_workspace(
        folder,
        {
            "grid": {**grid, "nlat": size, "nlon": size},
            "verification": {"thresholds": [], "neighbourhoods": []},
        },
    ).paths
    settings = load_settings(workspace.settings_file)
    archive = Workspace(workspace, settings).create_archive()
    weather, start = Weather(size), parse_time(START)
    frames = SPIN_UP + (cycles - 1) * 6 + leads + 1
    for first in range(0, frames, 100):
        archive.write_frames(
            [
                archive.encode(
                    name, start + HOUR * (hour - SPIN_UP), weather.field(name, float(hour))
                )
                for hour in range(first, min(first + 100, frames))
                for name in NAMES
            ]
        )
    for number in range(cycles):
        cycle = start + 6 * HOUR * number
        header = ProductHeader(
            "bench", "", cycle, HOUR, leads, NAMES, archive.grid, (), "cpu", "fp32", "0", start
        )
        values = np.stack(
            [
                [
                    weather.field(name, float(SPIN_UP + number * 6 + lead), 0.002 * lead)
                    for name in NAMES
                ]
                for lead in range(1, leads + 1)
            ]
        )
        path = workspace.product("bench", cycle)
        with write_product(path, header, settings.products) as writer:
            writer.write(1, values)
            writer.finish(header)
            writer.publish()


def ours(folder: Path, workers: int = 0) -> int:
    """Verify everything; the number of cycles."""
    from met2net_ops.paths import WorkspacePaths
    from met2net_ops.settings import load_settings
    from met2net_ops.verification.run_analyses import verify_analyses

    workspace = WorkspacePaths(folder)
    options: dict[str, object] = {"workers": workers} if workers else {}
    outcomes = verify_analyses(
        Workspace(workspace, load_settings(workspace.settings_file)), **options
    )  # type: ignore[arg-type]
    assert all(outcome.status == "final" for outcome in outcomes), outcomes[0]
    return len(outcomes)


def peer(folder: Path) -> int:
    """RMSE, MAE, bias and ACC per variable and lead with `scores` and xarray, to Parquet."""
    import pandas as pd
    import xarray as xr
    from scores.continuous import additive_bias, mae, rmse

    from met2net_ops.paths import WorkspacePaths
    from met2net_ops.products.index import list_products
    from met2net_ops.settings import load_settings

    workspace = WorkspacePaths(folder)
    grid = load_settings(workspace.settings_file).grid.grid()
    truth = xr.open_zarr(workspace.archive, consolidated=True, chunks=None)
    # The archive's climatology in the same terms: the mean of every month and hour of day.
    by_month: dict[int, xr.Dataset] = {}
    rows = []
    space = ["latitude", "longitude"]
    products = list_products(workspace)
    for entry in products:
        with xr.open_dataset(entry.path, decode_timedelta=True) as product:
            forecast = product[list(NAMES)].load()
        analyses = truth[list(NAMES)].sel(time=forecast.time).load()
        months = sorted(set(forecast.time.dt.month.values.tolist()))
        for month in months:
            if month not in by_month:
                chosen = truth[list(NAMES)].sel(time=truth.time.dt.month == month)
                mean = chosen.load().astype("float64").groupby("time.hour").mean()
                by_month[month] = mean.astype("float32")  # as ours is stored
        climatology = xr.concat(
            [
                by_month[month].sel(hour=hour)
                for month, hour in zip(
                    forecast.time.dt.month.values.tolist(),
                    forecast.time.dt.hour.values.tolist(),
                    strict=True,
                )
            ],
            dim=forecast.time,
        )
        weights = xr.DataArray(grid.cell_areas, dims=space, coords={d: forecast[d] for d in space})
        for name in NAMES:
            f, o = forecast[name].astype("float64"), analyses[name].astype("float64")
            f_anomaly, o_anomaly = f - climatology[name], o - climatology[name]
            fa = f_anomaly - f_anomaly.weighted(weights).mean(space)
            oa = o_anomaly - o_anomaly.weighted(weights).mean(space)
            spread = (fa**2).weighted(weights).mean(space) * (oa**2).weighted(weights).mean(space)
            columns = {
                "rmse": rmse(f, o, reduce_dims=space, weights=weights),
                "mae": mae(f, o, reduce_dims=space, weights=weights),
                "bias": additive_bias(f, o, reduce_dims=space, weights=weights),
                "acc": (fa * oa).weighted(weights).mean(space) / spread**0.5,
            }
            rows.append(
                pd.DataFrame({key: value.values for key, value in columns.items()}).assign(
                    variable=name,
                    cycle=entry.reference_time,
                    lead_hours=range(1, f.sizes["time"] + 1),
                )
            )
    pd.concat(rows).to_parquet(folder / "peer.parquet")
    return len(products)


def compare(folder: Path) -> float:
    """Largest relative difference between our scores and the peer's, per cycle and lead."""
    import pandas as pd

    from met2net_ops.paths import WorkspacePaths
    from met2net_ops.verification.results.query import Selection, grouped_sums
    from met2net_ops.verification.results.scores import derive

    theirs = pd.read_parquet(folder / "peer.parquet")
    theirs = theirs.sort_values(["cycle", "variable", "lead_hours"])
    grouped = grouped_sums(WorkspacePaths(folder), "continuous", ("variable", "lead"), Selection())
    differences = [
        np.abs(derive(name, grouped.forecast).reshape(-1) / theirs[name].to_numpy() - 1)
        for name in ("rmse", "mae", "bias", "acc")
    ]
    if np.isnan(differences[3]).all():
        print("no climatology: it takes 20 days of analyses in a month; more cycles have it")
        del differences[3]
    return float(np.max(differences))


def stored(folder: Path) -> np.ndarray:
    """All stored sums, sorted, to compare two ways of computing them."""
    from met2net_ops.paths import WorkspacePaths
    from met2net_ops.verification.results.query import Selection, grouped_sums

    parts = [
        grouped_sums(
            WorkspacePaths(folder), "continuous", ("variable", "lead"), Selection(), baseline
        )
        for baseline in ("persistence", "persistence-24h", "climatology")
    ]
    return np.stack([part.forecast.values for part in parts] + [p.baseline.values for p in parts])  # type: ignore[union-attr]


@dataclass(frozen=True)
class Cost:
    """What a task took, children included.

    Attributes:
        wall: seconds.
        cpu: seconds.
        megabytes: peak resident set of the largest process.
    """

    wall: float
    cpu: float
    megabytes: float

    def __str__(self) -> str:
        return f"{self.wall:8.1f} s ({self.cpu:.1f} s)  {self.megabytes:6.0f} MB"


def measure(task: str, folder: Path, workers: int = 0) -> Cost:
    """The cost of a task in a process of its own."""
    command = [sys.executable, __file__, "--task", task, "--keep", str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    result = subprocess.run(
        [*command, "--workers", str(workers)],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    answer = json.loads(result.stdout.splitlines()[-1])
    return Cost(**answer)


def run_task(task: str, folder: Path, workers: int) -> None:
    """What a measured process does."""
    begin, before = time.perf_counter(), used()
    peer(folder) if task == "peer" else ours(folder, workers)
    wall, cpu = time.perf_counter() - begin, used() - before
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(json.dumps({"wall": wall, "cpu": cpu, "megabytes": max(own, children) / 1024}))


def used() -> float:
    """Processor seconds of this process and its children that have ended."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def main() -> None:
    """Parse, make the data, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cycles", type=int, default=200)
    parser.add_argument("--leads", type=int, default=48)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--workers", type=int, default=2, help="Dask processes; 0 for none")
    parser.add_argument("--keep", type=Path, default=None, help="make the data here, or reuse it")
    parser.add_argument("--task", choices=["ours", "peer"], help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.task:
        run_task(given.task, given.keep, given.workers)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = (given.keep or Path(temporary) / "desk").resolve()
        if not (folder / "met2net.toml").is_file():
            make(folder, given.cycles, given.leads, given.size)
        print(
            f"{given.cycles} cycles x {given.leads} leads x {len(NAMES)} variables x {given.size}²"
        )
        theirs = measure("peer", folder)
        print(f"scores + xarray          {theirs}", flush=True)
        shutil.rmtree(folder / "verification", ignore_errors=True)
        own = measure("ours", folder)
        ratios = f"{theirs.wall / own.wall:.1f} x ({theirs.cpu / own.cpu:.1f} x)"
        print(f"met2net-ops verify       {own}  {ratios}", flush=True)
        print(f"largest relative difference of a score: {compare(folder):.1e}")
        if given.workers:
            alone = stored(folder)
            shutil.rmtree(folder / "verification")
            shared = measure("ours", folder, given.workers)
            equal = np.array_equal(alone, stored(folder))
            sums = "equal" if equal else "DIFFER"
            print(f"through Dask, {given.workers} workers  {shared}  sums {sums}")
    from met2net_ops.verification.results.intervals import score_interval
    from met2net_ops.verification.store.sums import CONTINUOUS, Sums

    values = np.random.default_rng(0).random((400, given.leads, len(NAMES), len(CONTINUOUS)))
    begin = time.perf_counter()
    score_interval("rmse", Sums("continuous", values))
    print(f"bootstrap, 1,000 resamples of 400 cycles: {time.perf_counter() - begin:.2f} s")


if __name__ == "__main__":
    main()
