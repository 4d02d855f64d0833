"""Linear forecasts refitted at every reference time, from days of frames instead of months.

The change of a variable from its last frame is a linear function of a few fields that are known at
the reference time: the climatology of the last weeks at the hour of day, yesterday's change at the
same hours, how the last frame departs from both, and the drift of the last step. One set of
coefficients per variable and lead, fitted to all points together by ridge regression in which the
weight of a pair falls off exponentially with its age. With the first two fields alone it is damped
persistence: the climatology plus what is left of the last frame's departure from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Read = Callable[[int, int], NDArray[np.float32]]
    Fields = NDArray[np.float64]

LEAST_DAYS = 3
"""Whole days of frames without which nothing is fitted."""
HISTORY_DAYS = 30
"""Older frames are not read."""
CLIMATOLOGY_DAYS = 10.0
"""In so many days a frame's weight in the climatology falls to 1/e."""
FIT_DAYS = 40.0
"""In so many days a pair's weight in the fit falls to 1/e."""

_RIDGE = 0.1  # of predictors scaled to a mean square of one
_LEAST_SCALE = 0.05  # of the largest
_ROWS, _COLUMNS = 8, 8  # at most so many points are fitted to; all are forecast
_LOCAL = 6  # predictors of a point; the others are means over the area


@dataclass(frozen=True)
class LinearForm:
    """Which predictors, and how a day is divided.

    Attributes:
        day: frames per day.
        damped: damped persistence alone.
    """

    day: int
    damped: bool = False

    def forecast(self, read: Read, frames: int, leads: int, areas: Fields) -> NDArray[np.float32]:
        """Forecast one variable from the frames up to the reference time.

        Args:
            read: gives `count` frames from frame `first` on, (time, latitude, longitude); a frame
                with a missing value counts as missing. The last `LEAST_DAYS` are complete.
            frames: how many there are; the last one is that of the reference time.
            leads: how many to forecast. Leads beyond a day continue from the day before them.
            areas: (latitude, longitude) weights of the points, of any sum.

        Returns:
            (lead, latitude, longitude).

        Raises:
            ValueError: fewer than `LEAST_DAYS` of frames, or a missing value in these.
        """
        first = max(0, frames - HISTORY_DAYS * self.day)
        history = _read_history(read, first, frames, self.day, areas)
        ahead = min(leads, self.day)
        fitted = [self._fit(history, lead) for lead in range(1, ahead + 1)]
        out = np.empty((leads, *areas.shape), dtype=np.float32)
        recent, slot = history.recent, (frames - first - 1) % self.day
        for start in range(0, leads, self.day):
            block = [
                self._apply(fitted[lead], recent, history, slot, lead + 1, areas)
                for lead in range(min(self.day, leads - start))
            ]
            out[start : start + len(block)] = block
            recent = np.concatenate([recent, block])[-len(recent) :]
        return out

    def _fit(self, history: _History, lead: int) -> Fields:
        """Coefficients of the predictors for one lead."""
        day, sample, count = self.day, history.sample, len(history.whole)
        last = np.arange(day + 1, count - lead)
        needed = (0, -1, -day, -day - 1, lead, lead - day)
        last = last[np.logical_and.reduce([history.whole[last + back] for back in needed])]
        climatology = history.climatology[:, history.points]
        x = self._predictors(
            lambda back: sample[last + back],
            climatology[(last + lead) % day] - climatology[last % day],
            climatology[last % day],
            lead,
        )
        if not self.damped:
            means = self._predictors(
                lambda back: history.means[last + back, None],
                (history.mean_climatology[(last + lead) % day])[:, None]
                - history.mean_climatology[last % day][:, None],
                history.mean_climatology[last % day][:, None],
                lead,
            )[1 : _LOCAL - 1]
            x = np.concatenate([x, np.broadcast_to(means, (len(means), *x.shape[1:]))])
        y = sample[last + lead] - sample[last]
        weights = np.exp((last - count) / (FIT_DAYS * day))[:, None] * history.areas
        weights = (weights / weights.sum()).ravel()
        flat = x.reshape(len(x), -1)
        scale = np.sqrt(np.square(flat) @ weights)
        # A predictor that hardly varies is rounding, and a weight for it would be without bounds.
        scale = np.maximum(scale, _LEAST_SCALE * scale.max() or 1.0)
        flat = flat / scale[:, None]
        weighted = flat * weights
        # Not a matrix product of the BLAS, whose threads wait for each other on busy cores.
        normal = np.einsum("if,jf->ij", weighted, flat) + _RIDGE * np.eye(len(flat))
        return np.asarray(np.linalg.solve(normal, weighted @ y.ravel()) / scale)

    def _apply(
        self,
        coefficients: Fields,
        recent: Fields,
        history: _History,
        slot: int,
        lead: int,
        areas: Fields,
    ) -> Fields:
        """(latitude, longitude) forecast of one lead."""
        now = len(recent) - 1
        climatology = history.climatology.reshape(-1, *areas.shape)
        x = self._predictors(
            lambda back: recent[now + back],
            climatology[(slot + lead) % self.day] - climatology[slot],
            climatology[slot],
            lead,
        )
        change = np.tensordot(coefficients[: len(x)], x, axes=1)
        if not self.damped:
            means = (x[1 : _LOCAL - 1] * (areas / areas.sum())).sum(axis=(1, 2))
            change = change + coefficients[len(x) :] @ means
        return np.asarray(recent[now] + change)

    def _predictors(
        self, frame: Callable[[int], Fields], step: Fields, climatology: Fields, lead: int
    ) -> Fields:
        """(predictor, …): the climatology's change, the departure from it, and the last day's."""
        day, now = self.day, frame(0)
        found = [step, climatology - now]
        if not self.damped:
            yesterday = frame(-day)
            found += [
                frame(lead - day) - yesterday,
                yesterday - now,
                now - frame(-1),
                yesterday - frame(-day - 1),
            ]
        return np.stack(found)


