"""Persistence: tomorrow is as today; the reference every model has to beat, and a forecaster."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.errors import ModelError
from met2net_ops.forecast.forecaster import ForecasterSpec, LeadBlock, Runtime

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from met2net_ops.grids import LatLonGrid

PERSISTENCE = "persistence"
PERSISTENCE_24H = "persistence-24h"
PERSISTENCE_NAMES = (PERSISTENCE, PERSISTENCE_24H)

_BLOCK = 12
_DAY = timedelta(hours=24)


@dataclass(frozen=True)
class Persistence:
    """Repeats the last `spec.input_frames` frames of the window for ever.

    With one input frame that is persistence; with a day of them it is 24-hour persistence, where
    lead h repeats the frame valid 24 h earlier (or 48 h, 72 h … for leads beyond a day).
    """

    spec: ForecasterSpec

    @property
    def runtime(self) -> Runtime:
        """It copies, on the CPU."""
        return Runtime(device="cpu", precision="exact")

    def rollout(
        self,
        window: NDArray[np.float32],
        reference_times: Sequence[datetime],
        leads: int,
    ) -> Iterator[LeadBlock]:
        """Yield blocks of repeated frames; see `Forecaster.rollout`.

        Raises:
            ModelError: the window does not have the frames or variables of `spec`.
        """
        period = self.spec.input_frames
        expected = (len(reference_times), period, len(self.spec.variables), *self.spec.grid.shape)
        if window.shape != expected:
            raise ModelError(
                f"{self.spec.name}: the window has shape {window.shape}, wanted {expected} "
                "(cycle, frame, variable, latitude, longitude)"
            )
        for start in range(0, leads, _BLOCK):
            frames = np.arange(start, min(start + _BLOCK, leads)) % period
            yield LeadBlock(start + 1, np.asarray(window[:, frames], dtype=np.float32))


def persistence(
    name: str, variables: tuple[str, ...], grid: LatLonGrid, step: timedelta = timedelta(hours=1)
) -> Persistence:
    """The persistence forecaster called `name` for these variables, on this grid.

    Raises:
        ModelError: `name` is not one of `PERSISTENCE_NAMES`, or a day is no multiple of `step`.

    >>> from met2net_ops.grids import named_grid
    >>> persistence("persistence-24h", ("t2m",), named_grid("global-5p625")).spec.input_frames
    24
    """
    if name not in PERSISTENCE_NAMES:
        raise ModelError(
            f"no persistence is called {name!r}; there is {' and '.join(PERSISTENCE_NAMES)}"
        )
    if name == PERSISTENCE_24H and _DAY % step:
        raise ModelError(f"{name} needs frames that repeat daily; the archive's step is {step}")
    frames = 1 if name == PERSISTENCE else _DAY // step
    return Persistence(ForecasterSpec(name, "", variables, grid, frames, step))
