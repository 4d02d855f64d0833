"""Quality flags: what is wrong with a value is noted apart from it; the value is not changed.

Flags are bits, so that one value can carry several. They are computed from the reports (and, for
the departure, from a background field) whenever they are needed, never stored over a report.
"""

from __future__ import annotations

import re
from enum import IntFlag
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.grids import EARTH_RADIUS_M

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from met2net_ops.observations.loading import Reports


class Flag(IntFlag):
    """What is wrong with a value."""

    GOOD = 0
    RANGE = 1
    """Outside what is possible on Earth."""
    DUPLICATE = 2
    """A later import has a value for the same station, time and quantity."""
    BUDDY = 4
    """Far from what the stations around report at the same time."""
    DEPARTURE = 8
    """Far from the background field."""


# Quantity → (lowest, highest) possible value, in the unit of `report.QUANTITIES`.
LIMITS = {
    "t2m": (183.0, 333.0),
    "d2m": (163.0, 313.0),
    "wind_speed": (0.0, 100.0),
    "wind_from": (0.0, 360.0),
    "msl": (87_000.0, 109_000.0),
    "sp": (45_000.0, 109_000.0),
    "tcc": (0.0, 1.0),
    "tp": (-0.1, 400.0),  # below zero: a trace, too little to measure
    "tp6h": (-0.1, 1000.0),
    "tp24h": (-0.1, 2000.0),
}
# Quantity → how far from its neighbours' median, and from a background, a value may be.
_BUDDY = {"t2m": 15.0, "d2m": 20.0, "msl": 1500.0}
_DEPARTURE = {"t2m": 15.0, "d2m": 20.0, "u10": 25.0, "v10": 25.0, "msl": 1500.0}
_BUDDY_RADIUS_M = 300_000.0
_BUDDIES = 3
# How much these fall with height, K per m: a summit is not unlike its valley for being colder.
LAPSE = {"t2m": 6.5e-3, "d2m": 1.2e-3}
# WIGOS identifiers made from WMO numbers: the same stations under another name.
_WMO_NUMBER = re.compile(r"0-20000-0-(\d{5})")


def range_flags(quantity: ArrayLike, value: ArrayLike) -> NDArray[np.uint8]:
    """RANGE where a value is impossible.

    >>> [int(flag) for flag in range_flags(["t2m", "t2m"], [280.0, 28.0])]
    [0, 1]
    """
    names, values = np.asarray(quantity), np.asarray(value, dtype=np.float64)
    flags = np.zeros(values.shape, dtype=np.uint8)
    for name, (low, high) in LIMITS.items():
        bad = (names == name) & ((values < low) | (values > high))
        flags[bad] |= int(Flag.RANGE)
    return flags


def station_names(reports: Reports) -> NDArray[np.str_]:
    """What tells stations apart: the identifier, and for ships, which move, their place too.

    Many ships report under one name, such as SHIP. A WIGOS identifier made from a WMO number
    (0-20000-0-10384) counts as that number: many stations report under both.
    """
    known, places_of = np.unique(reports.station, return_inverse=True)
    short = [_WMO_NUMBER.sub(r"\1", name) for name in known.tolist()]
    names = np.array(short, dtype=np.str_)[places_of]
    if not reports.at_sea.any():
        return names
    places = zip(reports.latitude.tolist(), reports.longitude.tolist(), strict=True)
    placed = [
        f"{name} ({lat:.2f}, {lon:.2f})" if at_sea else name
        for name, at_sea, (lat, lon) in zip(
            names.tolist(), reports.at_sea.tolist(), places, strict=True
        )
    ]
    return np.array(placed, dtype=np.str_)


def duplicate_flags(reports: Reports) -> NDArray[np.uint8]:
    """DUPLICATE on all but the last of the values with the same station, time and quantity.

    The last is the one imported last. A report that says it is a correction replaces all values
    of the report it corrects, whichever was imported first.
    """
    flags = np.zeros(len(reports), dtype=np.uint8)
    names, times = station_names(reports).tolist(), reports.time.astype(np.int64).tolist()
    corrections = reports.correction.tolist()
    highest: dict[tuple[str, int], int] = {}
    for name, time, correction in zip(names, times, corrections, strict=True):
        highest[name, time] = max(correction, highest.get((name, time), 0))
    seen: dict[tuple[str, int, str], int] = {}
    for index, key in enumerate(zip(names, times, reports.quantity.tolist(), strict=True)):
        if corrections[index] < highest[key[:2]]:
            flags[index] |= int(Flag.DUPLICATE)
            continue
        if key in seen:
            flags[seen[key]] |= int(Flag.DUPLICATE)
        seen[key] = index
    return flags


def buddy_flags(
    quantity: str,
    latitude: ArrayLike,
    longitude: ArrayLike,
    value: ArrayLike,
    height: ArrayLike | None = None,
) -> NDArray[np.uint8]:
    """BUDDY where a value is far from the median of its neighbours; all of one time.

    Only values with at least three neighbours within 300 km are judged, by their median, so
    that one error does not flag its neighbours.

    Args:
        quantity: which; only those with a tolerance are judged.
        latitude: (station,) degrees north.
        longitude: (station,) degrees east.
        value: (station,) NaN where missing.
        height: (station,) m, NaN where unknown; temperatures are compared at sea level.
    """
    values = np.asarray(value, dtype=np.float64)
    flags = np.zeros(values.shape, dtype=np.uint8)
    if quantity not in _BUDDY:
        return flags
    if height is not None:
        metres = np.nan_to_num(np.asarray(height, dtype=np.float64), nan=0.0)
        values = values + LAPSE.get(quantity, 0.0) * metres
    known = np.flatnonzero(np.isfinite(values))
    lat, lon = (np.deg2rad(np.asarray(x, dtype=np.float64)[known]) for x in (latitude, longitude))
    points = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)
    from scipy.spatial import cKDTree  # takes a while to import

    chord = 2 * np.sin(_BUDDY_RADIUS_M / EARTH_RADIUS_M / 2)
    tree = cKDTree(points)
    for index, near in enumerate(tree.query_ball_point(points, chord)):
        others = [known[i] for i in near if i != index]
        if len(others) < _BUDDIES:
            continue
        if abs(values[known[index]] - np.median(values[others])) > _BUDDY[quantity]:
            flags[known[index]] |= int(Flag.BUDDY)
    return flags


def departure_flags(
    variable: str, value: NDArray[np.float64], background: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """DEPARTURE where a value is far from the background; arrays of equal shape.

    >>> [int(x) for x in departure_flags("t2m", np.array([280.0, 250.0]), np.array([281.0, 281.0]))]
    [0, 8]
    """
    flags = np.zeros(value.shape, dtype=np.uint8)
    if variable in _DEPARTURE:
        with np.errstate(invalid="ignore"):
            flags[np.abs(value - background) > _DEPARTURE[variable]] |= int(Flag.DEPARTURE)
    return flags