@dataclass(frozen=True)
class _History:
    """What is kept of the frames up to the reference time.

    Attributes:
        climatology: (hour of day, point) weighted mean of the last weeks; slot 0 is the first
            frame's.
        mean_climatology: (hour of day,) its mean over the area.
        points: indices of the points that are fitted to.
        areas: (point fitted to,) their weights.
        sample: (time, point fitted to) frames there.
        means: (time,) means of the frames over the area.
        whole: (time,) whether the frame is complete.
        recent: (time, latitude, longitude) the last frames, as many as a forecast needs.
    """

    climatology: Fields
    mean_climatology: Fields
    points: NDArray[np.int64]
    areas: Fields
    sample: Fields
    means: Fields
    whole: NDArray[np.bool_]
    recent: Fields


def _read_history(read: Read, first: int, frames: int, day: int, areas: Fields) -> _History:
    """Read the frames once, a few days at a time."""
    count = frames - first
    if count < LEAST_DAYS * day:
        raise ValueError(f"{count} frames are fewer than {LEAST_DAYS} days of {day}")
    points = _sample(areas.shape)
    shares = areas.ravel() / areas.sum()
    sums, weights = np.zeros((day, areas.size)), np.zeros(day)
    sample, means = np.zeros((count, len(points))), np.zeros(count)
    whole = np.zeros(count, dtype=bool)
    for start in range(0, count, 2 * day):
        length = min(2 * day, count - start)
        part = read(first + start, length).reshape(length, -1).astype(np.float64)
        times = start + np.flatnonzero(np.isfinite(part).all(axis=1))
        part = part[times - start]
        whole[times] = True
        sample[times], means[times] = part[:, points], part @ shares
        weight = np.exp((times - count) / (CLIMATOLOGY_DAYS * day))
        np.add.at(sums, times % day, weight[:, None] * part)
        np.add.at(weights, times % day, weight)
    if not whole[-LEAST_DAYS * day :].all():
        raise ValueError(f"the last {LEAST_DAYS} days are not complete")
    climatology = sums / weights[:, None]
    recent = read(frames - day - 2, day + 2).astype(np.float64)
    return _History(
        climatology, climatology @ shares, points, shares[points], sample, means, whole, recent
    )


def _sample(shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Indices of points spread evenly over the grid."""
    rows, columns = (
        np.unique(np.linspace(0, size - 1, min(size, most)).round().astype(np.int64))
        for size, most in zip(shape, (_ROWS, _COLUMNS), strict=True)
    )
    return np.asarray((rows[:, None] * shape[1] + columns).ravel())


def frames_per_day(step: timedelta) -> int | None:
    """How many frames a day has; None if a day is no multiple of the step, or has only one."""
    day, rest = divmod(timedelta(days=1), step)
    return None if rest or day < 2 else day
