"""Sums of parts are the sums of the whole; weights are areas; other systems' bugs stay theirs."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from met2net_ops.derive import wind_components
from met2net_ops.errors import VerificationError
from met2net_ops.grids import EARTH_RADIUS_M, LatLonGrid, global_cell_centred
from met2net_ops.verification.compute.event_sums import contingency_sums, fractions_sums
from met2net_ops.verification.compute.kernels import continuous_sums, ensemble_sums
from met2net_ops.verification.compute.wind_sums import vector_sums
from met2net_ops.verification.results.scores import derive
from met2net_ops.verification.store.sums import merge, zeros

VALUES = st.one_of(st.floats(-1e3, 1e3), st.just(float("nan")))
FIELDS = arrays(np.float64, (4, 30), elements=VALUES)
WEIGHTS = arrays(np.float64, 30, elements=st.floats(0, 10))
CUTS = st.lists(st.integers(0, 30), max_size=4).map(lambda cuts: [0, *sorted(cuts), 30])


@given(FIELDS, WEIGHTS, CUTS)
def test_merging_parts_equals_the_whole(
    fields: np.ndarray, weights: np.ndarray, cuts: list[int]
) -> None:
    f, o, c, d = fields
    slices = [slice(a, b) for a, b in pairwise(cuts) if b > a]
    for whole, parts in (
        (
            continuous_sums(f, o, weights, c),
            [continuous_sums(f[s], o[s], weights[s], c[s]) for s in slices],
        ),
        (
            contingency_sums(f, o, weights, 1.5),
            [contingency_sums(f[s], o[s], weights[s], 1.5) for s in slices],
        ),
        (
            vector_sums((f, o), (c, d), weights),
            [vector_sums((f[s], o[s]), (c[s], d[s]), weights[s]) for s in slices],
        ),
        (
            ensemble_sums(fields[:3], d, weights),
            [ensemble_sums(fields[:3, s], d[s], weights[s]) for s in slices],
        ),
    ):
        merged = merge(parts, whole.kind)
        scale = max(1.0, float(np.abs(whole.values).max()))
        np.testing.assert_allclose(merged.values, whole.values, rtol=1e-12, atol=1e-12 * scale)
        assert np.array_equal(merged["n"], whole["n"])


@given(FIELDS, WEIGHTS, st.integers(0, 30))
def test_subsets_in_one_pass_equal_subsets_one_by_one(
    fields: np.ndarray, weights: np.ndarray, cut: int
) -> None:
    f, o, c, _ = fields
    inside = np.arange(30) < cut
    subsets = np.stack([weights, weights * inside, weights * ~inside])
    together = continuous_sums(f, o, subsets, c)
    for i, subset in enumerate(subsets):
        alone = continuous_sums(f, o, subset, c)
        scale = 1e-12 * max(1.0, float(np.abs(alone.values).max()))
        np.testing.assert_allclose(together.values[i], alone.values[0], rtol=1e-12, atol=scale)


def test_totals_along_an_axis() -> None:
    rng = np.random.default_rng(0)
    sums = continuous_sums(rng.random(6), rng.random(6), np.eye(6))
    whole = sums.total()
    assert whole["n"] == 6
    assert np.allclose((zeros("continuous", (6,)) + sums).values, sums.values)


@pytest.mark.parametrize("weights", [np.array([1.0, -1e-9]), np.array([1.0, np.nan]), np.ones(3)])
def test_unfit_weights_are_refused(weights: np.ndarray) -> None:
    with pytest.raises(VerificationError):
        continuous_sums(np.ones(2), np.ones(2), weights)


def test_sums_of_different_kinds_do_not_mix() -> None:
    with pytest.raises(VerificationError, match="continuous sums with vector"):
        zeros("continuous") + zeros("vector")
    with pytest.raises(VerificationError, match="contingency"):
        derive("pod", zeros("continuous"))
    with pytest.raises(VerificationError, match="baseline"):
        derive("skill", zeros("continuous"))


def test_skill_on_other_pairs_is_refused() -> None:
    ours = continuous_sums([1.0, np.nan], [0.0, 0.0], [1.0, 1.0])
    theirs = continuous_sums([1.0, 1.0], [0.0, 0.0], [1.0, 1.0])
    with pytest.raises(VerificationError, match="same pairs"):
        derive("skill", ours, theirs)


class TestCellAreas:
    """Weights are true cell areas: closed forms on the sphere."""

    @pytest.mark.parametrize(
        "grid",
        [
            global_cell_centred(5.625, "no pole rows"),
            LatLonGrid(90.0, 0.0, 2.5, 2.5, 73, 144, "pole rows"),
            LatLonGrid(90.0, -180.0, 30.0, 45.0, 7, 8, "coarse"),
        ],
        ids=lambda grid: grid.name,
    )
    def test_a_global_grid_covers_the_sphere(self, grid: LatLonGrid) -> None:
        assert grid.cell_areas.sum() == pytest.approx(4 * np.pi * EARTH_RADIUS_M**2, rel=1e-12)
        assert (grid.cell_areas > 0).all()

    def test_the_mean_of_sine_squared_latitude_is_a_third(self) -> None:
        grid = LatLonGrid(90.0, 0.0, 0.25, 90.0, 721, 4)
        error = np.repeat(np.sin(np.deg2rad(grid.latitudes))[:, None], 4, axis=1)
        sums = continuous_sums(error, np.zeros_like(error), grid.cell_areas.reshape(-1))
        assert derive("rmse", sums)[0] ** 2 == pytest.approx(1 / 3, rel=1e-5)

    def test_a_regional_grid_ends_where_its_cells_end(self) -> None:
        """WeatherBench 2 stretches the edge rows of a region to the poles: on 35-70°N two rows
        carry 82 % of all weight. The share of the edge rows here is the share of their area."""
        grid = LatLonGrid(70.0, 0.0, 1.0, 1.0, 36, 10)
        rows = grid.cell_areas.sum(axis=1) / grid.cell_areas.sum()
        assert rows[0] + rows[-1] < 2 / 36 * 1.2
        band = np.sin(np.deg2rad([70.5, 34.5]))
        expected = EARTH_RADIUS_M**2 * np.deg2rad(10.0) * (band[0] - band[1])
        assert grid.cell_areas.sum() == pytest.approx(expected, rel=1e-12)

    def test_float32_pole_rows_do_not_make_negative_weights(self) -> None:
        """cos(float32(90°)) is -4.4e-8, which `scores` refuses as a weight."""
        grid = LatLonGrid(float(np.float32(90.0)), 0.0, 30.0, 30.0, 7, 12)
        assert (grid.cell_areas > 0).all()
        sums = continuous_sums(np.full(84, 3.0), np.ones(84), grid.cell_areas.reshape(-1))
        assert derive("rmse", sums)[0] == pytest.approx(2.0)


class TestBugsOfOtherSystems:
    def test_355_and_5_degrees_are_10_apart(self) -> None:
        """evalml issue 265 scored them as 350."""
        for ours, truth, turn in ((355.0, 5.0, -10.0), (5.0, 355.0, 10.0)):
            winds = [
                wind_components(np.array([10.0]), np.array([angle])) for angle in (ours, truth)
            ]
            sums = vector_sums(winds[0], winds[1], [1.0])
            assert derive("direction_bias", sums)[0] == pytest.approx(turn)

    def test_a_missing_value_is_not_an_absent_event(self) -> None:
        """FSS in `scores` takes NaN for "no event", so gaps look like correct negatives."""
        forecast, truth = np.ones((5, 5)), np.ones((5, 5))
        truth[2, 2] = np.nan
        sums = fractions_sums(forecast, truth, np.ones((5, 5)), 0.5, 3)
        assert sums["n"][0] == 0
        assert np.isnan(derive("fss", sums)[0])
        assert fractions_sums(forecast, truth, np.ones((5, 5)), 0.5, 1)["n"][0] == 24

    def test_calm_winds_have_no_direction(self) -> None:
        sums = vector_sums(([1.0, 5.0], [0.0, 0.0]), ([-1.0, 5.0], [0.0, 0.0]), np.ones(2))
        assert sums["dn"][0] == 1
        assert derive("direction_mae", sums)[0] == 0.0


@pytest.mark.parametrize("size", [0, 2, 9])
def test_a_neighbourhood_must_be_odd_and_fit(size: int) -> None:
    with pytest.raises(VerificationError, match="odd"):
        fractions_sums(np.ones((5, 7)), np.ones((5, 7)), np.ones((5, 7)), 0.5, size)
