"""What the presets take, and how well the estimate of memory holds.

    python bench/training_memory.py [--measure]

Prints for every preset its parameters, the operations of a forecast and of a step, and the memory
that `met2net-ops train` expects a step to take. With `--measure`, some steps are really made, each
in a process of its own, and the estimate is compared with the growth of its memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from met2net_ops.grids import NAMED_GRIDS, LatLonGrid
from met2net_ops.models.training.memory import training_cost
from met2net_ops.models.training.methods import build_method
from met2net_ops.models.training.preparation import network_config
from met2net_ops.models.training.settings import RunSettings
from met2net_ops.models.training.settings_file import load_preset, preset_names

if TYPE_CHECKING:
    from met2net_ops.models.met2net.config import NetworkConfig

PIXELS = LatLonGrid(0.315, 0.0, 0.01, 0.01, 64, 64, "pixels-64")  # of mv-mfmnist
GRIDS = {**NAMED_GRIDS, PIXELS.name: PIXELS}
OWN_GRIDS = {
    "era5-cornwall": LatLonGrid(51.5, -7.0, 0.25, 0.25, 9, 17, "era5-cornwall"),
    "era5-uk-t2m": LatLonGrid(58.0, -10.0, 0.25, 0.25, 33, 49, "era5-uk"),
}
MEASURED = (
    ("naturerun-small", "global-5p625", "end-to-end", 16),
    ("naturerun-small", "global-5p625", "two-stage", 16),
    ("weatherbench-mv5", "global-5p625", "two-stage", 2),
    ("era5-cropped-128", "era5-cropped-128", "two-stage", 1),
)


def config_of(preset: str, grid: LatLonGrid) -> NetworkConfig:
    """The network of a preset on a grid."""
    return network_config(load_preset(preset), grid)


def show_presets() -> None:
    """Print what each takes."""
    print("| preset | parameters | GFLOP a forecast | TFLOP a step | windows | GB |")
    print("|---|---:|---:|---:|---:|---:|")
    for name in preset_names():
        settings = load_preset(name)
        grid = OWN_GRIDS.get(name) or GRIDS[settings.data.grid or "global-5p625"]
        cost = training_cost(settings.run, config_of(name, grid), build_method)
        step = cost.step_flops * settings.run.batch / 1e12
        print(
            f"| `{name}` | {cost.parameters:,} | {cost.forecast_flops / 1e9:.1f} | {step:.2g} | "
            f"{settings.run.batch} | {cost.peak_bytes / 1e9:.1f} |",
            flush=True,
        )


def measure(preset: str, grid: str, method: str, batch: int) -> None:
    """Make two steps and print estimate and truth."""
    torch.set_num_threads(1)
    run = replace(RunSettings(), method=method, batch=batch)  # type: ignore[arg-type]
    config = config_of(preset, GRIDS[grid])
    told = training_cost(run, config, build_method).peak_bytes
    before = peak()
    method = build_method(run, config, None)
    optimiser = torch.optim.AdamW(method.network.parameters(), fused=True)
    shape = (batch, config.input_frames, config.tokens, config.height, config.width)
    target = (*shape[:2], config.variables, *shape[3:])
    for _ in range(2):
        optimiser.zero_grad()
        method.backward(torch.randn(shape), torch.randn(target))
        optimiser.step()
    taken = peak() - before
    print(
        f"{preset}, {method}, {batch} windows: {told / 1e6:.0f} MB told, {taken / 1e6:.0f} MB "
        f"taken, {told / taken:.2f}",
        flush=True,
    )


def peak() -> int:
    """Bytes this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        measure(*json.loads(arguments.one))
        return
    show_presets()
    if arguments.measure:
        for case in MEASURED:
            subprocess.run([sys.executable, __file__, "--one", json.dumps(case)], check=True)


if __name__ == "__main__":
    main()
