"""Which variable of the table a message is, by its numbers and its level.

Edition 2 is recognised by discipline, category and number, edition 1 by table version, indicator
and centre; where those are not listed, by ecCodes' shortName and unit. The level must match, and so
must the processing over time: an average temperature is not a temperature.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from met2net_ops.variables import (
    UNIT_FACTORS,
    VARIABLES,
    Grib1Key,
    Grib2Key,
    Variable,
    Vertical,
    VerticalKind,
)

_INTERNATIONAL_TABLES = (1, 2, 3)  # GRIB1 table versions that Grib1Key calls 2
_ECMWF_TABLE = 128
_LOCAL1, _LOCAL2 = 128, 192  # first local number in either edition
# Product definition templates (code table 4.0) of one deterministic field or ensemble member, at
# an instant or over an interval, reforecasts included.
_PLAIN_PRODUCTS = frozenset({0, 1, 8, 11, 60, 61})

# ECMWF's types (MARS keyword `type`) of statistics and the like, which are no fields of a quantity.
# Edition 1, and edition 2 with ECMWF's local section, have no other mark of them.
_STATISTICS = {
    "em": "an ensemble mean", "es": "an ensemble's standard deviation",
    "wem": "a weighted ensemble mean", "wes": "a weighted ensemble's standard deviation",
    "ses": "an ensemble's scaled standard deviation",
    "taem": "a mean over ensemble and time", "taes": "a standard deviation over ensemble and time",
    "cm": "the mean of a cluster", "cs": "the standard deviation of a cluster",
    "fp": "a probability", "ep": "a probability", "pb": "a bound of probability",
    "pd": "a distribution", "cd": "a distribution", "ed": "a distribution",
    "cl": "a climatology", "hcmean": "a climatology",
    "efi": "an index of extremes", "efic": "an index of extremes", "sot": "an index of extremes",
    "ef": "an error of the first guess", "ea": "an error of the analysis",
    "me": "an error of the model", "eme": "an error of the model",
    "3g": "a gradient", "4g": "a gradient", "sg": "a gradient", "4i": "an increment",
    "icp": "a perturbation", "sv": "a singular vector", "as": "a singular vector",
    "svar": "a variance",
    "ens": "a statistic of an ensemble",  # of NCEP in edition 1, which has no such keyword
    "fcmean": "a mean over a forecast", "fcmax": "a maximum over a forecast",
    "fcmin": "a minimum over a forecast", "fcstdev": "a standard deviation over a forecast",
}  # fmt: skip

_HEIGHTS = ("heightAboveGround", "heightAboveGroundHighPrecision")
_LEVEL_NAMES = {
    VerticalKind.HEIGHT: _HEIGHTS,
    VerticalKind.MEAN_SEA: ("meanSea", "heightAboveSea"),
    VerticalKind.SURFACE: ("surface", *_HEIGHTS),
    VerticalKind.PRESSURE: ("isobaricInhPa", "isobaricInPa"),
    VerticalKind.COLUMN: (
        "entireAtmosphere", "atmosphere", "atmosphereSingleLayer", "surface", *_HEIGHTS,
    ),
}  # fmt: skip
# To m and hPa: level type 125 of edition 1 is coded in cm.
_LEVEL_UNITS = {"heightAboveGroundHighPrecision": 0.01, "isobaricInPa": 0.01}
# Metres above ground at which thermometers and hygrometers hang (WMO No. 8, volume I, 2.1.4.2.1);
# a model's value for one of these heights is its "2 metre" value: the Met Office's is at 1.5 m.
_SCREEN = (1.25, 2.0)


@dataclass(frozen=True, slots=True)
class Identity:
    """What identifies a field, as coded.

    Attributes:
        edition: 1 or 2.
        centre: ecCodes name.
        parameter: (discipline, category, number), or (table version, indicator).
        short_name: ecCodes shortName.
        type_of_level: ecCodes typeOfLevel.
        level: in the level type's unit.
        step_type: `instant`, `accum`, `avg` …
        step_range: such as `0-6`.
        product_template: code table 4.0; 0 in edition 1.
        number: ensemble member or None.
        data_type: ecCodes dataType such as `an`, "" where it has none.
    """

    edition: int
    centre: str
    parameter: tuple[int, ...]
    short_name: str
    type_of_level: str
    level: float
    step_type: str
    step_range: str
    product_template: int
    number: int | None
    data_type: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """The row of the table and how the coded values become its unit.

    `scale` is None where it follows from ecCodes' unit alone (`UNIT_FACTORS`).
    """

    variable: Variable
    scale: float | None
    rate: bool = False

    @property
    def step_type(self) -> str:
        """The processing over time that the variable needs, as ecCodes names it."""
        if not self.variable.accumulated:
            return "instant"
        return "avg" if self.rate else "accum"


Key = tuple[int, ...]


def _index() -> tuple[
    dict[Key, list[tuple[Variable, Grib1Key | Grib2Key]]], dict[str, list[Variable]]
]:
    by_number: dict[Key, list[tuple[Variable, Grib1Key | Grib2Key]]] = defaultdict(list)
    by_name: dict[str, list[Variable]] = defaultdict(list)
    for row in VARIABLES.values():
        for key2 in row.grib2:
            by_number[key2.discipline, key2.category, key2.number].append((row, key2))
        for key1 in row.grib1:
            by_number[key1.table, key1.indicator].append((row, key1))
        for name in row.short_names:
            by_name[name].append(row)
    return dict(by_number), dict(by_name)


_BY_NUMBER, _BY_NAME = _index()


def recognise(identity: Identity) -> Match | str:
    """The variable a field is, or why it is none of the table."""
    matches = _by_number(identity) or _by_name(identity)
    what = f"{identity.short_name} at {identity.type_of_level} {identity.level:g}"
    if not matches:
        return (
            f"{what} ({'/'.join(str(n) for n in identity.parameter)}) is not in the variable table"
        )
    match = next((match for match in matches if match.step_type == identity.step_type), matches[0])
    name = match.variable.name
    if identity.product_template not in _PLAIN_PRODUCTS:
        return f"{name}, but a statistic or probability (template 4.{identity.product_template})"
    if identity.data_type in _STATISTICS:
        what = _STATISTICS[identity.data_type]
        return f"{name}, but {what} (type {identity.data_type})"
    if identity.number:
        return f"{name}, but ensemble member {identity.number}; only the control (0) is taken"
    if identity.step_type == match.step_type:
        return match
    if match.variable.accumulated:
        return f"{what} is {identity.step_type}, not an amount over an interval"
    over = identity.step_range
    return f"{name}, but {identity.step_type} over {over}, not a value at an instant"


def possible_variables(edition: int, parameter: tuple[int, ...]) -> frozenset[str]:
    """The variables that a header with these numbers may be of, if no more of it can be read.

    Only international numbers, and ECMWF's table 128, exclude any: local ones may have a name in
    ecCodes that means a variable.

    >>> sorted(possible_variables(2, (0, 0, 6))), sorted(possible_variables(2, (3, 1, 14)))
    (['d1000', 'd2m'], [])
    """
    if edition == 2:
        international = max(parameter) < _LOCAL2
    else:
        table, indicator = parameter
        international = table == _ECMWF_TABLE or (
            table in _INTERNATIONAL_TABLES and indicator < _LOCAL1
        )
        parameter = (2, indicator) if table in _INTERNATIONAL_TABLES else parameter
    if not international:
        return frozenset(VARIABLES)
    return frozenset(row.name for row, _ in _BY_NUMBER.get(parameter, ()))


def scale_by_unit(row: Variable, units: str) -> float | None:
    """The factor from ecCodes' unit to the variable's, or None if there is none."""
    return UNIT_FACTORS.get(row.units, {}).get(units)


def _by_number(identity: Identity) -> list[Match]:
    parameter = identity.parameter
    if identity.edition == 1 and parameter[0] in _INTERNATIONAL_TABLES:
        parameter = (2, parameter[1])
    matches = []
    for row, key in _BY_NUMBER.get(parameter, ()):
        if key.centre not in (None, identity.centre):
            continue
        if _at(row.vertical, identity, named_level=key.named_level):
            matches.append(Match(row, key.scale, isinstance(key, Grib2Key) and key.rate))
    return matches


def _by_name(identity: Identity) -> list[Match]:
    rows = _BY_NAME.get(identity.short_name, ())
    return [Match(row, None) for row in rows if _at(row.vertical, identity, named_level=False)]


def _at(vertical: Vertical, identity: Identity, *, named_level: bool) -> bool:
    """Whether a level, as coded, is the level of a row."""
    name, level = identity.type_of_level, identity.level
    if named_level and (name == "surface" or (name in _HEIGHTS and level == 0.0)):
        return True
    if name not in _LEVEL_NAMES[vertical.kind]:
        return False
    level *= _LEVEL_UNITS.get(name, 1.0)
    if vertical.kind is VerticalKind.HEIGHT and vertical.value == _SCREEN[1]:
        return _SCREEN[0] <= level <= _SCREEN[1]
    if name.startswith("height") or vertical.kind is VerticalKind.PRESSURE:
        return abs(level - vertical.value) < 1e-6
    return True
