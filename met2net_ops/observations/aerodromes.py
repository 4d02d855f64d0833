"""Where aerodromes are: a list that is shipped, and one of your own, which takes precedence.

The shipped list, `aerodromes.csv`, says in its first line where it comes from; the script that
writes it is `docs/make_station_lists.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from met2net_ops.observations.delimited import Delimited, read_delimited
from met2net_ops.observations.report import ObservationError, RefusedRecordError
from met2net_ops.observations.text import parse_number

_NEEDED = ("id", "latitude", "longitude")
_HEIGHT = "height"


@dataclass(frozen=True, slots=True)
class Aerodrome:
    """Where an aerodrome is: degrees north and east, metres above the sea (NaN if unknown)."""

    latitude: float
    longitude: float
    height: float


@cache
def shipped_aerodromes() -> dict[str, Aerodrome]:
    """Aerodromes and weather stations by ICAO code; do not change what is returned."""
    return read_aerodromes(Path(__file__).with_name("aerodromes.csv"))


def known_aerodromes(own: Path | None = None) -> dict[str, Aerodrome]:
    """The shipped aerodromes, overridden by those of a file of your own.

    Raises:
        ObservationError: the file cannot be read.
    """
    return shipped_aerodromes() if own is None else shipped_aerodromes() | read_aerodromes(own)


def read_aerodromes(path: Path) -> dict[str, Aerodrome]:
    """Read a CSV file with the columns id, latitude, longitude (degrees) and height (m, optional).

    Raises:
        ObservationError: it cannot be read, lacks a column, or holds what is no position.
    """
    try:
        table = read_delimited(path, _NEEDED, "Write it like 'id,latitude,longitude,height'")
    except OSError as error:
        raise ObservationError(f"cannot read the places of aerodromes: {error}") from error
    found = {}
    for line in table.lines:
        try:
            code, place = _aerodrome(table, line)
        except (ValueError, RefusedRecordError) as error:
            raise ObservationError(
                f"{path}: the line {line[:80]!r} is no place ({error}); write it like "
                "'LTFM,41.275,28.732,99'"
            ) from error
        found[code] = place
    return found


def _aerodrome(table: Delimited, line: str) -> tuple[str, Aerodrome]:
    cells = table.cells(line)
    code, latitude, longitude = (cells[table.places(name)[0]].strip() for name in _NEEDED)
    heights = table.places(_HEIGHT)
    height = cells[heights[0]].strip() if heights else ""
    place = Aerodrome(
        parse_number(latitude, "."),
        parse_number(longitude, "."),
        parse_number(height, ".") if height else math.nan,
    )
    if not code or abs(place.latitude) > 90 or abs(place.longitude) > 360:
        raise ValueError("no code, or no place on Earth")
    return code.upper(), place
