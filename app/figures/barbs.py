"""Wind barbs in knots, as one line with gaps: Plotly's own vectors are drawn below heat maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.app.units import METRES_PER_SECOND_TO_KNOTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Fields = NDArray[np.float32]
    Floats = NDArray[np.float64]

NUMBERS = 24  # of one barb with three marks; see `wind_barbs`
_STAFF, _MARK, _APART = 0.62, 0.26, 0.1  # of the distance to the next barb
_LEAN = 0.36  # how far a full mark leans outwards, in parts of its length
_CALM = 2.5  # kt: less is a circle
_GAP = np.array([complex(np.nan, np.nan)])
_CIRCLE = np.exp(2j * np.pi * np.arange(7) / 6) * 0.09


def wind_barbs(
    x: Floats, y: Floats, east: Floats, north: Floats, latitudes: Floats, length: float
) -> tuple[Fields, Fields]:
    """Barbs of one time: the staff points to where the wind comes from.

    A short mark is 5 kt, a long one 10, a triangle 50. They stand on the side of low pressure: seen
    from the foot, right of the staff in the northern hemisphere, left of it in the southern
    (WMO-No. 485, appendix 2.2.IV).

    Args:
        x: (barb,) on the plane.
        y: (barb,) on the plane.
        east: (barb,) m/s towards the plane's positive x.
        north: (barb,) m/s towards its positive y.
        latitudes: (barb,) degrees north, for the hemisphere.
        length: of the plane, to the next barb.

    Returns:
        x and y of all points, a NaN after each stroke; winds that are missing leave none.
    """
    found: list[NDArray[np.complex128]] = []
    for at in range(len(x)):
        for stroke in barb(float(east[at]), float(north[at]), float(latitudes[at])):
            found += [complex(x[at], y[at]) + length * stroke, _GAP]
    if not found:
        return np.zeros(0, np.float32), np.zeros(0, np.float32)
    points = np.concatenate(found)
    return points.real.astype(np.float32), points.imag.astype(np.float32)


def barb(east: float, north: float, latitude: float) -> list[NDArray[np.complex128]]:
    """The strokes of one barb around 0, east real and north imaginary; none without wind.

    Args:
        east: m/s.
        north: m/s.
        latitude: degrees north, for the hemisphere.

    >>> [stroke.round(2).tolist() for stroke in barb(0.0, -5.0, 50.0)]  # 10 kt from the north
    [[0j, 0.62j], [0.62j, (0.26+0.71j)]]
    """
    speed = float(np.hypot(east, north))
    if not np.isfinite(speed):
        return []
    knots = speed * METRES_PER_SECOND_TO_KNOTS
    if knots < _CALM:
        return [_CIRCLE]
    upwind = -complex(east, north) / speed
    sideways = upwind * (-1j if latitude >= 0 else 1j)
    return [upwind * one.real + sideways * one.imag for one in _shape(round(knots / 5))]


def _shape(fives: int) -> list[NDArray[np.complex128]]:
    """A barb along the real axis, its marks on the positive imaginary side."""
    fifties, rest = divmod(fives, 10)
    tens, five = divmod(rest, 2)
    strokes: list[Sequence[complex]] = [[0j, _STAFF + 0j]]
    at = _STAFF
    for _ in range(fifties):
        strokes += [[at + 0j, complex(at, _MARK), complex(at - 1.5 * _APART, 0)]]
        at -= 1.8 * _APART
    if not fifties and not tens:
        at -= _APART  # a single short mark does not stand at the end
    for long in [1.0] * tens + [0.5] * five:
        strokes += [[at + 0j, complex(at + _LEAN * _MARK * long, _MARK * long)]]
        at -= _APART
    return [np.asarray(stroke, dtype=np.complex128) for stroke in strokes]
