"""Station reports in CSV, with a map that says which column is what, in which unit.

A map is a list of texts "what = column" or "what = column unit", as in
"t2m = temp_c degC"; that of the synthetic stations is the default in the settings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from met2net_ops.observations.cells import CellError, read_number
from met2net_ops.observations.delimited import Delimited, read_delimited
from met2net_ops.observations.report import (
    QUANTITIES,
    ExchangedPositionError,
    LostValue,
    ObservationError,
    Reading,
    RecordRefusal,
    RefusedRecordError,
    StationReport,
    convert,
    make_report,
)
from met2net_ops.observations.text import DecimalMark, decimal_mark
from met2net_ops.times import TimeFormatError, parse_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_NEEDED = ("station", "latitude", "longitude", "time")
_TEXTS = ("station", "time")
_SAMPLE = 2000  # lines by which the decimal mark of a file is known
_PLACE = (*_NEEDED, "height")
# Unit in a line of units, in lower case → as column maps write it.
_WRITTEN_UNITS = {
    **dict.fromkeys(("k", "kelvin"), "K"),
    **dict.fromkeys(("degc", "deg c", "°c", "c", "celsius"), "degC"),
    **dict.fromkeys(("degf", "deg f", "°f", "f", "fahrenheit"), "degF"),
    **dict.fromkeys(("m/s", "m s-1", "ms-1", "m s**-1", "mps"), "m/s"),
    **dict.fromkeys(("km/h", "kmh", "kph", "km h-1"), "km/h"),
    **dict.fromkeys(("kt", "kts", "kn", "knot", "knots"), "kt"),
    **dict.fromkeys(("deg", "degree", "degrees", "°"), "degree"),
    **dict.fromkeys(("hpa", "mb", "mbar"), "hPa"),
    **dict.fromkeys(("pa",), "Pa"),
    **dict.fromkeys(("inhg", "in hg"), "inHg"),
    **dict.fromkeys(("%", "percent"), "%"),
    **dict.fromkeys(("okta", "oktas", "1/8"), "okta"),
    **dict.fromkeys(("mm", "kg m-2", "kg/m2", "l/m2"), "mm"),
    **dict.fromkeys(("in", "inch", "inches"), "in"),
}
_REMEDY = "Give a column map with --column or in [observations] of met2net.toml"


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

    Columns of the map that the file lacks are missing values, as long as station, place and time
    are there; other columns are ignored. Where a cell cannot be read, only its value is lost; of
    station, latitude, longitude and time, the record is refused.

    Raises:
        ObservationError: no header, one without station, place or time, or a line of units that
            contradicts the map.
        OSError: the file cannot be read.
    """
    table = read_delimited(path, [columns[what].name for what in _NEEDED], _REMEDY)
    columns = {what: column for what, column in columns.items() if table.places(column.name)}
    lines = table.lines
    if lines and _is_units(table, lines[0], columns):
        _check_units(path, table, lines[0], columns)
        lines = lines[1:]
    places = {what: table.places(column.name) for what, column in columns.items()}
    mark = decimal_mark(_numbers(table, lines[:_SAMPLE], places))
    records = _Records(table, columns, places, mark)
    reports: list[StationReport] = []
    refusals: list[RecordRefusal] = []
    lost: list[LostValue] = []
    for record, line in enumerate(lines, start=1):
        try:
            report, reasons = records.report(line, record)
        except RefusedRecordError as refusal:
            refusals.append(refusal.refusal(record))
        else:
            reports.append(report)
            lost += [LostValue(record, reason, report.station) for reason in reasons]
    return Reading(path, "csv", tuple(reports), tuple(refusals), tuple(lost), table.notes)


def _split_lines(table: Delimited, lines: Sequence[str]) -> Iterator[list[str]]:
    """The cells of the lines that can be split."""
    for line in lines:
        try:
            yield table.cells(line)
        except RefusedRecordError:
            continue


def _numbers(table: Delimited, lines: Sequence[str], places: dict[str, list[int]]) -> Iterator[str]:
    """The cells of all columns that hold numbers."""
    numeric = [at for what, found in places.items() if what not in _TEXTS for at in found]
    for cells in _split_lines(table, lines):
        yield from (cells[at] for at in numeric)


def _is_units(table: Delimited, line: str, columns: dict[str, Column]) -> bool:
    """Whether a line holds the units of the columns: no number, no time, and a known unit."""
    cells = next(_split_lines(table, [line]), [])
    written = [cells[place].strip() for c in columns.values() for place in table.places(c.name)
               if cells]  # fmt: skip
    return any(cell.lower() in _WRITTEN_UNITS for cell in written) and not any(
        character.isdigit()
        for cell in written
        for character in cell.replace("-1", "")
        if cell.lower() not in _WRITTEN_UNITS
    )


def _check_units(path: Path, table: Delimited, line: str, columns: dict[str, Column]) -> None:
    cells = table.cells(line)
    for what, column in columns.items():
        for place in table.places(column.name):
            unit = _WRITTEN_UNITS.get(cells[place].strip().lower(), column.unit)
            if what in QUANTITIES and unit != column.unit:
                raise ObservationError(
                    f"{path} has {column.name} in {unit}, the column map in {column.unit}; give "
                    f'--column "{what} = {column.name} {unit}" if the file is right'
                )


@dataclass(frozen=True)
class _Records:
    """Makes reports of lines.

    Attributes:
        table: the file.
        columns: what to take from it.
        places: where these columns are.
        mark: what separates the fraction of its numbers.
    """

    table: Delimited
    columns: dict[str, Column]
    places: dict[str, list[int]]
    mark: DecimalMark

    def report(self, line: str, record: int) -> tuple[StationReport, list[str]]:
        """The report of a line, and why values of it are lost.

        Raises:
            RefusedRecordError: no station, place, time or value.
        """
        cells = self.table.cells(line)
        name = ""
        values: dict[str, float | None] = {}
        lost: list[str] = []
        try:
            name = self._text(cells, "station")
            time = parse_time(self._text(cells, "time"))
            latitude, longitude = (self._number(cells, what) for what in _NEEDED[1:3])
        except (CellError, TimeFormatError) as error:
            raise RefusedRecordError(str(error), name) from error
        for what in self.columns:
            if what in QUANTITIES or what == "height":
                try:
                    values[what] = self._number(cells, what)
                except CellError as error:
                    lost.append(str(error))
        height = values.pop("height", None)
        if lost and all(value is None for value in values.values()):
            raise RefusedRecordError("; ".join(lost), name)
        try:
            report = make_report(
                station=name,
                latitude=latitude,
                longitude=longitude,
                height=height,
                time=time,
                values=values,
                record=record,
            )
        except ExchangedPositionError as error:
            north, east = (self.columns[what].name for what in ("latitude", "longitude"))
            raise RefusedRecordError(
                f'{error}; if they are, give --column "latitude = {east}" '
                f'--column "longitude = {north}"',
                name,
            ) from error
        return report, lost

    def _text(self, cells: list[str], what: str) -> str:
        """The cell of a column; columns of one name must agree."""
        first, *others = (cells[at].strip() for at in self.places[what])
        if any(other != first for other in others):
            found = " and ".join(repr(text) for text in (first, *others))
            name = self.columns[what].name
            raise CellError(f"{what} is {found} in columns of one name, {name!r}; rename one")
        return first

    def _number(self, cells: list[str], what: str) -> float | None:
        """The number of a column in the unit it is kept in, None if it is missing."""
        text = self._text(cells, what)
        return read_number(text, what, self.columns[what].unit, self.mark)
