"""Forecast beside truth and baselines: same grid, same units, same pairs, or an error.

A product is read by blocks of leads, so that memory does not grow with its length. Its
coordinates, units and calendar are compared with what they should be before any number is used:
xarray would align by label and silently score the intersection, or nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import netCDF4
import numpy as np

from met2net_ops.errors import ProductError, VerificationError
from met2net_ops.products.layout import DIMENSIONS
from met2net_ops.products.read import LIBRARY_LOCK, header_of
from met2net_ops.times import format_time
from met2net_ops.variables import variable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from numpy.typing import NDArray

    from met2net_ops.forecast.window import FrameSource
    from met2net_ops.grids import LatLonGrid
    from met2net_ops.products.header import ProductHeader
    from met2net_ops.verification.climatology import Climatology

PERSISTENCE = "persistence"
PERSISTENCE_24H = "persistence-24h"
CLIMATOLOGY = "climatology"

_CALENDARS = ("standard", "gregorian", "proleptic_gregorian")
_TOLERANCE_DEGREES = 1e-6
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class ForecastFile:
    """A product whose coordinates, units and calendar are as they should be.

    Attributes:
        path: the file.
        header: identity and axes.
    """

    path: Path
    header: ProductHeader

    def read(self, first: int, stop: int) -> NDArray[np.float32]:
        """Leads number first + 1 to stop: (lead, variable, latitude, longitude) float32.

        Raises:
            VerificationError: the file is damaged.
        """
        names = self.header.variables
        values = np.empty((stop - first, len(names), *self.header.grid.shape), dtype=np.float32)
        try:
            with LIBRARY_LOCK, netCDF4.Dataset(self.path) as raw:
                raw.set_auto_maskandscale(False)
                for index, name in enumerate(names):
                    values[:, index] = raw[name][first:stop]
        except (OSError, RuntimeError) as error:
            raise _damaged(self.path, error) from error
        return values


def open_forecast(path: Path, grid: LatLonGrid) -> ForecastFile:
    """Open a product for comparison with truth on `grid`.

    Raises:
        VerificationError: unreadable, or grid, units, calendar or times differ; it names how.
    """
    try:
        with LIBRARY_LOCK, netCDF4.Dataset(path) as raw:
            header = header_of(raw)
            _check_grid(raw, header, grid, path)
            _check_units(raw, header, path)
            _check_times(raw, header, path)
    except ProductError as error:
        raise VerificationError(f"{path}: {error}") from error
    except (OSError, RuntimeError, KeyError, IndexError, AttributeError) as error:
        raise _damaged(path, error) from error
    return ForecastFile(path, header)


def _damaged(path: Path, error: Exception) -> VerificationError:
    return VerificationError(
        f"cannot read {path} for verification: {error}; "
        "`met2net-ops forecast --cycle … --force` makes it again"
    )


def _check_grid(raw: netCDF4.Dataset, header: ProductHeader, grid: LatLonGrid, path: Path) -> None:
    for name in header.variables:
        if raw[name].dimensions != DIMENSIONS:
            raise VerificationError(
                f"{path}: {name} has dimensions {raw[name].dimensions}, wanted {DIMENSIONS}"
            )
    for name, wanted in (("latitude", grid.latitudes), ("longitude", grid.longitudes)):
        found = np.asarray(raw[name][...], dtype=np.float64)
        difference = _axis_difference(found, wanted)
        if difference:
            raise VerificationError(
                f"{path} and the truth are on different grids: {name} {difference}. "
                "Forecasts are compared on the archive's grid only; make this one on it"
            )


def _axis_difference(found: NDArray[np.float64], wanted: NDArray[np.float64]) -> str:
    """How two coordinate axes differ, in words; "" if they do not."""
    if found.size != wanted.size:
        return f"has {found.size} values, not {wanted.size}"
    offset = found - wanted
    if np.abs(offset).max() <= _TOLERANCE_DEGREES:
        return ""
    if np.abs(found[::-1] - wanted).max() <= _TOLERANCE_DEGREES:
        return "runs the other way round"
    if np.ptp(offset) <= _TOLERANCE_DEGREES:
        return f"is offset by {offset[0]:.6g} degrees"
    return f"runs from {found[0]:g} to {found[-1]:g}, not from {wanted[0]:g} to {wanted[-1]:g}"


def _check_units(raw: netCDF4.Dataset, header: ProductHeader, path: Path) -> None:
    for name in header.variables:
        found, wanted = raw[name].units, variable(name).units
        if found != wanted:
            raise VerificationError(
                f"{path}: {name} is in {found!r}, the truth in {wanted!r}; convert the product"
            )


def _check_times(raw: netCDF4.Dataset, header: ProductHeader, path: Path) -> None:
    axis = raw["time"]
    calendar = getattr(axis, "calendar", "standard")
    if calendar not in _CALENDARS:
        raise VerificationError(
            f"{path}: its calendar is {calendar!r}; the truth is in the standard calendar"
        )
    found = netCDF4.num2date(
        np.asarray(axis[...]).reshape(-1),
        axis.units,
        calendar,
        only_use_cftime_datetimes=False,
        only_use_python_datetimes=True,
    )
    times: list[datetime] = list(np.asarray(found))
    for time, wanted in zip(times, header.valid_times, strict=True):
        shift = time - wanted.replace(tzinfo=None)
        if abs(shift) >= timedelta(seconds=1):
            raise VerificationError(
                f"{path}: a lead is labelled {time:%Y-%m-%dT%H:%MZ}, {shift} away from reference "
                f"time + lead ({format_time(wanted)})"
            )


class FrameCache:
    """Frames of the archive, the most recently used kept up to a number of bytes."""

    def __init__(self, archive: FrameSource, limit_bytes: int = 256_000_000) -> None:
        self.archive = archive
        self._limit = limit_bytes
        self._frames: OrderedDict[datetime, tuple[tuple[str, ...], NDArray[np.float32]]] = (
            OrderedDict()
        )
        self._bytes = 0

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
        self._bytes += values.nbytes
        while self._bytes > self._limit and len(self._frames) > 1:
            _, (_, oldest) = self._frames.popitem(last=False)
            self._bytes -= oldest.nbytes
        return values


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
) -> Pairs | None:
    """Reduce to the common sample; None where there is no truth or no forecast at all.

    A baseline that is missing altogether is left out and costs no pair; one with gaps takes its
    gaps away from everything, so that all systems are scored on the same points.
    """
    f, o = forecast.reshape(-1), truth.reshape(-1)
    common = np.isfinite(f) & np.isfinite(o)
    before = int(common.sum())
    if not before:
        return None
    systems = {"forecast": f}
    for name, values in baselines.items():
        if values is None:
            continue
        flat = values.reshape(-1)
        finite = np.isfinite(flat)
        if finite.any():
            systems[name] = flat
            if not finite.all():
                common &= finite
    kept = int(common.sum())
    complete = kept == common.size
    if not complete:
        o = np.where(common, o, np.float32(np.nan))
    return Pairs(o, systems, systems.get(CLIMATOLOGY), before - kept, complete)


def baseline_times(reference_time: datetime, lead: timedelta) -> dict[str, datetime]:
    """Which frames persistence and 24-hour persistence repeat for a lead.

    >>> from met2net_ops.times import parse_time
    >>> times = baseline_times(parse_time("2026-11-22T06"), timedelta(hours=30))
    >>> times["persistence"].hour, str(times["persistence-24h"])
    (6, '2026-11-21 12:00:00+00:00')
    """
    days = -(-lead // _DAY)
    return {PERSISTENCE: reference_time, PERSISTENCE_24H: reference_time + lead - days * _DAY}


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
