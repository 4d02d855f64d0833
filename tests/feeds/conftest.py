"""A small centre on loopback, and workspaces that fetch from it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from met2net_ops.centre.faults import FaultPlan
from met2net_ops.centre.objects import Objects
from met2net_ops.centre.server import Centre, serving
from met2net_ops.feeds.source import find_sources
from met2net_ops.grids import LatLonGrid
from met2net_ops.times import HOUR
from met2net_ops.workspace import Workspace, create_workspace

GRID = LatLonGrid(60.0, 0.0, 2.0, 2.0, 8, 16, "small")
VARIABLES = ("t2m", "u10", "v10", "msl", "tp")
RUN = datetime(2026, 11, 20, 6, tzinfo=UTC)
_MEAN = {"t2m": 280.0, "u10": 2.0, "v10": -1.0, "msl": 101_000.0, "tp": 1.0}


@lru_cache(maxsize=512)
def weather(time: datetime) -> dict[str, np.ndarray]:
    """Smooth fields that differ from hour to hour and from variable to variable."""
    hours = (time - RUN) / HOUR
    phase = np.sin(2 * np.pi * (np.arange(GRID.nlon) - hours) / GRID.nlon)
    rows = np.cos(np.deg2rad(GRID.latitudes))[:, None]
    scale = {"msl": 500.0, "tp": 0.5}
    return {
        name: (mean + scale.get(name, 5.0) * rows * phase).astype(np.float32)
        for name, mean in _MEAN.items()
    }


@dataclass
class Site:
    """A centre that runs, and its address."""

    centre: Centre
    url: str


@pytest.fixture
def published() -> Callable[[datetime], dict[str, np.ndarray]]:
    return weather


@pytest.fixture
def open_centre() -> Iterator[Callable[..., Site]]:
    with ExitStack() as stack:

        def start(
            name: str = "gfs",
            plan: FaultPlan | None = None,
            run: datetime = RUN,
            now: Callable[[], datetime] | None = None,
        ) -> Site:
            source = find_sources()[name]
            until = run + timedelta(days=1)
            objects = Objects(source, weather, VARIABLES, GRID, run - timedelta(days=3), until)
            centre = Centre(objects, now or (lambda: until + timedelta(days=1)), plan)
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            return Site(centre, stack.enter_context(serving(centre, listener)))

        yield start


@pytest.fixture
def make_workspace(tmp_path: Path) -> Callable[..., Workspace]:
    def make(url: str, source: str = "gfs", name: str = "ws", **feed: object) -> Workspace:
        keys = ("name", "north", "west", "dlat", "dlon", "nlat", "nlon")
        return create_workspace(
            tmp_path / name,
            {
                "grid": {key: getattr(GRID, key) for key in keys},
                "archive": {"variables": [n for n in VARIABLES if n != "tp"]},
                "feeds": [{"name": "live", "source": source, "base_url": url, **feed}],
            },
        )

    return make
