"""How good forecasts are: errors per case, lead and variable, beside the references' errors."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.resampling import block_length, draw_counts

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from met2net_ops.models.training.climatology import SmoothClimatology
    from met2net_ops.models.training.frames import FlatFrames

    Forecast = Callable[[NDArray[np.int64]], NDArray[np.float32]]

_CASES_AT_ONCE = 8
_RESAMPLES = 1000


@dataclass(frozen=True)
class Scores:
    """Mean squared errors, weighted by cell area, in squared units of each variable.

    Attributes:
        variables: canonical names.
        starts: (case,) first frame of each window.
        model: (case, lead, variable) of the forecast.
        persistence: the same for the last input frame held still.
        climatology: the same for the climatology, or None.
        day_before: the same for the frame of the same hour of the day before the forecast, the
            last one known by then; None unless the series holds it for every case.
        base: the same for the forecast that the network corrects, or None.
        linear: the same for `linear-online`, NaN for cases without the days before them that it
            needs; None if no case has them.
    """

    variables: tuple[str, ...]
    starts: NDArray[np.int64]
    model: NDArray[np.float64]
    persistence: NDArray[np.float64]
    climatology: NDArray[np.float64] | None = None
    day_before: NDArray[np.float64] | None = None
    base: NDArray[np.float64] | None = None
    linear: NDArray[np.float64] | None = None

    def rmse(self, of: str = "model") -> NDArray[np.float64]:
        """(lead, variable) root mean squared error over all cases that there are."""
        return np.asarray(np.sqrt(np.nanmean(getattr(self, of), axis=0)))

    def ratio(self, to: str = "persistence") -> NDArray[np.float64]:
        """(lead, variable) the model's RMSE divided by the reference's, on the same cases."""
        model, reference = self.pairs(to)
        return np.asarray(np.sqrt(model.mean(axis=0) / reference.mean(axis=0)))

    def pairs(self, to: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Errors of the model and of a reference, of the cases that both have."""
        reference = getattr(self, to)
        known = np.isfinite(reference).all(axis=(1, 2))
        return self.model[known], reference[known]

    def mean_ratio(self, to: str = "persistence") -> float:
        """Geometric mean of `ratio` over leads and variables.

        A tenth less error counts the same at every lead, also where the ratio is large, as it is
        at +1 h of a network that predicts the state.
        """
        smallest = np.finfo(np.float64).tiny
        return float(np.exp(np.log(np.maximum(self.ratio(to), smallest)).mean()))

    def block(self) -> int:
        """Cases that are drawn together for intervals."""
        return case_block(self.starts, self.model.shape[1])

    def ratio_interval(
        self, to: str = "persistence", seed: int = 0
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """95 % interval of `ratio`, each (lead, variable).

        Circular block bootstrap over the cases in order of time, in blocks of `block` cases
        (`met2net_ops.resampling`).
        """
        random = np.random.default_rng(seed)
        pairs = self.pairs(to)
        cases = len(pairs[0])
        block = min(self.block(), cases)
        counts = draw_counts(cases, block, _RESAMPLES, random, circular=True)
        model, reference = (np.tensordot(counts, errors, axes=1) for errors in pairs)
        low, high = np.percentile(np.sqrt(model / reference), [2.5, 97.5], axis=0)
        return low, high


def case_block(starts: NDArray[np.int64], leads: int) -> int:
    """Cases that are drawn together for intervals.

    The cube root of their number, and at least as many as begin before the first one's last lead:
    forecasts that share frames are not independent of each other.

    Args:
        starts: (case,) first frame of each window, ascending.
        leads: of the forecasts.
    """
    cases = len(starts)
    together = int(np.searchsorted(starts, starts[0] + leads))
    return min(cases, max(block_length(cases), together))


def score(
    forecast: Forecast,
    frames: FlatFrames,
    starts: NDArray[np.int64],
    frames_in: int,
    leads: int,
    climatology: SmoothClimatology | None = None,
    base: Forecast | None = None,
    linear: Forecast | None = None,
) -> Scores:
    """Forecast from every window and compare with what followed.

    Args:
        forecast: (n,) first frames of windows -> (n, lead, variable, latitude, longitude).
        frames: the series that holds windows and truth.
        starts: first frames of the windows.
        frames_in: frames per window.
        leads: how many to compare.
        climatology: a second reference.
        base: a forecast that the network corrects, as another.
        linear: a reference that some cases may lack, as NaN.
    """
    areas = frames.grid.cell_areas
    weights = areas / areas.sum()
    back = _day_before(frames, leads)
    model, persistence, climate, before, bases, linears = [], [], [], [], [], []
    for first in range(0, len(starts), _CASES_AT_ONCE):
        part = starts[first : first + _CASES_AT_ONCE]
        nothing = [None] * len(part)
        uncorrected = nothing if base is None else base(part)
        fitted = nothing if linear is None else linear(part)
        for start, values, without, form in zip(
            part, forecast(part), uncorrected, fitted, strict=True
        ):
            last = int(start) + frames_in - 1
            series = frames.read(last, leads + 1)
            model.append(_errors(values, series[1:], weights))
            persistence.append(_errors(series[:1], series[1:], weights))
            earlier = frames.read(max(0, last + back[0]), 1 - int(back[0]))
            if last + back[0] >= 0:
                before.append(_errors(earlier[back - back[0]], series[1:], weights))
            if without is not None:
                bases.append(_errors(without, series[1:], weights))
            if form is not None:
                linears.append(_errors(form, series[1:], weights))
            if climatology is not None:
                times = [frames.time(last + 1 + lead) for lead in range(leads)]
                climate.append(_errors(climatology.at(times), series[1:], weights))
    return Scores(
        frames.variables,
        starts,
        np.array(model),
        np.array(persistence),
        np.array(climate) if climate else None,
        np.array(before) if len(before) == len(model) and np.isfinite(before).all() else None,
        np.array(bases) if bases else None,
        np.array(linears) if np.isfinite(linears).any() else None,
    )


def _day_before(frames: FlatFrames, leads: int) -> NDArray[np.int64]:
    """(lead,) frames from the last known one back to the latest of the same hour of day."""
    day = max(1, round(timedelta(days=1) / frames.step))
    return np.arange(leads) % day + 1 - day


def _errors(
    values: NDArray[np.float32], truth: NDArray[np.float32], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(lead, variable) weighted mean squared error."""
    difference = values.astype(np.float64) - truth
    return np.asarray((np.square(difference) * weights).sum(axis=(2, 3)))
