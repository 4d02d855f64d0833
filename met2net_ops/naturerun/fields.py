"""Weather as a centre would deliver it, from a state of the model, on any regular grid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.interpolate import CubicSpline

from met2net_ops.naturerun import physics, planet
from met2net_ops.naturerun.dynamics import (
    GAS_CONSTANT,
    GRAVITY,
    REFERENCE_PRESSURE,
    REFERENCE_TEMPERATURE,
)
from met2net_ops.naturerun.run import AtmosphereState, NatureRun, day_of_year
from met2net_ops.naturerun.transform import Synthesis
from met2net_ops.variables import UnknownVariableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from met2net_ops.grids import LatLonGrid

    Real = NDArray[np.float64]

VARIABLES = ("t2m", "d2m", "u10", "v10", "msl", "sp", "tcc", "tp", "r1000")
LAPSE_RATE = 0.0065  # K/m


class Sampler:
    """Evaluates fields at the points of one grid (or any rows x columns of points).

    Args:
        run: the atmosphere, for its truncation and surface.
        latitudes: (rows,) degrees north, any order.
        longitudes: (columns,) degrees east.
    """

    def __init__(self, run: NatureRun, latitudes: Real, longitudes: Real) -> None:
        transform = run.model.transform
        self._synthesis = Synthesis(run.truncation, transform.radius, latitudes, longitudes)
        self.latitudes = latitudes
        self.land = planet.land_fraction(latitudes, longitudes)
        self.geopotential = self._synthesis.scalar(run.model.ground)[0]
        self._rows = _cubic_rows(transform.latitudes, latitudes)
        self._columns = _cubic_columns(transform.longitudes, longitudes)
        # the wind turns towards low pressure near the ground, the other way in the south
        turning = np.deg2rad(12.0 + 10.0 * self.land) * np.tanh(latitudes / 10.0)[:, None]
        self._cosine, self._sine = np.cos(turning), np.sin(turning)

    def fields(self, state: AtmosphereState, variables: Sequence[str]) -> NDArray[np.float32]:
        """(variable, lat, lon) float32 in the units of the variables table.

        Raises:
            UnknownVariableError: the synthetic atmosphere has no such variable.
        """
        unknown = [name for name in variables if name not in VARIABLES]
        if unknown:
            raise UnknownVariableError(
                f"the synthetic atmosphere has no {', '.join(unknown)}; "
                f"it has {', '.join(VARIABLES)}"
            )
        values = self._values(state, set(variables))
        return np.stack([values[name] for name in variables]).astype(np.float32)

    def _values(self, state: AtmosphereState, wanted: set[str]) -> dict[str, Real]:
        now = state.now
        scalars = np.concatenate(
            [now.temperature[-1:], now.log_pressure, now.humidity, now.divergence[-1:]]
        )
        air, log_pressure, humidity, divergence = self._synthesis.scalar(scalars)
        air = air + REFERENCE_TEMPERATURE
        near = air * physics.SHALLOW_LAPSE
        ground = self._rows @ _across_the_pole(state.ground) @ self._columns
        pressure = REFERENCE_PRESSURE * np.exp(log_pressure)
        sea = planet.sea_temperature(self.latitudes, day_of_year(state.time))
        skin = self.land * ground + (1.0 - self.land) * sea
        t2m = near + (0.3 + 0.25 * self.land) * (skin - near)
        values = {"t2m": t2m, "sp": pressure}
        values["msl"] = sea_level_pressure(pressure, self.geopotential, near)
        if wanted & {"u10", "v10"}:
            u, v = self._synthesis.wind(now.vorticity[-1:], now.divergence[-1:])
            # warm ground mixes momentum down, cold ground shields the air above it
            mixing = 0.12 * self.land * np.tanh((ground - near) / 4.0)
            slow = 0.75 - 0.22 * self.land + mixing
            values["u10"] = slow * (self._cosine * u[0] - self._sine * v[0])
            values["v10"] = slow * (self._sine * u[0] + self._cosine * v[0])
        if wanted & {"d2m", "r1000", "tcc", "tp"}:
            values |= _moist(air, near, t2m, pressure, humidity, divergence)
        return values


def _moist(
    air: Real, near: Real, t2m: Real, pressure: Real, humidity: Real, divergence: Real
) -> dict[str, Real]:
    """Dew point, relative humidity at 1000 hPa, cloud and the hour's rain."""
    humidity = np.maximum(humidity, 2.0e-5)
    dew_point = np.minimum(_dew_point(humidity * pressure / 0.622), t2m)
    at_1000 = near * (1.0e5 / pressure) ** (GAS_CONSTANT * LAPSE_RATE / GRAVITY)
    relative_1000 = humidity / physics.saturation_humidity(at_1000, np.array(1.0e5))
    saturated = physics.saturation_humidity(air, 0.9 * pressure)
    relative = humidity / saturated
    ascent = -0.2 * divergence
    cloud = physics.cloud_cover(relative, ascent)
    layer = 0.2 * pressure / GRAVITY  # kg/m²
    lifted = np.maximum(ascent, 0.0) * 5.0 * humidity * np.clip((relative - 0.6) / 0.3, 0.0, 1.0)
    saturating = np.maximum(relative - 0.92, 0.0) * saturated / (0.1 * physics.DAY)
    return {
        "d2m": dew_point,
        "r1000": np.clip(100.0 * relative_1000, 0.0, 105.0),
        "tcc": cloud,
        "tp": 3600.0 * layer * (lifted + saturating),
    }


def _dew_point(vapour_pressure: Real) -> Real:
    """K, from Pa: the inverse of Bolton (1980) eq. 10."""
    log = np.log(vapour_pressure / 611.2)
    return np.asarray(273.15 + 243.5 * log / (17.67 - log))


def sea_level_pressure(pressure: Real, geopotential: Real, near: Real) -> Real:
    """Surface pressure brought down to sea level, Pa.

    As centres do it: hydrostatic, with 6.5 K/km below the ground and the same restraint where
    the ground is very warm or very cold (ECMWF IFS documentation, FULL-POS, section 2).

    Args:
        pressure: Pa at the ground.
        geopotential: m²/s² of the ground.
        near: K, air temperature at the ground, less the cold pool that lies on it.
    """
    warmth = np.clip(near, 262.0, 290.5)
    mean = 0.3 * near + 0.7 * warmth + 0.5 * LAPSE_RATE * geopotential / GRAVITY
    return np.asarray(pressure * np.exp(geopotential / (GAS_CONSTANT * mean)))


def _across_the_pole(grid: Real) -> Real:
    """Three more rows beyond each pole: the meridian opposite."""
    opposite = np.roll(grid, grid.shape[1] // 2, axis=1)
    return np.concatenate([opposite[2::-1], grid, opposite[:-4:-1]])


def _cubic_rows(source: Real, target: Real) -> Real:
    """(target, source + 6) weights of cubic splines along latitude."""
    beyond = np.concatenate([-180.0 - source[2::-1], source, 180.0 - source[:-4:-1]])
    return np.asarray(CubicSpline(beyond, np.eye(beyond.size))(target))


def _cubic_columns(source: Real, target: Real) -> Real:
    """(source, target) weights of periodic cubic splines along longitude."""
    around = np.append(source, 360.0)
    values = np.concatenate([np.eye(source.size), np.eye(source.size)[:1]])
    return np.asarray(CubicSpline(around, values, bc_type="periodic")(np.mod(target, 360.0)).T)


def sampler(run: NatureRun, grid: LatLonGrid) -> Sampler:
    """The sampler of a regular grid."""
    return Sampler(run, grid.latitudes, grid.longitudes)
