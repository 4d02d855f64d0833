"""What arrays are called and in which units: the names of ERA5, the CDS and the public cubes."""

from __future__ import annotations

from met2net_ops.variables import STANDARD_GRAVITY, UNIT_FACTORS, Variable, VerticalKind

# Variable of ours → names of an array at one level.
NAMES: dict[str, tuple[str, ...]] = {
    "t2m": ("t2m", "2t", "2m_temperature", "temperature_2m"),
    "d2m": ("d2m", "2d", "2m_dewpoint_temperature", "dew_point_temperature_2m"),
    "u10": ("u10", "10u", "10m_u_component_of_wind", "wind_u_10m"),
    "v10": ("v10", "10v", "10m_v_component_of_wind", "wind_v_10m"),
    "ws10": ("ws10", "si10", "10m_wind_speed"),
    "wd10": ("wd10", "10m_wind_direction"),
    "msl": ("msl", "prmsl", "mean_sea_level_pressure", "pressure_reduced_to_mean_sea_level"),
    "sp": ("sp", "surface_pressure", "pressure_surface"),
    "tcc": ("tcc", "total_cloud_cover", "total_cloud_cover_atmosphere"),
    "tp": ("tp", "total_precipitation"),
    "tisr": ("tisr", "toa_incident_solar_radiation"),
    "orog": ("orog", "z", "geopotential_at_surface", "surface_geopotential"),
    "lsm": ("lsm", "land_sea_mask"),
}
# First letter of a variable on a pressure level → names of an array with or without levels.
LEVEL_NAMES: dict[str, tuple[str, ...]] = {
    "z": ("z", "geopotential"),
    "t": ("t", "temperature"),
    "q": ("q", "specific_humidity"),
    "r": ("r", "relative_humidity"),
}
_MORE_UNITS: dict[str, dict[str, tuple[float, float]]] = {
    "K": {"degC": (1.0, 273.15), "degreeC": (1.0, 273.15), "degree_Celsius": (1.0, 273.15)},
    "Pa": {"mbar": (100.0, 0.0)},
    "1": {"": (1.0, 0.0), "0-1": (1.0, 0.0), "percent": (0.01, 0.0), "fraction": (1.0, 0.0)},
    "%": {"percent": (1.0, 0.0)},
    "kg m-2": {
        "m of water equivalent": (1000.0, 0.0),
        "kg m-2 s-1": (3600.0, 0.0),
        "mm s-1": (3600.0, 0.0),
    },
    "degree": {"degree": (1.0, 0.0), "degrees": (1.0, 0.0)},
    "W m-2": {"W m-2": (1.0, 0.0), "J m-2": (1 / 3600.0, 0.0)},
    "m": {"m": (1.0, 0.0), "m2 s-2": (1.0 / STANDARD_GRAVITY, 0.0)},
}
_RATES = frozenset({"kg m-2 s-1", "mm s-1"})


def names_of(row: Variable) -> tuple[str, ...]:
    """Names an array of that variable may have; on levels, those of the whole array."""
    if row.vertical.kind is VerticalKind.PRESSURE:
        return (row.name, *LEVEL_NAMES.get(row.name[0], ()))
    return NAMES.get(row.name, (row.name,))


def _plain(units: str) -> str:
    """Units as we write them.

    >>> _plain("m s**-1"), _plain("kg/m2/s"), _plain("J m^-2")
    ('m s-1', 'kg m-2 s-1', 'J m-2')
    """
    text = units.strip().replace("**", "").replace("^", "")
    first, *under = text.split("/")
    for part in under:
        base, power = part.rstrip("0123456789"), part[len(part.rstrip("0123456789")) :]
        first += f" {base.strip()}-{power or 1}"
    return first.strip()


def conversion(row: Variable, units: str) -> tuple[float, float] | None:
    """(scale, offset) from those units to the variable's; None if they are not known.

    >>> from met2net_ops.variables import variable
    >>> conversion(variable("t2m"), "degC"), conversion(variable("tp"), "m")
    ((1.0, 273.15), (1000.0, 0.0))
    """
    plain = _plain(units)
    known = {
        _plain(name): (factor, 0.0) for name, factor in UNIT_FACTORS.get(row.units, {}).items()
    }
    known |= {row.units: (1.0, 0.0)}
    known |= _MORE_UNITS.get(row.units, {})
    return known.get(plain)


def is_rate(row: Variable, units: str) -> bool:
    """Whether values are means per second of what the variable adds up over an hour."""
    return row.accumulated and _plain(units) in _RATES
