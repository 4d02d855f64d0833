"""Linear forecasts fitted to the last weeks: exact where they must be, causal, and worth having."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from met2net_ops.errors import ModelError
from met2net_ops.forecast.forecaster import Forecaster
from met2net_ops.grids import LatLonGrid
from met2net_ops.models.baselines import LINEAR_NAMES, baseline
from met2net_ops.models.linear import LinearForm
from met2net_ops.times import HOUR, parse_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

GRID = LatLonGrid(60.0, 0.0, 5.0, 5.0, 3, 4, "little")
START = parse_time("2026-11-01T00")


@dataclass
class Source:
    """Frames in memory, which remembers what was asked for."""

    values: dict[str, NDArray[np.float32]]
    step: timedelta = HOUR
    grid: LatLonGrid = GRID
    asked: list[datetime] = field(default_factory=list)

    @property
    def variables(self) -> tuple[str, ...]:
        return tuple(self.values)

    def _length(self) -> int:
        return len(next(iter(self.values.values())))

    def span(self) -> tuple[datetime, datetime]:
        return START, START + self.step * (self._length() - 1)

    def present(self, variables: Sequence[str], times: Sequence[datetime]) -> NDArray[np.bool_]:
        read = self.read(variables, times)
        return np.isfinite(read).all(axis=(2, 3)).T

    def read(self, variables: Sequence[str], times: Sequence[datetime]) -> NDArray[np.float32]:
        self.asked += times
        out = np.full((len(times), len(variables), *self.grid.shape), np.nan, dtype=np.float32)
        for row, time in enumerate(times):
            if START <= time < START + self.step * self._length():
                place = (time - START) // self.step
                out[row] = [self.values[name][place] for name in variables]
        return out


def weather(hours: int, seed: int = 0, step: int = 1) -> NDArray[np.float32]:
    """(time, latitude, longitude): a daily cycle of each point's own, and slow noise."""
    random = np.random.default_rng(seed)
    times = np.arange(hours)[:, None, None] * step
    sizes, phases = random.uniform(1, 5, GRID.shape), random.uniform(0, 1, GRID.shape)
    noise = np.zeros((hours, *GRID.shape))
    for now in range(1, hours):
        noise[now] = 0.97**step * noise[now - 1] + random.normal(0, 0.4, GRID.shape)
    cycle = sizes * np.sin(2 * np.pi * (times / 24 + phases))
    return np.asarray(280 + cycle + noise, dtype=np.float32)


def forecast(
    name: str, source: Source, last: int, leads: int, variables: tuple[str, ...] = ("t2m",)
) -> NDArray[np.float32]:
    """(lead, variable, latitude, longitude) from frame `last` of the source on."""
    forecaster = baseline(name, variables, source.grid, source.step, source)
    assert isinstance(forecaster, Forecaster)
    frames = forecaster.spec.input_frames
    window = np.stack([source.values[one][last + 1 - frames : last + 1] for one in variables], 1)
    blocks = forecaster.rollout(window[None], [START + source.step * last], leads)
    return np.concatenate([block.values[0] for block in blocks])


@pytest.mark.parametrize("name", LINEAR_NAMES)
@pytest.mark.parametrize("step", [1, 3, 6])
def test_days_that_repeat_are_forecast_but_for_the_ridge(name: str, step: int) -> None:
    day = 24 // step
    one = weather(day, step=step)
    source = Source({"t2m": np.tile(one, (9, 1, 1))}, timedelta(hours=step))
    last = 8 * day - 3
    found = forecast(name, source, last, day + 5)[:, 0]
    truth = np.resize(np.roll(source.values["t2m"][:day], -(last + 1) % day, axis=0), found.shape)
    change = np.abs(truth - source.values["t2m"][last])
    assert (np.abs(found - truth) < 0.15 * change.max()).all()


