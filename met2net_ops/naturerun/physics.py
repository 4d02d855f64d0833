"""What drives the synthetic atmosphere: sun, ground, sea, radiation, friction, simple moisture.

Deliberately simple, in the manner of Held & Suarez (1994, BAMS 75, 1825): the free atmosphere
relaxes to a prescribed equilibrium that follows the season; the lowest layer exchanges heat and
water with a ground that has a diurnal cycle of its own. Rain does not heat the air.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.naturerun import planet
from met2net_ops.naturerun.dynamics import (
    GAS_CONSTANT,
    GRAVITY,
    HEAT_CAPACITY,
    KAPPA,
    REFERENCE_PRESSURE,
    REFERENCE_TEMPERATURE,
    OnGrid,
    PrimitiveEquations,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Real = NDArray[np.float64]

DAY = 86_400.0
SOLAR_CONSTANT = 1361.0  # W/m²
STEFAN_BOLTZMANN = 5.670e-8
GROUND_HEAT_CAPACITY = 2.0e5  # J/m²/K: about ten centimetres of soil
SHALLOW_LAPSE = (1.0 / 0.9) ** (0.0065 * GAS_CONSTANT / GRAVITY)  # sigma 0.9 to the ground


def saturation_humidity(temperature: Real, pressure: Real) -> Real:
    """Specific humidity at saturation over water, kg/kg (Bolton 1980, MWR 108, 1046, eq. 10).

    Args:
        temperature: K.
        pressure: Pa.

    >>> round(float(saturation_humidity(np.array(293.15), np.array(1e5))), 4)
    0.0145
    """
    celsius = np.clip(temperature - 273.15, -90.0, 60.0)
    vapour = 611.2 * np.exp(17.67 * celsius / (celsius + 243.5))
    return np.asarray(0.622 * vapour / pressure)


def cosine_of_zenith(sine: Real, longitudes: Real, seconds_of_day: float, day: float) -> Real:
    """(lat, lon) cosine of the sun's zenith angle, 0 at night.

    Args:
        sine: (lat,) sine of latitude.
        longitudes: (lon,) degrees east.
        seconds_of_day: UTC.
        day: day of the year, 1 = 1 January.
    """
    declination = np.deg2rad(-23.44) * np.cos(2.0 * np.pi * (day + 10.0) / 365.25)
    hour_angle = np.deg2rad(longitudes) + 2.0 * np.pi * (seconds_of_day / DAY - 0.5)
    cosine = np.sqrt(1.0 - sine**2)
    high = sine[:, None] * np.sin(declination)
    return np.asarray(
        np.maximum(high + cosine[:, None] * np.cos(declination) * np.cos(hour_angle), 0.0)
    )


@dataclass(frozen=True, slots=True)
class PlanetSurface:
    """What lies at the ground of the Gaussian grid."""

    land: Real  # fraction
    geopotential: Real  # m²/s², spectrally smooth


@dataclass(frozen=True, slots=True)
class Exchange:
    """What the ground and the moisture do to the lowest layers during a step."""

    heating: Real  # (level, lat, lon) K/s
    moistening: Real  # (1, lat, lon) 1/s
    ground: Real  # (lat, lon) K, after the step


def make_surface(model: PrimitiveEquations) -> PlanetSurface:
    """Land and smooth mountains on the model's grid."""
    latitudes, longitudes = model.transform.latitudes, model.transform.longitudes
    return PlanetSurface(
        planet.land_fraction(latitudes, longitudes),
        model.transform.synthesis(model.ground)[0],
    )


def equilibrium(model: PrimitiveEquations, surface: PlanetSurface, day: float) -> Real:
    """(level, lat, lon) temperature the radiation relaxes to, K.

    Held & Suarez's profile with a stronger winter than summer, at the pressure each level has
    above the mountains.
    """
    sine = model.transform.sines[:, None]
    lowered = np.exp(-surface.geopotential / (GAS_CONSTANT * 265.0))
    pressure = model.sigma[:, None, None] * lowered
    ground = 307.0 - 64.0 * sine**2 + 12.0 * sine * planet.season(day - 10.0)
    profile = (ground - 10.0 * np.log(pressure) * (1.0 - sine**2)) * pressure**KAPPA
    return np.asarray(np.maximum(profile, 205.0))


