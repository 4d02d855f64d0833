"""Intervals against a slow bootstrap; comparisons that know when to say nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from met2net_ops.errors import VerificationError
from met2net_ops.verification.compute.kernels import continuous_sums
from met2net_ops.verification.results.intervals import (
    MIN_CYCLES,
    block_length,
    compare,
    draw,
    resample,
    score_interval,
)
from met2net_ops.verification.results.scores import derive
from met2net_ops.verification.store.sums import Sums

POINTS = 50


def cycles(errors: np.ndarray) -> Sums:
    """(cycle,) sums of fields with the given errors, (cycle, point)."""
    values = [
        continuous_sums(error, np.zeros(POINTS), np.ones(POINTS)).values[0] for error in errors
    ]
    return Sums("continuous", np.stack(values))


@given(st.integers(1, 60), st.data())
def test_a_resample_draws_blocks_of_neighbours(count: int, data: st.DataObject) -> None:
    block = data.draw(st.integers(1, count))
    counts = draw(count, block, resamples=20, seed=data.draw(st.integers(0, 99)))
    assert counts.shape == (20, count)
    assert (counts.sum(axis=1) == count).all()
    if block == count:
        assert (counts == 1).all()


def test_the_same_seed_draws_the_same() -> None:
    assert np.array_equal(draw(40), draw(40))
    assert not np.array_equal(draw(40), draw(40, seed=1))
    with pytest.raises(VerificationError, match="blocks of 9"):
        draw(8, block=9)


def test_against_a_slow_bootstrap() -> None:
    rng = np.random.default_rng(3)
    errors = rng.standard_normal((40, POINTS)) + rng.standard_normal((40, 1))
    sums = cycles(errors)
    counts = draw(40, resamples=200)
    found = derive("rmse", resample(sums, counts))
    slow = [np.sqrt(np.mean(np.repeat(errors, row.astype(int), axis=0) ** 2)) for row in counts]
    np.testing.assert_allclose(found, slow, rtol=1e-12)
    interval = score_interval("rmse", sums, counts=counts)
    assert [float(interval.low), float(interval.high)] == pytest.approx(
        np.quantile(slow, [0.025, 0.975]).tolist()
    )


def test_it_covers_the_truth_about_as_often_as_it_says() -> None:
    """Independent cycles with a known bias: near 95 of 100 intervals hold it."""
    rng = np.random.default_rng(4)
    hits = 0
    for _ in range(100):
        biases = 0.3 + rng.standard_normal((60, 1)) * np.ones(POINTS)
        interval = score_interval("bias", cycles(biases), counts=draw(60, resamples=400))
        hits += int(float(interval.low) <= 0.3 <= float(interval.high))
    assert 84 <= hits <= 99


def test_neighbours_that_are_alike_widen_the_interval() -> None:
    rng = np.random.default_rng(5)
    biases = np.repeat(rng.standard_normal(20), 5)[:, None] * np.ones(POINTS)
    sums = cycles(biases)
    width = {}
    for block in (1, 10):
        found = score_interval("bias", sums, counts=draw(100, block))
        width[block] = float(found.high - found.low)
    assert width[10] > 1.3 * width[1]


def test_few_cycles_have_no_interval_and_say_so() -> None:
    sums = cycles(np.ones((MIN_CYCLES - 1, POINTS)))
    interval = score_interval("rmse", sums)
    assert np.isnan(interval.low)
    assert interval.why_not == "9 cycles, 10 needed"
    assert block_length(1) == 1


class TestComparison:
    rng = np.random.default_rng(6)
    shared = rng.standard_normal((30, 1)) * 3  # what is hard for one model is hard for the other
    noise = rng.standard_normal((30, POINTS))

    def test_a_small_paired_difference_is_found(self) -> None:
        first, second = self.shared + self.noise, (self.shared + self.noise) * 1.03
        alone = [score_interval("rmse", cycles(errors)) for errors in (first, second)]
        assert alone[0].high > alone[1].low  # the intervals overlap: unpaired, nothing is seen
        result = compare("rmse", cycles(first), cycles(second), ("A", "B"))
        assert result.verdict == "A better"
        assert result.high < 0
        assert result.p_value < 0.05
        swapped = compare("rmse", cycles(second), cycles(first), ("B", "A"))
        assert swapped.verdict == "A better"

    def test_equal_models_are_not_told_apart(self) -> None:
        rng = np.random.default_rng(7)
        first = self.shared + rng.standard_normal((30, POINTS))
        second = self.shared + rng.standard_normal((30, POINTS))
        result = compare("rmse", cycles(first), cycles(second))
        assert result.verdict == "not significant"
        assert "holds zero" in result.why
        assert result.p_value > 0.05

    def test_of_two_biases_the_one_nearer_to_zero_is_better(self) -> None:
        first = np.full((30, POINTS), -2.0) + self.noise
        result = compare("bias", cycles(first), cycles(first + 3))
        assert result.verdict == "second better"
        assert result.difference == pytest.approx(1.0 - 2 * self.noise.mean(), abs=1e-9)
        alike = compare("bias", cycles(first), cycles(-first))
        assert alike.verdict == "not significant"

    def test_other_pairs_and_few_cycles(self) -> None:
        with pytest.raises(VerificationError, match="not the same cycles"):
            compare("rmse", cycles(self.noise), cycles(self.noise[1:]))
        result = compare("rmse", cycles(self.noise[:5]), cycles(self.noise[:5] + 1))
        assert "5 cycles in common, 10 needed" in result.why
