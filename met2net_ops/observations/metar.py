"""METAR and SPECI from text: single reports, or the bulletins they are collected in.

A report gives the day and the time, not the month, which `dates` finds; nor its place, which comes
from a list of aerodromes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from met2net_ops.observations.aerodromes import Aerodrome, known_aerodromes
from met2net_ops.observations.bulletins import (
    OBSERVATION,
    AviationText,
    report_kind,
    split_reports,
)
from met2net_ops.observations.dates import (
    DateStatement,
    Received,
    find_dates,
    longer_than_a_month,
    report_time,
)
from met2net_ops.observations.metar_groups import decode_groups
from met2net_ops.observations.report import (
    LostValue,
    Reading,
    RecordRefusal,
    RefusedRecordError,
    StationReport,
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
_TOO_LONG = (
    "the list has reports of more than a month, so that the month of each is not clear; write a "
    "line with the date above the reports of every day"
)


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
        received: when the file was received; its modification time by default.
        places: a file with places of aerodromes, which take precedence.

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
    undated: list[StationReport] = []
    for record, item in enumerate(split_reports(text), start=1):
        try:
            report, reasons = _report(item, source, record)
        except RefusedRecordError as refusal:
            refusals.append(refusal.refusal(record))
        else:
            reports.append(report)
            lost += [LostValue(record, reason, report.station) for reason in reasons]
            if not item.stated:
                undated.append(report)
    unclear = _of_more_than_a_month(undated)
    records = {report.record for report in unclear}
    refusals += [RecordRefusal(r.record, _TOO_LONG, r.station) for r in unclear]
    reports, replaced = replace_corrected([r for r in reports if r.record not in records])
    if undated and not source.in_name and received is None:
        what = "1 report" if len(undated) == 1 else f"{len(undated)} reports"
        note = (
            f"the month of {what} is that before {format_time(modified)}, when the file was last "
            "modified; if it was received at another time, give --received and --again"
        )
        notes = (*notes, note)
    taken = {report.record for report in reports}
    return Reading(
        path,
        "metar",
        tuple(reports),
        (*refusals, *replaced),
        tuple(value for value in lost if value.record in taken),
        notes,
    )


def _of_more_than_a_month(undated: Sequence[StationReport]) -> list[StationReport]:
    """The reports of stations whose list is longer than the months found for it."""
    by_station: dict[str, list[StationReport]] = {}
    for report in undated:
        by_station.setdefault(report.station, []).append(report)
    return [
        report
        for reports in by_station.values()
        if longer_than_a_month([report.time for report in reports])
        for report in reports
    ]


def _report(item: AviationText, source: _Source, record: int) -> tuple[StationReport, list[str]]:
    """A report, and why values of it are lost."""
    kind = report_kind(item)
    match = _REPORT.match(item.text)
    if kind != OBSERVATION:
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
    values, lost = decode_groups(groups)
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
