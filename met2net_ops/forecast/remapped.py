"""Frames on the model's grid, where the archive holds them on another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.errors import GridError
from met2net_ops.remap.weights import remap
from met2net_ops.variables import variable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from numpy.typing import NDArray

    from met2net_ops.forecast.forecaster import ForecasterSpec
    from met2net_ops.forecast.window import FrameSource
    from met2net_ops.grids import LatLonGrid
    from met2net_ops.remap.weights import Weights

_FINER = 0.999  # a target cell smaller than this many source cells would have to be invented


@dataclass(frozen=True)
class RemappedFrames:
    """A frame source seen through remapping weights."""

    source: FrameSource
    grid: LatLonGrid
    weights: Weights

    @property
    def variables(self) -> tuple[str, ...]:
        """Those of the source."""
        return self.source.variables

    @property
    def step(self) -> timedelta:
        """That of the source."""
        return self.source.step

    def span(self) -> tuple[datetime, datetime] | None:
        """That of the source."""
        return self.source.span()

    def present(self, variables: Sequence[str], times: Sequence[datetime]) -> NDArray[np.bool_]:
        """As in the source."""
        return self.source.present(variables, times)

    def read(self, variables: Sequence[str], times: Sequence[datetime]) -> NDArray[np.float32]:
        """(time, variable, latitude, longitude) on the model's grid."""
        result = np.empty((len(times), len(variables), *self.grid.shape), dtype=np.float32)
        for index, time in enumerate(times):
            fields = self.source.read(variables, [time])[0]
            for place, (name, field) in enumerate(zip(variables, fields, strict=True)):
                result[index, place] = remap(variable(name), field, self.weights)
        return result


def on_model_grid(source: FrameSource, spec: ForecasterSpec) -> FrameSource:
    """The source itself if it lies on the model's grid, else remapped onto it.

    Coarsening is conservative, equal spacing bilinear. A model finer than the archive is refused:
    what it needs is not in the frames.

    Raises:
        GridError: the model's grid is finer than the archive's.
    """
    have, want = source.grid, spec.grid
    if have == want:
        return source
    if want.dlat * want.dlon < _FINER * have.dlat * have.dlon:
        raise GridError(
            f"model {spec.name} works on {described(want)}, finer than the archive, which holds "
            f"frames on {described(have)}; set [grid] in met2net.toml to the model's grid and "
            "ingest again, or use a model for the archive's grid"
        )
    # Only here, where grids differ: these import scipy, which takes longer than a forecast.
    from met2net_ops.grids import SourceGrid
    from met2net_ops.remap.remapper import choose_method, compute_weights

    grid = SourceGrid(
        kind="regular_ll",
        latitudes=have.latitudes,
        longitudes=have.longitudes,
        separable=True,
        periodic=have.periodic,
        shape=have.shape,
        checksum=have.checksum,
    )
    weights = compute_weights(grid, want, choose_method(grid, want))
    return RemappedFrames(source, want, weights)


def remapped_from(source: FrameSource) -> str:
    """The grid frames were remapped from, in words; "" if they were not."""
    return described(source.source.grid) if isinstance(source, RemappedFrames) else ""


def described(grid: LatLonGrid) -> str:
    """A grid in words.

    >>> from met2net_ops.grids import named_grid
    >>> described(named_grid("global-5p625"))
    'global-5p625 (32x64 points of 5.625°x5.625° from 87.1875°N 0°E)'
    """
    name = grid.name or "a grid"
    return (
        f"{name} ({grid.nlat}x{grid.nlon} points of {grid.dlat:g}°x{grid.dlon:g}° from "
        f"{grid.north:g}°N {grid.west:g}°E)"
    )
