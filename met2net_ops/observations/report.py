"""What a station reports, in one unit per quantity, and what was done with every record."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from met2net_ops.errors import Met2NetOpsError
from met2net_ops.observations.positions import ExchangedError, PositionError, check_position

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path


class ObservationError(Met2NetOpsError):
    """A file of observations cannot be read at all, or a column map makes no sense."""

    exit_code = 13


# Quantity → unit of the stored value. Wind is kept as measured: speed and where it comes from.
QUANTITIES: dict[str, str] = {
    "t2m": "K",
    "d2m": "K",
    "wind_speed": "m s-1",
    "wind_from": "degree",
    "msl": "Pa",
    "sp": "Pa",
    "tcc": "1",
    "tp": "kg m-2",  # in the hour before
    "tp6h": "kg m-2",
    "tp24h": "kg m-2",
}

_KNOT = 1852.0 / 3600.0
# Unit as people write it → (unit of the stored value, conversion to it).
UNITS: dict[str, tuple[str, Callable[[float], float]]] = {
    "K": ("K", lambda x: x),
    "degC": ("K", lambda x: x + 273.15),
    "degF": ("K", lambda x: (x - 32.0) / 1.8 + 273.15),
    "m/s": ("m s-1", lambda x: x),
    "km/h": ("m s-1", lambda x: x / 3.6),
    "kt": ("m s-1", lambda x: x * _KNOT),
    "degree": ("degree", lambda x: x),
    "Pa": ("Pa", lambda x: x),
    "hPa": ("Pa", lambda x: x * 100.0),
    "inHg": ("Pa", lambda x: x * 3386.389),
    "1": ("1", lambda x: x),
    "%": ("1", lambda x: x / 100.0),
    "okta": ("1", lambda x: x / 8.0),
    "mm": ("kg m-2", lambda x: x),
    "in": ("kg m-2", lambda x: x * 25.4),
}

# A WMO number, which programs may have taken for a whole or a decimal one (3772, 3772.0).
_NUMBER = re.compile(r"(\d{1,5})(?:\.0+)?", re.ASCII)
_LONGEST = 80  # characters of an identifier
_EARLIEST = datetime(1850, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class StationReport:
    """One record with at least one value.

    Attributes:
        station: identifier: WMO number, WIGOS identifier, ICAO code or a network's own.
        latitude: degrees north.
        longitude: degrees east, -180 to 180.
        height: of the station above sea level, m; NaN if unknown.
        time: valid time, UTC.
        values: quantity → value in the unit of `QUANTITIES`, as reported.
        record: number of the record in its file, from 1.
        at_sea: whether it is a ship, buoy or platform.
        correction: number of the correction: 0 for a report as it was first made, 1 for its first
            correction and so on; a higher one replaces a lower one.
    """

    station: str
    latitude: float
    longitude: float
    height: float
    time: datetime
    values: Mapping[str, float]
    record: int
    at_sea: bool = False
    correction: int = 0


@dataclass(frozen=True, slots=True)
class RecordRefusal:
    """A record that was not taken.

    Attributes:
        record: its number in the file, from 1.
        reason: why.
        station: whose it is, "" if that is not known.
    """

    record: int
    reason: str
    station: str = ""


@dataclass(frozen=True, slots=True)
class LostValue:
    """A value that could not be read, in a report that was taken for its other values.

    Attributes:
        record: number of the report in its file, from 1.
        reason: what stands there, and what is wrong with it.
        station: whose report it is.
    """

    record: int
    reason: str
    station: str


@dataclass(frozen=True)
class Reading:
    """All records of one file: every one is a report or a refusal.

    Attributes:
        path: the file.
        form: "bufr", "metar" or "csv".
        reports: what was taken.
        refusals: what was not, and why.
        lost: single values that could not be read, in reports that were taken.
        notes: what had to be assumed to read the file.
    """

    path: Path
    form: str
    reports: tuple[StationReport, ...] = ()
    refusals: tuple[RecordRefusal, ...] = ()
    lost: tuple[LostValue, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def records(self) -> int:
        """How many records the file holds."""
        return len(self.reports) + len(self.refusals)


class RefusedRecordError(Exception):
    """A record cannot be taken; caught where records are counted.

    Args:
        reason: why.
        station: whose it is, "" if that is not known.
    """

    def __init__(self, reason: str, station: str = "") -> None:
        super().__init__(reason)
        self.station = station

    def refusal(self, record: int) -> RecordRefusal:
        """What is kept of it."""
        return RecordRefusal(record, str(self), self.station)


class ExchangedPositionError(RefusedRecordError):
    """Latitude and longitude seem to be exchanged."""


def make_report(
    *,
    station: object,
    latitude: float | None,
    longitude: float | None,
    height: float | None,
    time: datetime,
    values: Mapping[str, float | None],
    record: int,
    at_sea: bool = False,
    correction: int = 0,
) -> StationReport:
    """Check what every report needs; missing values are left out.

    Raises:
        RefusedRecordError: no identifier, place, time or no value at all.

    >>> report = make_report(
    ...     station="10384", latitude=52.5, longitude=352.5, height=None,
    ...     time=datetime(2026, 1, 1, tzinfo=UTC), values={"t2m": 270.0, "msl": None}, record=1,
    ... )
    >>> report.longitude, dict(report.values)
    (-7.5, {'t2m': 270.0})
    """
    name = check_identifier(station)
    lat, lon = _finite(latitude), _finite(longitude)
    if lat is None or lon is None:
        raise RefusedRecordError("the station has no position", name)
    try:
        north, east = check_position("" if at_sea else name, lat, lon)
    except ExchangedError as error:
        raise ExchangedPositionError(
            f"{error}; latitude and longitude seem to be exchanged", name
        ) from error
    except PositionError as error:
        raise RefusedRecordError(str(error), name) from error
    if time < _EARLIEST:
        raise RefusedRecordError(f"it reports for {time}: no possible time", name)
    found = {what: value for what, raw in values.items() if (value := _finite(raw)) is not None}
    if not found:
        raise RefusedRecordError(
            f"it reports none of the quantities kept ({', '.join(QUANTITIES)})", name
        )
    place = _finite(height)
    above = math.nan if place is None else place
    return StationReport(name, north, east, above, time, found, record, at_sea, correction)


def replace_corrected(
    reports: Sequence[StationReport],
) -> tuple[list[StationReport], list[RecordRefusal]]:
    """The reports without those a correction in the same file replaces, which become refusals."""
    highest: dict[tuple[str, datetime], StationReport] = {}
    for report in reports:
        known = highest.get((report.station, report.time))
        if known is None or report.correction > known.correction:
            highest[report.station, report.time] = report
    kept, replaced = [], []
    for report in reports:
        correction = highest[report.station, report.time]
        if report.correction < correction.correction and not report.at_sea:
            reason = f"record {correction.record} corrects it"
            replaced.append(RecordRefusal(report.record, reason, report.station))
        else:
            kept.append(report)
    return kept, replaced


def check_identifier(station: object) -> str:
    """An identifier as it is given; of a WMO number, the five digits of block and station.

    Raises:
        RefusedRecordError: empty, longer than 80 characters, or with characters that are not text.

    >>> check_identifier(" 0-20000-0-10384 "), check_identifier("Köln"), check_identifier(1027.0)
    ('0-20000-0-10384', 'Köln', '01027')
    """
    text = str("" if station is None else station).strip()
    if not text or text in ("None", "nan"):
        raise RefusedRecordError("the record has no station identifier")
    if len(text) > _LONGEST or not text.isprintable() or "\ufffd" in text:
        raise RefusedRecordError(
            f"station identifier {text[:_LONGEST]!r} is longer than {_LONGEST} characters or holds "
            "characters that are not text"
        )
    number = _NUMBER.fullmatch(text)
    return number[1].zfill(5) if number else text


def _finite(value: float | None) -> float | None:
    if value is None:
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def convert(value: float, unit: str, quantity: str) -> float:
    """A value in the unit it is stored in.

    Raises:
        ObservationError: unknown unit or quantity, or a unit of another kind.

    >>> convert(20.0, "degC", "t2m")
    293.15
    """
    if quantity not in QUANTITIES:
        raise ObservationError(f"no quantity {quantity!r}; known are {', '.join(QUANTITIES)}")
    if unit not in UNITS or UNITS[unit][0] != QUANTITIES[quantity]:
        fitting = [name for name, (kind, _) in UNITS.items() if kind == QUANTITIES[quantity]]
        raise ObservationError(f"{quantity} cannot be in {unit!r}; use {' or '.join(fitting)}")
    return UNITS[unit][1](value)
