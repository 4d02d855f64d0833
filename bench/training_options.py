"""What each training option is worth: short runs that differ in one option, same batches.

    python bench/training_options.py [FRAMES] [--steps 200] [--only two-stage …]

FRAMES is a folder that `met2net-ops naturerun arrays --start 2019-01-01 --hours 8760 --seed 1 --out
FRAMES` made; without it, the months that are needed are made first (a minute). Every run sees the
same windows in the same order (5 months of 2019, one seed) and is scored on 12 forecasts from June:
RMSE over persistence's, mean of the variables, at +1 h, +12 h and over all leads, beside its CPU
time. One thread. Differences of 0.02 are within what another seed changes.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from met2net_ops.grids import named_grid
from met2net_ops.models.training.frames import open_flat
from met2net_ops.models.training.loop import Run
from met2net_ops.models.training.preparation import prepare
from met2net_ops.models.training.settings import (
    DataSettings,
    NetworkSettings,
    RunSettings,
    TrainingSettings,
)
from met2net_ops.models.training.train import static_fields
from met2net_ops.naturerun.generate import write_arrays

if TYPE_CHECKING:
    from met2net_ops.models.training.progress_reports import ValidationReport

BASE = TrainingSettings(
    name="options",
    description="",
    data=DataSettings(
        variables=("t2m", "u10", "v10", "msl"),
        train=("2019-01-01..2019-05-28",),
        validation=("2019-06-01..2019-06-22",),
        test=(),
        guard_hours=24,
        static="naturerun",
    ),
    network=NetworkSettings(
        hid_s=8, hid_t=64, n_t=2, drop_path=0.0, periodic_longitude=True, predict="increment"
    ),
    run=RunSettings(
        method="end-to-end",
        latitude_weighted=True,
        batch=2,
        learning_rate=2e-3,
        warmup_steps=50,
        weight_decay=0.01,
        clip_norm=1.0,
        ema_decay=0.99,
        validation_windows=12,
    ),
)
NETWORK, RUN = BASE.network, BASE.run
VARIANTS = {
    "base": BASE,
    "state": replace(BASE, network=replace(NETWORK, predict="state")),
    "torch's initial weights": replace(BASE, run=replace(RUN, init="torch")),
    "state, torch's initial weights": replace(
        BASE, network=replace(NETWORK, predict="state"), run=replace(RUN, init="torch")
    ),
    "two-stage": replace(BASE, run=replace(RUN, method="two-stage")),
    "two-stage, copy of the translator alone": replace(
        BASE, run=replace(RUN, method="two-stage", momentum_of="translator")
    ),
    "two-stage, as published": replace(
        BASE,
        run=replace(
            RUN, method="two-stage", momentum_of="translator", momentum_update="as-published"
        ),
    ),
    "cos_zenith": replace(BASE, network=replace(NETWORK, forcings=("cos_zenith",))),
    "cos_zenith, land_sea_mask": replace(
        BASE, network=replace(NETWORK, forcings=("cos_zenith", "land_sea_mask"))
    ),
    "cos_zenith, land_sea_mask, orography": replace(
        BASE, network=replace(NETWORK, forcings=("cos_zenith", "land_sea_mask", "orography"))
    ),
    "not periodic": replace(BASE, network=replace(NETWORK, periodic_longitude=False)),
    "not area-weighted": replace(BASE, run=replace(RUN, latitude_weighted=False)),
}


def main() -> None:
    """Run the variants and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("frames", type=Path, nargs="?")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--only", nargs="*", choices=list(VARIANTS), default=list(VARIANTS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as made:
        compare(arguments.frames or make_frames(Path(made)), arguments.only, arguments.steps)


def make_frames(folder: Path) -> Path:
    """The months that `BASE` needs, of the weather of seed 1."""
    start, stop = datetime(2019, 1, 1, tzinfo=UTC), datetime(2019, 6, 24, tzinfo=UTC)
    grid = named_grid("global-5p625")
    write_arrays(folder, start, stop, grid, BASE.data.variables, 1)
    return folder


def compare(folder: Path, names: list[str], steps: int) -> None:
    """One line of the table per variant."""
    frames = open_flat(folder)
    static = static_fields(BASE.data.static, frames.grid)
    print("| Variant | +1 h | +12 h | all 12 leads | CPU s |\n|---|---:|---:|---:|---:|")
    for name in names:
        variant = VARIANTS[name]
        settings = replace(variant, run=replace(variant.run, steps=steps, validate_steps=steps))
        data = prepare(settings, frames, static)
        found: list[ValidationReport] = []
        with tempfile.TemporaryDirectory() as run:
            started = time.process_time()
            Run(settings, data, Path(run)).train(found.append)
            seconds = time.process_time() - started
        ratio = found[-1].scores.ratio().mean(axis=1)
        print(
            f"| {name} | {ratio[0]:.3f} | {ratio[11]:.3f} | {ratio.mean():.3f} | {seconds:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
