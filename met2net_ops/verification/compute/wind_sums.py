"""Sums of horizontal winds: vector, speed and direction errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.derive import wind_heading, wind_speed
from met2net_ops.verification.compute.kernels import (
    WHOLE,
    Weights,
    as_weights,
    chunks,
    finite,
    flatten,
)
from met2net_ops.verification.store.sums import Sums

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from met2net_ops.verification.store.sums import Floats


@dataclass(frozen=True, slots=True)
class Polar:
    """A wind by speed and direction, float64.

    Attributes:
        speed: m/s.
        angle: where it blows to, as `met2net_ops.derive.wind_heading` has it.
    """

    speed: Floats
    angle: Floats


def polar(u: ArrayLike, v: ArrayLike) -> Polar:
    """Speed and direction of a wind.

    >>> polar([3.0], [4.0]).speed
    array([5.])
    """
    east, north = np.asarray(u, dtype=np.float64), np.asarray(v, dtype=np.float64)
    return Polar(wind_speed(east, north), wind_heading(east, north))


def vector_sums(
    forecast: tuple[ArrayLike, ArrayLike],
    truth: tuple[ArrayLike, ArrayLike],
    weights: ArrayLike | Weights | None,
    calm: float = 1.5,
) -> Sums:
    """Sums of a horizontal wind (u, v); direction only where both speeds exceed `calm` (m/s).

    >>> sums = vector_sums(([3.0], [4.0]), ([0.0], [0.0]), [1.0])
    >>> float(sums["wvv"][0]), float(sums["dn"][0])
    (25.0, 0.0)
    """
    (sums,) = vector_of_systems([forecast], truth, weights, calm)
    return sums


def vector_of_systems(
    forecasts: Sequence[tuple[ArrayLike, ArrayLike]],
    truth: tuple[ArrayLike, ArrayLike],
    weights: ArrayLike | Weights | None,
    calm: float = 1.5,
    *,
    complete: bool = False,
    polars: Sequence[Polar] | None = None,
) -> list[Sums]:
    """`vector_sums` of several systems, over the points where all of them have a value.

    Args:
        forecasts: (u, v) of every system.
        truth: (u, v).
        weights: as for `continuous_sums`.
        calm: up to this speed a wind has no direction, m/s.
        complete: promises that nothing is missing anywhere.
        polars: `polar` of every system and, last, of the truth, where they are known: they cost
            more than all the rest.
    """
    weighting = as_weights(weights)
    *flat, ut, vt = flatten(*(x for wind in forecasts for x in wind), *truth, weights=weighting)
    valid = np.ones(ut.shape, dtype=np.bool_) if complete else finite((*flat, ut, vt))
    parts = chunks(ut.size, weighting)
    if polars is None:
        polars = [polar(*pair) for pair in zip(flat[::2], flat[1::2], strict=True)]
        polars.append(polar(ut, vt))
    *own_polars, true_polar = (Polar(p.speed.reshape(-1), p.angle.reshape(-1)) for p in polars)
    terms = np.empty((1 + 7 * len(forecasts), parts[0].stop if parts else 0))
    sums = weighting.nothing(len(terms), ut.size)
    windy = np.zeros((len(forecasts), ut.size), dtype=np.bool_)
    whole = complete or bool(valid.all())
    for part in parts:
        block = terms[:, : part.stop - part.start]
        absent = None if whole else ~valid[part]
        block[0] = 1.0 if absent is None else valid[part]
        true_u, true_v = _present(ut[part], absent), _present(vt[part], absent)
        true_speed = _present(true_polar.speed[part], absent)
        for i, own_polar in enumerate(own_polars):
            own = block[1 + 7 * i : 8 + 7 * i]
            u, v = (_present(flat[2 * i + c][part], absent) for c in (0, 1))
            speed = _present(own_polar.speed[part], absent)
            _vector_terms(own, (u, v, speed), (true_u, true_v, true_speed))
            both = np.greater(speed, calm, out=windy[i, part])
            both &= true_speed > calm
            _direction_terms(own, both, own_polar.angle[part], true_polar.angle[part])
        sums += weighting.sums(block, part if len(parts) > 1 else WHOLE)
    counts = weighting.count(valid)
    found = []
    for i, both in enumerate(windy):
        own = sums[:, 1 + 7 * i : 8 + 7 * i]
        columns = (counts, sums[:, 0], own[:, :3], weighting.count(both), own[:, 3:])
        found.append(Sums("vector", np.column_stack(columns)))
    return found


def _present(x: NDArray[np.floating], absent: NDArray[np.bool_] | None) -> Floats:
    """In float64, zero where absent: no wind."""
    if absent is None:
        return x.astype(np.float64, copy=False)
    return np.where(absent, 0.0, x).astype(np.float64, copy=False)


def _vector_terms(
    own: Floats, wind: tuple[Floats, Floats, Floats], truth: tuple[Floats, Floats, Floats]
) -> None:
    """Fill the rows of |Δv|², Δ|v| and (Δ|v|)² from u, v and |v| of both."""
    squares, other = own[0], own[1]
    np.subtract(wind[0], truth[0], out=squares)
    np.multiply(squares, squares, out=squares)
    np.subtract(wind[1], truth[1], out=other)
    np.multiply(other, other, out=other)
    np.add(squares, other, out=squares)
    np.subtract(wind[2], truth[2], out=own[1])
    np.multiply(own[1], own[1], out=own[2])


def _direction_terms(
    own: Floats, both: NDArray[np.bool_], angle: Floats, true_angle: Floats
) -> None:
    """Fill the four rows of the direction error, where both winds blow."""
    own[3] = both
    turn = own[4]
    np.subtract(angle, true_angle, out=turn)
    # The short way round, in [-180, 180); clockwise is positive.
    turn += 180.0
    turn -= 360.0 * np.floor(turn / 360.0)
    turn -= 180.0
    np.copyto(turn, 0.0, where=~both)
    np.abs(turn, out=own[5])
    np.multiply(turn, turn, out=own[6])
