"""Wind arrows as one line with gaps: Plotly's own vectors are drawn below heat maps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Fields = NDArray[np.float32]

MOST_ARROWS = 260
MOST_NUMBERS = 12 * MOST_ARROWS  # six points of two numbers each
_FULL_LENGTH = 20.0  # m/s: an arrow as long as the distance to its neighbour
_HEAD, _OPENING = 0.35, np.deg2rad(28.0)  # of the arrow's length; half the angle of its tip


def arrow_step(rows: int, columns: int) -> int:
    """Every how many-th row and column bears an arrow.

    >>> arrow_step(32, 64), arrow_step(11, 19)
    (3, 1)
    """
    return max(1, math.ceil(math.sqrt(rows * columns / MOST_ARROWS)))


def arrows(
    u: Fields, v: Fields, longitudes: NDArray[np.float64], latitudes: NDArray[np.float64], step: int
) -> tuple[Fields, Fields]:
    """Arrows for every step-th grid point, centred on it, as long as the wind is fast.

    Args:
        u: (lead, row, column) m/s eastward.
        v: the same, northward.
        longitudes: (column,) degrees.
        latitudes: (row,) degrees.
        step: see `arrow_step`.

    Returns:
        (lead, numbers) of x and of y, in degrees, each arrow followed by NaN; a wind that is
        missing is NaN throughout. Directions are those on a map whose degrees are squares.
    """
    start = step // 2
    u, v = u[:, start::step, start::step], v[:, start::step, start::step]
    x, y = np.meshgrid(longitudes[start::step], latitudes[start::step])
    distance = float(longitudes[1] - longitudes[0]) * step
    dx, dy = (part * np.float32(distance / _FULL_LENGTH) for part in (u, v))
    tip_x, tip_y = x + dx / 2, y + dy / 2
    lines_x, lines_y = [x - dx / 2, tip_x], [y - dy / 2, tip_y]
    for turn in (_OPENING, -_OPENING):
        back_x = -_HEAD * (dx * np.cos(turn) - dy * np.sin(turn))
        back_y = -_HEAD * (dx * np.sin(turn) + dy * np.cos(turn))
        lines_x += [tip_x + back_x, tip_x]
        lines_y += [tip_y + back_y, tip_y]
    gap = np.full_like(tip_x, np.nan)
    lines_x[-1], lines_y[-1] = gap, gap  # after the second barb the pen is lifted
    return tuple(  # type: ignore[return-value]
        np.stack(line, axis=-1).reshape(len(u), -1).astype(np.float32)
        for line in (lines_x, lines_y)
    )
