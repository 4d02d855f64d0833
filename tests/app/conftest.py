from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from dashboard import Served, serve

from met2net_ops.forecast.persistence import persistence
from met2net_ops.forecast.run import run_cycle
from met2net_ops.observations.store import import_files
from met2net_ops.paths import WorkspacePaths
from met2net_ops.settings import load_settings
from met2net_ops.times import HOUR, format_time, time_range
from met2net_ops.workspace import Workspace, create_workspace

CYCLE = datetime(2020, 11, 22, 6, tzinfo=UTC)
_RANGES = {
    "t2m": (250.0, 300.0),
    "u10": (-12.0, 15.0),
    "v10": (-10.0, 10.0),
    "msl": (98_000.0, 104_000.0),
}
STATIONS = {"HIGH": (52.5, 13.4), "LOW": (-33.9, 151.2)}


def make_desk(root: Path) -> WorkspacePaths:
    """A workspace with 36 hours of frames, one of them missing, two forecasts and two stations.

    Frames reach three hours beyond the later cycle, whose forecast has six leads.
    """
    workspace = create_workspace(root, {"forecast": {"leads": 6, "model": "persistence"}}).paths
    settings = load_settings(workspace.settings_file)
    archive = Workspace(workspace, settings).create_archive()
    grid = archive.grid
    x, y = np.meshgrid(np.deg2rad(grid.longitudes), np.deg2rad(grid.latitudes))
    frames = []
    for name in settings.archive.variables:
        low, high = _RANGES[name]
        for hour, time in enumerate(time_range(CYCLE - HOUR * 32, CYCLE + HOUR * 3)):
            wave = np.cos(y) * np.cos(3 * x - hour / 6 + 2 * y)  # from -1 to 1, moving east
            field = (low + high) / 2 + (high - low) / 2 * wave
            if (name, time) != ("msl", CYCLE + HOUR * 2):
                frames.append(archive.encode(name, time, field.astype(np.float32)))
    archive.write_frames(frames)
    forecaster = persistence("persistence", settings.archive.variables, archive.grid)
    for cycle in (CYCLE - HOUR * 3, CYCLE):
        run_cycle(forecaster, archive, Workspace(workspace, settings), cycle)
    reports = root / "reports.csv"
    lines = ["station,latitude,longitude,height_m,time,t2m_k,wind_speed_ms,wind_from_degrees"]
    for station, (latitude, longitude) in STATIONS.items():
        for hour, time in enumerate(time_range(CYCLE, CYCLE + HOUR * 4)):
            value = 2800 if hour == 2 else 280 + hour  # the third is impossible
            lines.append(f"{station},{latitude},{longitude},50,{format_time(time)},{value},5.0,270")
    reports.write_text("\n".join(lines) + "\n")
    columns = (
        *("station = station", "latitude = latitude", "longitude = longitude"),
        *("height = height_m", "time = time", "t2m = t2m_k K"),
        *("wind_speed = wind_speed_ms m/s", "wind_from = wind_from_degrees degree"),
    )
    (done,) = import_files(workspace.observations, [reports], columns)
    assert done.taken == 10
    return workspace


@pytest.fixture
def desk(tmp_path: Path) -> WorkspacePaths:
    return make_desk(tmp_path / "desk")


@pytest.fixture(scope="session")
def shown_desk(tmp_path_factory: pytest.TempPathFactory) -> WorkspacePaths:
    """As `desk`, for tests that only look."""
    return make_desk(tmp_path_factory.mktemp("shown") / "desk")


@pytest.fixture(scope="session")
def served(shown_desk: WorkspacePaths) -> Iterator[Served]:
    """The dashboard of `shown_desk`, and a browser to look at it with; one of each."""
    with serve(shown_desk.root) as found:
        yield found
