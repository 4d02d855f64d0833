"""The synthetic planet's surface: rough outlines of the Earth's land and mountains, and its sea.

The outlines are drawn by hand, good to a few degrees; they serve to give the weather something
Earth-like to blow over and are no map.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Real = NDArray[np.float64]

# fmt: off
_OUTLINES: dict[str, list[tuple[float, float]]] = {  # (longitude, latitude)
    "north america": [
        (-168, 66), (-156, 71), (-128, 70), (-110, 68), (-95, 70), (-82, 68), (-86, 65), (-94, 60),
        (-92, 57), (-82, 54), (-79, 52), (-77, 57), (-77, 62), (-70, 61), (-64, 58), (-56, 52),
        (-65, 46), (-70, 43), (-75, 37), (-81, 31), (-80, 25), (-84, 30), (-90, 29), (-97, 27),
        (-97, 20), (-90, 21), (-87, 16), (-83, 9), (-78, 8), (-86, 12), (-95, 16), (-105, 20),
        (-110, 24), (-113, 31), (-118, 34), (-124, 41), (-124, 48), (-132, 55), (-145, 60),
        (-152, 58), (-160, 55), (-166, 62),
    ],
    "arctic islands": [
        (-125, 72), (-120, 76), (-85, 83), (-62, 82), (-75, 77), (-62, 66), (-75, 64), (-90, 71),
    ],
    "south america": [
        (-77, 8), (-72, 12), (-60, 9), (-50, 1), (-35, -6), (-39, -15), (-48, -27), (-57, -38),
        (-66, -45), (-68, -54), (-74, -50), (-73, -38), (-71, -20), (-80, -6), (-80, 1),
    ],
    "greenland": [(-55, 82), (-20, 82), (-22, 70), (-42, 60), (-54, 67), (-68, 76)],
    "iceland": [(-24, 65), (-18, 66.5), (-14, 65), (-19, 63.3)],
    "africa": [
        (-6, 35), (10, 37), (20, 32), (32, 31), (36, 22), (43, 12), (51, 11), (42, -2), (40, -15),
        (33, -26), (27, -34), (18, -34), (12, -18), (13, -8), (9, 3), (-8, 5), (-17, 14),
        (-16, 24), (-10, 30),
    ],
    "eurasia": [
        (-9, 37), (-9, 43), (-1, 44), (-4, 48), (4, 52), (9, 54), (10, 57), (17, 55), (22, 59),
        (18, 60), (13, 56), (5, 59), (6, 62), (14, 68), (25, 71), (40, 67), (60, 69), (75, 73),
        (100, 77), (115, 74), (140, 73), (160, 70), (180, 69), (178, 62), (163, 58), (157, 51),
        (155, 59), (142, 59), (136, 54), (140, 48), (129, 42), (128, 35), (125, 39), (119, 38),
        (122, 31), (118, 24), (108, 21), (109, 12), (104, 10), (100, 13), (103, 2), (98, 9),
        (94, 17), (88, 22), (80, 15), (77, 8), (73, 18), (67, 25), (57, 26), (50, 30), (56, 25),
        (59, 22), (52, 16), (44, 13), (39, 21), (34, 28), (36, 36), (27, 37), (23, 37), (20, 40),
        (14, 45), (18, 40), (12, 44), (8, 44), (3, 42), (0, 39), (-5, 36),
    ],
    "britain": [(-6, 50), (2, 51), (-2, 56), (-5, 58.5)],
    "japan": [(130, 32), (136, 34), (141, 36), (144, 44), (140, 41)],
    "madagascar": [(44, -25), (47, -25), (50, -15), (44, -17)],
    "borneo": [(109, 1), (114, -4), (118, 1), (117, 7)],
    "sumatra": [(95, 5), (105, -6), (101, 0)],
    "new guinea": [(131, -1), (141, -3), (150, -10), (138, -8)],
    "australia": [
        (114, -22), (122, -18), (130, -12), (137, -12), (141, -17), (142, -11), (146, -19),
        (153, -26), (150, -37), (140, -38), (131, -32), (116, -35),
    ],
    "new zealand": [(167, -46), (171, -47), (178, -38), (173, -35), (171, -42)],
    "antarctica": [
        (-180, -91), (-180, -78), (-150, -76), (-120, -74), (-100, -73), (-70, -72), (-60, -64),
        (-58, -70), (-60, -76), (-30, -77), (-10, -71), (30, -69), (60, -67), (100, -66),
        (140, -66.5), (165, -71), (180, -78), (180, -91),
    ],
}
_MOUNTAINS: list[tuple[float, float, float, float, float]] = [
    # longitude, latitude, half width east-west and north-south (degrees), height (m)
    (88, 33, 14, 6, 3600),     # Tibet
    (70, 38, 8, 5, 1500),      # Pamir
    (100, 48, 14, 7, 1000),    # Mongolia
    (-112, 42, 8, 12, 1700),   # Rockies
    (-130, 60, 8, 5, 700),     # Yukon
    (-69, -22, 4, 14, 2200),   # Andes
    (-41, 73, 11, 8, 2000),    # Greenland
    (10, 46, 8, 3, 700),       # Alps
    (12, 64, 5, 6, 600),       # Scandinavia
    (38, 9, 6, 7, 1200),       # Ethiopia
    (28, -28, 7, 6, 900),      # South Africa
    (48, 34, 10, 5, 1000),     # Iran
    (130, 65, 20, 5, 500),     # Siberia
]
# fmt: on


def _inside(
    outline: list[tuple[float, float]], longitude: Real, latitude: Real
) -> NDArray[np.bool_]:
    """Even-odd rule."""
    inside = np.zeros(longitude.shape, dtype=bool)
    for (x0, y0), (x1, y1) in zip(outline, outline[1:] + outline[:1], strict=True):
        if y0 == y1:
            continue
        crosses = (y0 > latitude) != (y1 > latitude)
        inside ^= crosses & (longitude < (x1 - x0) * (latitude - y0) / (y1 - y0) + x0)
    return inside


@lru_cache(maxsize=1)
def _fine_land() -> Real:
    """(180, 360) smoothed land fraction at cell centres, south to north, from 180° W."""
    longitude, latitude = np.meshgrid(np.arange(-179.5, 180.0), np.arange(-89.5, 90.0))
    land = np.zeros(longitude.shape, dtype=bool)
    for outline in _OUTLINES.values():
        land |= _inside(outline, longitude, latitude)
    return np.asarray(gaussian_filter(land.astype(np.float64), 1.2, mode=("nearest", "wrap")))


def land_fraction(latitudes: Real, longitudes: Real) -> Real:
    """(lat, lon) fraction of land, 0 to 1, with coasts about two degrees wide.

    >>> f = land_fraction(np.array([50.0, 0.0]), np.array([90.0, 200.0]))
    >>> f[0, 0] > 0.99, f[1, 1] < 0.01
    (np.True_, np.True_)
    """
    row = latitudes + 89.5
    column = np.mod(longitudes + 179.5, 360.0)
    rows, columns = np.meshgrid(row, column, indexing="ij")
    fine = np.concatenate([_fine_land(), _fine_land()[:, :1]], axis=1)
    return np.asarray(map_coordinates(fine, [rows, columns], order=1, mode="nearest"))


def height(latitudes: Real, longitudes: Real) -> Real:
    """(lat, lon) height of the ground above the sea, m: smooth bumps, none of them steep."""
    latitude, longitude = latitudes[:, None], longitudes[None, :]
    total = np.zeros((latitudes.size, longitudes.size))
    for x, y, width_x, width_y, metres in _MOUNTAINS:
        dx = np.mod(longitude - x + 180.0, 360.0) - 180.0
        total += metres * np.exp(-((dx / width_x) ** 2) - ((latitude - y) / width_y) ** 2)
    antarctica = 2200.0 / (1.0 + np.exp((latitude + 74.0) / 3.0))
    return np.asarray(total + antarctica + 0.0 * longitude)


def season(day_of_year: float) -> float:
    """+1 in the middle of the northern summer (15 July), -1 half a year later.

    >>> round(season(196.0), 3)
    1.0
    """
    return float(np.cos(2.0 * np.pi * (day_of_year - 196.0) / 365.25))


def sea_temperature(latitudes: Real, day_of_year: float) -> Real:
    """(lat, 1) temperature of the sea surface, or of the ice on it, K.

    The sea lags the sun by another month; poleward of 65° ice lets it fall far below freezing in
    winter.
    """
    latitude = np.deg2rad(latitudes)[:, None]
    lagged = season(day_of_year - 30.0)
    open_sea = 271.4 + 28.8 * np.cos(latitude) ** 1.8 + 3.0 * np.sin(2 * latitude) * lagged
    winter = 0.5 - 0.5 * lagged * np.sign(latitude)
    ice = 1.0 / (1.0 + np.exp(-(np.abs(np.rad2deg(latitude)) - 70.0) / 2.5))
    return np.asarray(np.maximum(open_sea, 271.4) - ice * (3.0 + 20.0 * winter))
