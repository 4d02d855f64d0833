"""Block bootstrap against counting by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from met2net_ops.resampling import block_length, draw_counts


@given(
    cases=st.integers(1, 60), block=st.integers(1, 60), circular=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_a_resample_is_made_of_blocks_of_neighbours(
    cases: int, block: int, circular: bool, seed: int
) -> None:
    block = min(block, cases)
    counts = draw_counts(cases, block, 3, np.random.default_rng(seed), circular=circular)
    assert counts.shape == (3, cases)
    assert (counts.sum(axis=1) == cases).all()
    starts = np.random.default_rng(seed).integers(
        0, cases if circular else cases - block + 1, (3, -(-cases // block))
    )
    for row, firsts in zip(counts, starts, strict=True):
        drawn = [(first + step) % cases for first in firsts for step in range(block)][:cases]
        assert row.tolist() == [drawn.count(case) for case in range(cases)]


@pytest.mark.parametrize("circular", [False, True])
def test_circular_blocks_draw_every_case_equally_often(circular: bool) -> None:
    counts = draw_counts(20, 5, 20_000, np.random.default_rng(0), circular=circular)
    mean = counts.mean(axis=0)
    if circular:
        np.testing.assert_allclose(mean, 1.0, atol=0.05)
    else:  # the first case is in one block out of sixteen, the tenth in five
        assert mean[0] == pytest.approx(20 / 5 / 16, abs=0.02)
        assert mean[10] == pytest.approx(5 * 20 / 5 / 16, abs=0.05)


def test_the_usual_block_is_the_cube_root() -> None:
    assert [block_length(cases) for cases in (1, 8, 1000)] == [1, 2, 10]
