"""Yesterday's hours and today's drift: exact where weather is that simple, fitted where not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from toy_world import DATA

from met2net_ops.errors import SettingsError
from met2net_ops.models.diurnal import change_since_yesterday, daily_forecast
from met2net_ops.models.forecaster import Met2NetForecaster
from met2net_ops.models.training.loop import Run
from met2net_ops.models.training.preparation import prepare
from met2net_ops.models.training.settings import TrainingSettings
from met2net_ops.models.training.settings_file import parse_settings
from met2net_ops.models.training.train import train_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from met2net_ops.models.training.frames import FlatFrames

TOML = f"""
name = "daily"
description = "Days that come and go."

{DATA}
[network]
frames = 24
hid_s = 2
hid_t = 8
n_t = 1
predict = "daily"

[run]
method = "end-to-end"
steps = 3
batch = 2
learning_rate = 1e-3
validate_steps = 3
validation_windows = 4
test_windows = 4
level_shift = 1.0
stretch = 0.4
fit_increment = false
"""


def settings() -> TrainingSettings:
    return parse_settings(TOML, "test")


def test_days_that_repeat_and_drift_are_forecast_exactly() -> None:
    hours = np.arange(48.0)
    cycle = 5.0 * np.sin(2 * np.pi * hours / 24)
    steady = (cycle + 0.25 * hours)[None, :, None, None, None]  # 6 units warmer every day
    window, truth = steady[:, :24], steady[:, 24:]
    drift = change_since_yesterday(window)[0, 0, 0, 0, 0]
    # Exact but for the curvature of the extrapolated hour.
    assert drift == pytest.approx(6.0, abs=0.36)
    whole = daily_forecast(window, np.ones((24, 1, 1, 1)) * 6.0 / drift)
    np.testing.assert_allclose(whole, truth, atol=1e-12)
    np.testing.assert_array_equal(daily_forecast(window, np.zeros((24, 1, 1, 1))), window)


def test_it_is_linear_and_keeps_the_level() -> None:
    random = np.random.default_rng(0)
    window, memory = random.normal(size=(2, 24, 1, 3, 4)), random.uniform(size=(24, 1, 1, 1))
    np.testing.assert_allclose(
        daily_forecast(7.0 + 3.0 * window, memory), 7.0 + 3.0 * daily_forecast(window, memory)
    )


def test_memory_is_the_least_squares_one_and_never_negative(
    toy: Callable[..., FlatFrames],
) -> None:
    data = prepare(settings(), toy(), {})
    memory, error = data.statistics.daily_memory, data.statistics.increment_std
    assert memory is not None
    assert memory.shape == error.shape == (24, 2)
    assert (memory >= 0).all()
    chosen = data.train[:: max(1, len(data.train) // 400)]
    windows = np.stack([data.samples.frames.read(int(s), 48) for s in chosen]).astype(np.float64)
    drift = change_since_yesterday(windows[:, :24])[:, 0]
    for lead in (0, 11, 23):
        left = windows[:, 24 + lead] - windows[:, lead]
        for variable in (0, 1):
            x, y = drift[:, variable].ravel(), left[:, variable].ravel()
            (slope,) = np.linalg.lstsq(x[:, None], y, rcond=None)[0]
            assert memory[lead, variable] == pytest.approx(max(0.0, slope), abs=1e-9)
            remaining = np.sqrt(np.mean((y - max(0.0, slope) * x) ** 2))
            assert error[lead, variable] == pytest.approx(remaining, rel=1e-6)


def test_the_folder_forecasts_as_training_did(
    toy: Callable[..., FlatFrames], tmp_path: Path
) -> None:
    series = toy()
    data = prepare(settings(), series, {})
    trained = train_model(settings(), data, {}, tmp_path / "out", command="train it")
    assert trained is not None
    assert trained.folder is not None
    folder, scores = trained.folder, trained.scores
    run = Run(settings(), data, tmp_path / "out" / "run")
    starts = scores.starts[1:3]
    ours = run.forecast(starts, 48)
    window = np.stack([data.samples.frames.read(int(start), 24) for start in starts])
    times = [series.time(int(start) + 23) for start in starts]
    blocks = Met2NetForecaster(folder, device="cpu").rollout(window, times, 48)
    theirs = np.concatenate([block.values for block in blocks], axis=1)
    spread = data.statistics.std[:, None, None]
    assert float((np.abs(ours - theirs) / spread).max()) < 1e-4


def test_a_network_that_says_nothing_gives_the_daily_forecast(
    toy: Callable[..., FlatFrames],
) -> None:
    data = prepare(settings(), toy(), {})
    samples = data.samples
    batch = samples.batch(data.train[:2])
    state = samples.state_from(batch.frames, torch.zeros_like(batch.targets), batch.linear)
    memory = data.statistics.daily_memory
    assert memory is not None
    window: NDArray[np.float64] = np.stack(
        [samples.frames.read(int(start), 24) for start in data.train[:2]]
    ).astype(np.float64)
    expected = daily_forecast(window, memory[:, :, None, None])
    spread = data.statistics.std[:, None, None]
    assert float((np.abs(samples.physical(state) - expected) / spread).max()) < 1e-5
    restored = samples.state_from(batch.frames, samples.output_for(batch), batch.linear)
    torch.testing.assert_close(restored, batch.targets, rtol=0, atol=1e-5)


def test_half_a_day_of_frames_is_refused(toy: Callable[..., FlatFrames]) -> None:
    network = replace(settings().network, frames=12)
    with pytest.raises(SettingsError, match="needs frames that make a day, not 12 of 1:00:00"):
        prepare(replace(settings(), network=network), toy(), {})


def test_validation_judges_the_network_by_the_forecast_that_it_corrects(
    toy: Callable[..., FlatFrames], tmp_path: Path
) -> None:
    frames = toy()
    data = prepare(settings(), frames, {})
    reports = []
    run = Run(settings(), data, tmp_path)
    run.train(reports.append)
    (report,) = reports
    memory = data.statistics.daily_memory
    assert memory is not None
    weights = frames.grid.cell_areas / frames.grid.cell_areas.sum()
    errors = []
    for start in data.validation:
        window = frames.read(int(start), 48).astype(np.float64)
        change = window[23] - (2 * window[0] - window[1])
        forecast = window[:24] + memory[:, :, None, None] * change
        errors.append((np.square(forecast - window[24:]) * weights).sum(axis=(2, 3)))
    assert report.scores.base is not None
    np.testing.assert_allclose(report.scores.base, np.array(errors), rtol=2e-3, atol=1e-6)
    assert run.best == report.scores.mean_ratio("base") != report.scores.mean_ratio()
