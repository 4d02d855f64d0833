"""Directions are averaged by their unit vectors, wherever frames change their grid."""

from __future__ import annotations

import numpy as np
import pytest

from met2net_ops.forecast.remapped import RemappedFrames
from met2net_ops.grids import LatLonGrid, SourceGrid
from met2net_ops.remap.remapper import compute_weights
from met2net_ops.remap.weights import Method, remap
from met2net_ops.variables import variable

FINE = LatLonGrid(51.5, 0.5, 1.0, 1.0, 2, 4, "fine")
COARSE = LatLonGrid(51.0, 1.0, 2.0, 2.0, 1, 2, "coarse")
SOURCE = SourceGrid(
    "regular_ll", FINE.latitudes, FINE.longitudes,
    separable=True, periodic=False, shape=FINE.shape, checksum=FINE.checksum,
)  # fmt: skip
WEIGHTS = compute_weights(SOURCE, COARSE, Method.CONSERVATIVE)
FIELD = np.array([[350, 10, 80, 100], [350, 10, 80, np.nan]], dtype=np.float32)


def test_both_sides_of_north_make_north_and_numbers_stay_numbers():
    north, east = remap(variable("wd10"), FIELD, WEIGHTS)[0]
    assert min(north, 360 - north) == pytest.approx(0, abs=0.01)
    assert east == pytest.approx(86.6, abs=0.1)  # the missing point does not count
    mean, _ = remap(variable("t2m"), FIELD, WEIGHTS)[0]
    assert mean == pytest.approx(180)


def test_frames_on_the_models_grid():
    class Frames:
        variables = ("t2m", "wd10")

        def read(self, variables, times):
            return np.broadcast_to(FIELD, (len(times), len(variables), *FINE.shape))

    values = RemappedFrames(Frames(), COARSE, WEIGHTS).read(["wd10", "t2m"], [None, None])
    assert values.shape == (2, 2, 1, 2)
    assert (np.minimum(values[:, 0, 0, 0], 360 - values[:, 0, 0, 0]) < 0.01).all()
    assert values[:, 1, 0, 0] == pytest.approx(180)
