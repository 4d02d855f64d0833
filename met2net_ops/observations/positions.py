"""Whether a station can stand where its report says."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# A latitude that was coded in hundred-thousandths of a degree, or kept in 32 bits.
_ROUNDING = 1e-4  # degrees
_NUMBER = re.compile(r"(?:0-20000-0-)?(\d\d)\d{3}", re.ASCII)
# Numbers of buoys begin like those of land stations; only the boxes of large blocks hold buoys
# whose latitude and longitude could be exchanged.
_LARGEST = 30.0  # degrees


class PositionError(ValueError):
    """No station can stand there."""


class ExchangedError(PositionError):
    """Latitude and longitude seem to be exchanged."""


@dataclass(frozen=True, slots=True)
class Box:
    """The edges of a region, in degrees."""

    south: float
    north: float
    west: float
    east: float

    def holds(self, latitude: float, longitude: float) -> bool:
        """Whether a place lies in it."""
        return self.south <= latitude <= self.north and self.west <= longitude <= self.east


def check_position(station: str, latitude: float, longitude: float) -> tuple[float, float]:
    """Degrees north and degrees east from -180, without what rounding added.

    Raises:
        ExchangedError: only with latitude and longitude exchanged it is a place on Earth, or one
            in the WMO block that the number of the station names (WMO-No. 9, volume A).
        PositionError: it is no place on Earth.

    >>> check_position("89009", -90.00000000000001, 360.0)
    (-90.0, 0.0)
    """
    if abs(latitude) > 90 + _ROUNDING or abs(longitude) > 360 + _ROUNDING:
        if abs(latitude) <= 180 and abs(longitude) <= 90:
            raise ExchangedError(f"it lies at {latitude}, {longitude}: no place on Earth")
        raise PositionError(f"it lies at {latitude}, {longitude}: no place on Earth")
    north = min(90.0, max(-90.0, latitude))
    east = round((round(longitude, 6) + 180.0) % 360.0 - 180.0, 6)
    match = _NUMBER.fullmatch(station)
    box = _boxes().get(match[1]) if match else None
    if match and box and not box.holds(north, east) and box.holds(east, north):
        raise ExchangedError(f"it lies at {north}, {east}, which is not in WMO block {match[1]}")
    return north, east


@cache
def _boxes() -> dict[str, Box]:
    """Where the stations of a WMO block lie, of blocks that are not too large."""
    text = Path(__file__).with_name("wmo_blocks.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    boxes = {
        row["block"]: Box(*(float(row[edge]) for edge in ("south", "north", "west", "east")))
        for row in rows
    }
    return {
        block: box
        for block, box in boxes.items()
        if max(box.north - box.south, box.east - box.west) <= _LARGEST
    }
