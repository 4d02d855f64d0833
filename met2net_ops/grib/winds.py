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

from met2net_ops.grib.keys import get_double
from met2net_ops.grib.projections import read_projection

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from met2net_ops.grids import SourceGrid


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


def rotation_of(handle: int, grid: SourceGrid) -> Rotation | None:
    """How winds relative to this message's grid turn; None if its axes are the earth's.

    Raises:
        GribUnreadableError: keys of the projection are missing.
    """
    if grid.kind == "rotated_ll":
        bearing = rotated_pole_bearing(
            grid.latitudes,
            grid.longitudes,
            get_double(handle, "latitudeOfSouthernPoleInDegrees"),
            get_double(handle, "longitudeOfSouthernPoleInDegrees"),
        )
    elif grid.kind in ("lambert", "polar_stereographic"):
        projection = read_projection(handle, grid.kind)
        bearing = cone_bearing(grid.longitudes, projection.central, projection.cone)
    else:
        return None
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
