"""Map projections of a sphere: places to a plane and back, and the one that suits a region.

One unit of the plane is one degree of arc where the scale is true. Formulas are Snyder's (Map
Projections: A Working Manual, 1987); Robinson's table is his of 1974. pyproj is not used here: it
crashes a process that has loaded ecCodes' wheels, which bring a second PROJ.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Protocol

import numpy as np
from scipy.interpolate import CubicSpline

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from met2net_ops.verification.inputs.regions import Region

    Floats = NDArray[np.float64]
    Pair = tuple[Floats, Floats]

_RADIUS = 180.0 / math.pi
PLATE, LAMBERT, POLAR, ROBINSON, GLOBE = "plate", "lambert", "polar", "robinson", "globe"
PROJECTIONS = {
    PLATE: "Plate carrée",
    LAMBERT: "Lambert conformal",
    POLAR: "Polar stereographic",
    ROBINSON: "Robinson",
    GLOBE: "Orthographic",
}
_POLAR_FROM = 40.0  # degrees of latitude that every place of a polar map lies beyond
_TURNED_BY = 1e-9  # degrees: the edge of the world is still on the map


class Projection(Protocol):
    """Places to points of a plane and back."""

    def forward(self, latitude: ArrayLike, longitude: ArrayLike) -> Pair:
        """Points of places in degrees north and east; NaN for what the map cannot show."""
        ...

    def inverse(self, x: ArrayLike, y: ArrayLike) -> Pair:
        """Latitude and longitude (-180 to 180) of points; NaN off the map."""
        ...


@dataclass(frozen=True, slots=True)
class PlateCarree:
    """Equidistant cylindrical (Snyder, chapter 12).

    Attributes:
        middle: longitude at x = 0.
        true_at: latitude whose degrees of longitude are as long as they are on Earth.
    """

    middle: float = 0.0
    true_at: float = 0.0

    def forward(self, latitude: ArrayLike, longitude: ArrayLike) -> Pair:
        """See `Projection`."""
        return _turned(longitude, self.middle) * self._shrink, _degrees(latitude)

    def inverse(self, x: ArrayLike, y: ArrayLike) -> Pair:
        """See `Projection`."""
        along, latitude = _degrees(x) / self._shrink, _degrees(y)
        on_map = (np.abs(along) <= 180 + _TURNED_BY) & (np.abs(latitude) <= 90)
        return _where(on_map, latitude, _wrapped(along + self.middle))

    @property
    def _shrink(self) -> float:
        return math.cos(math.radians(self.true_at))


@dataclass(frozen=True, slots=True)
class Conic:
    """Lambert's conformal conic and, its limit, the polar stereographic (chapters 15 and 21).

    Attributes:
        middle: longitude that points straight up or down.
        cone: cone constant: 1 and -1 are the plane that touches the north or the south pole.
        size: Snyder's R F.
        origin: radius at y = 0.
    """

    middle: float
    cone: float
    size: float
    origin: float

    @classmethod
    def lambert(cls, middle: float, south: float, north: float) -> Conic:
        """With two standard parallels, of one hemisphere; y = 0 between them.

        >>> Conic.lambert(0.0, 40.0, 60.0).forward(50.0, 0.0)[1].round(9) + 0
        np.float64(0.0)
        """
        first, second = math.radians(south), math.radians(north)
        cone = math.sin(first)
        if abs(second - first) > 1e-9:
            cone = math.log(math.cos(first) / math.cos(second))
            cone /= math.log(_isometric(second) / _isometric(first))
        size = _RADIUS * math.cos(first) * _isometric(first) ** cone / cone
        return cls(middle, cone, size, size / _isometric((first + second) / 2) ** cone)

    @classmethod
    def polar(cls, middle: float, true_at: float) -> Conic:
        """Around the north pole, or the south pole where the true latitude is south."""
        sign = math.copysign(1.0, true_at)
        return cls(middle, sign, sign * _RADIUS * (1 + math.sin(math.radians(abs(true_at)))), 0.0)

    def forward(self, latitude: ArrayLike, longitude: ArrayLike) -> Pair:
        """See `Projection`."""
        lat = np.radians(_degrees(latitude))
        angle = self.cone * np.radians(_turned(longitude, self.middle))
        with np.errstate(divide="ignore", over="ignore"):
            radius = self.size / np.tan(np.pi / 4 + lat / 2) ** self.cone
        radius = np.where(np.abs(radius) < 1e4, radius, np.nan)  # the other pole is at infinity
        return radius * np.sin(angle), self.origin - radius * np.cos(angle)

    def inverse(self, x: ArrayLike, y: ArrayLike) -> Pair:
        """See `Projection`."""
        sign = math.copysign(1.0, self.cone)
        across, up = sign * _degrees(x), sign * (self.origin - _degrees(y))
        radius = np.hypot(across, up)
        along = np.degrees(np.arctan2(across, up)) / self.cone
        with np.errstate(divide="ignore"):
            raised = (abs(self.size) / radius) ** (1 / self.cone)
        latitude = np.degrees(2 * np.arctan(raised)) - 90
        return _where(np.abs(along) <= 180 + _TURNED_BY, latitude, _wrapped(along + self.middle))


@dataclass(frozen=True, slots=True)
class Robinson:
    """Robinson's, of the whole world, by cubic splines through his table.

    Attributes:
        middle: longitude at x = 0.
    """

    middle: float = 0.0

    def forward(self, latitude: ArrayLike, longitude: ArrayLike) -> Pair:
        """See `Projection`."""
        width, height, _, _ = _robinson()
        lat = _degrees(latitude)
        x = 0.8487 * _turned(longitude, self.middle) * width(np.abs(lat))
        return x, np.sign(lat) * 1.3523 * _RADIUS * height(np.abs(lat))

    def inverse(self, x: ArrayLike, y: ArrayLike) -> Pair:
        """See `Projection`."""
        width, _, heights, latitudes = _robinson()
        up = _degrees(y) / (1.3523 * _RADIUS)
        latitude = np.interp(np.abs(up), heights, latitudes, right=np.nan)
        along = _degrees(x) / (0.8487 * width(latitude))
        latitude = np.sign(up) * latitude
        return _where(np.abs(along) <= 180 + _TURNED_BY, latitude, _wrapped(along + self.middle))


@dataclass(frozen=True, slots=True)
class Orthographic:
    """The globe seen from far away (chapter 20).

    Attributes:
        latitude: of the place in the middle.
        longitude: of the place in the middle.
    """

    latitude: float
    longitude: float

    def forward(self, latitude: ArrayLike, longitude: ArrayLike) -> Pair:
        """See `Projection`."""
        lat, turn = np.radians(_degrees(latitude)), np.radians(_degrees(longitude) - self.longitude)
        sine, cosine = self._tilt
        facing = sine * np.sin(lat) + cosine * np.cos(lat) * np.cos(turn)
        x = _RADIUS * np.cos(lat) * np.sin(turn)
        y = _RADIUS * (cosine * np.sin(lat) - sine * np.cos(lat) * np.cos(turn))
        return _where(facing >= -_TURNED_BY, x, y)

    def inverse(self, x: ArrayLike, y: ArrayLike) -> Pair:
        """See `Projection`."""
        east, north = _degrees(x) / _RADIUS, _degrees(y) / _RADIUS
        sine, cosine = self._tilt
        away = 1 - east**2 - north**2
        facing = np.sqrt(np.clip(away, 0, None))
        latitude = np.degrees(np.arcsin(np.clip(facing * sine + north * cosine, -1, 1)))
        turn = np.degrees(np.arctan2(east, facing * cosine - north * sine))
        return _where(away >= -_TURNED_BY, latitude, _wrapped(turn + self.longitude))

    @property
    def _tilt(self) -> tuple[float, float]:
        return math.sin(math.radians(self.latitude)), math.cos(math.radians(self.latitude))


def suited(region: Region) -> str:
    """Which of `PROJECTIONS` a forecaster expects of a region.

    >>> from met2net_ops.verification.inputs.regions import Region
    >>> [suited(Region("", *box)) for box in ((90, -90), (72, 33, -25, 45), (90, 60), (20, -20))]
    ['robinson', 'lambert', 'polar', 'plate']
    """
    south, north, width = region.south, region.north, width_of(region)
    if width > 300 and north - south > 100:
        return ROBINSON
    nearest, farthest = sorted((abs(south), abs(north)))
    if POLAR in possible(region) and (farthest > 85 or nearest >= 60):
        return POLAR
    centre = abs(south + north) / 2
    return LAMBERT if LAMBERT in possible(region) and 25 <= centre <= 70 else PLATE


def possible(region: Region) -> tuple[str, ...]:
    """Which of `PROJECTIONS` can show a region whole, the orthographic one but for its far side."""
    south, north, width = region.south, region.north, width_of(region)
    one_side = south >= 0 or north <= 0
    found = [PLATE]
    if width <= 180 and abs(south + north) >= 10 and max(abs(south), abs(north)) < 89:
        found.append(LAMBERT)
    if one_side and min(abs(south), abs(north)) >= _POLAR_FROM:
        found.append(POLAR)
    return (*found, ROBINSON, GLOBE)


def projection_of(region: Region, kind: str) -> Projection:
    """A projection for a region: one of `possible`."""
    middle = region.west + width_of(region) / 2
    south, north = region.south, region.north
    centre = (south + north) / 2
    if kind == LAMBERT:
        sixth = (north - south) / 6
        return Conic.lambert(middle, south + sixth, north - sixth)
    if kind == POLAR:
        around = width_of(region) >= 180
        return Conic.polar(0.0 if around else middle, centre)
    if kind == ROBINSON:
        return Robinson(middle)
    if kind == GLOBE:
        return Orthographic(centre if north - south < 170 else 20.0, middle)
    return PlateCarree(middle, 0.0 if north - south > 100 else centre)


def width_of(region: Region) -> float:
    """Degrees of longitude from its west to its east."""
    width = region.east - region.west
    return width if 0 < width <= 360 else width % 360.0 or 360.0


def _isometric(latitude: float) -> float:
    return math.tan(math.pi / 4 + latitude / 2)


def _degrees(values: ArrayLike) -> Floats:
    return np.asarray(values, dtype=np.float64)


def _wrapped(longitude: Floats) -> Floats:
    return np.asarray((longitude + 180.0) % 360.0 - 180.0)


def _turned(longitude: ArrayLike, middle: float) -> Floats:
    """Degrees east of a meridian, -180 to 180; whole turns are taken off what lies beyond alone."""
    off = _degrees(longitude) - middle
    return np.asarray(np.where(np.abs(off) <= 180 + _TURNED_BY, off, _wrapped(off)))


def _where(on_map: NDArray[np.bool_], first: Floats, second: Floats) -> Pair:
    return np.where(on_map, first, np.nan), np.where(on_map, second, np.nan)


@cache
def _robinson() -> tuple[CubicSpline, CubicSpline, Floats, Floats]:
    """Width and height by latitude; heights and their latitudes, to look the other way."""
    width = [1, 0.9986, 0.9954, 0.99, 0.9822, 0.973, 0.96, 0.9427, 0.9216, 0.8962, 0.8679, 0.835,
             0.7986, 0.7597, 0.7186, 0.6732, 0.6213, 0.5722, 0.5322]  # fmt: skip
    height = [0, 0.062, 0.124, 0.186, 0.248, 0.31, 0.372, 0.434, 0.4958, 0.5571, 0.6176, 0.6769,
              0.7346, 0.7903, 0.8435, 0.8936, 0.9394, 0.9761, 1]  # fmt: skip
    every = np.arange(0, 91, 5.0)
    across, up = CubicSpline(every, width), CubicSpline(every, height)
    latitudes = np.linspace(0, 90, 9001)
    heights = up(latitudes)
    heights[-1] += 1e-12
    return across, up, heights, latitudes
