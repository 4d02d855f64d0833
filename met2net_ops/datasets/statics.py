"""Height of the surface and fraction of land: for verification, and as forcings of training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.datasets.reading import read_static
from met2net_ops.datasets.window import find_window
from met2net_ops.verification.inputs.surface import Surface, write_surface

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from met2net_ops.datasets.request import Request


def read_statics(request: Request) -> dict[str, NDArray[np.float64]]:
    """`orog` (m) and `lsm` (0 to 1) on the grid of a request, as far as the dataset has them.

    Fields with missing values are left out.

    Raises:
        DatasetError: the dataset cannot be read.
    """
    found: dict[str, NDArray[np.float64]] = {}
    for cube in request.cubes:
        for name, layer in cube.statics.items():
            if name not in found:
                window = find_window(cube, request.grid)
                values = window.weights.apply(read_static(layer, window)).astype(np.float64)
                if np.isfinite(values).all():
                    found[name] = np.clip(values, 0.0, 1.0) if name == "lsm" else values
    return found


def write_statics(request: Request, path: Path) -> tuple[str, ...]:
    """Write what `read_statics` finds where verification and training look; the names.

    Raises:
        DatasetError: the dataset cannot be read.
        VerificationError: the file cannot be written.
    """
    found = read_statics(request)
    if found:
        surface = Surface(found.get("orog"), found.get("lsm"))
        where = ", ".join(cube.where for cube in request.cubes)
        write_surface(path, request.grid, surface, where)
    return tuple(found)
