"""The variables, one row each, with everything that depends on which variable a field is.

Adding a variable is adding a row to `VARIABLES`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from met2net_ops.errors import Met2NetOpsError

STANDARD_GRAVITY = 9.80665  # m s-2; geopotential (m2 s-2) per geopotential metre


class VerticalKind(StrEnum):
    """Where a field lives."""

    HEIGHT = "height"  # metres above ground
    MEAN_SEA = "mean_sea"
    SURFACE = "surface"
    PRESSURE = "pressure"  # hPa
    COLUMN = "column"  # the entire atmosphere


@dataclass(frozen=True, slots=True)
class Vertical:
    """A level: its kind and value (m for HEIGHT, hPa for PRESSURE, else 0)."""

    kind: VerticalKind
    value: float = 0.0


@dataclass(frozen=True, slots=True)
class Grib2Key:
    """WMO FM 92 GRIB edition 2, code table 4.2: discipline, category, number.

    Attributes:
        centre: ecCodes name of the only centre that means this by a local number, None for any.
        scale: the coded unit times this is the variable's unit.
        rate: the coded quantity is a mean per second; it becomes the amount of its interval.
            Where a rate may also come summed, as an amount, it has a second key without this.
        named_level: as of `Grib1Key`.
    """

    discipline: int
    category: int
    number: int
    centre: str | None = None
    scale: float = 1.0
    rate: bool = False
    named_level: bool = False


@dataclass(frozen=True, slots=True)
class Grib1Key:
    """GRIB edition 1: parameter table version and indicator, for one centre or (None) any.

    Table 2 stands for the international tables, versions 1 to 3.

    Attributes:
        scale: the coded unit times this is the variable's unit.
        named_level: the parameter itself names its level (ECMWF's 167 is "2 metre
            temperature"), so the level coded beside it may also be the surface.
    """

    table: int
    indicator: int
    centre: str | None = None
    scale: float = 1.0
    named_level: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """Closed interval in the variable's unit."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Display:
    """How it is shown: unit = stored x scale + offset, and a fixed colour range in that unit."""

    units: str
    scale: float
    offset: float
    colour_range: tuple[float, float]
    palette: str
    decimals: int = 1


@dataclass(frozen=True, slots=True)
class Variable:
    """One row of the table.

    Attributes:
        name: canonical short name, used everywhere in this package.
        standard_name: CF standard name.
        long_name: for people.
        units: UDUNITS string of stored values.
        vertical: level.
        hard: values outside are refused.
        soft: values outside are warned about.
        display: unit, range and palette on screens.
        grib2: ways to recognise it in edition 2 (together with `vertical`).
        grib1: ways to recognise it in edition 1 (together with `vertical`).
        short_names: ecCodes shortNames that mean this variable at this level, for centres whose
            numbers are not listed; converted by the unit ecCodes gives (`UNIT_FACTORS`).
        vector_partner: the other component of a horizontal vector, if it is one.
        circular: whether 360 equals 0.
        categorical: whether values are codes, which must not be averaged.
        cell_methods: CF cell methods.
    """

    name: str
    standard_name: str
    long_name: str
    units: str
    vertical: Vertical
    hard: Limits
    soft: Limits
    display: Display
    grib2: tuple[Grib2Key, ...] = ()
    grib1: tuple[Grib1Key, ...] = ()
    short_names: tuple[str, ...] = ()
    vector_partner: str | None = None
    circular: bool = False
    categorical: bool = False
    cell_methods: str = field(default="time: point")

    @property
    def accumulated(self) -> bool:
        """Whether it is an amount over the preceding hour and not a value at an instant."""
        return "sum" in self.cell_methods


# Variable's unit → unit as ecCodes writes it → factor.
UNIT_FACTORS: dict[str, dict[str, float]] = {
    "K": {"K": 1.0},
    "Pa": {"Pa": 1.0, "hPa": 100.0},
    "m s-1": {"m s**-1": 1.0},
    "1": {"(0 - 1)": 1.0, "1": 1.0, "%": 0.01},
    "%": {"%": 1.0, "(0 - 1)": 100.0},
    "kg m-2": {"kg m**-2": 1.0, "mm": 1.0, "m": 1000.0},
    "kg kg-1": {"kg kg**-1": 1.0},
    "m2 s-2": {"m**2 s**-2": 1.0, "gpm": STANDARD_GRAVITY, "m": STANDARD_GRAVITY},
    "m": {"m": 1.0, "gpm": 1.0, "m**2 s**-2": 1.0 / STANDARD_GRAVITY},
}

_HEIGHT_2M = Vertical(VerticalKind.HEIGHT, 2.0)
_HEIGHT_10M = Vertical(VerticalKind.HEIGHT, 10.0)
_HPA_1000 = Vertical(VerticalKind.PRESSURE, 1000.0)
_WIND = Display("m s-1", 1.0, 0.0, (-30.0, 30.0), "RdBu_r")
_TEMPERATURE = Display("°C", 1.0, -273.15, (-40.0, 40.0), "RdYlBu_r")
_HUMIDITY = Display("%", 1.0, 0.0, (0.0, 100.0), "YlGnBu", 0)
_SPECIFIC_HUMIDITY = Display("g kg-1", 1000.0, 0.0, (0.0, 20.0), "YlGnBu", 1)

# GRIB1 tables: 2 the international ones, 128 ECMWF's, 253 HIRLAM's and AROME's (tcc as 0-1).
VARIABLES: dict[str, Variable] = {
    row.name: row
    for row in (
        Variable(
            "t2m", "air_temperature", "2 metre temperature", "K", _HEIGHT_2M,
            hard=Limits(150.0, 350.0), soft=Limits(180.0, 333.0), display=_TEMPERATURE,
            grib2=(Grib2Key(0, 0, 0),),
            grib1=(Grib1Key(128, 167, named_level=True), Grib1Key(2, 11), Grib1Key(253, 11)),
            short_names=("2t", "t"),
        ),
        Variable(
            "d2m", "dew_point_temperature", "2 metre dew point temperature", "K", _HEIGHT_2M,
            hard=Limits(130.0, 330.0), soft=Limits(160.0, 310.0),
            display=Display("°C", 1.0, -273.15, (-40.0, 30.0), "RdYlBu_r"),
            grib2=(Grib2Key(0, 0, 6),),
            grib1=(Grib1Key(128, 168, named_level=True), Grib1Key(2, 17), Grib1Key(253, 17)),
            short_names=("2d", "dpt"),
        ),
        Variable(
            "u10", "eastward_wind", "10 metre eastward wind", "m s-1", _HEIGHT_10M,
            hard=Limits(-150.0, 150.0), soft=Limits(-75.0, 75.0), display=_WIND,
            grib2=(Grib2Key(0, 2, 2),),
            grib1=(Grib1Key(128, 165, named_level=True), Grib1Key(2, 33), Grib1Key(253, 33)),
            short_names=("10u", "u"), vector_partner="v10",
        ),
        Variable(
            "v10", "northward_wind", "10 metre northward wind", "m s-1", _HEIGHT_10M,
            hard=Limits(-150.0, 150.0), soft=Limits(-75.0, 75.0), display=_WIND,
            grib2=(Grib2Key(0, 2, 3),),
            grib1=(Grib1Key(128, 166, named_level=True), Grib1Key(2, 34), Grib1Key(253, 34)),
            short_names=("10v", "v"), vector_partner="u10",
        ),
        Variable(
            "msl", "air_pressure_at_mean_sea_level", "mean sea level pressure", "Pa",
            Vertical(VerticalKind.MEAN_SEA),
            hard=Limits(80_000.0, 115_000.0), soft=Limits(87_000.0, 109_000.0),
            display=Display("hPa", 0.01, 0.0, (960.0, 1050.0), "viridis"),
            grib2=(Grib2Key(0, 3, 0), Grib2Key(0, 3, 1, named_level=True)),
            grib1=(
                Grib1Key(128, 151, named_level=True), Grib1Key(2, 2, named_level=True),
                Grib1Key(2, 1), Grib1Key(253, 1),
            ),
            short_names=("msl", "prmsl", "pres"),
        ),
        Variable(
            "sp", "surface_air_pressure", "surface pressure", "Pa",
            Vertical(VerticalKind.SURFACE),
            hard=Limits(30_000.0, 115_000.0), soft=Limits(45_000.0, 109_000.0),
            display=Display("hPa", 0.01, 0.0, (500.0, 1050.0), "viridis"),
            grib2=(Grib2Key(0, 3, 0),),
            grib1=(Grib1Key(128, 134), Grib1Key(2, 1), Grib1Key(253, 1)),
            short_names=("sp", "pres"),
        ),
        Variable(
            "tcc", "cloud_area_fraction", "total cloud cover", "1",
            Vertical(VerticalKind.COLUMN),
            hard=Limits(-0.02, 1.02), soft=Limits(0.0, 1.0),
            display=Display("%", 100.0, 0.0, (0.0, 100.0), "Greys_r", 0),
            grib2=(Grib2Key(0, 6, 1, scale=0.01), Grib2Key(0, 6, 192, "ecmf")),
            grib1=(Grib1Key(128, 164), Grib1Key(2, 71, scale=0.01), Grib1Key(253, 71)),
            short_names=("tcc",),
        ),
        Variable(
            "tp", "precipitation_amount", "total precipitation in the preceding hour", "kg m-2",
            Vertical(VerticalKind.SURFACE),
            hard=Limits(-0.1, 500.0), soft=Limits(0.0, 150.0),
            display=Display("mm", 1.0, 0.0, (0.0, 20.0), "Blues", 1),
            grib2=(
                Grib2Key(0, 1, 8), Grib2Key(0, 1, 193, "ecmf", scale=1000.0),
                Grib2Key(0, 1, 52, rate=True), Grib2Key(0, 1, 52), Grib2Key(0, 1, 7, rate=True),
            ),
            grib1=(Grib1Key(128, 228, scale=1000.0), Grib1Key(2, 61), Grib1Key(253, 61)),
            short_names=("tp",), cell_methods="time: sum (interval: 1 hour)",
        ),
        Variable(
            "r1000", "relative_humidity", "relative humidity at 1000 hPa", "%", _HPA_1000,
            hard=Limits(-30.0, 200.0), soft=Limits(-5.0, 130.0), display=_HUMIDITY,
            grib2=(Grib2Key(0, 1, 1),),
            grib1=(Grib1Key(128, 157), Grib1Key(2, 52), Grib1Key(253, 52, scale=100.0)),
            short_names=("r",),
        ),
        Variable(
            "t1000", "air_temperature", "temperature at 1000 hPa", "K", _HPA_1000,
            hard=Limits(150.0, 350.0), soft=Limits(180.0, 333.0), display=_TEMPERATURE,
            grib2=(Grib2Key(0, 0, 0),),
            grib1=(Grib1Key(128, 130), Grib1Key(2, 11), Grib1Key(253, 11)),
            short_names=("t",),
        ),
        Variable(
            "q1000", "specific_humidity", "specific humidity at 1000 hPa", "kg kg-1", _HPA_1000,
            hard=Limits(-0.01, 0.1), soft=Limits(-1e-4, 0.04), display=_SPECIFIC_HUMIDITY,
            grib2=(Grib2Key(0, 1, 0),),
            grib1=(Grib1Key(128, 133), Grib1Key(2, 51), Grib1Key(253, 51)),
            short_names=("q",),
        ),
        Variable(
            "q850", "specific_humidity", "specific humidity at 850 hPa", "kg kg-1",
            Vertical(VerticalKind.PRESSURE, 850.0),
            hard=Limits(-0.01, 0.1), soft=Limits(-1e-4, 0.03), display=_SPECIFIC_HUMIDITY,
            grib2=(Grib2Key(0, 1, 0),),
            grib1=(Grib1Key(128, 133), Grib1Key(2, 51), Grib1Key(253, 51)),
            short_names=("q",),
        ),
        # Not read from GRIB: WeatherBench files hold it, J m-2 in the preceding hour.
        Variable(
            "tisr", "toa_incoming_shortwave_flux",
            "mean solar radiation at the top of the atmosphere in the preceding hour", "W m-2",
            Vertical(VerticalKind.COLUMN),
            hard=Limits(-1.0, 1500.0), soft=Limits(0.0, 1420.0),
            display=Display("W m-2", 1.0, 0.0, (0.0, 1400.0), "viridis", 0),
            cell_methods="time: mean (interval: 1 hour)",
        ),
        Variable(
            "d1000", "dew_point_temperature", "dew point temperature at 1000 hPa", "K", _HPA_1000,
            hard=Limits(100.0, 330.0), soft=Limits(150.0, 310.0), display=_TEMPERATURE,
            grib2=(Grib2Key(0, 0, 6),),
            grib1=(Grib1Key(2, 17), Grib1Key(253, 17)),
            short_names=("dpt",),
        ),
        Variable(
            "q2m", "specific_humidity", "2 metre specific humidity", "kg kg-1", _HEIGHT_2M,
            hard=Limits(-0.01, 0.1), soft=Limits(-1e-4, 0.04), display=_SPECIFIC_HUMIDITY,
            grib2=(Grib2Key(0, 1, 0),),
            grib1=(Grib1Key(2, 51), Grib1Key(253, 51)),
            short_names=("2sh", "q"),
        ),
        Variable(
            "ws10", "wind_speed", "10 metre wind speed", "m s-1", _HEIGHT_10M,
            hard=Limits(-0.1, 150.0), soft=Limits(0.0, 75.0),
            display=Display("m s-1", 1.0, 0.0, (0.0, 30.0), "viridis"),
            grib2=(Grib2Key(0, 2, 1),),
            grib1=(Grib1Key(128, 207, named_level=True), Grib1Key(2, 32), Grib1Key(253, 32)),
            short_names=("10si", "ws"),
        ),
        Variable(
            "wd10", "wind_from_direction", "10 metre wind direction", "degree", _HEIGHT_10M,
            hard=Limits(-0.1, 360.1), soft=Limits(0.0, 360.0),
            display=Display("°", 1.0, 0.0, (0.0, 360.0), "hsv", 0),
            circular=True,
        ),
        Variable(
            "z500", "geopotential", "geopotential at 500 hPa", "m2 s-2",
            Vertical(VerticalKind.PRESSURE, 500.0),
            hard=Limits(30_000.0, 70_000.0), soft=Limits(42_000.0, 60_000.0),
            display=Display("dam", 0.1 / STANDARD_GRAVITY, 0.0, (480.0, 600.0), "viridis", 0),
            grib2=(Grib2Key(0, 3, 4), Grib2Key(0, 3, 5, scale=STANDARD_GRAVITY)),
            grib1=(
                Grib1Key(128, 129), Grib1Key(128, 156, scale=STANDARD_GRAVITY), Grib1Key(2, 6),
                Grib1Key(2, 7, scale=STANDARD_GRAVITY), Grib1Key(253, 6),
            ),
            short_names=("z", "gh"),
        ),
        Variable(
            "t850", "air_temperature", "temperature at 850 hPa", "K",
            Vertical(VerticalKind.PRESSURE, 850.0),
            hard=Limits(150.0, 350.0), soft=Limits(190.0, 325.0), display=_TEMPERATURE,
            grib2=(Grib2Key(0, 0, 0),),
            grib1=(Grib1Key(128, 130), Grib1Key(2, 11), Grib1Key(253, 11)),
            short_names=("t",),
        ),
        Variable(
            "orog", "surface_altitude", "height of the model's surface", "m",
            Vertical(VerticalKind.SURFACE),
            hard=Limits(-2000.0, 10_000.0), soft=Limits(-500.0, 8850.0),
            display=Display("m", 1.0, 0.0, (0.0, 4000.0), "viridis", 0),
            grib2=(
                Grib2Key(0, 3, 5), Grib2Key(0, 3, 4, scale=1.0 / STANDARD_GRAVITY),
                Grib2Key(2, 0, 7),
            ),
            grib1=(
                Grib1Key(128, 129, scale=1.0 / STANDARD_GRAVITY), Grib1Key(2, 7), Grib1Key(2, 8),
                Grib1Key(2, 6, scale=1.0 / STANDARD_GRAVITY),
                Grib1Key(253, 6, scale=1.0 / STANDARD_GRAVITY), Grib1Key(253, 8),
            ),
            short_names=("orog", "z", "gh"),
        ),
        Variable(
            "lsm", "land_area_fraction", "fraction of land", "1", Vertical(VerticalKind.SURFACE),
            hard=Limits(-0.01, 1.01), soft=Limits(0.0, 1.0),
            display=Display("%", 100.0, 0.0, (0.0, 100.0), "YlGn", 0),
            grib2=(Grib2Key(2, 0, 0),),
            grib1=(Grib1Key(128, 172), Grib1Key(2, 81), Grib1Key(253, 81)),
            short_names=("lsm",),
        ),
    )
}  # fmt: skip


class UnknownVariableError(Met2NetOpsError):
    """No row of the table has that name."""

    exit_code = 2


def variable(name: str) -> Variable:
    """The row of that name.

    Raises:
        UnknownVariableError: no such row.

    >>> variable("t2m").units
    'K'
    """
    if name not in VARIABLES:
        raise UnknownVariableError(
            f"no variable is called {name!r}; known: {', '.join(sorted(VARIABLES))}"
        )
    return VARIABLES[name]
