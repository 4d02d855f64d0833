"""Where the time of one forecast cycle goes: 48 h at 32 x 64 and 128 x 128.

    python bench/cycle.py [--leads 48] [--repeat 3] [--device cpu] [--threads N]

Runs whole cycles (archive → window → rollout → gate → product) with persistence and with Met2Net
(random weights: the arithmetic is that of a trained model) and prints the milliseconds of each
stage, best of the repeats. The peer is xarray, writing the same fields with the same chunks and
compression through `Dataset.to_netcdf`: unchecked, unsynced and in place.

Then the same as a desk has it (`served.py`): from the last file of the window being complete in the
feed to the product on disk, with a service that is at rest and warm, and the default model at
32 x 64. We aim for 1500 ms there on two cores.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import xarray as xr
from scipy.ndimage import gaussian_filter
from served import COLUMNS, served

from met2net_ops.archive.frames import FrameArchive
from met2net_ops.forecast.persistence import persistence
from met2net_ops.forecast.result import STAGES
from met2net_ops.forecast.run import run_cycle
from met2net_ops.grids import LatLonGrid, named_grid
from met2net_ops.models.description import GridDescription
from met2net_ops.models.forecaster import load_forecaster
from met2net_ops.models.met2net.config import NetworkConfig
from met2net_ops.models.met2net.network import Met2Net
from met2net_ops.models.weights import write_folder
from met2net_ops.paths import WorkspacePaths
from met2net_ops.products.read import read_fields
from met2net_ops.settings import Settings
from met2net_ops.times import HOUR, naive_utc, parse_time
from met2net_ops.workspace import Workspace

if TYPE_CHECKING:
    from met2net_ops.forecast.forecaster import Forecaster

VARIABLES = ("t2m", "u10", "v10", "msl")
MEAN = {"t2m": 280.0, "u10": 0.0, "v10": 0.0, "msl": 101_300.0}
SPREAD = {"t2m": 15.0, "u10": 6.0, "v10": 6.0, "msl": 1_200.0}
START = parse_time("2026-11-22T00")
FRAMES = 12


@dataclass(frozen=True)
class Size:
    """A network's width and depth."""

    label: str
    hid_s: int
    hid_t: int
    n_t: int
    n_s: int


SMALL = Size("Met2Net 16/64/4", 16, 64, 4, 2)
WIDE = Size("Met2Net 32/256/8", 32, 256, 8, 2)


