"""Every score, from sums, against `scores` or a closed form, on random data with gaps."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import pytest
import xarray as xr
from scores.categorical import BinaryContingencyManager
from scores.continuous import mae, mean_error, mse, rmse
from scores.continuous.correlation import pearsonr
from scores.probability import crps_for_ensemble
from scores.spatial import fss_2d

from met2net_ops.derive import wind_direction
from met2net_ops.verification.compute.event_sums import contingency_sums, fractions_sums
from met2net_ops.verification.compute.kernels import continuous_sums, ensemble_sums
from met2net_ops.verification.compute.wind_sums import vector_sums
from met2net_ops.verification.results.scores import SCORES, derive
from met2net_ops.verification.store.sums import Sums

Test = TypeVar("Test")
CLOSE = {"rel": 1e-9, "abs": 1e-9}
POINTS = 400


CHECKED: set[str] = set()


def oracle(*names: str) -> Callable[[Test], Test]:
    """The test compares these scores with something independent."""
    CHECKED.update(names)
    return lambda test: test


def field(rng: np.random.Generator, gaps: float, mean: float = 280.0) -> np.ndarray:
    values = mean + 10 * rng.standard_normal(POINTS)
    values[rng.random(POINTS) < gaps] = np.nan
    return values


def arrays(*values: np.ndarray) -> list[xr.DataArray]:
    return [xr.DataArray(v, dims="point") for v in values]


@pytest.fixture(params=range(5))
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    return np.random.default_rng(request.param)


@pytest.fixture
def sample(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    truth = field(rng, 0.1)
    forecast = truth + 0.7 + 2 * rng.standard_normal(POINTS)
    forecast[rng.random(POINTS) < 0.1] = np.nan
    weights = rng.random(POINTS)
    weights[:20] = 0.0
    return forecast, truth, weights, np.full(POINTS, 279.0) + rng.standard_normal(POINTS)


def moments(x: np.ndarray, y: np.ndarray, w: np.ndarray) -> float:
    """Weighted correlation, two passes."""
    good = np.isfinite(x) & np.isfinite(y)
    x, y, w = x[good], y[good], w[good] / w[good].sum()
    dx, dy = x - w @ x, y - w @ y
    return float(w @ (dx * dy) / np.sqrt((w @ dx**2) * (w @ dy**2)))


@oracle("bias", "mae", "rmse", "error_std")
def test_errors(sample: tuple[np.ndarray, ...]) -> None:
    forecast, truth, weights, _ = sample
    sums = continuous_sums(forecast, truth, weights)
    f, o, w = arrays(forecast, truth, weights)
    assert derive("bias", sums)[0] == pytest.approx(float(mean_error(f, o, weights=w)), **CLOSE)
    assert derive("mae", sums)[0] == pytest.approx(float(mae(f, o, weights=w)), **CLOSE)
    assert derive("rmse", sums)[0] == pytest.approx(float(rmse(f, o, weights=w)), **CLOSE)
    spread = float(mse(f, o, weights=w)) - float(mean_error(f, o, weights=w)) ** 2
    assert derive("error_std", sums)[0] == pytest.approx(spread**0.5, **CLOSE)
    assert sums["n"][0] == np.sum(np.isfinite(forecast - truth) & (weights > 0))


@oracle("skill", "mae_skill")
def test_skill(sample: tuple[np.ndarray, ...]) -> None:
    forecast, truth, weights, climatology = sample
    common = np.where(np.isfinite(forecast + truth), truth, np.nan)
    ours = continuous_sums(forecast, common, weights)
    theirs = continuous_sums(climatology, np.where(np.isfinite(forecast), common, np.nan), weights)
    f, o, w, c = arrays(forecast, common, weights, climatology)
    expected = 1 - float(mse(f, o, weights=w)) / float(mse(c, o, weights=w))
    assert derive("skill", ours, theirs)[0] == pytest.approx(expected, **CLOSE)
    expected = 1 - float(mae(f, o, weights=w)) / float(mae(c, o, weights=w))
    assert derive("mae_skill", ours, theirs)[0] == pytest.approx(expected, **CLOSE)


@oracle("correlation", "acc", "acc_uncentred")
def test_correlations(sample: tuple[np.ndarray, ...]) -> None:
    forecast, truth, weights, climatology = sample
    climatology[::7] = np.nan
    sums = continuous_sums(forecast, truth, weights, climatology)
    f, o = arrays(forecast, truth)
    flat = continuous_sums(forecast, truth, np.ones(POINTS))
    assert derive("correlation", flat)[0] == pytest.approx(float(pearsonr(f, o)), **CLOSE)
    assert derive("correlation", sums)[0] == pytest.approx(
        moments(forecast, truth, weights), **CLOSE
    )
    fa, oa = forecast - climatology, truth - climatology
    assert derive("acc", sums)[0] == pytest.approx(moments(fa, oa, weights), **CLOSE)
    good = np.isfinite(fa) & np.isfinite(oa)
    w, x, y = weights[good], fa[good], oa[good]
    expected = w @ (x * y) / np.sqrt((w @ x**2) * (w @ y**2))
    assert derive("acc_uncentred", sums)[0] == pytest.approx(expected, **CLOSE)


@oracle("pod", "far", "csi", "ets", "hss", "frequency_bias", "base_rate")
def test_contingency(sample: tuple[np.ndarray, ...]) -> None:
    forecast, truth, weights, _ = sample
    f, o = arrays(np.where(forecast >= 285, 1.0, 0.0), np.where(truth >= 285, 1.0, 0.0))
    f, o = f.where(np.isfinite(forecast)), o.where(np.isfinite(truth))
    table = BinaryContingencyManager(f, o).transform()
    sums = contingency_sums(forecast, truth, np.ones(POINTS), 285.0)
    for name, expected in {
        "pod": table.probability_of_detection(),
        "far": table.false_alarm_ratio(),
        "csi": table.critical_success_index(),
        "ets": table.equitable_threat_score(),
        "hss": table.heidke_skill_score(),
        "frequency_bias": table.frequency_bias(),
        "base_rate": table.base_rate(),
    }.items():
        assert derive(name, sums)[0] == pytest.approx(float(expected), **CLOSE), name
    weighted = contingency_sums(forecast, truth, weights, 285.0)
    good = np.isfinite(forecast + truth)
    hits = weights[good & (forecast >= 285) & (truth >= 285)].sum()
    assert derive("pod", weighted)[0] == pytest.approx(
        hits / weights[good & (truth >= 285)].sum(), **CLOSE
    )


@oracle("fss")
@pytest.mark.parametrize("size", [1, 3, 7])
def test_fractions(rng: np.random.Generator, size: int) -> None:
    forecast, truth = rng.random((20, 24)), rng.random((20, 24))
    sums = fractions_sums(forecast, truth, np.ones((20, 24)), 0.8, size)
    f, o = (xr.DataArray(x, dims=("y", "x")) for x in (forecast, truth))
    expected = fss_2d(
        f, o, event_threshold=0.8, window_size=(size, size), spatial_dims=("y", "x"),
        threshold_operator=np.greater_equal,
    )  # fmt: skip
    assert derive("fss", sums)[0] == pytest.approx(float(expected), **CLOSE)
    wide = [np.concatenate([x[:, -(size // 2) :], x, x[:, : size // 2]], 1) for x in (f, o)]
    if size > 1:
        f, o = (xr.DataArray(x, dims=("y", "x")) for x in wide)
        round_the_globe = fractions_sums(
            forecast, truth, np.ones((20, 24)), 0.8, size, periodic=True
        )
        expected = fss_2d(
            f, o, event_threshold=0.8, window_size=(size, size), spatial_dims=("y", "x"),
            threshold_operator=np.greater_equal,
        )  # fmt: skip
        assert derive("fss", round_the_globe)[0] == pytest.approx(float(expected), **CLOSE)


@oracle(
    "vector_rmse",
    "vector_skill",
    "speed_bias",
    "speed_rmse",
    "direction_bias",
    "direction_mae",
    "direction_rmse",
)
def test_vector_wind(rng: np.random.Generator) -> None:
    u, v, ut, vt = (field(rng, 0.05, mean=1.0) for _ in range(4))
    weights = rng.random(POINTS)
    sums = vector_sums((u, v), (ut, vt), weights, calm=3.0)
    (w,) = arrays(weights)
    good = np.isfinite(u + v + ut + vt)
    u, v, ut, vt = (np.where(good, x, np.nan) for x in (u, v, ut, vt))
    fu, fv, ou, ov = arrays(u, v, ut, vt)
    squares = mse(fu, ou, weights=w) + mse(fv, ov, weights=w)
    assert derive("vector_rmse", sums)[0] == pytest.approx(float(squares) ** 0.5, **CLOSE)
    calm = vector_sums((np.zeros(POINTS), np.zeros(POINTS)), (ut, vt), weights, calm=3.0)
    zero = xr.zeros_like(fu)
    still = mse(zero, ou, weights=w) + mse(zero, ov, weights=w)
    assert derive("vector_skill", sums, calm)[0] == pytest.approx(
        1 - float(squares / still), **CLOSE
    )
    speed, speed_t = np.hypot(u, v), np.hypot(ut, vt)
    f, o = arrays(speed, speed_t)
    assert derive("speed_bias", sums)[0] == pytest.approx(
        float(mean_error(f, o, weights=w)), **CLOSE
    )
    assert derive("speed_rmse", sums)[0] == pytest.approx(float(rmse(f, o, weights=w)), **CLOSE)
    blows = (speed > 3) & (speed_t > 3)
    f, o = arrays(
        np.where(blows, wind_direction(u, v), np.nan),
        np.where(blows, wind_direction(ut, vt), np.nan),
    )
    assert derive("direction_mae", sums)[0] == pytest.approx(
        float(mae(f, o, weights=w, is_angular=True)), **CLOSE
    )
    assert derive("direction_rmse", sums)[0] == pytest.approx(
        float(rmse(f, o, weights=w, is_angular=True)), **CLOSE
    )
    turns = ((f - o + 180) % 360 - 180).values
    expected = np.nansum(weights * turns) / weights[np.isfinite(turns)].sum()
    assert derive("direction_bias", sums)[0] == pytest.approx(expected, **CLOSE)


@oracle("crps", "spread_skill")
def test_ensemble(rng: np.random.Generator) -> None:
    members, truth = rng.standard_normal((8, POINTS)), field(rng, 0.1, mean=0.0)
    weights = rng.random(POINTS)
    sums = ensemble_sums(members, truth, weights)
    f, o, w = xr.DataArray(members, dims=("m", "point")), *arrays(truth, weights)
    expected = crps_for_ensemble(f, o, "m", method="ecdf", weights=w)
    assert derive("crps", sums)[0] == pytest.approx(float(expected), **CLOSE)
    good = np.isfinite(truth)
    w, x, y = weights[good], members[:, good], truth[good]
    spread = 9 / 8 * (w @ x.var(axis=0, ddof=1))
    expected = np.sqrt(spread / (w @ (x.mean(axis=0) - y) ** 2))
    assert derive("spread_skill", sums)[0] == pytest.approx(expected, **CLOSE)


def test_every_row_of_the_table_has_an_oracle() -> None:
    assert SCORES.keys() == CHECKED


def perfect_sums() -> dict[str, Sums]:
    rng = np.random.default_rng(0)
    x, y, w = rng.random((12, 12)), rng.random(144) * 9, np.ones(144)
    flat = x.reshape(-1)
    members = flat + np.array([[1.0], [-1.0]]) * 0
    return {
        "continuous": continuous_sums(flat, flat, w, np.full(144, 0.3)),
        "contingency": contingency_sums(flat, flat, w, 0.5),
        "fractions": fractions_sums(x, x, np.ones((12, 12)), 0.5, 3),
        "vector": vector_sums((flat * 9 + 2, y), (flat * 9 + 2, y), w),
        "ensemble": ensemble_sums(members, flat, w),
    }


@pytest.mark.parametrize("name", [name for name in SCORES if name != "spread_skill"])
def test_a_perfect_forecast_has_the_perfect_value_of_the_table(name: str) -> None:
    row = SCORES[name]
    sums = perfect_sums()[row.kind]
    ones, none = np.ones(144), np.zeros(144)
    worse = {
        "continuous": continuous_sums(ones, none, ones),
        "vector": vector_sums((ones, ones), (none, none), ones),
    }.get(row.kind)
    value = derive(name, sums, worse)[0]
    if row.perfect is not None:
        assert value == pytest.approx(row.perfect, abs=1e-12)
    assert row.low <= value <= row.high


def test_nothing_to_score_is_nan_not_a_number_that_looks_good() -> None:
    none = np.full(4, np.nan)
    ones = np.ones(4)
    for name, row in SCORES.items():
        sums = {
            "continuous": continuous_sums(none, ones, ones, ones),
            "contingency": contingency_sums(none, ones, ones, 0.0),
            "fractions": fractions_sums(none.reshape(2, 2), ones.reshape(2, 2), ones, 0.0, 1),
            "vector": vector_sums((none, ones), (ones, ones), ones),
            "ensemble": ensemble_sums(np.stack([none, none]), ones, ones),
        }[row.kind]
        assert np.isnan(derive(name, sums, sums if row.baseline else None)[0]), name


def test_a_constant_field_has_no_correlation() -> None:
    """The variance of a constant large number is zero, not rounding noise."""
    truth = np.full(1000, 101325.123)
    sums = continuous_sums(truth + np.random.default_rng(1).random(1000), truth, np.ones(1000))
    assert np.isnan(derive("correlation", sums)[0])
