"""A small world whose weather is carried around it: quick to make and possible to learn."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

from met2net_ops.grids import LatLonGrid
from met2net_ops.models.training.frames import FlatFrames, open_flat

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

GRID = LatLonGrid(70.0, 0.0, 20.0, 18.0, 8, 20, "toy")
START = datetime(2020, 1, 1, tzinfo=UTC)
# The part of settings that says which days of it train, choose and judge.
DATA = """[data]
variables = ["t2m", "msl"]
train = ["2020-01-01..2020-01-20T23"]
validation = ["2020-01-22..2020-01-24T23"]
test = ["2020-01-26..2020-01-30T23"]
guard_hours = 24
"""
MEANS = {"t2m": 280.0, "u10": 3.0, "v10": 0.0, "msl": 101_000.0}
SPREADS = {"t2m": 8.0, "u10": 5.0, "v10": 4.0, "msl": 900.0}


def advected(hours: int, variables: tuple[str, ...], seed: int = 0) -> NDArray[np.float32]:
    """(time, variable, latitude, longitude): waves that move east at one column in four hours."""
    random = np.random.default_rng(seed)
    rows = np.cos(np.deg2rad(GRID.latitudes))[:, None]
    longitude = np.deg2rad(GRID.longitudes)[None, :]
    values = np.empty((hours, len(variables), *GRID.shape), dtype=np.float32)
    for number, name in enumerate(variables):
        waves = [(k, random.normal() / k, random.uniform(0, 2 * np.pi)) for k in (1, 2, 3, 4)]
        for hour in range(hours):
            shift = np.deg2rad(GRID.dlon) * hour / 4 + 0.3 * np.sin(hour / 97.0)
            field = sum(a * np.sin(k * (longitude - shift) + phase) for k, a, phase in waves)
            values[hour, number] = MEANS[name] + SPREADS[name] * rows * field
    return values


def write_flat(folder: Path, values: NDArray[np.float32], variables: tuple[str, ...]) -> FlatFrames:
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "values.npy", values)
    about = {
        "variables": list(variables),
        "grid": asdict(GRID),
        "start": START.strftime("%Y-%m-%dT%H:%MZ"),
        "step_hours": 1.0,
    }
    (folder / "about.json").write_text(json.dumps(about))
    return open_flat(folder)


@pytest.fixture
def toy(tmp_path: Path) -> Callable[..., FlatFrames]:
    """Makes a series; `change` may damage the values first."""

    def make(
        hours: int = 24 * 30,
        variables: tuple[str, ...] = ("t2m", "msl"),
        change: Callable[[NDArray[np.float32]], None] = lambda _: None,
    ) -> FlatFrames:
        values = advected(hours, variables)
        change(values)
        return write_flat(tmp_path / "frames", values, variables)

    return make


def hours_after_start(hours: float) -> datetime:
    return START + timedelta(hours=hours)
