"""Small archives of smooth fields, and forecasters whose every value is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import desk as support
import numpy as np
import pytest
from numpy.typing import NDArray

from met2net_ops.forecast.forecaster import ForecasterSpec, LeadBlock, Runtime
from met2net_ops.grids import LatLonGrid
from met2net_ops.settings import Settings
from met2net_ops.times import HOUR, parse_time
from met2net_ops.variables import VARIABLES

START = parse_time("2026-11-22T00")
GRID = LatLonGrid(60.0, 0.0, 5.0, 5.0, 8, 16, "little")
VARIABLES_KEPT = ("t2m", "u10", "msl")

_MEAN = {"t2m": 280.0, "u10": 2.0, "msl": 101_300.0}
_SCALE = {"t2m": 8.0, "u10": 6.0, "msl": 900.0}


def smooth_field(name: str, time: datetime, grid: LatLonGrid = GRID) -> NDArray[np.float32]:
    """A wave that moves a column an hour."""
    hours = (time - START) / HOUR
    phase = 2 * np.pi * (np.arange(grid.nlon) - hours) / grid.nlon
    wave = np.sin(phase)[None, :] * np.cos(np.deg2rad(grid.latitudes))[:, None]
    return (_MEAN[name] + _SCALE[name] * wave).astype(np.float32)


@dataclass
class Drift:
    """Adds `rate` per lead and `10 x rate` per variable to the last frame, in blocks of five."""

    spec: ForecasterSpec
    rate: float = 0.25
    runtime: Runtime = field(default_factory=lambda: Runtime("cpu", "fp32"))
    batches: list[int] = field(default_factory=list)

    def rollout(
        self, window: NDArray[np.float32], reference_times: Sequence[datetime], leads: int
    ) -> Iterator[LeadBlock]:
        self.batches.append(len(reference_times))
        for first in range(1, leads + 1, 5):
            numbers = np.arange(first, min(first + 5, leads + 1), dtype=np.float32)
            shift = self.rate * (
                numbers[:, None] + 10 * np.arange(window.shape[2], dtype=np.float32)
            )
            values = window[:, -1:] + shift[None, :, :, None, None]
            yield LeadBlock(first, values.astype(np.float32))


@dataclass
class Desk(support.Desk):
    """A desk ready to forecast."""

    def fill(self, hours: int, but: Sequence[tuple[str, int]] = (), first: int = 0) -> None:
        """Write hourly frames from START on, leaving out (variable, hour)."""
        for hour in range(first, first + hours):
            for name in self.archive.variables:
                if (name, hour) not in but:
                    time = START + hour * HOUR
                    self.archive.write(name, time, smooth_field(name, time, self.archive.grid))

    def drift(self, frames: int = 4, rate: float = 0.25, checksum: str = "ab" * 32) -> Drift:
        """A forecaster for this archive."""
        names = tuple(name for name in VARIABLES if name in self.archive.variables)
        spec = ForecasterSpec("drift", checksum, names, self.archive.grid, frames)
        return Drift(spec, rate)

    def with_forecast(self, **changes: object) -> Settings:
        """The settings with other values in [forecast]."""
        forecast = self.settings.forecast.model_copy(update=changes)
        return self.settings.model_copy(update={"forecast": forecast})


@pytest.fixture
def start() -> datetime:
    return START


@pytest.fixture
def field_at() -> Callable[..., NDArray[np.float32]]:
    return smooth_field


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A desk whose archive is still empty: hourly, 8 x 16, three variables."""
    return Desk.make(
        tmp_path,
        {
            "grid": support.grid_section(GRID),
            "archive": {"variables": list(VARIABLES_KEPT)},
            "forecast": {"leads": 7, "model": "persistence"},
        },
    )
