"""A smooth climatology of the training years: hour of day times slow waves through the year."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.models.forcings import year_angle
from met2net_ops.times import to_datetime64

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray

    from met2net_ops.models.training.frames import FlatFrames

_FRAMES_PER_READ = 240
_DAYS_FOR_WAVES = 360


class SmoothClimatology:
    """Least-squares fit, for each hour of day and point, of a mean and two annual waves.

    Where the training frames do not go round the year at every hour of day that they have, the
    waves cannot be separated from weather and only the mean for the hour of day is fitted.

    Args:
        frames: the series.
        chosen: (time,) frames to fit.
    """

    def __init__(self, frames: FlatFrames, chosen: NDArray[np.bool_]) -> None:
        times = _stamps([frames.time(i) for i in range(len(frames))])
        hours = _hours(times)
        self._waves = 2 if _round_the_year(times[chosen]) else 0
        terms = 1 + 2 * self._waves
        shape = (24, terms, len(frames.variables) * frames.grid.nlat * frames.grid.nlon)
        right, left = np.zeros(shape), np.zeros((24, terms, terms))
        for start in range(0, len(frames), _FRAMES_PER_READ):
            inside = np.flatnonzero(chosen[start : start + _FRAMES_PER_READ])
            if not inside.size:
                continue
            values = frames.read(start, _FRAMES_PER_READ)[inside].reshape(inside.size, -1)
            basis = self._basis(times[start + inside])
            for hour in np.unique(hours[start + inside]):
                rows = hours[start + inside] == hour
                right[hour] += basis[rows].T @ values[rows]
                left[hour] += basis[rows].T @ basis[rows]
        seen = left[:, 0, 0] > 0
        left[~seen] = np.eye(terms)
        fitted = np.linalg.solve(left, right)
        fitted[~seen] = fitted[seen].mean(axis=0)  # a feed without that hour of day
        self._fitted = fitted
        self._shape = (len(frames.variables), *frames.grid.shape)

    def at(self, times: list[datetime]) -> NDArray[np.float32]:
        """(time, variable, latitude, longitude) in physical units."""
        stamps = _stamps(times)
        basis = self._basis(stamps)
        values = np.einsum("nt,ntp->np", basis, self._fitted[_hours(stamps)])
        return np.asarray(values.reshape(len(times), *self._shape), dtype=np.float32)

    def _basis(self, times: NDArray[np.datetime64]) -> NDArray[np.float64]:
        angle = year_angle(times)
        columns = [np.ones_like(angle)]
        for wave in range(1, self._waves + 1):
            columns += [np.cos(wave * angle), np.sin(wave * angle)]
        return np.stack(columns, axis=1)


def _round_the_year(times: NDArray[np.datetime64]) -> bool:
    """Whether nearly every day of the year is there, and half of them at each hour of day."""
    day = (times.astype("datetime64[D]") - times.astype("datetime64[Y]")).astype(np.int64)
    hours = _hours(times)
    if len(np.unique(day)) < _DAYS_FOR_WAVES:
        return False
    seen = [len(np.unique(day[hours == hour])) for hour in np.unique(hours)]
    return min(seen) >= _DAYS_FOR_WAVES // 2


def _hours(times: NDArray[np.datetime64]) -> NDArray[np.int64]:
    whole = times.astype("datetime64[h]") - times.astype("datetime64[D]")
    return np.asarray(whole.astype(np.int64))


def _stamps(times: list[datetime]) -> NDArray[np.datetime64]:
    return np.array([to_datetime64(time) for time in times], dtype="datetime64[ns]")
