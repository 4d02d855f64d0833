"""What a station reports, in one unit per quantity, and what was done with every record."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from met2net_ops.errors import Met2NetOpsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
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
}

# Some services send no number, only the station's name.
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9 .,'()/_-]{0,39}")
_WIGOS = re.compile(r"\d{1,2}-\d{1,5}-\d{1,5}-[A-Za-z0-9]{1,16}")
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
    """

    station: str
    latitude: float
    longitude: float
    height: float
    time: datetime
    values: Mapping[str, float]
    record: int
    at_sea: bool = False


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


@dataclass(frozen=True)
class Reading:
    """All records of one file: every one is a report or a refusal.

    Attributes:
        path: the file.
        form: "bufr", "metar" or "csv".
        reports: what was taken.
        refusals: what was not, and why.
    """

    path: Path
    form: str
    reports: tuple[StationReport, ...] = ()
    refusals: tuple[RecordRefusal, ...] = field(default_factory=tuple)

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
) -> StationReport:
    """Check what every report needs; missing values are left out.

    Raises:
        RefusedRecordError: no fit identifier, place, time or no value at all.

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
    if not (-90 <= lat <= 90 and -360 <= lon <= 360):
        raise RefusedRecordError(f"it lies at {lat}, {lon}: no place on Earth", name)
    if time < _EARLIEST:
        raise RefusedRecordError(f"it reports for {time}: no possible time", name)
    found = {what: value for what, raw in values.items() if (value := _finite(raw)) is not None}
    if not found:
        raise RefusedRecordError(
            f"it reports none of the quantities kept ({', '.join(QUANTITIES)})", name
        )
    place = _finite(height)
    east = round((lon + 180.0) % 360.0 - 180.0, 6)
    above = math.nan if place is None else place
    return StationReport(name, lat, east, above, time, found, record, at_sea)


def check_identifier(station: object) -> str:
    """A usable identifier, or a refusal that shows what came instead.

    Raises:
        RefusedRecordError: empty, with control characters, or of no known form.

    >>> check_identifier(" 0-20000-0-10384 "), check_identifier("EDDB"), check_identifier(1027)
    ('0-20000-0-10384', 'EDDB', '01027')
    """
    text = str(station if station is not None else "").strip(" ")
    if not text or text in ("None", "nan"):
        raise RefusedRecordError("the record has no station identifier")
    pattern = _WIGOS if text.count("-") == 3 else _IDENTIFIER
    if not pattern.fullmatch(text):
        raise RefusedRecordError(
            f"station identifier {text!r} is no number, WIGOS identifier, code or name"
        )
    # WMO numbers are five digits: block and station.
    return text.zfill(5) if text.isdigit() else text


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
