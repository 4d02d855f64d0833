"""SYNOP in BUFR (WMO FM 94), message by message, so that a damaged one does not affect the others.

Messages are found by their own length and end marker; what each holds is read by pdbufr's SYNOP
reader, which knows the national templates and at what height a sensor stands.
"""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import eccodes
import numpy as np
from pdbufr.high_level_bufr.bufr import BufrMessage
from pdbufr.readers import get_reader

from met2net_ops.observations.report import (
    ObservationError,
    Reading,
    RecordRefusal,
    RefusedRecordError,
    StationReport,
    make_report,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_START, _END = b"BUFR", b"7777"
_LAND, _SEA = 0, 1  # BUFR table A: surface data
_TIME_SIGNIFICANCE, _FORECAST = 8021, 4  # BUFR descriptor 0 08 021 and its code table
_NOT_OURS = "neither a land nor a sea surface report (BUFR data category 0 or 1), or a forecast"
_WANTED = [
    "station", "t2m", "td2m", "wind10m", "mslp", "pressure", "cloud_cover", "precipitation"
]  # fmt: skip
# Column of pdbufr's SYNOP reader → quantity, factor. All others of its columns are in our unit.
_COLUMNS = {
    "t2m": ("t2m", 1.0),
    "td2m": ("d2m", 1.0),
    "wind10m_speed": ("wind_speed", 1.0),
    "wind10m_dir": ("wind_from", 1.0),
    "mslp": ("msl", 1.0),
    "pressure": ("sp", 1.0),
    "cloud_cover": ("tcc", 0.01),
    "precipitation_1h": ("tp", 1.0),
    "precipitation_60min": ("tp", 1.0),
    "precipitation_6h": ("tp6h", 1.0),
    "precipitation_360min": ("tp6h", 1.0),
    "precipitation_24h": ("tp24h", 1.0),
    "precipitation_1440min": ("tp24h", 1.0),
}


class _Message(BufrMessage):  # type: ignore[misc]
    """A message from bytes; pdbufr itself only opens files."""

    def __init__(self, data: bytes) -> None:
        self.codes_id = eccodes.codes_new_from_message(data)
        self.codes_file = None


def split_messages(data: bytes) -> Iterator[bytes | str]:
    """Whole messages, and for every damaged one a text that says what is wrong.

    >>> list(split_messages(b"xxBUFR" + bytes([0, 0, 12, 4]) + b"77"))
    ['message at byte 2 is cut off: 12 bytes announced, 10 there']
    """
    at = data.find(_START)
    while at >= 0:
        announced = int.from_bytes(data[at + 4 : at + 7], "big")
        message = data[at : at + announced]
        following = data.find(_START, at + 4)
        if len(data) - at < 8 or announced > len(data) - at:
            yield (
                f"message at byte {at} is cut off: {announced} bytes announced, "
                f"{len(data) - at} there"
            )
        elif announced < 12 or not message.endswith(_END):
            yield f"message at byte {at} does not end in 7777 after {announced} bytes"
        else:
            yield message
            following = data.find(_START, at + announced)
        at = following


def read_bufr(path: Path) -> Reading:
    """Read a file of SYNOPs; every subset of every message becomes a report or a refusal.

    Raises:
        OSError: the file cannot be read.
        ObservationError: there is no message in it.
    """
    reports: list[StationReport] = []
    refusals: list[RecordRefusal] = []
    record = 0
    data = path.read_bytes()
    if _START not in data:
        raise ObservationError(
            f"{path} has {len(data)} bytes and no BUFR message; ask its sender for it again"
        )
    for item in split_messages(data):
        if isinstance(item, str):
            record += 1
            refusals.append(RecordRefusal(record, item))
            continue
        try:
            category, subsets, rows = _rows(item)
        except Exception as error:  # ecCodes and pdbufr raise exceptions of many types
            record += 1
            refusals.append(RecordRefusal(record, f"message cannot be decoded: {error}"))
            continue
        if rows is None:
            refusals += [RecordRefusal(record + i, _NOT_OURS) for i in range(1, subsets + 1)]
            record += subsets
            continue
        for row in rows:
            record += 1
            try:
                reports.append(_report(row, record, at_sea=category == _SEA))
            except RefusedRecordError as refusal:
                refusals.append(refusal.refusal(record))
        for _ in range(subsets - len(rows)):
            record += 1
            refusals.append(RecordRefusal(record, "subset without station, place or time"))
    return Reading(path, "bufr", tuple(reports), tuple(refusals))


@cache
def _reader() -> Any:
    """The SYNOP reader of pdbufr for what is kept; without its data frames it is twice as fast."""
    logging.getLogger("pdbufr").setLevel(logging.ERROR)
    return get_reader("synop", [], columns=_WANTED)


def _rows(data: bytes) -> tuple[int, int, list[dict[str, Any]] | None]:
    """Data category, number of subsets, and what pdbufr finds in them; None for other reports."""
    with _Message(data) as message:
        category, subsets = int(message["dataCategory"]), int(message["numberOfSubsets"])
        if category not in (_LAND, _SEA) or _is_forecast(message):
            return category, subsets, None
    rows = [
        {re.sub("[<>]", "", key): value for key, value in row.items()}
        for row in _reader().read_records([_Message(data)])
    ]
    return category, subsets, rows


def _is_forecast(message: _Message) -> bool:
    """Whether a message holds forecasts for stations, coded like observations."""
    if _TIME_SIGNIFICANCE not in np.atleast_1d(message["unexpandedDescriptors"]):
        return False
    message["unpack"] = 1
    return _FORECAST in np.atleast_1d(message["timeSignificance"])


def _report(row: dict[str, Any], record: int, *, at_sea: bool) -> StationReport:
    time = row.get("time")
    if not isinstance(time, datetime):
        raise RefusedRecordError("the report has no time", str(row.get("stnid") or ""))
    values: dict[str, float | None] = {}
    for column, (quantity, factor) in _COLUMNS.items():
        value = row.get(column)
        if value is not None:
            values[quantity] = float(value) * factor
    return make_report(
        station=row.get("stnid"),
        latitude=row.get("lat"),
        longitude=row.get("lon"),
        height=row.get("elevation"),
        time=time.replace(tzinfo=UTC),
        values=values,
        record=record,
        at_sea=at_sea,
    )
