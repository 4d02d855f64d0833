"""What the paper's and the published code's slow copies are worth, on waves that move east.

    python bench/momentum.py [--seeds 3] [--steps 200]

A world of 8 x 20 points, two variables, quick enough to train in half a minute: waves that are
carried around it, not weather. Every variant sees the same windows; printed is the RMSE over
persistence's on 24 validation windows, mean over leads and variables, per seed.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from met2net_ops.grids import LatLonGrid
from met2net_ops.models.training.frames import FlatFrames, flat_file, open_flat
from met2net_ops.models.training.loop import Run
from met2net_ops.models.training.preparation import prepare
from met2net_ops.models.training.settings import (
    DataSettings,
    NetworkSettings,
    RunSettings,
    TrainingSettings,
)

if TYPE_CHECKING:
    from met2net_ops.models.training.progress_reports import ValidationReport

GRID = LatLonGrid(70.0, 0.0, 20.0, 18.0, 8, 20, "toy")
HOURS = 24 * 40
BASE = TrainingSettings(
    "momentum",
    "",
    DataSettings(
        ("t2m", "msl"), ("2020-01-01..2020-01-25",), ("2020-01-28..2020-02-08",), (), guard_hours=24
    ),
    NetworkSettings(6, 8, 32, 2, 2, predict="increment", drop_path=0.0),
    RunSettings(batch=8, learning_rate=3e-3, validation_windows=24),
)
VARIANTS: dict[str, dict[str, object]] = {
    "end to end": {"method": "end-to-end"},
    "paper: slow encoders too, moved after backward": {},
    "slow translator alone": {"momentum_of": "translator"},
    "published code: that, moved before backward": {
        "momentum_of": "translator", "momentum_update": "as-published",
    },
    "paper, momentum 0.999": {"momentum": 0.999},
    "slow translator alone, momentum 0.999": {"momentum_of": "translator", "momentum": 0.999},
}  # fmt: skip


def waves(folder: Path) -> FlatFrames:
    """Sums of four waves per variable, carried east at one column in four hours."""
    random = np.random.default_rng(0)
    rows = np.cos(np.deg2rad(GRID.latitudes))[:, None]
    longitude = np.deg2rad(GRID.longitudes)
    start, hour = datetime(2020, 1, 1, tzinfo=UTC), timedelta(hours=1)
    with flat_file(folder, ("t2m", "msl"), GRID, start, hour, HOURS) as values:
        for number, (mean, spread) in enumerate(((280.0, 8.0), (101_000.0, 900.0))):
            parts = [(k, random.normal() / k, random.uniform(0, 2 * np.pi)) for k in (1, 2, 3, 4)]
            for time in range(HOURS):
                shift = np.deg2rad(GRID.dlon) * time / 4 + 0.3 * np.sin(time / 97.0)
                field = sum(a * np.sin(k * (longitude - shift) + phase) for k, a, phase in parts)
                values[time, number] = mean + spread * rows * field
    return open_flat(folder)


def main() -> None:
    """Run the variants and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=200)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print("| Variant | RMSE over persistence's, by seed | mean |\n|---|---|---:|")
    with tempfile.TemporaryDirectory() as place:
        frames = waves(Path(place) / "frames")
        for name, changes in VARIANTS.items():
            found: list[float] = []
            for seed in range(arguments.seeds):
                run = replace(
                    BASE.run,
                    seed=seed,
                    steps=arguments.steps,
                    validate_steps=arguments.steps,
                    **changes,  # type: ignore[arg-type]
                )
                settings = replace(BASE, run=run)
                seen: list[ValidationReport] = []
                with tempfile.TemporaryDirectory() as folder:
                    Run(settings, prepare(settings, frames, {}), Path(folder)).train(seen.append)
                found.append(float(seen[-1].scores.ratio().mean()))
            by_seed = ", ".join(f"{value:.3f}" for value in found)
            print(f"| {name} | {by_seed} | {np.mean(found):.3f} |", flush=True)


if __name__ == "__main__":
    main()
