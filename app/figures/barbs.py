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
    knots = np.hypot(east, north) * METRES_PER_SECOND_TO_KNOTS
    found: list[NDArray[np.complex128]] = []
    for at in np.flatnonzero(np.isfinite(knots)):
        foot = complex(x[at], y[at])
        if knots[at] < _CALM:
            found += [foot + length * _CIRCLE, _GAP]
            continue
        upwind = -complex(east[at], north[at]) / np.hypot(east[at], north[at]) * length
        sideways = upwind * (-1j if latitudes[at] >= 0 else 1j)
        shape = _shape(round(float(knots[at]) / 5))
        found += [foot + upwind * shape.real + sideways * shape.imag]
    if not found:
        return np.zeros(0, np.float32), np.zeros(0, np.float32)
    points = np.concatenate(found)
    return points.real.astype(np.float32), points.imag.astype(np.float32)


def _shape(fives: int) -> NDArray[np.complex128]:
    """A barb along the real axis, its marks on the positive imaginary side."""
    fifties, rest = divmod(fives, 10)
    tens, five = divmod(rest, 2)
    strokes: list[Sequence[complex] | NDArray[np.complex128]] = [[0j, _STAFF + 0j], _GAP]
    at = _STAFF
    for _ in range(fifties):
        strokes += [[at + 0j, complex(at, _MARK), complex(at - 1.5 * _APART, 0)], _GAP]
        at -= 1.8 * _APART
    if not fifties and not tens:
        at -= _APART  # a single short mark does not stand at the end
    for long in [1.0] * tens + [0.5] * five:
        strokes += [[at + 0j, complex(at + _LEAN * _MARK * long, _MARK * long)], _GAP]
        at -= _APART
    return np.concatenate([np.asarray(stroke, dtype=np.complex128) for stroke in strokes])
