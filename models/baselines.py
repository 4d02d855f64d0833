"""Forecasters without weights: persistence, and linear forms fitted to the archive's last weeks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.errors import ModelError
from met2net_ops.forecast.forecaster import ForecasterSpec, LeadBlock, Runtime
from met2net_ops.forecast.persistence import PERSISTENCE_NAMES, persistence
from met2net_ops.models.description import natural_bounds
from met2net_ops.models.linear import HISTORY_DAYS, LEAST_DAYS, LinearForm, frames_per_day
from met2net_ops.variables import variable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from met2net_ops.forecast.forecaster import Forecaster
    from met2net_ops.forecast.window import FrameSource
    from met2net_ops.grids import LatLonGrid

LINEAR = "linear-online"
DAMPED_PERSISTENCE = "damped-persistence"
LINEAR_NAMES = (DAMPED_PERSISTENCE, LINEAR)
BASELINE_NAMES = (*PERSISTENCE_NAMES, *LINEAR_NAMES)


@dataclass(frozen=True)
class LinearForecaster:
    """A linear form (`met2net_ops.models.linear`), fitted anew for every cycle.

    The window is what a fit cannot do without. Up to `HISTORY_DAYS` of frames before it are read
    from the archive, those that are there; never one that is valid after the reference time.

    Attributes:
        spec: what it is and needs.
        source: the archive.
        form: that is fitted.
    """

    spec: ForecasterSpec
    source: FrameSource
    form: LinearForm

    @property
    def runtime(self) -> Runtime:
        """Double precision, on the CPU."""
        return Runtime(device="cpu", precision="fp64")

    def rollout(
        self,
        window: NDArray[np.float32],
        reference_times: Sequence[datetime],
        leads: int,
    ) -> Iterator[LeadBlock]:
        """Yield all leads in one block; see `Forecaster.rollout`.

        Raises:
            ModelError: the window does not have the frames or variables of `spec`, or has a
                missing value.
        """
        spec = self.spec
        expected = (
            len(reference_times), spec.input_frames, len(spec.variables), *spec.grid.shape,
        )  # fmt: skip
        if window.shape != expected or not np.isfinite(window).all():
            raise ModelError(
                f"{spec.name} needs a window of (cycle, frame, variable, latitude, longitude) = "
                f"{expected} without missing values, not {window.shape}"
            )
        values = np.empty((len(window), leads, *expected[2:]), dtype=np.float32)
        for cycle, time in enumerate(reference_times):
            for column, name in enumerate(spec.variables):
                values[cycle, :, column] = self._one(window[cycle, :, column], name, time, leads)
        yield LeadBlock(1, values)

    def _one(
        self, window: NDArray[np.float32], name: str, time: datetime, leads: int
    ) -> NDArray[np.float32]:
        """(lead, latitude, longitude) forecast of one variable."""
        step, given = self.spec.step, len(window)
        begin = time - (given - 1) * step
        span = self.source.span()
        before = HISTORY_DAYS * self.form.day - given
        if span is not None:
            before = min(before, max(0, (begin - span[0]) // step))

        def read(first: int, count: int) -> NDArray[np.float32]:
            older = max(0, min(count, before - first))
            times = [begin + (first + number - before) * step for number in range(older)]
            last = window[max(0, first - before) : max(0, first + count - before)]
            if not times:
                return last
            return np.concatenate([self.source.read((name,), times)[:, 0], last])

        areas = self.spec.grid.cell_areas
        forecast = self.form.forecast(read, before + given, leads, areas)
        low, high = natural_bounds([name]).get(name, (None, None))
        np.clip(
            forecast, -np.inf if low is None else low, np.inf if high is None else high, forecast
        )
        return forecast


def baseline(
    name: str,
    variables: tuple[str, ...],
    grid: LatLonGrid,
    step: timedelta,
    source: FrameSource,
) -> Forecaster:
    """The forecaster called `name` for these variables, on this grid.

    Args:
        name: one of `BASELINE_NAMES`.
        variables: canonical names.
        grid: of the archive.
        step: between frames.
        source: the archive.

    Raises:
        ModelError: the name or step is none that it can be, or a variable is an angle.
    """
    spec = baseline_spec(name, variables, grid, step)
    if name in PERSISTENCE_NAMES:
        return persistence(name, variables, grid, step)
    form = LinearForm(spec.input_frames // LEAST_DAYS, damped=name == DAMPED_PERSISTENCE)
    return LinearForecaster(spec, source, form)


def baseline_spec(
    name: str,
    variables: tuple[str, ...],
    grid: LatLonGrid,
    step: timedelta = timedelta(hours=1),
) -> ForecasterSpec:
    """What the forecaster called `name` needs.

    Raises:
        ModelError: the name or step is none that it can be, or a variable is an angle.

    >>> from met2net_ops.grids import named_grid
    >>> baseline_spec("linear-online", ("t2m",), named_grid("global-5p625")).input_frames
    72
    """
    if name not in LINEAR_NAMES:
        return persistence(name, variables, grid, step).spec
    day = frames_per_day(step)
    if day is None:
        raise ModelError(
            f"{name} needs several frames a day at the same hours; the archive's step is {step}. "
            "Choose persistence"
        )
    angles = [one for one in variables if variable(one).circular]
    if angles:
        raise ModelError(
            f"{name} cannot forecast angles ({', '.join(angles)}); archive wind components instead "
            "(archive.variables), or choose persistence-24h"
        )
    return ForecasterSpec(name, "", variables, grid, LEAST_DAYS * day, step)
