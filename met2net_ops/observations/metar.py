"""METAR and SPECI from text (WMO FM 15 and 16): the groups whose quantities are kept.

Every group is read for itself, so that a damaged one costs no other; nothing after the first trend
group is read but the remarks, of which two are kept: the sea-level pressure and the temperature in
tenths of a degree (US Federal Meteorological Handbook No. 1, chapter 12).

A report gives the day and the time, not the month, which `dates` finds; nor its place, which comes
from a list of aerodromes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from met2net_ops.observations.aerodromes import Aerodrome, known_aerodromes
from met2net_ops.observations.bulletins import AviationText, report_kind, split_reports
from met2net_ops.observations.dates import DateStatement, Received, find_dates, report_time
from met2net_ops.observations.report import (
    LostValue,
    Reading,
    RecordRefusal,
    RefusedRecordError,
    StationReport,
    convert,
    make_report,
    replace_corrected,
)
from met2net_ops.observations.text import decode_text
from met2net_ops.times import format_time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_REPORT = re.compile(
    r"(?:(?:METAR|SPECI|COR|CC[A-Z]|RTD)\s+)*"
    r"(?P<station>[A-Z][A-Z0-9]{3}) (?P<time>\d{6})Z?(?=\s|$)"
)
_CORRECTION = re.compile(r"COR|CC([A-Z])")
# What ends the observed part: a trend forecast, or remarks.
_END = re.compile(r"BECMG|TEMPO|INTER|NOSIG|FCST|PROB\d\d|FM\d{4}Z?|RMKS?|NOSPECI")
_REMARKS = ("RMK", "RMKS")
_WIND = re.compile(
    r"(?P<from>[\dO]{3}|VRB|///)P?(?P<speed>[\dO]{2,3}|//)(?:GP?(?:\d{2,3}|//))?"
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


@dataclass(frozen=True, slots=True)
class _Source:
    """What is known of a file before its reports are read."""

    places: Mapping[str, Aerodrome]
    received: Received
    in_name: tuple[DateStatement, ...]


def read_metar(path: Path, received: datetime | None = None, places: Path | None = None) -> Reading:
    """Read a text file of METARs; every report is taken or refused.

    Args:
        path: the file.
        received: when it came, to know the month; the file's modification time by default.
        places: a file with places of aerodromes, which go before those of the shipped list.

    Raises:
        OSError: the file cannot be read.
        ObservationError: the places cannot be read.
    """
    text, notes = decode_text(path.read_bytes())
    modified = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    came = Received("the time it was received,", received) if received else Received(
        "the time the file was last modified,", modified
    )  # fmt: skip
    _, in_name = find_dates(path.name, months=True)
    source = _Source(
        known_aerodromes(places),
        came,
        tuple(replace(d, source=f"{d.source} in the file's name") for d in in_name if d.spans),
    )
    reports: list[StationReport] = []
    refusals: list[RecordRefusal] = []
    lost: list[LostValue] = []
    undated = 0
    for record, item in enumerate(split_reports(text), start=1):
        try:
            report, reasons = _report(item, source, record)
        except RefusedRecordError as refusal:
            refusals.append(refusal.refusal(record))
        else:
            reports.append(report)
            lost += [LostValue(record, reason, report.station) for reason in reasons]
            undated += not (item.stated or source.in_name)
    if undated and received is None:
        note = (
            f"the month of {undated} reports is that before {format_time(modified)}, when the file "
            "was last modified; if it came at another time, give --received and --again"
        )
        notes = (*notes, note)
    reports, replaced = replace_corrected(reports)
    return Reading(path, "metar", tuple(reports), (*refusals, *replaced), tuple(lost), notes)


def _report(item: AviationText, source: _Source, record: int) -> tuple[StationReport, list[str]]:
    """A report, and why values of it are lost."""
    kind = report_kind(item)
    match = _REPORT.match(item.text)
    if kind:
        words = re.search(r"\b[A-Z][A-Z0-9]{3}(?= \d{6})", item.text)
        raise RefusedRecordError(f"it is {kind}, not an observation", words[0] if words else "")
    if match is None:
        raise RefusedRecordError(f"{item.text[:40]!r} does not begin like a METAR")
    station = match["station"]
    groups = item.text[match.end() :].split()
    if groups[:1] == ["NIL"] or groups[1:2] == ["NIL"]:
        raise RefusedRecordError("NIL: the station made no report", station)
    if groups[:1] == ["TEST"]:
        raise RefusedRecordError("it is a test, not an observation", station)
    try:
        time = report_time(
            match["time"], source.received, (*item.stated, *source.in_name), item.heading
        )
    except RefusedRecordError as error:
        raise RefusedRecordError(str(error), station) from error
    place = source.places.get(station)
    if place is None:
        raise RefusedRecordError(
            f"the place of {station} is not known; add it to a file with the columns id, latitude, "
            "longitude and height, and name that file as places in [observations] of met2net.toml",
            station,
        )
    values, lost = _decode(groups)
    if lost and not values:
        raise RefusedRecordError("; ".join(lost), station)
    report = make_report(
        station=station,
        latitude=place.latitude,
        longitude=place.longitude,
        height=place.height,
        time=time,
        values=values,
        record=record,
        correction=_correction([*item.text[: match.start("station")].split(), *groups[:2],
                                item.suffix]),
    )  # fmt: skip
    return report, lost


def _correction(words: Sequence[str]) -> int:
    """The number of a correction: COR and CCA are the first, CCB the second.

    >>> _correction(["AUTO", "CCB"]), _correction(["METAR", "COR"]), _correction(["26006KT"])
    (2, 1, 0)
    """
    found = [match for word in words if (match := _CORRECTION.fullmatch(word))]
    return max((ord(match[1]) - ord("A") + 1 if match[1] else 1 for match in found), default=0)


def _decode(groups: Sequence[str]) -> tuple[dict[str, float], list[str]]:
    """The values of the groups after the time, and why some are lost.

    >>> _decode("36540KT 10SM CLR 01/M03 A3003 NOSIG 05010KT".split())
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
    for group in remarks:
        match = _PRESSURE.fullmatch(group)
        if match:
            tail = int(match[1]) * 10.0
            return {"msl": min((90_000.0 + tail, 100_000.0 + tail), key=lambda p: abs(p - near))}
        if group.startswith("SLP") and any(character.isdigit() for character in group):
            lost.append(f"the remark {group!r} cannot be decoded")
    return {}
