from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from met2net_ops.archive.frames import create_archive
from met2net_ops.forecast.persistence import persistence
from met2net_ops.forecast.run import run_cycle
from met2net_ops.settings import load_settings
from met2net_ops.times import HOUR, time_range
from met2net_ops.variables import VARIABLES
from met2net_ops.workspace import Workspace, create_workspace

CYCLE = datetime(2020, 11, 22, 6, tzinfo=UTC)


@pytest.fixture
def desk(tmp_path: Path) -> Workspace:
    """A workspace with 30 hours of frames, one of them missing, and a forecast of 6 hours."""
    workspace = create_workspace(
        tmp_path / "desk", {"forecast": {"leads": 6, "model": "persistence"}}
    )
    settings = load_settings(workspace)
    archive = create_archive(workspace, settings)
    random = np.random.default_rng(1)
    frames = []
    for name in settings.archive.variables:
        limits = VARIABLES[name].soft
        for time in time_range(CYCLE - HOUR * 29, CYCLE):
            field = random.uniform(limits.low, limits.high, archive.grid.shape)
            if (name, time) != ("msl", CYCLE - HOUR * 2):
                frames.append(archive.encode(name, time, field.astype(np.float32)))
    archive.write_frames(frames)
    forecaster = persistence("persistence", settings.archive.variables, archive.grid)
    run_cycle(forecaster, archive, workspace, CYCLE, settings)
    return workspace
