"""Variables that follow from others, and the formulas.

Inputs and results are arrays of one shape in the units of the variable table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Field = NDArray[np.float32]
    Wind = NDArray[Any]  # float32 or float64, and so is the result

_EPSILON = 287.0597 / 461.5250  # gas constants of dry air and water vapour (IFS)
_FREEZING = 273.16  # K; triple point
_ALL_ICE = 250.16  # K; below it saturation is over ice alone
_E0 = 611.21  # Pa; saturation at the triple point
_WATER = (17.502, 32.19)  # Buck (1981)
_ICE = (22.587, -0.7)  # Alduchov and Eskridge (1996)


@dataclass(frozen=True, slots=True)
class Derivation:
    """How one variable is made from others of the same time and grid.

    Attributes:
        target: canonical name of the result.
        inputs: canonical names, in the order `function` takes them.
        function: arrays in, array out.
    """

    target: str
    inputs: tuple[str, ...]
    function: Callable[..., Field]

    @property
    def method(self) -> str:
        """In words, such as `r1000 from q1000, t1000`."""
        return f"{self.target} from {', '.join(self.inputs)}"


def saturation_pressure_water(temperature: Field) -> Field:
    """Saturation vapour pressure over water, Pa (IFS documentation, part IV, eq. 7.5).

    >>> round(float(saturation_pressure_water(np.float32([293.15]))[0]), -1)
    2340.0
    """
    return _saturation(temperature, _WATER)


def saturation_pressure(temperature: Field) -> Field:
    """Saturation vapour pressure, Pa, as relative humidity in IFS and ERA5 is defined.

    Over water above 0.01 °C, over ice below -23 °C, a quadratic mixture between (IFS
    documentation, part IV, eq. 7.5 and 7.6; ECMWF parameter 157).
    """
    mix = np.clip((temperature - _ALL_ICE) / (_FREEZING - _ALL_ICE), 0.0, 1.0) ** 2
    water = _saturation(temperature, _WATER)
    ice = _saturation(temperature, _ICE)
    return np.asarray(mix * water + (1.0 - mix) * ice, dtype=np.float32)


def _saturation(temperature: Field, constants: tuple[float, float]) -> Field:
    a3, a4 = constants
    exponent = a3 * (temperature - _FREEZING) / (temperature - a4)
    return np.asarray(_E0 * np.exp(exponent), dtype=np.float32)


def vapour_pressure(specific_humidity: Field, pressure: Field | float) -> Field:
    """Vapour pressure, Pa, from specific humidity (kg/kg) and pressure (Pa)."""
    return pressure * specific_humidity / (_EPSILON + (1.0 - _EPSILON) * specific_humidity)


def humidity_from_specific(
    specific_humidity: Field, temperature: Field, pressure: Field | float
) -> Field:
    """Relative humidity, %, from specific humidity (kg/kg), temperature (K), pressure (Pa)."""
    return 100.0 * vapour_pressure(specific_humidity, pressure) / saturation_pressure(temperature)


def humidity_from_dew_point(dew_point: Field, temperature: Field) -> Field:
    """Relative humidity, %, from dew point and temperature (K).

    >>> float(humidity_from_dew_point(np.float32([290]), np.float32([290]))[0])
    100.0
    """
    return 100.0 * saturation_pressure_water(dew_point) / saturation_pressure(temperature)


def dew_point_from_specific(specific_humidity: Field, pressure: Field) -> Field:
    """Dew point over water, K, from specific humidity (kg/kg) and pressure (Pa)."""
    tiny = np.float32(1e-9)  # dry air has no dew point; this one is about 150 K
    pressure_ratio = vapour_pressure(np.maximum(specific_humidity, tiny), pressure) / _E0
    a3, a4 = _WATER
    logarithm = np.log(pressure_ratio)
    dew_point = (a3 * _FREEZING - a4 * logarithm) / (a3 - logarithm)
    return np.asarray(dew_point, dtype=np.float32)


def wind_speed(eastward: Wind, northward: Wind) -> Wind:
    """Speed, m/s.

    >>> float(wind_speed(np.float32([3]), np.float32([-4]))[0])
    5.0
    """
    return np.hypot(eastward, northward)


def wind_direction(eastward: Wind, northward: Wind) -> Wind:
    """Where the wind comes from, degrees clockwise from north, in [0, 360).

    >>> wind_direction(np.float32([-1, 0, 1]), np.float32([0, -1, 0])).tolist()
    [90.0, 0.0, 270.0]
    """
    degrees = np.rad2deg(np.arctan2(-eastward, -northward)) % 360.0
    return np.where(degrees >= 360.0, degrees.dtype.type(0.0), degrees)


def wind_heading(eastward: Wind, northward: Wind) -> Wind:
    """Where the wind blows to, degrees clockwise from north, in [-180, 180].

    >>> wind_heading(np.array([0.0, 5.0]), np.array([5.0, 0.0])).tolist()
    [0.0, 90.0]
    """
    return np.rad2deg(np.arctan2(eastward, northward))


def wind_components(speed: Wind, direction: Wind) -> tuple[Wind, Wind]:
    """Eastward and northward components, m/s, of a wind by speed and where it comes from.

    Calm has none, whatever its direction says.

    >>> [x.round(9).tolist() for x in wind_components(np.array([10, 0.0]), np.array([270, np.nan]))]
    [[10.0, 0.0], [0.0, 0.0]]
    """
    angle = np.deg2rad(np.where(speed == 0, direction.dtype.type(0.0), direction))
    # Adding zero turns -0.0 into 0.0.
    return -speed * np.sin(angle) + 0.0, -speed * np.cos(angle) + 0.0


def _r1000_from_specific(q1000: Field, t1000: Field) -> Field:
    return humidity_from_specific(q1000, t1000, 100_000.0)


# Where several make one target, the first whose inputs are there is used.
DERIVATIONS = (
    Derivation("r1000", ("q1000", "t1000"), _r1000_from_specific),
    Derivation("r1000", ("d1000", "t1000"), humidity_from_dew_point),
    Derivation("d2m", ("q2m", "sp"), dew_point_from_specific),
    Derivation("ws10", ("u10", "v10"), wind_speed),
    Derivation("wd10", ("u10", "v10"), wind_direction),
)
