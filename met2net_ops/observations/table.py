"""Station reports in CSV, with a map that says which column is what, in which unit.

A map is a list of texts "what = column" or "what = column unit", as in
"t2m = temp_c degC"; that of the synthetic stations is the default in the settings.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

from met2net_ops.observations.report import (
    QUANTITIES,
    ObservationError,
    Reading,
    RecordRefusal,
    RefusedRecordError,
    StationReport,
    convert,
    make_report,
)
from met2net_ops.times import TimeFormatError, parse_time

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_NEEDED = ("station", "latitude", "longitude", "time")
_PLACE = (*_NEEDED, "height")
_MISSING = {"", "na", "nan", "null", "none", "-", "/", "//", "///", "m", "missing"}

_MOST_SHOWN = 200  # characters of a header


@dataclass(frozen=True, slots=True)
class Column:
    """What a column holds: its name in the file, and its unit where it is a quantity."""

    name: str
    unit: str = ""


def parse_columns(texts: Sequence[str]) -> dict[str, Column]:
    """Read a column map.

    Raises:
        ObservationError: not of that form, an unknown quantity or unit, or station, place or
            time are missing.

    >>> place = ["station = id", "latitude = lat", "longitude = lon", "time = time"]
    >>> parse_columns([*place, "t2m = temp_c degC"])["t2m"]
    Column(name='temp_c', unit='degC')
    """
    columns: dict[str, Column] = {}
    for text in texts:
        what, separator, rest = (part.strip() for part in text.partition("="))
        if not separator or not rest:
            raise ObservationError(f"column map {text!r}: write it like 't2m = temp_c degC'")
        if what in _PLACE:
            columns[what] = Column(rest)
            continue
        name, _, unit = rest.rpartition(" ")
        if not name:
            raise ObservationError(f"column map {text!r}: a quantity needs a unit")
        convert(0.0, unit, what)
        columns[what] = Column(name.strip(), unit)
    missing = [what for what in _NEEDED if what not in columns]
    if missing or not any(what in QUANTITIES for what in columns):
        raise ObservationError(
            f"the column map lacks {', '.join(missing) or 'any quantity'}; it has "
            f"{', '.join(columns) or 'nothing'}"
        )
    return columns


def read_table(path: Path, columns: dict[str, Column]) -> Reading:
    """Read a CSV file; every line after the header is taken or refused.

    Cells are separated by commas, semicolons or tabs, whichever the header has most of.

    Columns of the map that the file lacks are missing values, as long as station, place and time
    are there; other columns are ignored.

    Raises:
        ObservationError: no header, or one without station, place or time.
        OSError: the file cannot be read.
    """
    reports: list[StationReport] = []
    refusals: list[RecordRefusal] = []
    # A null byte, a stray encoding or a quote that is not closed spoils its own line only.
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        first = file.readline()
        separator = _separator(first)
        header = [cell.strip() for cell in _cells(first, separator)]
        lacking = [columns[what].name for what in _NEEDED if columns[what].name not in header]
        if lacking:
            raise ObservationError(
                f"{path} has no column {', '.join(lacking)}; its header is "
                f"{_shown(header)}. Give a column map with --column or in [observations] of "
                "met2net.toml"
            )
        place = {what: header.index(c.name) for what, c in columns.items() if c.name in header}
        record = 0
        for line in file:
            if not line.strip():
                continue
            record += 1
            try:
                cells = _cells(line, separator)
                reports.append(_report(cells, place, columns, record, len(header)))
            except RefusedRecordError as refusal:
                refusals.append(refusal.refusal(record))
            except TimeFormatError as error:
                refusals.append(RecordRefusal(record, str(error)))
    return Reading(path, "csv", tuple(reports), tuple(refusals))


def _shown(header: list[str]) -> str:
    """A header in an error: of a file that is no table it may be anything.

    >>> _shown(["a", "b"]), _shown([])
    ("'a, b'", 'empty')
    """
    text = ", ".join(header)
    return repr(text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…") if text else "empty"


def _cells(line: str, separator: str) -> list[str]:
    """The cells of one line, which is a record: reports hold no line breaks.

    >>> _cells('A,"Oslo, port",270.5', ",")
    ['A', 'Oslo, port', '270.5']
    """
    try:
        return next(csv.reader([line.replace("\0", "�")], delimiter=separator), [])
    except csv.Error as error:
        raise RefusedRecordError(f"line cannot be split into cells: {error}") from error


def _separator(header: str) -> str:
    """What separates cells: the most frequent of the usual three.

    >>> _separator("station;latitude;2 m, K")
    ';'
    """
    return max(",;\t", key=header.count)


def _report(
    cells: list[str],
    place: dict[str, int],
    columns: dict[str, Column],
    record: int,
    width: int,
) -> StationReport:
    if len(cells) != width:
        raise RefusedRecordError(f"line has {len(cells)} cells, the header {width}")
    if any("�" in cell for cell in cells):
        raise RefusedRecordError("line holds characters that are not text")

    def number(what: str) -> float | None:
        if what not in place:
            return None
        text = cells[place[what]].strip()
        if text.lower() in _MISSING:
            return None
        try:
            value = float(text)
        except ValueError:
            raise RefusedRecordError(f"{what} is {text!r}, not a number") from None
        return convert(value, columns[what].unit, what) if what in QUANTITIES else value

    return make_report(
        station=cells[place["station"]],
        latitude=number("latitude"),
        longitude=number("longitude"),
        height=number("height"),
        time=parse_time(cells[place["time"]]),
        values={what: number(what) for what in columns if what in QUANTITIES},
        record=record,
    )
