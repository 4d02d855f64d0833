"""Evenly spaced rows and columns of latitude-longitude and rotated grids.

A message states an axis more than once: by its first and last point, by the number of points and
by an increment. Ends and increment must agree within the precision they are coded with; then the
ends place the points. Where they disagree the field is refused with the numbers, except for two
mistakes that leave no doubt about the points:

- the ends close the globe from pole to pole and all around, and only the increments do not fit;
- the increment closes the globe, and the last point is stated as the first one a turn later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.grib.keys import get_double, get_long
from met2net_ops.grib.records import GribUnreadableError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from met2net_ops.grib.scanning import Scanning

    Array = NDArray[np.float64]

END_ERROR = 1e-3  # degrees; edition 1, and what was converted from it, has thousandths
_NO_DEGREES = 1000.0  # all bits set give -2147 in edition 2, -8388 in edition 1
_ROUNDED_INCREMENT = 1e-3  # degrees; increments are cut or rounded to thousandths as well
_WIDE_CELL = 4.0  # times as wide as high


@dataclass(frozen=True, slots=True)
class Axis:
    """What a message states about one axis, in degrees.

    Attributes:
        name: `rows` or `columns`.
        start: the southern or western end.
        stop: the northern or eastern end, not below `start`; None if the message has none.
        increment: positive, None if the message has none.
        count: points, more than 0.
    """

    name: str
    start: float
    stop: float | None
    increment: float | None
    count: int

    @property
    def step(self) -> float:
        """The spacing by the ends, 0 for a single point."""
        if self.stop is None:
            return self.increment or 0.0
        return (self.stop - self.start) / max(1, self.count - 1)

    @property
    def closed(self) -> bool:
        """Whether the ends span the globe.

        Columns if the first one follows the last. Rows if they lie on both poles, or half a
        step from both.
        """
        if self.stop is None or self.count < 2:
            return False
        if self.name == "columns":
            return abs(self.step * self.count - 360.0) <= 2 * END_ERROR
        north, south = 90.0 - self.stop, 90.0 + self.start
        half = self.step / 2
        return any(max(abs(north - gap), abs(south - gap)) <= END_ERROR for gap in (0.0, half))

    @property
    def agrees(self) -> bool:
        """Whether ends, count and increment agree within their coding."""
        if self.stop is not None and self.count == 1:
            return self.stop - self.start <= END_ERROR
        if self.stop is None or self.increment is None:
            return True
        gap = abs(self.stop - self.start - self.increment * (self.count - 1))
        return gap <= 2 * END_ERROR or self._increment_is_rounded

    @property
    def _increment_is_rounded(self) -> bool:
        """Whether the increment is the step in thousandths of a degree.

        The step must be one that grids have and that thousandths cannot state: a part of the
        circle by a number with no prime factor above 5 (1/16°, 360°/1280), or half a thousandth
        beside an increment that needs thousandths (0.0735° as 0.074°). Any other difference is
        one of the ends, not of rounding.
        """
        assert self.increment is not None
        step, precision = self.step, 1.1 * END_ERROR / (self.count - 1)
        thousandths = self.increment / _ROUNDED_INCREMENT
        rounded = round(thousandths)
        difference = abs(step - self.increment)
        if difference >= _ROUNDED_INCREMENT or abs(thousandths - rounded) > 1e-6:
            return False
        parts = max(1, round(360.0 / step))
        if _is_smooth(parts) and abs(360.0 / parts - step) <= precision:
            return True
        return rounded % 10 != 0 and abs(difference - _ROUNDED_INCREMENT / 2) <= precision

    @property
    def is_overstated(self) -> bool:
        """Whether the increment closes the globe and the last column is the first one again."""
        return (
            self.name == "columns"
            and self.stop is not None
            and self.increment is not None
            and self.stop - self.start == 360.0
            and abs(self.increment * self.count - 360.0) <= 2 * END_ERROR
        )

    def runs_backwards(self, other_step: float) -> bool:
        """Whether columns go the long way round, with cells far wider than high."""
        span = self.step * (self.count - 1)
        return not self.closed and span > 180.0 and self.step > _WIDE_CELL * other_step > 0

    def coordinates(self) -> Array:
        """(count,) degrees, ascending."""
        if self.stop is None:
            steps = np.arange(self.count, dtype=np.float64)
            return np.asarray(self.start + self.step * steps, dtype=np.float64)
        if self.is_overstated:
            return np.linspace(self.start, self.stop, self.count, endpoint=False)
        return np.linspace(self.start, self.stop, self.count)

    def disagreement(self) -> str:
        """The numbers that do not fit, for a message."""
        increment = "none" if self.increment is None else f"{self.increment:g}°"
        stop = self.stop if self.stop is None or self.stop <= 360.0 else self.stop - 360.0
        return (
            f"its {self.count} {self.name} run from {self.start:g}° to {stop:g}°, that is in "
            f"steps of {self.step:g}°, but the increment stated is {increment}"
        )


def _is_smooth(number: int) -> bool:
    """Whether a number has no prime factor above 5."""
    for prime in (2, 3, 5):
        while number % prime == 0:
            number //= prime
    return number == 1


def even_axes(handle: int, scanning: Scanning) -> tuple[Array, Array]:
    """Latitudes from north to south and longitudes from west to east, evenly spaced.

    Raises:
        GribUnreadableError: the message contradicts itself about them.
    """
    rows, columns = _rows(handle, scanning), read_columns(handle, scanning)
    north = rows.start + rows.step * (rows.count - 1)
    if rows.start < -90.0 - END_ERROR or north > 90.0 + END_ERROR:
        raise GribUnreadableError(
            f"its {rows.count} rows run from {rows.start:g}° to {north:g}°, beyond a pole"
        )
    if not (rows.agrees and columns.agrees) and not columns.is_overstated:
        on_the_globe = rows.closed and columns.closed
        both_wrong = not rows.agrees and not columns.agrees
        if not (on_the_globe and (both_wrong or abs(rows.step - columns.step) <= END_ERROR)):
            raise GribUnreadableError((columns if rows.agrees else rows).disagreement())
    if columns.is_overstated and not rows.agrees:
        raise GribUnreadableError(rows.disagreement())
    if columns.increment is None and columns.runs_backwards(rows.step):
        raise GribUnreadableError(
            f"its {columns.count} columns run eastwards from {columns.start:g}° to "
            f"{columns.stop:g}°, {columns.step:g}° apart, and its rows are {rows.step:g}° apart: "
            "is its scanning mode right?"
        )
    return rows.coordinates()[::-1], columns.coordinates()


def _rows(handle: int, scanning: Scanning) -> Axis:
    first, last = read_ends(handle, "latitude")
    count, increment = scanning.nj, _increment(handle, "j")
    if not is_stated(last):
        _need_increment("latitude", increment)
        span = (increment or 0.0) * (count - 1)
        return Axis("rows", first if scanning.j_positive else first - span, None, increment, count)
    south, north = (first, last) if scanning.j_positive else (last, first)
    if north < south or (north == south and count > 1):
        way = "south to north" if scanning.j_positive else "north to south"
        raise GribUnreadableError(
            f"its {count} rows are said to run from {way} and from {first:g}° to {last:g}°"
        )
    return Axis("rows", south, north, increment, count)


def read_columns(handle: int, scanning: Scanning) -> Axis:
    """What a message states about its columns.

    Raises:
        GribUnreadableError: its last longitude is missing, and it has no increment.
    """
    first, last = read_ends(handle, "longitude")
    count, increment = scanning.ni, _increment(handle, "i")
    if not is_stated(last):
        _need_increment("longitude", increment)
        span = (increment or 0.0) * (count - 1)
        start = first - span if scanning.i_negative else first
        return Axis("columns", start, None, increment, count)
    west, east = (last, first) if scanning.i_negative else (first, last)
    if east <= west and count > 1:
        east += 360.0 * np.ceil((west - east) / 360.0 + 1e-12)
    return Axis("columns", west, east, increment, count)


def read_ends(handle: int, what: str) -> tuple[float, float]:
    """The `latitude` or `longitude` of the first and last grid point, degrees."""
    first, last = (
        get_double(handle, f"{what}Of{which}GridPointInDegrees") for which in ("First", "Last")
    )
    return first, last


def is_stated(degrees: float) -> bool:
    """Whether a coordinate is one, and not all bits set, which means that it is left out."""
    return abs(degrees) < _NO_DEGREES


def _increment(handle: int, axis: str) -> float | None:
    increment = get_double(handle, f"{axis}DirectionIncrementInDegrees", 0.0)
    given = get_long(handle, f"{axis}DirectionIncrementGiven", 0)
    return increment if given and increment > 0 else None


def _need_increment(what: str, increment: float | None) -> None:
    if increment is None:
        raise GribUnreadableError(f"it states neither the last {what} nor an increment")
