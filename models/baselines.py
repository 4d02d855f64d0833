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
    from met2net_ops.forecast.window import FrameReader, FrameSource
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
        values = linear_forecasts(self.form, spec, window, reference_times, leads, self.source)
        for column, name in enumerate(spec.variables):
            low, high = natural_bounds([name]).get(name, (None, None))
            part = values[:, :, column]
            np.clip(part, -np.inf if low is None else low, np.inf if high is None else high, part)
        yield LeadBlock(1, values)


def linear_forecasts(
    form: LinearForm,
    spec: ForecasterSpec,
    window: NDArray[np.float32],
    reference_times: Sequence[datetime],
    leads: int,
    source: FrameReader | None,
) -> NDArray[np.float32]:
    """The form's forecast of every cycle and variable.

    Args:
        form: that is fitted.
        spec: of the forecaster; its window has at least `LEAST_DAYS`.
        window: (cycle, frame, variable, latitude, longitude), physical units, finite.
        reference_times: valid time of the last frame of each cycle.
        leads: how many.
        source: where earlier frames are read, as far as they are there; None to do without.

    Returns:
        (cycle, lead, variable, latitude, longitude).
    """
    shape = (len(window), leads, len(spec.variables), *spec.grid.shape)
    values = np.empty(shape, dtype=np.float32)
    given = window.shape[1]
    older = max(0, HISTORY_DAYS * form.day - given) if source is not None else 0
    for cycle, time in enumerate(reference_times):
        begin = time - (given - 1 + older) * spec.step
        for column, name in enumerate(spec.variables):
            series = _Series(name, begin, spec.step, older, source, window[cycle, :, column])
            values[cycle, :, column] = form.forecast(
                series.read, older + given, leads, spec.grid.cell_areas
            )
    return values


@dataclass(frozen=True)
class _Series:
    """Frames of one variable up to a reference time: the last are given, those before are read."""

    name: str
    begin: datetime
    step: timedelta
    older: int
    source: FrameReader | None
    last: NDArray[np.float32]

    def read(self, first: int, count: int) -> NDArray[np.float32]:
        """(time, latitude, longitude) from frame `first` on."""
        end = self.last[max(0, first - self.older) : max(0, first + count - self.older)]
        numbers = range(first, min(first + count, self.older))
        if self.source is None or not numbers:
            return end
        times = [self.begin + number * self.step for number in numbers]
        return np.concatenate([self.source.read((self.name,), times)[:, 0], end])


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
