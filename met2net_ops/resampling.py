"""Block bootstrap: which cases each resample draws, in blocks of neighbours.

Cases that follow each other share weather, so they are drawn in blocks (Künsch 1989,
doi:10.1214/aos/1176347265). A resample is a vector of how often each case was drawn: a matrix
product with the cases' sums or errors gives all resamples at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def block_length(cases: int) -> int:
    """Cases per block: the cube root of their number, as is usual (Lahiri 2003, ch. 7).

    >>> block_length(400), block_length(2)
    (7, 1)
    """
    return max(1, round(float(np.cbrt(cases))))


def draw_counts(
    cases: int,
    block: int,
    resamples: int,
    random: np.random.Generator,
    *,
    circular: bool = False,
) -> NDArray[np.float64]:
    """How often each resample draws each case: (resample, case), every row sums to `cases`.

    Args:
        cases: how many there are, in order of time.
        block: cases per block, from 1 to `cases`.
        resamples: how many to draw.
        random: source of the draws.
        circular: whether a block may begin near the end and continue at the start (Politis and
            Romano 1992); every case is then drawn equally often. Otherwise the first and the last
            cases are drawn less often than the others.

    >>> counts = draw_counts(6, 2, 3, np.random.default_rng(0))
    >>> counts.shape, [float(x) for x in counts.sum(axis=1)]
    ((3, 6), [6.0, 6.0, 6.0])
    """
    blocks = -(-cases // block)
    last = cases if circular else cases - block + 1
    starts = random.integers(0, last, (resamples, blocks))
    drawn = (starts[:, :, None] + np.arange(block)).reshape(resamples, -1)[:, :cases] % cases
    flat = drawn + cases * np.arange(resamples)[:, None]
    counts = np.bincount(flat.reshape(-1), minlength=cases * resamples)
    return counts.reshape(resamples, cases).astype(np.float64)
