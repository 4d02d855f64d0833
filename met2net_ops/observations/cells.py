"""The number in a cell of a table: missing, a trace, a filler, or a value in its own unit."""

from __future__ import annotations

from met2net_ops.observations.quality import LIMITS
from met2net_ops.observations.report import QUANTITIES, convert
from met2net_ops.observations.text import DecimalMark, parse_number

_MISSING = frozenset(
    [
        "-",
        "--",
        "---",
        "/",
        "//",
        "///",
        "////",
        "*",
        "**",
        "***",
        "?",
        ".",
        "m",
        "mm",
        "x",
        "na",
        "n/a",
        "#n/a",
        "<na>",
        "nan",
        "-nan",
        "nat",
        "nd",
        "nil",
        "null",
        "none",
        "missing",
    ]
) | {""}
_TRACE = frozenset(("t", "tr", "tr.", "trace"))  # of precipitation, too little to measure
_SUMS = frozenset(("tp", "tp6h", "tp24h"))
# What programs write for a missing number, of any sign, where the number itself is impossible.
_FILLERS = frozenset(
    float(text)
    for text in [
        "99",
        "999",
        "9999",
        "99999",
        "999999",
        "99.9",
        "999.9",
        "9999.9",
        "99.99",
        "999.99",
        "9999.99",
        "8888",
        "32767",
        "32768",
    ]
)
_LARGEST = 1e20  # and any number above: the fill values of NetCDF and GRIB
_VARIABLE = 990.0  # a wind from varying directions
_LIMITS = {
    **LIMITS,
    "wind_speed": (0.0, 90.0),  # 99 m/s stands for a missing one in files of buoys
    "latitude": (-90.0, 90.0),
    "longitude": (-360.0, 360.0),
}
_HEIGHTS = (-90.0, 9000.0)  # m, between which 99 and 999 are heights


class CellError(Exception):
    """A cell cannot be read."""


def read_number(text: str, what: str, unit: str, mark: DecimalMark) -> float | None:
    """The number in a cell, in the unit of `report.QUANTITIES`; None if it is missing.

    Args:
        text: the cell.
        what: a quantity, "latitude", "longitude" or "height".
        unit: of a quantity as it is written.
        mark: what separates the fraction.

    Raises:
        CellError: it is no number, and nothing that stands for a missing one.

    >>> read_number("5,5", "t2m", "degC", ","), read_number("T", "tp", "mm", ".")
    (278.65, 0.0)
    >>> read_number("-9999.0", "t2m", "degC", ".")
    """
    if text.casefold() in _MISSING:
        return None
    if what in _SUMS and text.casefold() in _TRACE:
        return 0.0
    try:
        value = parse_number(text, mark)
    except ValueError:
        raise CellError(f"{what} is {text!r}, not a number") from None
    kept = convert(value, unit, what) if what in QUANTITIES else value
    return None if _is_filler(what, value, kept) else kept


def _is_filler(what: str, value: float, kept: float) -> bool:
    """Whether a number stands for a missing one: as written, and in the unit it is kept in."""
    if abs(value) >= _LARGEST or (what == "wind_from" and value == _VARIABLE):
        return True
    low, high = _HEIGHTS if what == "height" else _LIMITS[what]
    return abs(value) in _FILLERS and not low <= kept <= high
