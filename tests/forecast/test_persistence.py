from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from met2net_ops.errors import ModelError
from met2net_ops.forecast.forecaster import Forecaster
from met2net_ops.forecast.persistence import persistence
from met2net_ops.grids import LatLonGrid

GRID = LatLonGrid(40.0, 0.0, 10.0, 10.0, 2, 3)
CYCLES = [datetime(2026, 11, day, tzinfo=UTC) for day in (1, 2)]


@given(st.integers(1, 60), st.sampled_from([1, 2, 3, 6]))
def test_lead_h_is_the_frame_a_day_earlier_and_blocks_join_up(leads: int, hours: int) -> None:
    forecaster = persistence("persistence-24h", ("t2m",), GRID, timedelta(hours=hours))
    frames = forecaster.spec.input_frames
    window = np.arange(2 * frames * 6, dtype=np.float32).reshape(2, frames, 1, 2, 3)
    blocks = list(forecaster.rollout(window, CYCLES, leads))
    assert [block.first_lead for block in blocks] == list(range(1, leads + 1, 12))
    forecast = np.concatenate([block.values for block in blocks], axis=1)
    assert forecast.shape == (2, leads, 1, 2, 3)
    for lead in range(1, leads + 1):
        back = timedelta(days=1)
        while timedelta(hours=hours) * lead > back:
            back += timedelta(days=1)
        frame = frames - 1 + lead - back // timedelta(hours=hours)
        np.testing.assert_array_equal(forecast[:, lead - 1], window[:, frame])


def test_persistence_repeats_the_last_frame() -> None:
    forecaster = persistence("persistence", ("t2m", "msl"), GRID)
    assert isinstance(forecaster, Forecaster)
    window = np.random.default_rng(0).normal(size=(2, 1, 2, 2, 3)).astype(np.float32)
    for block in forecaster.rollout(window, CYCLES, 30):
        assert block.values.dtype == np.float32
        np.testing.assert_array_equal(block.values, np.broadcast_to(window, block.values.shape))


def test_unknown_names_steps_and_windows_are_refused() -> None:
    with pytest.raises(ModelError, match="persistence and persistence-24h"):
        persistence("persistance", ("t2m",), GRID)
    with pytest.raises(ModelError, match="repeat daily"):
        persistence("persistence-24h", ("t2m",), GRID, timedelta(hours=5))
    forecaster = persistence("persistence", ("t2m",), GRID)
    with pytest.raises(ModelError, match=r"wanted \(2, 1, 1, 2, 3\)"):
        next(forecaster.rollout(np.zeros((2, 2, 1, 2, 3), np.float32), CYCLES, 1))