def main() -> None:
    """Run every combination and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--leads", type=int, default=48)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--no-service", action="store_true", help="leave out the second part")
    parser.add_argument("--wide", action="store_true", help="also the paper's width")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    print(f"{chosen.leads} leads, {len(VARIABLES)} variables; ms per stage, best of "
          f"{chosen.repeat}; torch on {chosen.device}, {chosen.threads} threads")  # fmt: skip
    print(f"{'grid':>9} {'model':17}", *(f"{stage:>8}" for stage in STAGES), f"{'all':>8}")
    for name in ("global-5p625", "era5-cropped-128"):
        with tempfile.TemporaryDirectory() as folder:
            cycle_times(Path(folder), named_grid(name), chosen)
    if not chosen.no_service:
        served_times(chosen)


def served_times(chosen: argparse.Namespace) -> None:
    """Print one line per grid: from the last file to the product."""
    print(f"\nfrom the last file of a window (4 fields, 0.25 degrees) to the product of "
          f"{chosen.leads} leads: ms, median of {chosen.repeat}")  # fmt: skip
    print(f"{'grid':>9} {'model':17}", *(f"{name:>9}" for name in COLUMNS))
    shipped, grid = "naturerun-5p625", named_grid("era5-cropped-128")
    means = {name: (MEAN[name], SPREAD[name]) for name in VARIABLES}

    def random_model(workspace: WorkspacePaths) -> None:
        met2net(workspace, grid, SMALL, "cpu")

    for label, where, prepare in (
        (shipped, named_grid("global-5p625"), lambda workspace: None),
        (f"random-{SMALL.hid_s}-{SMALL.hid_t}", grid, random_model),
    ):
        with tempfile.TemporaryDirectory() as folder:
            row = served(
                Path(folder), where, label, means, chosen.leads, chosen.repeat, prepare
            )  # fmt: skip
        shown = (f"{row[name]:9.1f}" for name in COLUMNS)
        print(f"{where.nlat:>4}x{where.nlon:<4} {label:17}", *shown)


def cycle_times(folder: Path, grid: LatLonGrid, chosen: argparse.Namespace) -> None:
    """Print one line per model, and the peer's."""
    workspace = WorkspacePaths(folder)
    archive = FrameArchive.create(workspace.archive, grid, VARIABLES, timedelta(hours=1))
    fill(archive)
    forecasters: dict[str, Forecaster] = {
        "persistence": persistence("persistence", VARIABLES, grid)
    }
    for size in (SMALL, WIDE) if chosen.wide else (SMALL,):
        forecasters[size.label] = met2net(workspace, grid, size, chosen.device)
    # Random weights forecast noise: publish it all the same, the gate's work is the same.
    settings = Settings.model_validate(
        {"forecast": {"leads": chosen.leads}, "gate": {"enabled": False}}
    )
    cycle = START + (FRAMES - 1) * HOUR
    for label, forecaster in forecasters.items():
        runs = [
            run_cycle(forecaster, archive, Workspace(workspace, settings), cycle, force=True)
            for _ in range(chosen.repeat + 1)
        ][1:]
        best = {stage: min(run.seconds[stage] for run in runs) for stage in STAGES}
        shown = [f"{1e3 * seconds:8.1f}" for seconds in (*best.values(), sum(best.values()))]
        print(f"{grid.nlat:>4}x{grid.nlon:<4} {label:17}", *shown)
    path = runs[-1].path
    peer = min(xarray_seconds(path, folder / "peer.nc") for _ in range(chosen.repeat))
    size = path.stat().st_size / 1e6
    both = best["write"] + best["verify"]
    print(f"{'':10}{size:.1f} MB; xarray to_netcdf alone {1e3 * peer:.1f} ms: our write is "
          f"{best['write'] / peer:.2f} of that, write and verify {both / peer:.2f}")  # fmt: skip


def fill(archive: FrameArchive) -> None:
    """Frames of smooth noise, so that compression has its usual work."""
    rng = np.random.default_rng(0)
    for hour in range(FRAMES):
        for name in VARIABLES:
            noise = gaussian_filter(rng.standard_normal(archive.grid.shape), 3, mode="wrap")
            field = MEAN[name] + SPREAD[name] * noise / noise.std()
            archive.write(name, START + hour * HOUR, field.astype(np.float32))


def met2net(workspace: WorkspacePaths, grid: LatLonGrid, size: Size, device: str) -> Forecaster:
    """A network of that size with random weights, as a model of the workspace."""
    shape = {"hid_s": size.hid_s, "hid_t": size.hid_t, "n_t": size.n_t, "n_s": size.n_s}
    torch.manual_seed(0)
    config = NetworkConfig(
        input_frames=FRAMES, variables=len(VARIABLES), height=grid.nlat, width=grid.nlon, **shape
    )
    name = f"random-{size.hid_s}-{size.hid_t}"
    description: dict[str, object] = {
        "name": name,
        "variables": VARIABLES,
        "grid": GridDescription.of(grid),
        "input_frames": FRAMES,
        "network": shape,
        "normalisation": {row: {"offset": MEAN[row], "scale": SPREAD[row]} for row in VARIABLES},
    }
    write_folder(workspace.models, description, Met2Net(config), "Random weights, for timing.\n")
    return load_forecaster(name, workspace.models, device=device)


def xarray_seconds(product: Path, target: Path) -> float:
    """Seconds xarray takes to write the same fields with the same chunks and compression."""
    header, values = read_fields(product)
    times = np.array([naive_utc(time) for time in header.valid_times], dtype="datetime64[ns]")
    dataset = xr.Dataset(
        {
            name: (("time", "latitude", "longitude"), np.ascontiguousarray(values[:, index]))
            for index, name in enumerate(header.variables)
        },
        {"time": times, "latitude": header.grid.latitudes, "longitude": header.grid.longitudes},
    )
    encoding = {
        name: {"zlib": True, "complevel": 1, "shuffle": True, "chunksizes": (1, *header.grid.shape)}
        for name in header.variables
    }
    target.unlink(missing_ok=True)
    start = time.perf_counter()
    dataset.to_netcdf(target, engine="netcdf4", encoding=encoding)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
