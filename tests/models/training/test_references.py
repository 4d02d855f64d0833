"""What forecasts are compared with: yesterday's hour, and the land the sea ends at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from met2net_ops.grids import LatLonGrid
from met2net_ops.models.linear import LinearForm
from met2net_ops.models.training.references import fit_increment, linear_reference
from met2net_ops.models.training.scores import Scores, score
from met2net_ops.models.training.train import static_fields

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from met2net_ops.models.training.frames import FlatFrames

UK = LatLonGrid(58.0, -10.0, 0.25, 0.25, 33, 49)


def zeros(starts: NDArray[np.int64], leads: int, frames: FlatFrames) -> NDArray[np.float32]:
    shape = (len(starts), leads, len(frames.variables), *frames.grid.shape)
    return np.zeros(shape, dtype=np.float32)


def test_forecasts_that_share_frames_are_drawn_together(toy: Callable[..., FlatFrames]) -> None:
    """Hourly starts say much less than their number: taken for independent ones, they would give
    far too narrow an interval."""
    frames = toy(24 * 30)
    hourly = score(lambda some: zeros(some, 24, frames), frames, np.arange(24, 264), 6, 24)
    daily = score(lambda some: zeros(some, 24, frames), frames, np.arange(24, 600, 24), 6, 24)
    assert (hourly.block(), daily.block()) == (24, 3)

    def width(of: Scores) -> float:
        low, high = of.ratio_interval()
        return float((high - low)[11, 0])

    # As if the same ten days had been forecast once a day.
    once = Scores(hourly.variables, hourly.starts[::24], hourly.model[::24],
                  hourly.persistence[::24])  # fmt: skip
    assert width(hourly) > 0.4 * width(once)


def test_the_day_before_is_perfect_where_every_day_is_the_same(
    toy: Callable[..., FlatFrames],
) -> None:
    def make_daily(values: NDArray[np.float32]) -> None:
        values[:] = np.resize(values[:24], values.shape)

    frames = toy(24 * 6, change=make_daily)
    starts = np.array([20, 30, 47])
    found = score(lambda some: zeros(some, 30, frames), frames, starts, 6, 30)
    assert found.day_before is not None
    assert found.day_before.shape == (3, 30, 2)
    assert (found.day_before == 0).all()
    assert (found.persistence[:, [5, 17]] > 0).all()


def test_the_day_before_is_the_last_known_one(toy: Callable[..., FlatFrames]) -> None:
    def count_hours(values: NDArray[np.float32]) -> None:
        values[:] = np.arange(len(values), dtype=np.float32)[:, None, None, None]

    frames = toy(24 * 6, change=count_hours)
    found = score(lambda some: zeros(some, 50, frames), frames, np.array([30]), 6, 50)
    assert found.day_before is not None
    hours = np.sqrt(found.day_before[0, :, 0])
    assert hours == pytest.approx(np.repeat([24.0, 48.0, 72.0], [24, 24, 2]))


def test_without_the_day_before_there_is_no_such_reference(toy: Callable[..., FlatFrames]) -> None:
    def lose_a_frame(values: NDArray[np.float32]) -> None:
        values[10] = np.nan

    whole = toy(24 * 6)
    early = score(lambda some: zeros(some, 6, whole), whole, np.array([0, 40]), 6, 6)
    assert early.day_before is None
    gappy = toy(24 * 6, change=lose_a_frame)
    lost = score(lambda some: zeros(some, 6, gappy), gappy, np.array([28, 60]), 6, 6)
    assert lost.day_before is None
    assert lost.persistence.shape == (2, 6, 2)


def test_the_linear_form_counts_where_three_days_lie_before_the_forecast(
    toy: Callable[..., FlatFrames],
) -> None:
    """It is what `forecast --model linear-online` makes of the same frames."""
    frames = toy(24 * 12)
    starts, t, leads = np.array([10, 70, 200]), 6, 12
    linear = linear_reference(frames, t, leads)
    assert linear is not None
    found = score(lambda some: zeros(some, leads, frames), frames, starts, t, leads, linear=linear)
    assert found.linear is not None
    assert np.isnan(found.linear).all(axis=(1, 2)).tolist() == [True, False, False]
    model, reference = found.pairs("linear")
    assert model.shape == reference.shape == (2, leads, 2)
    expected = np.sqrt(found.model[1:].mean(axis=0) / found.linear[1:].mean(axis=0))
    np.testing.assert_allclose(found.ratio("linear"), expected)
    low, high = found.ratio_interval("linear")
    assert np.isfinite([low, high]).all()
    form = LinearForm(24).forecast(
        lambda first, count: frames.read(first, count)[:, 1], 206, leads, frames.grid.cell_areas
    )
    np.testing.assert_array_equal(linear(starts[2:])[0, :, 1], form)


@pytest.mark.parametrize(("made", "kept"), [(2.0, 0.5), (1.0, 1.0), (0.5, 1.0), (-1.0, 0.0)])
def test_a_network_that_says_too_much_is_held_back(
    toy: Callable[..., FlatFrames], made: float, kept: float
) -> None:
    frames = toy(24 * 6)
    starts, t, leads = np.arange(0, 100, 7), 6, 8

    def truth(some: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.stack([frames.read(int(start) + t, leads) for start in some])

    def base(some: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.stack([frames.read(int(s) + t - 1, 1).repeat(leads, axis=0) for s in some])

    found = fit_increment(
        lambda some: base(some) + np.float32(made) * (truth(some) - base(some)),
        base, frames, starts, t, leads,
    )  # fmt: skip
    assert found == pytest.approx((kept, kept), abs=1e-4)


def test_a_change_that_only_some_days_bear_out_is_held_back_further(
    toy: Callable[..., FlatFrames],
) -> None:
    frames = toy(24 * 20)
    starts, t, leads = np.arange(0, 400, 7), 6, 8

    def truth(some: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.stack([frames.read(int(start) + t, leads) for start in some])

    def base(some: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.stack([frames.read(int(s) + t - 1, 1).repeat(leads, axis=0) for s in some])

    def erratic(some: NDArray[np.int64]) -> NDArray[np.float32]:
        sign = np.where(some // 60 % 4 == 3, -1, 1)[:, None, None, None, None]
        return np.asarray(base(some) + sign * (truth(some) - base(some)), dtype=np.float32)

    for part in fit_increment(erratic, base, frames, starts, t, leads):
        assert 0.3 < part < 0.62  # the best part alone is near 0.7


@pytest.mark.parametrize(
    ("latitude", "longitude", "land"),
    [
        (52.5, -1.5, True),  # Midlands
        (53.0, -7.5, True),  # Ireland
        (57.0, -4.0, True),  # Scotland
        (53.75, -5.0, False),  # Irish Sea
        (55.0, 1.5, False),  # North Sea
        (50.0, -8.0, False),  # Celtic Sea
    ],
)
def test_the_land_of_the_british_isles_is_where_it_is(
    latitude: float, longitude: float, land: bool
) -> None:
    field = static_fields("era5-uk", UK)["land_sea_mask"]
    assert field.shape == UK.shape
    assert ((field >= 0) & (field <= 1)).all()
    row, column = round((58.0 - latitude) * 4), round((longitude + 10.0) * 4)
    assert (field[row, column] > 0.9) if land else (field[row, column] < 0.1)


def scores_with(ratio: NDArray[np.float64]) -> Scores:
    """Scores whose RMSE is that part of persistence's, (lead, variable)."""
    reference = np.random.default_rng(0).gamma(3.0, size=(1, *ratio.shape))
    names = tuple(f"v{number}" for number in range(ratio.shape[1]))
    return Scores(names, np.zeros(1, dtype=np.int64), reference * ratio**2, reference)


def test_every_lead_counts_alike_in_the_choice_of_a_network() -> None:
    # At +1 h a network that predicts the state is 15 times worse than persistence.
    ratio = np.array([[15.0, 12.0], [2.0, 1.5], [0.8, 0.7], [0.5, 0.4]])
    before = scores_with(ratio).mean_ratio()
    assert before == pytest.approx(float(np.exp(np.log(ratio).mean())))
    for lead in range(4):
        better = ratio.copy()
        better[lead] *= 0.9
        assert scores_with(better).mean_ratio() / before == pytest.approx(0.9 ** (1 / 4))
    # A little off at +1 h does not buy a loss at all the others.
    worse = ratio * [[0.95], [1.1], [1.1], [1.1]]
    assert scores_with(worse).mean_ratio() > before
    assert np.square(worse).mean() < np.square(ratio).mean()  # as it would have been judged
