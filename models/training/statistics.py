"""Mean and spread of the training frames, in one streamed pass."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.errors import ArchiveError, SettingsError
from met2net_ops.models.diurnal import change_since_yesterday
from met2net_ops.models.training.linear_bases import LinearBases

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from met2net_ops.models.training.frames import FlatFrames
    from met2net_ops.models.training.settings import Normalise

_FRAMES_PER_READ = 256


@dataclass(frozen=True)
class Statistics:
    """What the fields look like, per variable, over the training time and all points.

    Attributes:
        mean: (variable,) in the variable's unit.
        std: (variable,) in the variable's unit.
        low, high: (variable,) smallest and largest value, in the variable's unit.
        increment_std: (lead, variable) root mean square of x(t + lead) - x(t), or of the error of
            the daily forecast.
        daily_memory: (lead, variable) of `models/diurnal.py`, where it is wanted.
    """

    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    increment_std: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    daily_memory: NDArray[np.float64] | None = None

    def normalisation(self, how: Normalise) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Offset and scale, (variable,) each: normalised = (physical - offset) / scale."""
        return (self.mean, self.std) if how == "mean-std" else (self.low, self.high - self.low)


def field_statistics(
    frames: FlatFrames, starts: NDArray[np.int64], frames_in: int, leads: int, samples: int = 400
) -> Statistics:
    """Statistics over the windows that begin at `starts`.

    Means take every frame that some window's input holds; increments take at most `samples`
    windows, evenly spaced: they need no more.

    Raises:
        ArchiveError: a variable is the same everywhere, or at all times.
    """
    mean, std, low, high = _moments(frames, starts, frames_in)
    constant = [
        name
        for name, spread, centre in zip(frames.variables, std, mean, strict=True)
        if spread <= 1e-6 * max(1.0, abs(centre))
    ]
    if constant:
        raise ArchiveError(
            f"{', '.join(constant)} is constant over the training period at {frames.folder}: "
            "nothing can be learnt from it. Check the feed, or leave the variable out"
        )
    increment_std = _increment_std(frames, starts, frames_in, leads, samples)
    stuck = [
        name
        for name, change, spread in zip(frames.variables, increment_std.T, std, strict=True)
        if change.min() <= 1e-6 * spread
    ]
    if stuck:
        raise ArchiveError(
            f"{', '.join(stuck)} never changes over the training period at {frames.folder}: there "
            "is nothing to forecast. Check the feed, or leave the variable out"
        )
    return Statistics(mean=mean, std=std, increment_std=increment_std, low=low, high=high)


def _moments(
    frames: FlatFrames, starts: NDArray[np.int64], frames_in: int
) -> tuple[NDArray[np.float64], ...]:
    """(variable,) each: mean, standard deviation, smallest and largest value of input frames."""
    used = np.zeros(len(frames) + 1, dtype=np.int64)
    np.add.at(used, starts, 1)
    np.add.at(used, np.minimum(starts + frames_in, len(frames)), -1)
    inside = np.cumsum(used)[:-1] > 0
    channels = len(frames.variables)
    # Sums of departures from the first frame's mean: no cancellation for pressures near 1e5.
    shift = frames.read(int(starts[0]), 1).astype(np.float64).mean(axis=(0, 2, 3))
    total, squares = np.zeros(channels), np.zeros(channels)
    low, high = np.full(channels, np.inf), np.full(channels, -np.inf)
    for start in range(0, len(frames), _FRAMES_PER_READ):
        chosen = inside[start : start + _FRAMES_PER_READ]
        if chosen.any():
            part = frames.read(start, _FRAMES_PER_READ)[chosen].astype(np.float64)
            low = np.minimum(low, part.min(axis=(0, 2, 3)))
            high = np.maximum(high, part.max(axis=(0, 2, 3)))
            part -= shift[:, None, None]
            total += part.sum(axis=(0, 2, 3))
            squares += np.square(part).sum(axis=(0, 2, 3))
    points = int(inside.sum()) * frames.grid.nlat * frames.grid.nlon
    departure = total / points
    variance = squares / points - departure**2
    return shift + departure, np.sqrt(np.maximum(variance, 0.0)), low, high


def with_daily_memory(
    statistics: Statistics, frames: FlatFrames, starts: NDArray[np.int64], samples: int = 400
) -> Statistics:
    """The same with the least-squares `daily_memory`, at least 0, and the error that is left.

    Args:
        statistics: of the same windows.
        frames: the series.
        starts: first frames of the training windows.
        samples: windows to use, evenly spaced.

    Raises:
        SettingsError: frames do not make a day.
    """
    t, variables = statistics.increment_std.shape
    if t * frames.step != timedelta(days=1):
        raise SettingsError(
            f'predict = "daily" needs frames that make a day, not {t} of {frames.step}; set '
            "network.frames, or predict increments"
        )
    change, both, error = (
        np.zeros(shape) for shape in ((variables,), (t, variables), (t, variables))
    )
    chosen = starts[:: max(1, len(starts) // samples)]
    for start in chosen:
        window = frames.read(int(start), 2 * t).astype(np.float64)
        drift = change_since_yesterday(window[None, :t])[0, 0]
        left = window[t:] - window[:t]
        change += np.square(drift).mean(axis=(1, 2))
        both += (left * drift).mean(axis=(2, 3))
        error += np.square(left).mean(axis=(2, 3))
    # A change that turns into its opposite is an accident of few weeks, not weather.
    memory = np.maximum(both / change, 0.0)
    remaining = (error - 2 * memory * both + memory**2 * change) / len(chosen)
    return replace(statistics, increment_std=np.sqrt(remaining), daily_memory=memory)


def with_linear_errors(
    statistics: Statistics, frames: FlatFrames, starts: NDArray[np.int64], samples: int = 60
) -> Statistics:
    """The same with the linear form's root mean squared errors for `increment_std`.

    Args:
        statistics: of the same windows.
        frames: the series.
        starts: first frames of the training windows, which have the days that the form needs.
        samples: windows to use, evenly spaced.
    """
    t, variables = statistics.increment_std.shape
    bases = LinearBases(frames, t)
    squares = np.zeros((t, variables))
    chosen = starts[:: max(1, len(starts) // samples)]
    for start in chosen:
        truth = frames.read(int(start) + t, t).astype(np.float64)
        error = truth - bases.forecasts(np.array([start]), t)[0]
        squares += np.square(error).mean(axis=(2, 3))
    return replace(statistics, increment_std=np.sqrt(squares / len(chosen)))


def _increment_std(
    frames: FlatFrames, starts: NDArray[np.int64], frames_in: int, leads: int, samples: int
) -> NDArray[np.float64]:
    chosen = starts[:: max(1, len(starts) // samples)]
    squares = np.zeros((leads, len(frames.variables)))
    for start in chosen:
        part = frames.read(int(start) + frames_in - 1, leads + 1).astype(np.float64)
        squares += np.square(part[1:] - part[:1]).mean(axis=(2, 3))
    return np.asarray(np.sqrt(squares / len(chosen)))
