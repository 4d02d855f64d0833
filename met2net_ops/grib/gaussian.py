"""Latitudes of Gaussian grids: the zeros of Legendre polynomials."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STEPS = 8  # Newton steps; from the first guess three or four reach the last digit


@lru_cache(maxsize=8)
def gaussian_latitudes(n: int) -> NDArray[np.float64]:
    """(2 n,) latitudes in degrees from north to south, of the Gaussian grid with `n` rows a side.

    The sines are the zeros of the Legendre polynomial of degree 2n, by Newton's method from
    Tricomi's approximation (Abramowitz and Stegun, 22.7.10 and 22.8.5 for the recurrence and the
    derivative).

    >>> gaussian_latitudes(1).round(4).tolist()
    [35.2644, -35.2644]
    """
    degree = 2 * n
    angle = np.pi * (4 * np.arange(1, n + 1) - 1) / (4 * degree + 2)
    zero = np.cos(angle) * (1 - (degree - 1) / (8.0 * degree**3))
    for _ in range(_STEPS):
        before, value = np.ones_like(zero), zero
        for k in range(2, degree + 1):
            before, value = value, ((2 * k - 1) * zero * value - (k - 1) * before) / k
        slope = degree * (zero * value - before) / (zero * zero - 1)
        step = value / slope
        zero = zero - step
        if np.abs(step).max() < 1e-15:
            break
    north = np.rad2deg(np.arcsin(zero))
    return np.concatenate([north, -north[::-1]])
