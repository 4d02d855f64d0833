"""Turn winds that follow a grid's axes into eastward and northward wind.

Everything needed is one angle per point, the bearing of the grid's y axis: clockwise from true
north. With it, as for any rotation of axes,

    east  =  u cos(bearing) + v sin(bearing)
    north = -u sin(bearing) + v cos(bearing)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.grib.headers import get_double, get_long

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from met2net_ops.grib.records import SourceGrid

_EARTH_AXES = ("regular_ll", "reduced_ll", "regular_gg", "reduced_gg", "mercator")
_ROTATED = ("rotated_ll", "rotated_gg", "reduced_rotated_gg")
_SOUTH_POLE_ON_PLANE = 128  # projectionCentreFlag, flag table 3.5


@dataclass(frozen=True, slots=True)
class Rotation:
    """Cosine and sine of the bearing of the grid's y axis, of the shape of the grid."""

    cosine: NDArray[np.float32]
    sine: NDArray[np.float32]

    def eastward(self, u: NDArray[np.float32], v: NDArray[np.float32]) -> NDArray[np.float32]:
        """The eastward component, from both grid components."""
        return u * self.cosine + v * self.sine

    def northward(self, u: NDArray[np.float32], v: NDArray[np.float32]) -> NDArray[np.float32]:
        """The northward component, from both grid components."""
        return v * self.cosine - u * self.sine


def rotation_of(handle: int, grid: SourceGrid) -> Rotation | str | None:
    """How winds relative to this message's grid turn; None if not at all; or why not known.

    Raises:
        UnreadableError: keys of the projection are missing.
    """
    kind = grid.kind
    if kind in _EARTH_AXES:
        orientation = get_double(handle, "orientationInDegrees", 0.0) if kind == "mercator" else 0.0
        return f"winds on a {kind} grid turned by {orientation}°" if orientation else None
    if kind in _ROTATED:
        bearing = rotated_pole_bearing(
            grid.latitudes,
            grid.longitudes,
            get_double(handle, "latitudeOfSouthernPoleInDegrees"),
            get_double(handle, "longitudeOfSouthernPoleInDegrees"),
        )
    elif kind == "lambert":
        cone = lambert_cone(
            get_double(handle, "Latin1InDegrees"),
            get_double(handle, "Latin2InDegrees"),
            _eccentricity(handle),
        )
        bearing = cone_bearing(grid.longitudes, get_double(handle, "LoVInDegrees"), cone)
    elif kind == "polar_stereographic":
        south = get_long(handle, "projectionCentreFlag", 0) & _SOUTH_POLE_ON_PLANE
        central = get_double(handle, "orientationOfTheGridInDegrees")
        bearing = cone_bearing(grid.longitudes, central, -1.0 if south else 1.0)
    else:
        return f"how winds turn on a {kind} grid is not known here"
    return Rotation(np.cos(bearing).astype(np.float32), np.sin(bearing).astype(np.float32))


def cone_bearing(
    longitudes: NDArray[np.float64], central: float, cone: float
) -> NDArray[np.float64]:
    """Bearing of the y axis (radians) of a conic or polar stereographic grid.

    The cone constant times the distance to the meridian along which y points north (Snyder 1987,
    Map Projections, eq. 14-4 and 21-4: meridians are straight lines that open by `cone`).

    >>> float(np.rad2deg(cone_bearing(np.array([350.0]), 10.0, 0.5))[0])
    -10.0
    """
    distance = np.mod(longitudes - central + 180.0, 360.0) - 180.0
    return np.asarray(np.deg2rad(distance) * cone, dtype=np.float64)


def lambert_cone(latin1: float, latin2: float, eccentricity: float = 0.0) -> float:
    """Cone constant of Lambert's conformal conic projection (Snyder 1987, eq. 15-8).

    Args:
        latin1: first latitude where the cone cuts the earth, degrees.
        latin2: the second; equal to the first if it touches.
        eccentricity: of the ellipsoid.

    >>> round(lambert_cone(30.0, 60.0), 6)
    0.715567
    """
    phi1, phi2 = np.deg2rad(latin1), np.deg2rad(latin2)
    if abs(latin1 - latin2) < 1e-6:
        return float(np.sin(phi1))

    def radius(phi: float) -> float:
        return float(np.cos(phi) / np.sqrt(1 - (eccentricity * np.sin(phi)) ** 2))

    def isometric(phi: float) -> float:
        e_sin = eccentricity * np.sin(phi)
        stretch = ((1 - e_sin) / (1 + e_sin)) ** (eccentricity / 2)
        return float(np.tan(np.pi / 4 - phi / 2) / stretch)

    numerator = np.log(radius(phi1) / radius(phi2))
    return float(numerator / np.log(isometric(phi1) / isometric(phi2)))


def rotated_pole_bearing(
    latitudes: NDArray[np.float64],
    longitudes: NDArray[np.float64],
    south_pole_latitude: float,
    south_pole_longitude: float,
) -> NDArray[np.float64]:
    """Bearing of the y axis (radians) of a rotated grid: the way to its north pole.

    Args:
        latitudes: true latitudes of the points, degrees.
        longitudes: true longitudes, same shape.
        south_pole_latitude: where the grid's south pole is, degrees.
        south_pole_longitude: likewise.
    """
    pole = np.deg2rad(-south_pole_latitude)
    phi = np.deg2rad(latitudes)
    towards = np.deg2rad(south_pole_longitude + 180.0 - longitudes)
    east = np.cos(pole) * np.sin(towards)
    north = np.sin(pole) * np.cos(phi) - np.cos(pole) * np.sin(phi) * np.cos(towards)
    return np.asarray(np.arctan2(east, north), dtype=np.float64)


def _eccentricity(handle: int) -> float:
    """Of the earth's shape in the message: 0 for a sphere."""
    if not get_long(handle, "earthIsOblate", 0):
        return 0.0
    major = get_double(handle, "earthMajorAxisInMetres", 6378160.0)
    minor = get_double(handle, "earthMinorAxisInMetres", 6356775.0)
    return float(np.sqrt(max(0.0, 1.0 - (minor / major) ** 2)))
