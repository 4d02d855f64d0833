"""Coordinates of projected and rotated grids, from their definition.

The formulas are Snyder's (Map Projections: A Working Manual, 1987, chapters 7, 15 and 21), for a
sphere or an ellipsoid. A polar stereographic plane is a cone opened flat, with cone constant 1
(north) or -1 (south), so one pair of formulas serves both conformal projections.

Two libraries that could do this are avoided on purpose. ecCodes' iterator steps eastwards and
northwards from the first grid point whatever the scanning mode, which is right only where rows
are stored from south to north and west to east (measured with 2.50.0; where they are, the two
agree). And pyproj crashes a process that has loaded ecCodes' wheels, which bring a second PROJ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.grib.keys import get_double, get_long
from met2net_ops.grib.records import GribUnreadableError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_SOUTH_POLE_ON_PLANE = 128  # projectionCentreFlag, flag table 3.5
_IAU_1965 = (6_378_160.0, 6_356_775.0)  # metres; edition 1's only oblate earth
_EARTH_M = (6.3e6, 6.4e6)  # axes; of a Mercator grid they follow from its ends as well
_NO_METRES = 4e6
_FAR_SIDE = 40.0  # degrees beyond the equator; no polar stereographic grid reaches so far
_ITERATIONS = 8  # of the latitude on an ellipsoid; converges to 1e-12 in about five


@dataclass(frozen=True, slots=True)
class Projection:
    """A conformal projection with a vertical axis, and the steps of a grid on its plane.

    Attributes:
        kind: ecCodes gridType.
        cone: cone constant n; 0 for a cylinder (Mercator).
        scale: metres; a F for a cone, a k0 for a cylinder, a being the earth's major axis.
        eccentricity: of the earth.
        central: longitude along which y points north, degrees.
        dx: metres between columns; 0 if a Mercator message does not state them.
        dy: metres between rows, likewise.
    """

    kind: str
    cone: float
    scale: float
    eccentricity: float
    central: float
    dx: float
    dy: float

    def forward(self, latitude: float, longitude: float) -> tuple[float, float]:
        """Metres eastwards and northwards on the plane.

        The origin is the tip of the cone; for a cylinder, the equator at the central longitude.
        """
        distance = np.deg2rad((longitude - self.central + 180.0) % 360.0 - 180.0)
        t = isometric(np.deg2rad(latitude), self.eccentricity)
        if not self.cone:
            return float(self.scale * distance), float(-self.scale * np.log(t))
        radius, angle = self.scale * t**self.cone, self.cone * distance
        return float(radius * np.sin(angle)), float(-radius * np.cos(angle))

    def inverse(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Latitudes, and longitudes in [0, 360), in degrees."""
        if not self.cone:
            t, distance = np.exp(-y / self.scale), x / self.scale
        else:
            sign = np.sign(self.cone)
            t = (np.hypot(x, y) / abs(self.scale)) ** (1.0 / self.cone)
            distance = np.arctan2(sign * x, -sign * y) / self.cone
        latitudes = np.rad2deg(latitude_of(t, self.eccentricity))
        return latitudes, np.mod(self.central + np.rad2deg(distance), 360.0)

    def coordinates(
        self, latitude: float, longitude: float, rows: NDArray[np.int64], columns: NDArray[np.int64]
    ) -> tuple[Array, Array]:
        """Latitudes and longitudes of all combinations of rows and columns.

        Args:
            latitude: of the first grid point, degrees.
            longitude: of the first grid point, degrees.
            rows: northward steps from the first grid point.
            columns: eastward steps from it.

        Returns:
            (row, column) latitudes and longitudes in degrees, the latter in [0, 360).

        Raises:
            GribUnreadableError: some lie where the cone, opened flat, has a gap.
        """
        x0, y0 = self.forward(latitude, longitude)
        x, y = np.meshgrid(x0 + self.dx * columns, y0 + self.dy * rows)
        sign = np.sign(self.cone)
        if abs(self.cone) < 1 and np.abs(np.arctan2(sign * x, -sign * y)).max() > np.pi * abs(
            self.cone
        ):
            raise GribUnreadableError(
                f"its {columns.size} x {rows.size} points, {self.dx:g} m and {self.dy:g} m apart "
                f"from {latitude:g}°, {longitude:g}° on, reach beyond the cone of its projection"
            )
        return self.inverse(x, y)


def isometric(phi: Array | float, eccentricity: float) -> Array:
    """Snyder's t (eq. 15-9): exp of minus the isometric latitude; `phi` in radians."""
    e_sin = eccentricity * np.sin(phi)
    stretch = ((1 - e_sin) / (1 + e_sin)) ** (eccentricity / 2)
    return np.asarray(np.tan(np.pi / 4 - np.asarray(phi) / 2) / stretch, dtype=np.float64)


def latitude_of(t: Array, eccentricity: float) -> Array:
    """The reverse of `isometric` (eq. 7-9), radians.

    >>> phi = np.array([-1.2, 0.3, 1.5])
    >>> bool(np.allclose(latitude_of(isometric(phi, 0.0818), 0.0818), phi, atol=1e-12))
    True
    """
    phi = np.pi / 2 - 2 * np.arctan(t)
    if eccentricity:
        for _ in range(_ITERATIONS):
            e_sin = eccentricity * np.sin(phi)
            stretch = ((1 - e_sin) / (1 + e_sin)) ** (eccentricity / 2)
            phi = np.pi / 2 - 2 * np.arctan(t * stretch)
    return phi


