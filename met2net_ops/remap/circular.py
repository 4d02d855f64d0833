"""Remapping directions, which cannot be averaged as numbers: 350 and 10 degrees make 0, not 180."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from met2net_ops.remap.weights import Weights
    from met2net_ops.variables import Variable


def remap(row: Variable, values: NDArray[np.float32], weights: Weights) -> NDArray[np.float32]:
    """Carry a field of a variable to another grid.

    Directions (`circular`) go by their unit vectors, each component remapped by itself (Mardia and
    Jupp 2000, Directional Statistics, section 2.2), and come back in [0, 360).

    Args:
        row: the variable.
        values: of the source grid's shape; NaN where missing.
        weights: from the source grid to the target.

    Returns:
        (nlat, nlon) of the target; NaN where too little of it is covered.
    """
    if not row.circular:
        return weights.apply(values)
    angles = np.deg2rad(values)
    east, north = weights.apply(np.sin(angles)), weights.apply(np.cos(angles))
    degrees = np.rad2deg(np.arctan2(east, north)) % np.float32(360.0)
    return np.where(degrees >= 360.0, np.float32(0.0), degrees)
