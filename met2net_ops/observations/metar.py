"""METAR and SPECI from text: single reports, or the bulletins they are collected in.

A report gives the day and the time, not the month: the latest such time before the file came is
meant. It gives no place either; that comes from the station list of the `metar` package.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from metar import Metar

from met2net_ops.observations.report import (
    Reading,
    RecordRefusal,
    RefusedRecordError,
    StationReport,
    make_report,
)

if TYPE_CHECKING:
    from pathlib import Path

_HEADING = re.compile(
    r"(?:\d{3}\s+)?[A-Z]{4}(?:\d{2})? [A-Z]{4} \d{6}(?: [A-Z]{3})?\s*$", re.MULTILINE
)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_REPORT = re.compile(r"(?:(?:METAR|SPECI)\s+)?(?:COR\s+)?([A-Z][A-Z0-9]{3}) (\d{6})Z\b")
_BEGINNING = re.compile(rf"^(?=\s*{_REPORT.pattern})", re.MULTILINE)
_DEGREES = re.compile(r"(\d+)-(\d+)(?:-(\d+))?([NSEW])")


@dataclass(frozen=True, slots=True)
class Aerodrome:
    """Where an aerodrome is: degrees north and east, metres above the sea (NaN if unknown)."""

    latitude: float
    longitude: float
    height: float


@cache
def places() -> dict[str, Aerodrome]:
    """Aerodromes by ICAO code, from the list of the US National Weather Service."""
    found: dict[str, Aerodrome] = {}
    text = files("metar").joinpath("nsd_cccc.txt").read_text(encoding="latin-1")
    for line in text.splitlines():
        cells = line.strip().split(";")
        if len(cells) < 12:
            continue
        latitude, longitude = _degrees(cells[7]), _degrees(cells[8])
        if latitude is not None and longitude is not None:
            height = float(cells[11]) if cells[11].strip() else float("nan")
            found[cells[0]] = Aerodrome(latitude, longitude, height)
    return found


def _degrees(text: str) -> float | None:
    """`44-50-10N` in degrees.

    >>> _degrees("44-30N")
    44.5
    """
    match = _DEGREES.fullmatch(text.strip())
    if match is None:
        return None
    degrees = int(match[1]) + int(match[2]) / 60 + int(match[3] or 0) / 3600
    return -degrees if match[4] in "SW" else degrees


def split_reports(text: str) -> list[str]:
    r"""The reports of a bulletin, without its heading, one line each.

    Reports end with an equals sign; in lists without it each begins on a line of its own.

    >>> split_reports("SAXX99 KAWN 020100\r\r\nMETAR LFBD 020100Z 26006KT\r\r\n 15/14=")
    ['METAR LFBD 020100Z 26006KT 15/14']
    >>> split_reports("KSPS 081352Z 15/14\n  A2992\nKLGA 081351Z 12/10\n")
    ['KSPS 081352Z 15/14 A2992', 'KLGA 081351Z 12/10']
    """
    body = _HEADING.sub("", _CONTROL.sub(" ", text).replace("\r", ""))
    body = re.sub(r"^\s*\d{3}\s*$", "", body, flags=re.MULTILINE)
    body = re.sub(r"^\s*(METAR|SPECI)(?: COR)?\s*$", "", body, flags=re.MULTILINE)
    body = _BEGINNING.sub("=", body)
    return [report for part in body.split("=") if (report := " ".join(part.split()))]


def read_metar(path: Path, received: datetime | None = None) -> Reading:
    """Read a text file of METARs; every report is taken or refused.

    Args:
        path: the file.
        received: when it came, to tell the month; the file's modification time by default.

    Raises:
        OSError: the file cannot be read.
    """
    if received is None:
        received = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    reports: list[StationReport] = []
    refusals: list[RecordRefusal] = []
    # Latin-1 takes any byte: a bad character spoils its own report only.
    text = path.read_text(encoding="latin-1")
    for record, code in enumerate(split_reports(text), start=1):
        try:
            reports.append(_report(code, received, record))
        except RefusedRecordError as refusal:
            refusals.append(refusal.refusal(record))
    return Reading(path, "metar", tuple(reports), tuple(refusals))


def observation_time(day_time: str, received: datetime) -> datetime:
    """The latest time with that day, hour and minute, up to an hour after `received`.

    Raises:
        RefusedRecordError: no month of the last year has such a day or time.

    >>> observation_time("312350", datetime(2026, 3, 1, 1, tzinfo=UTC)).isoformat()
    '2026-01-31T23:50:00+00:00'
    """
    day, hour, minute = int(day_time[:2]), int(day_time[2:4]), int(day_time[4:6])
    year, month = received.year, received.month
    for _ in range(12):
        try:
            time = datetime(year, month, day, hour, minute, tzinfo=UTC)
        except ValueError:
            time = None
        if time is not None and time <= received + timedelta(hours=1):
            return time
        year, month = (year, month - 1) if month > 1 else (year - 1, 12)
    raise RefusedRecordError(f"{day_time}Z is no day and time")


def _report(code: str, received: datetime, record: int) -> StationReport:
    match = _REPORT.match(code)
    if match is None:
        raise RefusedRecordError(f"{code[:40]!r} does not begin like a METAR")
    if not code.isascii():
        raise RefusedRecordError(f"{code[:40]!r} holds characters no METAR has")
    station, time = match[1], observation_time(match[2], received)
    place = places().get(station)
    if place is None:
        raise RefusedRecordError("the place of the station is not known", station)
    try:
        # Not strict: an unknown group of some national practice costs only itself.
        decoded = Metar.Metar(code, month=time.month, year=time.year, strict=False)
    except Metar.ParserError as error:
        raise RefusedRecordError(f"{code[:40]!r} cannot be decoded: {error}") from error
    values = {
        "t2m": decoded.temp.value("K") if decoded.temp else None,
        "d2m": decoded.dewpt.value("K") if decoded.dewpt else None,
        "wind_speed": decoded.wind_speed.value("MPS") if decoded.wind_speed else None,
        "wind_from": decoded.wind_dir.value() if decoded.wind_dir else None,
        "msl": decoded.press_sea_level.value("HPA") * 100 if decoded.press_sea_level else None,
    }
    return make_report(
        station=station,
        latitude=place.latitude,
        longitude=place.longitude,
        height=place.height,
        time=time,
        values=values,
        record=record,
    )
