"""A product, opened for comparison: same grid, units, calendar and times, or an error.

Coordinates, units and calendar are compared with what they should be before any number is used:
xarray would align by label and silently score the intersection, or nothing. Fields are read by
blocks of leads, so that memory does not grow with a product's length, and a block ahead, because
unpacking them takes a fifth of the time and another core can do it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import netCDF4
import numpy as np

from met2net_ops.errors import ProductError, VerificationError
from met2net_ops.products.layout import DIMENSIONS
from met2net_ops.products.read import LIBRARY_LOCK, header_of
from met2net_ops.times import format_time, naive_utc
from met2net_ops.variables import variable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from numpy.typing import NDArray

    from met2net_ops.grids import LatLonGrid
    from met2net_ops.products.header import ProductHeader

    Fields = NDArray[np.float32]

MEMBERS = "realization"  # CF's name for the dimension of an ensemble; the first, where it is there
_CALENDARS = ("standard", "gregorian", "proleptic_gregorian")
_TOLERANCE_DEGREES = 1e-6
_UNWRITTEN = netCDF4.default_fillvals["f4"]  # what is found where nothing was written
_BLOCK_BYTES = 16_000_000  # of a product read at a time; twice that is in memory
_LEAST_BLOCKS = 6  # the first one is waited for


@dataclass(frozen=True)
class ForecastFile:
    """A product whose coordinates, units and calendar are as they should be.

    Attributes:
        path: the file.
        header: identity and axes.
        members: of an ensemble; 0 where there is one forecast and no dimension of members.
    """

    path: Path
    header: ProductHeader
    members: int = 0

    def blocks(self) -> Iterator[tuple[int, Fields, Fields | None]]:
        """The whole product by blocks of leads.

        Yields:
            The number of leads before the block; its fields, (lead, variable, latitude,
            longitude) float32, of an ensemble the mean; and its members, (member, lead, variable,
            latitude, longitude), or None.

        Raises:
            VerificationError: the file is damaged.
        """
        header = self.header
        per_lead = 4 * len(header.variables) * header.grid.nlat * header.grid.nlon
        fitting = _BLOCK_BYTES // (per_lead * max(1, self.members))
        size = max(1, min(fitting, -(-header.leads // _LEAST_BLOCKS)))
        spans = list(pairwise([*range(0, header.leads, size), header.leads]))
        with self._opened() as raw, ThreadPoolExecutor(1) as reader:
            ahead = reader.submit(self._read, raw, *spans[0])
            for (first, _), following in zip(spans, [*spans[1:], None], strict=True):
                values = ahead.result()
                if following is not None:
                    ahead = reader.submit(self._read, raw, *following)
                if self.members:
                    yield first, values.mean(axis=0), values
                else:
                    yield first, values[0], None

    @contextmanager
    def _opened(self) -> Iterator[netCDF4.Dataset]:
        try:
            with LIBRARY_LOCK:
                raw = netCDF4.Dataset(self.path)
        except OSError as error:
            raise _damaged(self.path, error) from error
        try:
            raw.set_auto_maskandscale(False)
            yield raw
        finally:
            with LIBRARY_LOCK:
                raw.close()

    def _read(self, raw: netCDF4.Dataset, first: int, stop: int) -> Fields:
        names = self.header.variables
        shape = (max(1, self.members), stop - first, len(names), *self.header.grid.shape)
        values = np.empty(shape, dtype=np.float32)
        try:
            for index, name in enumerate(names):
                with LIBRARY_LOCK:
                    item = raw[name]
                    part = item[:, first:stop] if self.members else item[first:stop]
                    fill = np.float32(getattr(item, "_FillValue", _UNWRITTEN))
                values[:, :, index] = part
                if not np.isnan(fill):
                    values[:, :, index][values[:, :, index] == fill] = np.nan
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
            members = _members(raw, header, path)
            _check_grid(raw, header, grid, path)
            _check_units(raw, header, path)
            _check_times(raw, header, path)
    except ProductError as error:
        raise VerificationError(f"{path}: {error}") from error
    except (OSError, RuntimeError, KeyError, IndexError, AttributeError, ValueError) as error:
        raise _damaged(path, error) from error
    return ForecastFile(path, header, members)


def _damaged(path: Path, error: Exception) -> VerificationError:
    return VerificationError(
        f"cannot read {path} for verification: {error}; "
        "`met2net-ops forecast --cycle … --force` makes it again"
    )


def _members(raw: netCDF4.Dataset, header: ProductHeader, path: Path) -> int:
    """How many members the fields have; all or none must have the dimension."""
    shapes = {raw[name].dimensions for name in header.variables}
    if shapes == {DIMENSIONS}:
        return 0
    if shapes == {(MEMBERS, *DIMENSIONS)} and len(raw.dimensions[MEMBERS]) > 1:
        return len(raw.dimensions[MEMBERS])
    raise VerificationError(
        f"{path}: its fields have dimensions {' and '.join(str(shape) for shape in shapes)}; "
        f"wanted {DIMENSIONS}, or {(MEMBERS, *DIMENSIONS)} with two members at least"
    )


def _check_grid(raw: netCDF4.Dataset, header: ProductHeader, grid: LatLonGrid, path: Path) -> None:
    for name, wanted in (("latitude", grid.latitudes), ("longitude", grid.longitudes)):
        found = np.asarray(raw[name][...], dtype=np.float64)
        difference = axis_difference(found, wanted)
        if difference:
            raise VerificationError(
                f"{path} and the truth are on different grids: {name} {difference}. "
                "Forecasts are compared on the archive's grid only; make this one on it"
            )


def axis_difference(found: NDArray[np.float64], wanted: NDArray[np.float64]) -> str:
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
        if raw[name].dtype.kind != "f" or {"scale_factor", "add_offset"} & set(raw[name].ncattrs()):
            raise VerificationError(
                f"{path}: {name} is packed as {raw[name].dtype} numbers; write it as floats"
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
        shift = time - naive_utc(wanted)
        if abs(shift) >= timedelta(seconds=1):
            raise VerificationError(
                f"{path}: a lead is labelled {time:%Y-%m-%dT%H:%MZ}, {shift} away from reference "
                f"time + lead ({format_time(wanted)})"
            )
