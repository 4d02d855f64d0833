"""The groups of a METAR or SPECI (WMO FM 15 and 16) whose quantities are kept.

Each group is read by itself, so that a damaged one does not affect the others. Nothing after the
first trend group is read but the remarks, of which two are kept: the sea-level pressure and the
temperature in tenths of a degree (US Federal Meteorological Handbook No. 1, chapter 12).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from met2net_ops.observations.report import convert

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# What ends the observed part: a trend forecast, or remarks.
_END = re.compile(r"BECMG|TEMP[O0]|INTER|N[O0]SIG|FCST|PROB\d\d|FM\d{4}Z?|RMKS?|NOSPECI")
_REMARKS = ("RMK", "RMKS")
_WIND = re.compile(
    r"(?P<from>[\dO]{3}|VRB|///)P?(?P<speed>[\dO]{2}|[1-9O]\d\d|000|//)(?:GP?(?:\d{2,3}|//))?"
    r"(?P<unit>KTS?|MPS|KMH)"
)
_WIND_LIKE = re.compile(r"\S*[\dO]\S*(?:KTS?|MPS|KMH)|[\dO]{5}(?:G\d{2,3})?")
_SPEED_UNITS = {"KT": "kt", "KTS": "kt", "MPS": "m/s", "KMH": "km/h"}
_TEMPERATURES = re.compile(r"(?P<t2m>[M-]?\d\d|//|XX|MM)/(?P<d2m>[M-]?\d\d|//|XX|MM)?")
_TEMPERATURES_LIKE = re.compile(r"(?=\S*[M\d])[M-]?\d{0,3}/{1,2}[M-]?\d{0,3}/{0,2}")
_TENTHS = re.compile(r"T([01]\d{3})([01]\d{3})?")
_PRESSURE = re.compile(r"SLP(\d{3})")
_ALTIMETER = re.compile(r"(?P<unit>[AQ])(?P<value>\d{4})")
_MISSING = frozenset(("", "//", "///", "XX", "MM"))


def decode_groups(groups: Sequence[str]) -> tuple[dict[str, float], list[str]]:
    """The values of the groups after the time, and why some are lost.

    Quantities and units are those of `report.QUANTITIES`.

    >>> decode_groups("36540KT 10SM CLR 01/M03 A3003 NOSIG 05010KT".split())
    ({'t2m': 274.15, 'd2m': 270.15}, ["the wind group '36540KT' cannot be decoded"])
    """
    end = next((at for at, group in enumerate(groups) if _END.fullmatch(group)), len(groups))
    start = next((at + 1 for at, group in enumerate(groups) if group in _REMARKS), len(groups))
    body, remarks = groups[:end], groups[start:]
    lost: list[str] = []
    values = _wind(body, lost)
    temperatures = _temperatures(body, lost)
    values |= temperatures | _tenths(remarks, temperatures, lost)
    return values | _sea_level_pressure(body, remarks, lost), lost


def _wind(body: Sequence[str], lost: list[str]) -> dict[str, float]:
    for group in body:
        match = _WIND.fullmatch(group)
        if match is None:
            if _WIND_LIKE.fullmatch(group):
                lost.append(f"the wind group {group!r} cannot be decoded")
            continue
        direction = match["from"].replace("O", "0")
        if direction.isdigit() and int(direction) > 360:
            lost.append(f"the wind group {group!r} cannot be decoded")
            continue
        values = {}
        if match["speed"] not in _MISSING:
            speed = float(match["speed"].replace("O", "0"))
            values["wind_speed"] = convert(speed, _SPEED_UNITS[match["unit"]], "wind_speed")
        if direction.isdigit():
            values["wind_from"] = float(direction)
        return values
    return {}


def _temperatures(body: Sequence[str], lost: list[str]) -> dict[str, float]:
    for group in body:
        match = _TEMPERATURES.fullmatch(group)
        if match is not None:
            return {
                what: convert(float(text.replace("M", "-")), "degC", what)
                for what, text in match.groupdict(default="").items()
                if text not in _MISSING
            }
        if _TEMPERATURES_LIKE.fullmatch(group):
            lost.append(f"the temperature group {group!r} cannot be decoded")
    return {}


def _tenths(
    remarks: Sequence[str], whole: Mapping[str, float], lost: list[str]
) -> dict[str, float]:
    """Temperature and dew point in tenths, where they agree with those in whole degrees."""
    for group in remarks:
        match = _TENTHS.fullmatch(group)
        if match is None:
            continue
        found = {
            what: convert((-1 if text[0] == "1" else 1) * int(text[1:]) / 10, "degC", what)
            for what, text in zip(("t2m", "d2m"), match.groups(), strict=True)
            if text
        }
        if all(abs(found[what] - whole[what]) < 1.0 for what in found.keys() & whole.keys()):
            return found
        lost.append(f"the remark {group!r} contradicts the temperature group")
    return {}


def _sea_level_pressure(
    body: Sequence[str], remarks: Sequence[str], lost: list[str]
) -> dict[str, float]:
    """From its last three digits: the pressure nearest to the altimeter setting."""
    altimeter = next((match for group in body if (match := _ALTIMETER.fullmatch(group))), None)
    near = 100_000.0
    if altimeter:
        unit, value = altimeter["unit"], float(altimeter["value"])
        near = convert(value / 100, "inHg", "msl") if unit == "A" else value * 100
    for group in (*body, *remarks):
        match = _PRESSURE.fullmatch(group)
        if match:
            tail = int(match[1]) * 10.0
            return {"msl": min((90_000.0 + tail, 100_000.0 + tail), key=lambda p: abs(p - near))}
        if group.startswith("SLP") and any(character.isdigit() for character in group):
            lost.append(f"the remark {group!r} cannot be decoded")
    return {}
