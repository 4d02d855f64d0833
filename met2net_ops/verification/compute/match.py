"""Forecast beside truth and baselines: all of them on the same points."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.times import format_time
from met2net_ops.verification.compute.wind_sums import Polar, polar
from met2net_ops.verification.inputs.baselines import CLIMATOLOGY, baseline_times

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from numpy.typing import NDArray

    from met2net_ops.forecast.window import FrameSource
    from met2net_ops.verification.inputs.climatology import Climatology


class FrameCache:
    """Frames of the archive, the most recently used kept up to a number of bytes."""

    def __init__(self, archive: FrameSource, limit_bytes: int = 256_000_000) -> None:
        self.archive = archive
        self._limit = limit_bytes
        self._frames: OrderedDict[datetime, tuple[tuple[str, ...], NDArray[np.float32]]] = (
            OrderedDict()
        )
        self._bytes = 0
        self._winds: OrderedDict[tuple[str, object], Polar] = OrderedDict()
        self._complete: dict[datetime, bool] = {}

    def wind(self, wind: str, key: object, u: NDArray[np.float32], v: NDArray[np.float32]) -> Polar:
        """`polar` of a field that comes up again: an analysis is truth and baseline of many.

        Args:
            wind: name of the wind.
            key: what tells the field from others of that wind, such as its time.
            u: eastward, any shape.
            v: northward.
        """
        place = wind, key
        if place not in self._winds:
            made = self._winds[place] = polar(u, v)
            if 2 * made.speed.nbytes * len(self._winds) > self._limit // 4:
                self._winds.popitem(last=False)
        self._winds.move_to_end(place)
        return self._winds[place]

    def read(self, variables: tuple[str, ...], time: datetime) -> NDArray[np.float32]:
        """(variable, latitude, longitude) float32, NaN where missing; not to be written to."""
        known = self._frames.get(time)
        if known is not None and known[0] == variables:
            self._frames.move_to_end(time)
            return known[1]
        if time.timestamp() % self.archive.step.total_seconds():
            return np.full((len(variables), *self.archive.grid.shape), np.nan, dtype=np.float32)
        values: NDArray[np.float32] = self.archive.read(variables, [time])[0]
        values.flags.writeable = False
        if known is not None:
            self._bytes -= known[1].nbytes
        self._frames[time] = (variables, values)
        self._complete.pop(time, None)
        self._bytes += values.nbytes
        while self._bytes > self._limit and len(self._frames) > 1:
            time_of_oldest, (_, oldest) = self._frames.popitem(last=False)
            self._complete.pop(time_of_oldest, None)
            self._bytes -= oldest.nbytes
        return values

    def complete(self, variables: tuple[str, ...], time: datetime) -> bool:
        """Whether no value of the frame is missing; checked once while it is kept."""
        values = self.read(variables, time)
        if time not in self._frames:
            return False
        if time not in self._complete:
            self._complete[time] = bool(np.isfinite(values).all())
        return self._complete[time]


@dataclass(frozen=True)
class Pairs:
    """Forecast, truth and baselines of one variable and lead, on identical points.

    Attributes:
        truth: (point,) NaN wherever any of the systems has no value.
        systems: "forecast" and the baselines there are, each (point,).
        climatology: (point,) or None.
        lost: points that have forecast and truth but were left out for want of a baseline.
        complete: whether no point is missing in any of them.
    """

    truth: NDArray[np.float32]
    systems: dict[str, NDArray[np.float32]]
    climatology: NDArray[np.float32] | None
    lost: int
    complete: bool


def pair(
    forecast: NDArray[np.float32],
    truth: NDArray[np.float32],
    baselines: dict[str, NDArray[np.float32] | None],
    *,
    complete: bool = False,
) -> Pairs | None:
    """Reduce to the common sample; None where there is no truth or no forecast at all.

    A baseline that is missing altogether is left out and costs no pair; one with gaps takes its
    gaps away from everything, so that all systems are scored on the same points. `complete`
    promises that nothing is missing in any of them, which is then not checked.
    """
    f, o = forecast.reshape(-1), truth.reshape(-1)
    if complete:
        there = {key: x.reshape(-1) for key, x in baselines.items() if x is not None}
        return Pairs(o, {"forecast": f} | there, there.get(CLIMATOLOGY), 0, complete=True)
    common = np.isfinite(f)
    common &= np.isfinite(o)
    before = int(np.count_nonzero(common))
    if not before:
        return None
    systems = {"forecast": f}
    for name, values in baselines.items():
        if values is None:
            continue
        flat = values.reshape(-1)
        finite = np.isfinite(flat)
        count = int(np.count_nonzero(finite))
        if count:
            systems[name] = flat
            if count < flat.size:
                common &= finite
    kept = int(np.count_nonzero(common))
    if kept < common.size:
        o = np.where(common, o, np.float32(np.nan))
    return Pairs(o, systems, systems.get(CLIMATOLOGY), before - kept, kept == common.size)


def baselines_for(
    cache: FrameCache,
    climatology: Climatology | None,
    variables: tuple[str, ...],
    reference_time: datetime,
    lead: timedelta,
) -> list[dict[str, NDArray[np.float32] | None]]:
    """The baselines of every variable at a lead, None for those that are not there."""
    frames = {
        name: cache.read(variables, time)
        for name, time in baseline_times(reference_time, lead).items()
    }
    found: list[dict[str, NDArray[np.float32] | None]] = []
    for index, name in enumerate(variables):
        fields: dict[str, NDArray[np.float32] | None] = {
            key: frame[index] for key, frame in frames.items()
        }
        fields[CLIMATOLOGY] = (
            None if climatology is None else climatology.field(name, reference_time + lead)
        )
        found.append(fields)
    return found


def nothing_missing(
    cache: FrameCache,
    climatology: Climatology | None,
    variables: tuple[str, ...],
    reference_time: datetime,
    lead: timedelta,
) -> bool:
    """Whether truth and baselines of a lead have a value of every variable everywhere."""
    valid = reference_time + lead
    frames = [valid, *baseline_times(reference_time, lead).values()]
    return all(cache.complete(variables, time) for time in frames) and (
        climatology is None or all(climatology.complete(name, valid) for name in variables)
    )


def missing_truth(
    present: NDArray[np.bool_], variables: Sequence[str], times: Sequence[datetime]
) -> str:
    """Which analyses are not there, in words: (variable, time) presence to a sentence."""
    gaps = []
    for name, row in zip(variables, present, strict=True):
        absent = [time for time, there in zip(times, row, strict=True) if not there]
        if absent:
            span = format_time(absent[0])
            if len(absent) > 1:
                span += f" to {format_time(absent[-1])}"
            gaps.append(f"{name}: {len(absent)} of {len(times)} ({span})")
    return "; ".join(gaps)
