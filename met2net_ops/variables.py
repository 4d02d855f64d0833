"""The variables, one row each: everything that depends on what a field is, is read from here.

Adding a variable is adding a row to `VARIABLES`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from met2net_ops.errors import Met2NetOpsError


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
    """WMO FM 92 GRIB edition 2, code table 4.2: discipline, category, number."""

    discipline: int
    category: int
    number: int


@dataclass(frozen=True, slots=True)
class Grib1Key:
    """GRIB edition 1: parameter table version and indicator, for one centre or (None) any."""

    table: int
    indicator: int
    centre: str | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Closed interval in the variable's unit."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Display:
    """How people see it: unit = native x scale + offset, fixed colour range in that unit."""

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
        short_names: ecCodes shortNames that mean this variable at this level.
        vector_partner: the other component of a horizontal vector, if it is one.
        circular: whether 360 equals 0.
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
    cell_methods: str = field(default="time: point")


_HEIGHT_2M = Vertical(VerticalKind.HEIGHT, 2.0)
_HEIGHT_10M = Vertical(VerticalKind.HEIGHT, 10.0)
_WIND = Display("m s-1", 1.0, 0.0, (-30.0, 30.0), "RdBu_r")

VARIABLES: dict[str, Variable] = {
    row.name: row
    for row in (
        Variable(
            "t2m", "air_temperature", "2 metre temperature", "K", _HEIGHT_2M,
            hard=Limits(150.0, 350.0), soft=Limits(180.0, 333.0),
            display=Display("°C", 1.0, -273.15, (-40.0, 40.0), "RdYlBu_r"),
            grib2=(Grib2Key(0, 0, 0),),
            grib1=(Grib1Key(128, 167), Grib1Key(2, 11)),
            short_names=("2t",),
        ),
        Variable(
            "d2m", "dew_point_temperature", "2 metre dew point temperature", "K", _HEIGHT_2M,
            hard=Limits(130.0, 330.0), soft=Limits(160.0, 310.0),
            display=Display("°C", 1.0, -273.15, (-40.0, 30.0), "RdYlBu_r"),
            grib2=(Grib2Key(0, 0, 6),),
            grib1=(Grib1Key(128, 168), Grib1Key(2, 17)),
            short_names=("2d",),
        ),
        Variable(
            "u10", "eastward_wind", "10 metre eastward wind", "m s-1", _HEIGHT_10M,
            hard=Limits(-150.0, 150.0), soft=Limits(-75.0, 75.0), display=_WIND,
            grib2=(Grib2Key(0, 2, 2),),
            grib1=(Grib1Key(128, 165), Grib1Key(2, 33)),
            short_names=("10u",), vector_partner="v10",
        ),
        Variable(
            "v10", "northward_wind", "10 metre northward wind", "m s-1", _HEIGHT_10M,
            hard=Limits(-150.0, 150.0), soft=Limits(-75.0, 75.0), display=_WIND,
            grib2=(Grib2Key(0, 2, 3),),
            grib1=(Grib1Key(128, 166), Grib1Key(2, 34)),
            short_names=("10v",), vector_partner="u10",
        ),
        Variable(
            "msl", "air_pressure_at_mean_sea_level", "mean sea level pressure", "Pa",
            Vertical(VerticalKind.MEAN_SEA),
            hard=Limits(80_000.0, 115_000.0), soft=Limits(87_000.0, 109_000.0),
            display=Display("hPa", 0.01, 0.0, (960.0, 1050.0), "viridis"),
            grib2=(Grib2Key(0, 3, 0), Grib2Key(0, 3, 1)),
            grib1=(Grib1Key(128, 151), Grib1Key(2, 2)),
            short_names=("msl", "prmsl"),
        ),
        Variable(
            "sp", "surface_air_pressure", "surface pressure", "Pa",
            Vertical(VerticalKind.SURFACE),
            hard=Limits(30_000.0, 115_000.0), soft=Limits(45_000.0, 109_000.0),
            display=Display("hPa", 0.01, 0.0, (500.0, 1050.0), "viridis"),
            grib2=(Grib2Key(0, 3, 0),),
            grib1=(Grib1Key(128, 134), Grib1Key(2, 1)),
            short_names=("sp",),
        ),
        Variable(
            "tcc", "cloud_area_fraction", "total cloud cover", "1",
            Vertical(VerticalKind.COLUMN),
            hard=Limits(-0.02, 1.02), soft=Limits(0.0, 1.0),
            display=Display("%", 100.0, 0.0, (0.0, 100.0), "Greys_r", 0),
            grib2=(Grib2Key(0, 6, 1),),
            grib1=(Grib1Key(128, 164), Grib1Key(2, 71)),
            short_names=("tcc",),
        ),
        Variable(
            "tp", "precipitation_amount", "total precipitation in the preceding hour", "kg m-2",
            Vertical(VerticalKind.SURFACE),
            hard=Limits(-0.1, 500.0), soft=Limits(0.0, 150.0),
            display=Display("mm", 1.0, 0.0, (0.0, 20.0), "Blues", 1),
            grib2=(Grib2Key(0, 1, 8), Grib2Key(0, 1, 52)),
            grib1=(Grib1Key(128, 228), Grib1Key(2, 61)),
            short_names=("tp",), cell_methods="time: sum (interval: 1 hour)",
        ),
        Variable(
            "r1000", "relative_humidity", "relative humidity at 1000 hPa", "%",
            Vertical(VerticalKind.PRESSURE, 1000.0),
            hard=Limits(-30.0, 200.0), soft=Limits(0.0, 120.0),
            display=Display("%", 1.0, 0.0, (0.0, 100.0), "YlGnBu", 0),
            grib2=(Grib2Key(0, 1, 1),),
            grib1=(Grib1Key(128, 157), Grib1Key(2, 52)),
            short_names=("r",),
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