@given(st.integers(1, 24), st.integers(0, 5), st.integers(72, 200))
@settings(max_examples=15, deadline=None)
def test_one_lead_is_least_squares_with_the_ridge_as_further_rows(
    lead: int, seed: int, frames: int
) -> None:
    x = weather(frames, seed).reshape(frames, -1).astype(np.float64)
    areas = GRID.cell_areas
    share = areas.ravel() / areas.sum()
    count = len(x)
    hours = np.arange(count) % 24
    age = np.exp((np.arange(count) - count) / 240)
    mean = np.stack([np.average(x[hours == h], axis=0, weights=age[hours == h]) for h in range(24)])

    def predictors(last: NDArray[np.int64]) -> NDArray[np.float64]:
        now, target = mean[last % 24], mean[(last + lead) % 24]
        own = [
            target - now, now - x[last], x[last + lead - 24] - x[last - 24],
            x[last - 24] - x[last], x[last] - x[last - 1], x[last - 24] - x[last - 25],
        ]  # fmt: skip
        area = [np.broadcast_to((part @ share)[:, None], part.shape) for part in own[1:5]]
        return np.stack([*own, *area], axis=-1)

    last = np.arange(25, count - lead)
    inputs, targets = predictors(last).reshape(-1, 10), (x[last + lead] - x[last]).ravel()
    weights = (np.exp((last - count) / 960)[:, None] * share).ravel()
    weights = weights / weights.sum()
    scale = np.sqrt(weights @ np.square(inputs))
    scale = np.maximum(scale, 0.05 * scale.max())
    root = np.sqrt(weights)
    rows = np.concatenate([root[:, None] * inputs / scale, np.sqrt(0.1) * np.eye(10)])
    found, *_ = np.linalg.lstsq(rows, np.concatenate([root * targets, np.zeros(10)]), rcond=None)
    expected = x[-1] + predictors(np.array([count - 1]))[0] / scale @ found

    form = LinearForm(24)
    values = x.reshape(-1, *GRID.shape).astype(np.float32)
    ours = form.forecast(lambda first, n: values[first : first + n], count, lead, areas)
    np.testing.assert_allclose(ours[-1].ravel(), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", LINEAR_NAMES)
def test_nothing_after_the_reference_time_is_read(name: str) -> None:
    source = Source({"t2m": weather(24 * 12), "u10": weather(24 * 12, 1)})
    last = 24 * 9 + 5
    before = forecast(name, source, last, 30, ("t2m", "u10"))
    assert source.asked
    assert max(source.asked) <= START + last * HOUR
    for values in source.values.values():
        values[last + 1 :] = 1e6
    np.testing.assert_array_equal(before, forecast(name, source, last, 30, ("t2m", "u10")))


def test_frames_that_are_missing_before_the_window_are_left_out() -> None:
    """A frame with one missing point, like one that was never archived, has no part in the fit."""
    whole = Source({"t2m": weather(24 * 10)})
    holed = Source({"t2m": whole.values["t2m"].copy()})
    holed.values["t2m"][50, 1, 2] = np.nan
    gone = Source({"t2m": whole.values["t2m"].copy()})
    gone.values["t2m"][50] = np.nan
    last = 24 * 10 - 1
    found = forecast("linear-online", holed, last, 24)
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found, forecast("linear-online", gone, last, 24))
    assert not np.array_equal(found, forecast("linear-online", whole, last, 24))


def test_old_frames_do_not_count() -> None:
    values = weather(24 * 40)
    changed = values.copy()
    changed[: 24 * 9] += 100
    first, second = (
        forecast("linear-online", Source({"t2m": v}), 24 * 40 - 1, 24) for v in (values, changed)
    )
    np.testing.assert_array_equal(first, second)


def test_a_week_is_enough_to_beat_both_persistences() -> None:
    hours = 24 * 14
    errors: dict[str, list[float]] = {}
    for seed in range(3):
        source = Source({"t2m": weather(hours, seed)})
        truth = source.values["t2m"]
        for last in range(24 * 7 - 1, hours - 25, 9):
            for name in ("persistence", "persistence-24h", *LINEAR_NAMES):
                found = forecast(name, source, last, 24)[:, 0]
                square = np.square(found - truth[last + 1 : last + 25]).mean()
                errors.setdefault(name, []).append(float(square))
    rmse = {name: float(np.sqrt(np.mean(values))) for name, values in errors.items()}
    assert rmse["linear-online"] < 0.85 * min(rmse["persistence"], rmse["persistence-24h"])
    assert rmse["damped-persistence"] < 0.9 * min(rmse["persistence"], rmse["persistence-24h"])


def test_rounding_in_a_predictor_does_not_grow() -> None:
    """Waves around the world have a mean over the area of nothing but rounding."""
    grid = LatLonGrid(60.0, 0.0, 5.0, 22.5, 8, 16, "waves")
    hours = np.arange(110)[:, None, None]
    phase = 2 * np.pi * (np.arange(16) - hours) / 16
    waves = 280 + 8 * np.sin(phase) * np.cos(np.deg2rad(grid.latitudes))[:, None]
    source = Source({"t2m": waves.astype(np.float32)}, grid=grid)
    found = forecast("linear-online", source, 72, 37)[:, 0]
    rmse = np.sqrt(np.square(found - source.values["t2m"][73:]).mean(axis=(1, 2)))
    assert rmse.max() < 4


def test_cloud_cover_stays_between_none_and_all() -> None:
    cover = np.clip((weather(24 * 6) - 280) / 4, 0, 1)
    found = forecast("linear-online", Source({"tcc": cover}), 24 * 6 - 1, 24, ("tcc",))
    assert found.min() >= 0
    assert found.max() <= 1


def test_what_cannot_be_forecast_is_refused() -> None:
    daily = Source({"t2m": weather(20)}, timedelta(days=1))
    with pytest.raises(ModelError, match="several frames a day"):
        baseline("linear-online", ("t2m",), GRID, daily.step, daily)
    hourly = Source({"wd10": weather(100)})
    with pytest.raises(ModelError, match=r"wd10.*wind components"):
        baseline("linear-online", ("wd10",), GRID, HOUR, hourly)
    source = Source({"t2m": weather(100)})
    forecaster = baseline("linear-online", ("t2m",), GRID, HOUR, source)
    window = source.values["t2m"][None, :72, None]
    with pytest.raises(ModelError, match=r"\(1, 72, 1, 3, 4\)"):
        next(forecaster.rollout(window[:, 1:], [START], 1))
    window = window.copy()
    window[0, 3, 0, 0, 0] = np.nan
    with pytest.raises(ModelError, match="missing values"):
        next(forecaster.rollout(window, [START], 1))
