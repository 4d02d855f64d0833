"""A network that corrects the linear form of the weeks before its window."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from toy_world import DATA

from met2net_ops.errors import ArchiveError
from met2net_ops.models.baselines import baseline
from met2net_ops.models.forecaster import Met2NetForecaster
from met2net_ops.models.training.frames import FlatSource
from met2net_ops.models.training.linear_bases import LinearBases
from met2net_ops.models.training.loop import Run
from met2net_ops.models.training.preparation import prepare, with_linear
from met2net_ops.models.training.settings import TrainingSettings
from met2net_ops.models.training.settings_file import parse_settings
from met2net_ops.models.training.train import train_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from met2net_ops.models.training.frames import FlatFrames

TOML = f"""
name = "corrected"
description = "The linear form, and what it leaves."

{DATA}
[network]
frames = 6
hid_s = 2
hid_t = 8
n_t = 1
predict = "linear"

[run]
method = "end-to-end"
steps = 3
batch = 2
learning_rate = 1e-3
validate_steps = 3
validation_windows = 3
test_windows = 3
level_shift = 0.5
stretch = 0.2
fit_increment = false
rollout_steps = 1
"""


def settings() -> TrainingSettings:
    return parse_settings(TOML, "test")


def test_the_folder_forecasts_as_training_did(
    toy: Callable[..., FlatFrames], tmp_path: Path
) -> None:
    """Several blocks of leads, from a window that begins earlier than the network's input."""
    series = toy()
    data = prepare(settings(), series, {})
    trained = train_model(settings(), data, {}, tmp_path / "out", command="train it")
    assert trained is not None
    assert trained.folder is not None
    assert trained.folder.spec.input_frames == 72
    run = Run(settings(), data, tmp_path / "out" / "run")
    frames, starts = data.samples.frames, trained.scores.starts[1:3]
    ours = run.forecast(starts, 15)
    window = np.stack([frames.read(int(start) + 6 - 72, 72) for start in starts])
    times = [series.time(int(start) + 5) for start in starts]
    forecaster = Met2NetForecaster(trained.folder, device="cpu", source=FlatSource(frames))
    theirs = np.concatenate([block.values for block in forecaster.rollout(window, times, 15)], 1)
    assert ours.shape == theirs.shape
    spread = data.statistics.std[:, None, None]
    assert float((np.abs(ours - theirs) / spread).max()) < 1e-4
    alone = Met2NetForecaster(trained.folder, device="cpu")  # fitted to the window alone
    other = np.concatenate([block.values for block in alone.rollout(window, times, 15)], axis=1)
    assert np.isfinite(other).all()
    assert not np.allclose(other, theirs, atol=1e-4)


def test_a_network_that_says_nothing_gives_the_linear_form(toy: Callable[..., FlatFrames]) -> None:
    data = prepare(settings(), toy(), {})
    samples, frames = data.samples, data.samples.frames
    starts = data.train[:2]
    batch = samples.batch(starts)
    state = samples.state_from(batch.frames, torch.zeros_like(batch.targets), batch.linear)
    form = baseline("linear-online", frames.variables, frames.grid, frames.step, _Spanned(frames))
    window = np.stack([frames.read(int(start) + 6 - 72, 72) for start in starts])
    times = [frames.time(int(start) + 5) for start in starts]
    (block,) = form.rollout(window, times, 6)
    spread = data.statistics.std[:, None, None]
    assert float((np.abs(samples.physical(state) - block.values) / spread).max()) < 1e-4
    restored = samples.state_from(batch.frames, samples.output_for(batch), batch.linear)
    torch.testing.assert_close(restored, batch.targets, rtol=0, atol=1e-5)


def test_one_unit_of_output_is_the_error_that_the_form_leaves(
    toy: Callable[..., FlatFrames],
) -> None:
    data = prepare(settings(), toy(), {})
    frames = data.samples.frames
    bases = LinearBases(frames, 6)
    chosen = data.train[:: len(data.train) // 60]
    errors = [frames.read(int(s) + 6, 6) - bases.forecasts(np.array([s]), 6)[0] for s in chosen]
    expected = np.sqrt(np.square(errors).mean(axis=(0, 3, 4)))
    np.testing.assert_allclose(data.statistics.increment_std, expected, rtol=1e-4)


def test_windows_without_three_days_before_them_do_not_train(
    toy: Callable[..., FlatFrames],
) -> None:
    def lose_a_frame(values: NDArray[np.float32]) -> None:
        values[200, 0, 0, 0] = np.nan

    whole, gappy = prepare(settings(), toy(), {}), prepare(settings(), toy(change=lose_a_frame), {})
    assert whole.train[0] == 72 - 6
    missed = set(whole.train) - set(gappy.train)
    assert missed == set(range(200 - 12 + 1, 200 + 72 - 6 + 1))
    with pytest.raises(ArchiveError, match=r"3 days of complete frames.*Fill the gaps"):
        prepare(settings(), toy(24 * 30, change=_every_other_day_is_lost), {})


def test_daily_frames_are_refused(toy: Callable[..., FlatFrames]) -> None:
    daily = replace(toy(), step=timedelta(days=1))
    with pytest.raises(ArchiveError, match="several frames a day"):
        with_linear(daily, 6, (np.arange(3),))


def _every_other_day_is_lost(values: NDArray[np.float32]) -> None:
    values[20::48, 0, 0, 0] = np.nan


class _Spanned(FlatSource):
    """A flat series that also says what it holds."""

    @property
    def variables(self) -> tuple[str, ...]:
        return self.frames.variables

    def span(self) -> None:
        raise AssertionError("a forecast needs no span")

    def present(self, *_: object) -> NDArray[np.bool_]:
        raise AssertionError("a forecast checks its window alone")