def lambert_cone(latin1: float, latin2: float, eccentricity: float = 0.0) -> float:
    """Cone constant of Lambert's conformal conic projection (eq. 15-8).

    Args:
        latin1: first latitude where the cone cuts the earth, degrees.
        latin2: the second; equal to the first if it touches.
        eccentricity: of the earth.

    >>> round(lambert_cone(30.0, 60.0), 6)
    0.715567
    """
    phi1, phi2 = np.deg2rad(latin1), np.deg2rad(latin2)
    if abs(latin1 - latin2) < 1e-6:
        return float(np.sin(phi1))
    shrink = np.log(_parallel(phi1, eccentricity) / _parallel(phi2, eccentricity))
    return float(shrink / np.log(isometric(phi1, eccentricity) / isometric(phi2, eccentricity)))


def _parallel(phi: float, eccentricity: float) -> float:
    """Radius of a parallel over the major axis (eq. 14-15)."""
    return float(np.cos(phi) / np.sqrt(1 - (eccentricity * np.sin(phi)) ** 2))


def rotate_back(
    latitudes: Array, longitudes: Array, pole_latitude: float, pole_longitude: float
) -> tuple[Array, Array]:
    """True latitudes and longitudes (degrees) of points of a rotated grid.

    Args:
        latitudes: in the rotated system.
        longitudes: likewise.
        pole_latitude: where the southern pole of the rotated system truly is.
        pole_longitude: likewise.

    >>> [a.round(6).tolist() for a in rotate_back(np.array([0.0]), np.array([0.0]), -40.0, 10.0)]
    [[50.0], [10.0]]
    """
    phi, lam = np.deg2rad(latitudes), np.deg2rad(longitudes)
    tilt = np.deg2rad(90.0 + pole_latitude)
    x, y, z = np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)
    x, z = np.cos(tilt) * x - np.sin(tilt) * z, np.sin(tilt) * x + np.cos(tilt) * z
    true = np.rad2deg(np.arctan2(y, x)) + pole_longitude
    return np.rad2deg(np.arcsin(np.clip(z, -1.0, 1.0))), np.mod(true + 180.0, 360.0) - 180.0


def read_projection(handle: int, kind: str) -> Projection:
    """The projection of a Lambert, polar stereographic or Mercator message.

    Raises:
        GribUnreadableError: keys are missing or impossible.
    """
    major, minor = _earth_axes(handle)
    earthly = all(_EARTH_M[0] < axis < _EARTH_M[1] for axis in (major, minor))
    if not 0 < minor <= major or not (earthly or kind == "mercator"):
        raise GribUnreadableError(f"the axes of its earth are {major:g} and {minor:g} m")
    e = float(np.sqrt(1.0 - (minor / major) ** 2))
    steps = ("DiInMetres", "DjInMetres") if kind == "mercator" else ("DxInMetres", "DyInMetres")
    dx, dy = (get_double(handle, key) for key in steps)
    if kind == "mercator":  # all bits set mean that an increment is left out
        dx, dy = (step if step < _NO_METRES else 0.0 for step in (dx, dy))
    if kind == "lambert":
        latin1, latin2 = (get_double(handle, f"Latin{n}InDegrees") for n in (1, 2))
        central = get_double(handle, "LoVInDegrees")
        cone, true = lambert_cone(latin1, latin2, e), latin1
    elif kind == "polar_stereographic":
        central = get_double(handle, "orientationOfTheGridInDegrees")
        cone = _pole(handle)
        true = cone * abs(get_double(handle, "LaDInDegrees", 60.0))
    else:
        true, central, cone = get_double(handle, "LaDInDegrees"), 0.0, 0.0
    sensible = abs(true) <= 90 and (cone if kind == "lambert" else True) and abs(cone) <= 1
    if not (sensible and (kind == "mercator" or (dx > 0 and dy > 0))):
        raise GribUnreadableError(
            f"its {kind} projection is impossible: cone {cone:g}, steps {dx:g} m and {dy:g} m"
        )
    phi = np.deg2rad(true)
    if not cone:
        factor = _parallel(phi, e)
    elif abs(true) == 90.0:  # limit of the next line (eq. 21-33)
        factor = cone * 2.0 / float(np.sqrt((1 + e) ** (1 + e) * (1 - e) ** (1 - e)))
    else:
        factor = _parallel(phi, e) / float(cone * isometric(phi, e) ** cone)
    return Projection(kind, cone, major * factor, e, central, dx, dy)


def _pole(handle: int) -> float:
    """The pole a polar stereographic grid is centred on: 1 north, -1 south.

    The projection centre flag says it, the sign of the latitude of true scale in edition 2, and
    in general the first grid point; two of them decide.

    Raises:
        GribUnreadableError: the first point lies far on the other hemisphere.
    """
    flag = -1 if get_long(handle, "projectionCentreFlag", 0) & _SOUTH_POLE_ON_PLANE else 1
    first = get_double(handle, "latitudeOfFirstGridPointInDegrees")
    true = get_double(handle, "LaDInDegrees", 0.0) if get_long(handle, "edition") == 2 else 0.0
    pole = flag if true * flag >= 0 else int(np.sign(first)) or flag
    if pole * first < -_FAR_SIDE:
        centre = "north" if pole == 1 else "south"
        raise GribUnreadableError(
            f"its polar stereographic grid is centred on the {centre} pole and begins at {first:g}°"
        )
    return float(pole)


def _earth_axes(handle: int) -> tuple[float, float]:
    if not get_long(handle, "earthIsOblate", 0):
        radius = get_double(handle, "radius")
        return radius, radius
    return (
        get_double(handle, "earthMajorAxisInMetres", _IAU_1965[0]),
        get_double(handle, "earthMinorAxisInMetres", _IAU_1965[1]),
    )