def cloud_cover(relative_humidity: Real, ascent: Real) -> Real:
    """Fraction of sky, from the humidity of the lowest layer (0-1) and the ascent (1/s)."""
    effective = relative_humidity + np.clip(1.5e5 * ascent, -0.25, 0.25)
    x = np.clip((effective - 0.5) / 0.5, 0.0, 1.0)
    return np.asarray(x * x * (3.0 - 2.0 * x))


def exchange(
    model: PrimitiveEquations,
    surface: PlanetSurface,
    now: OnGrid,
    ground: Real,
    sea: Real,
    sun: Real,
) -> Exchange:
    """Heat and water between ground, sea and the lowest layer.

    Args:
        model: for its levels.
        surface: land and heights.
        now: the state on the grid.
        ground: (lat, lon) temperature of the land, K.
        sea: (lat, 1) temperature of the sea, K.
        sun: (lat, lon) cosine of the zenith angle.
    """
    pressure = REFERENCE_PRESSURE * np.exp(now.log_pressure)
    air = now.temperature[-1] + REFERENCE_TEMPERATURE
    near = air * SHALLOW_LAPSE
    speed = np.sqrt((now.u[-1] ** 2 + now.v[-1] ** 2) / model.transform.cosines2)
    saturated = saturation_humidity(air, 0.9 * pressure)
    humidity = now.humidity[0]
    relative = humidity / saturated
    ascent = -now.sigma_velocity[-1]
    cloud = cloud_cover(relative, ascent)

    # the land's own heat balance, backward in its temperature so that any step is stable
    snow = 1.0 / (1.0 + np.exp((ground - 268.0) / 3.0))
    absorbed = SOLAR_CONSTANT * sun * (0.42 - 0.25 * snow) * (1.0 - 0.6 * cloud)
    down = (0.74 + 0.20 * cloud) * STEFAN_BOLTZMANN * near**4
    up = STEFAN_BOLTZMANN * ground**4
    land_rate = 9.0 + 1.5 * speed  # W/m²/K
    balance = absorbed + down - up + land_rate * (near - ground)
    stiffness = 4.0 * up / ground + land_rate
    step = model.step_seconds
    new_ground = ground + step * balance / (GROUND_HEAT_CAPACITY + step * stiffness)

    skin = surface.land * ground + (1.0 - surface.land) * sea
    layer = HEAT_CAPACITY * model.thickness * pressure / GRAVITY  # J/m²/K
    rate = surface.land * land_rate + (1.0 - surface.land) * (6.0 + 1.5 * speed)
    heating = np.zeros_like(now.temperature)
    heating[-1] = rate * (skin - near) / layer

    # a layer that is warmer than a neutral one mixes with the layer above
    neutral = (model.sigma[-1] / model.sigma[-2]) ** KAPPA
    unstable = np.maximum(air - (now.temperature[-2] + REFERENCE_TEMPERATURE) * neutral, 0.0)
    heating[-1] -= unstable / (0.5 * DAY)
    heating[-2] += unstable / (0.5 * DAY)

    wetness = 0.85 - 0.35 * surface.land
    depth = 1700.0  # m of the lowest layer
    evaporation = np.maximum(wetness * saturation_humidity(skin, pressure) - humidity, 0.0)
    evaporation *= 1.2e-3 * (speed + 2.0) / depth
    condensation = np.maximum(relative - 0.92, 0.0) * saturated / (0.1 * DAY)
    subsidence = np.maximum(-ascent, 0.0) / model.thickness * 0.6 * humidity
    drying = humidity / (6.0 * DAY)
    moistening = evaporation - condensation - subsidence - drying
    return Exchange(heating, moistening[None], new_ground)
