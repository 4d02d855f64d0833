"""Twenty days of a coarse synthetic atmosphere, as several test files look at them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.grids import LatLonGrid, named_grid
from met2net_ops.naturerun.fields import sampler
from met2net_ops.naturerun.restart import state_at
from met2net_ops.naturerun.run import AtmosphereState, NatureRun

if TYPE_CHECKING:
    from numpy.typing import NDArray

GRID = named_grid("global-5p625")
NAMES = ("t2m", "u10", "v10", "msl")
EPOCH = datetime(2021, 5, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Weather:
    """Hourly frames of twenty days after 45 days of spin-up."""

    run: NatureRun
    states: list[AtmosphereState]  # daily, from the start of the frames
    values: NDArray[np.float32]  # (time, variable, lat, lon)
    grid: LatLonGrid

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        return self.values[:, NAMES.index(name)].astype(np.float64)


def make_weather() -> Weather:
    """Spin up and record; about ten seconds."""
    run = NatureRun(5, EPOCH, truncation=21)
    first = state_at(run, EPOCH + timedelta(days=45))
    sample = sampler(run, GRID)
    states, frames = [], []
    for hour, state in enumerate(run.states(first, 20 * 24)):
        frames.append(sample.fields(state, NAMES))
        if hour % 24 == 0:
            states.append(state)
    return Weather(run, states, np.stack(frames), GRID)
