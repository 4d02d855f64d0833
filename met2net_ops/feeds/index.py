"""Index files beside GRIB objects: which message lies where, without reading the object.

Two kinds are read: the short inventory of wgrib2 that NOAA publishes (`.idx`), and the JSON lines
of ECMWF open data (`.index`). Both become `Entry` rows; `select` picks one by its full key.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from met2net_ops.errors import FeedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

INSTANT = "instant"

_UNITS = {
    "min": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1),
}  # fmt: skip
_WINDOW = re.compile(
    r"(?:(?P<start>\d+)-)?(?P<end>\d+) (?P<unit>min|hour|day)(?: (?P<process>\w+))? fcst"
)
_ECMWF_IDENTITY = frozenset(
    {"domain", "date", "time", "expver", "class", "type", "stream", "step", "_offset", "_length"}
)


@dataclass(frozen=True, slots=True)
class Window:
    """The time a field is for, counted from its reference time.

    Attributes:
        start: where it begins; the same as `end` for an instant.
        end: the lead.
        process: "instant", or what was done over the time: "acc", "ave", "max", "min", "range".
    """

    start: timedelta
    end: timedelta
    process: str = INSTANT

    def __str__(self) -> str:
        start, end = self.start / timedelta(hours=1), self.end / timedelta(hours=1)
        return f"+{end:g} h" if start == end else f"{self.process} over +{start:g} to +{end:g} h"

    @classmethod
    def at(cls, lead: timedelta) -> Window:
        """An instant."""
        return cls(lead, lead)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of an index.

    Attributes:
        line: its number in the index, from 1.
        offset: first byte of the message.
        length: bytes of the message; None where the index does not say (the last of a `.idx`).
        reference_time: aware UTC; None where the line has none.
        window: what time it is for; None where the words are not known: it matches nothing.
        keys: the names that tell fields apart, such as element, level and member.
    """

    line: int
    offset: int
    length: int | None
    reference_time: datetime | None
    window: Window | None
    keys: Mapping[str, str]

    @property
    def end(self) -> int | None:
        """Last byte of the message, included, as HTTP ranges have it."""
        return None if self.length is None else self.offset + self.length - 1

    def __str__(self) -> str:
        named = " ".join(f"{name}={value}" for name, value in self.keys.items())
        return f"line {self.line} ({named}, {self.window}, bytes from {self.offset})"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One message to find.

    Attributes:
        keys: every name and value the entry must have, and no other name.
        window: the time it must be for.
        reference_time: aware UTC.
    """

    keys: Mapping[str, str]
    window: Window
    reference_time: datetime


def parse_wgrib2(text: str, name: str) -> tuple[Entry, ...]:
    r"""Read a wgrib2 short inventory: `number:offset:d=YYYYMMDDHH:ELEMENT:LEVEL:WINDOW:[MORE]`.

    A message ends where the next larger offset begins. Sub-messages (`211.1`, `211.2`) share the
    offset, and so the length, of the message they are in.

    Args:
        text: the whole file.
        name: of the file, for errors.

    Raises:
        FeedError: a line is of another form, or there is none.

    >>> first, second = parse_wgrib2(
    ...     "1:0:d=2025080100:PRMSL:mean sea level:anl:\n"
    ...     "2:892922:d=2025080100:APCP:surface:0-1 day acc fcst:ENS=+1", "a.idx")
    >>> first.length, second.length, second.window.end, second.keys["member"]
    (892922, None, datetime.timedelta(days=1), 'ENS=+1')
    """
    found = [_wgrib2_line(line, number, name) for number, line in _lines(text, name)]
    offsets = sorted({entry.offset for entry in found})
    length = {start: after - start for start, after in pairwise(offsets)}
    return tuple(
        Entry(
            entry.line, entry.offset, length.get(entry.offset), entry.reference_time,
            entry.window, entry.keys,
        )
        for entry in found
    )  # fmt: skip


def parse_ecmwf(text: str, name: str) -> tuple[Entry, ...]:
    """Read an index of ECMWF open data: one JSON object a line.

    Args:
        text: the whole file.
        name: of the file, for errors.

    Raises:
        FeedError: a line is not such an object, or there is none.

    >>> (entry,) = parse_ecmwf('{"date": "20250301", "time": "0000", "levtype": "sfc", '
    ...     '"step": "6", "param": "2t", "_offset": 224, "_length": 896851}', "a.index")
    >>> entry.end, dict(entry.keys)
    (897074, {'levtype': 'sfc', 'param': '2t'})
    """
    return tuple(_ecmwf_line(line, number, name) for number, line in _lines(text, name))


PARSERS = {"wgrib2": parse_wgrib2, "ecmwf": parse_ecmwf}


def select(entries: Sequence[Entry], wanted: Wanted, name: str) -> Entry:
    """The one entry that is wanted, by its full key.

    Lines that repeat the same bytes under the same key count once.

    Raises:
        FeedError: none matches, several do, or the index is of another run; the error names them.
    """
    same = [entry for entry in entries if entry.keys == wanted.keys]
    found = [entry for entry in same if entry.window == wanted.window]
    asked = " ".join(f"{key}={value}" for key, value in wanted.keys.items())
    if not found:
        nearest = "; ".join(str(entry) for entry in same[:3]) or "no line has these names"
        raise FeedError(f"{name} has no {asked} for {wanted.window}: {nearest}")
    if len({entry.offset for entry in found}) > 1:
        both = " and ".join(str(entry) for entry in found[:3])
        raise FeedError(f"{name} has {asked} more than once: {both}")
    (entry, *_) = found
    if entry.reference_time not in (None, wanted.reference_time):
        raise FeedError(
            f"{name} is of the run {entry.reference_time:%Y-%m-%dT%HZ}, not of "
            f"{wanted.reference_time:%Y-%m-%dT%HZ} ({entry})"
        )
    return entry


def largest_offset(entries: Iterable[Entry]) -> int:
    """Where the last message begins: an object that is not longer is incomplete."""
    return max(entry.offset for entry in entries)


def _lines(text: str, name: str) -> list[tuple[int, str]]:
    found = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    found = [(number, line) for number, line in found if line]
    if not found:
        raise FeedError(f"{name} is empty")
    return found


def _wgrib2_line(line: str, number: int, name: str) -> Entry:
    parts = line.split(":")
    if len(parts) < 6 or not re.fullmatch(r"\d+(\.\d+)?", parts[0]) or not parts[1].isdigit():
        raise FeedError(f"{name}, line {number} is not a line of a wgrib2 inventory: {line[:80]!r}")
    _, offset, date, element, level, window, *more = parts
    keys = {"element": element, "level": level}
    if member := ":".join(more).strip(":"):
        keys["member"] = member
    return Entry(number, int(offset), None, _date(date, number, name), _window(window), keys)


def _date(text: str, number: int, name: str) -> datetime:
    digits = text.removeprefix("d=")
    for form in ("%Y%m%d%H", "%Y%m%d%H%M"):
        try:
            return datetime.strptime(digits, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise FeedError(f"{name}, line {number}: {text!r} is no reference time such as d=2025080100")


def _window(words: str) -> Window | None:
    if words == "anl":
        return Window.at(timedelta(0))
    match = _WINDOW.fullmatch(words)
    if match is None:
        return None
    unit = _UNITS[match["unit"]]
    end = int(match["end"]) * unit
    if match["start"] is None:
        return Window.at(end) if match["process"] is None else None
    return Window(int(match["start"]) * unit, end, match["process"] or "range")


def _ecmwf_line(line: str, number: int, name: str) -> Entry:
    try:
        values = json.loads(line)
        offset, length = values["_offset"], values["_length"]
        sound = type(offset) is int and type(length) is int and offset >= 0 and length > 0
    except (ValueError, KeyError, TypeError):
        sound = False
    if not sound:
        raise FeedError(f"{name}, line {number} is not a line of an ECMWF index: {line[:80]!r}")
    keys = {key: str(value) for key, value in values.items() if key not in _ECMWF_IDENTITY}
    return Entry(
        number, offset, length, _ecmwf_date(values, number, name), _step(values.get("step")), keys
    )


def _ecmwf_date(values: Mapping[str, object], number: int, name: str) -> datetime | None:
    if "date" not in values:
        return None
    return _date(f"{values['date']}{str(values.get('time', '0000'))[:4]}", number, name)


def _step(step: object) -> Window | None:
    match = re.fullmatch(r"(?:(\d+)-)?(\d+)", str(step))
    if match is None:
        return None
    end = timedelta(hours=int(match[2]))
    return (
        Window.at(end) if match[1] is None else Window(timedelta(hours=int(match[1])), end, "range")
    )
