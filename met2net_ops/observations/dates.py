"""The month and year of a report that gives only its day and time.

All that states a date is compared: a date before the report or in a line above it, the name of the
file, the heading of the bulletin (day and time only), and when the file was received. The date most
of them agree with is taken; without a majority the report is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from met2net_ops.observations.report import RefusedRecordError
from met2net_ops.times import format_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_DAY = timedelta(days=1)
_ZONES = timedelta(hours=14)  # a stated day may be that of any time zone
_EARLY, _LATE = timedelta(hours=3), timedelta(hours=24)  # of a report, before and after its heading
_CLOCKS = timedelta(hours=1)  # by which clocks may differ

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH_NAME = rf"(?P<name>{'|'.join(_MONTHS)})[a-z]*\.?"
_YEAR = r"(?P<year>(?:19|20)\d\d)"
_HOUR = r"(?:[T_, -]?(?:[01]\d|2[0-4])(?:[:,]?\d\d){0,2}(?:\.\d+)?Z?)?"
_DATES = tuple(
    re.compile(rf"(?<!\d){pattern}(?!\d)", re.IGNORECASE | re.ASCII)
    for pattern in (
        rf"{_YEAR}(?P<sep>[-/._, ]?)(?P<month>\d\d)(?P=sep)(?P<day>\d\d){_HOUR}",
        rf"(?P<day>\d\d?)[- ]?{_MONTH_NAME}[-, ]*{_YEAR}",
        rf"{_MONTH_NAME}[- ](?P<day>\d\d?),? +{_YEAR}",
        rf"{_YEAR}[-/._ ]?{_MONTH_NAME}[-/._ ]?(?P<day>\d\d)",
        rf"(?P<day>\d\d?)\.(?P<month>\d\d?)\.{_YEAR}",
        rf"(?P<either>\d\d?)(?P<sep>[-/])(?P<other>\d\d?)(?P=sep){_YEAR}",
        r"(?<![-/.])(?P<short>\d\d)(?P<sep>[-/.])(?P<either>\d\d)(?P=sep)(?P<other>\d\d)(?![-/.\d])",
    )
)
_MONTHS_AND_YEARS = tuple(
    re.compile(rf"(?<!\d){pattern}(?!\d)", re.IGNORECASE | re.ASCII)
    for pattern in (
        rf"{_YEAR}[-/._]?(?P<month>0[1-9]|1[0-2])",
        rf"(?<![a-z]){_MONTH_NAME}[-_, ]*{_YEAR}",
        rf"{_YEAR}[-_ ]?{_MONTH_NAME}(?![a-z])",
        _YEAR,
    )
)
_CLOCK = re.compile(
    r"(?<!\d)(?:\d\d?:\d\d(?::\d\d(?:\.\d+)?)?|\d{4}(?=Z))Z?(?!\w)", re.IGNORECASE | re.ASCII
)
_LEAP = timedelta(days=20)
_EARLIEST = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class DateStatement:
    """Something that states when reports were made.

    Attributes:
        source: what it is, for messages: "the date '2024/02/29' above it".
        spans: the times, first and last, between which it may mean; none if it is no date.
    """

    source: str
    spans: tuple[tuple[datetime, datetime], ...]

    def allows(self, time: datetime) -> bool:
        """Whether a report of that time agrees with it."""
        return any(first <= time <= last for first, last in self.spans)


@dataclass(frozen=True, slots=True)
class Received:
    """When a file was received.

    Attributes:
        source: how that is known, for messages.
        time: UTC.
    """

    source: str
    time: datetime


def find_dates(text: str, *, months: bool = False) -> tuple[str, tuple[DateStatement, ...]]:
    """The dates a text states, and the text without them and without times of day.

    Args:
        text: a line, the beginning of one, or the name of a file.
        months: whether it may also state just a month or a year.

    >>> rest, (stated,) = find_dates("observed 29 Feb 2024 12:00 UTC")
    >>> rest.split(), stated.source
    (['observed', 'UTC'], "the date '29 Feb 2024'")
    >>> stated.allows(datetime(2024, 2, 29, 12, tzinfo=UTC))
    True
    """
    found = []
    for pattern in (*_DATES, *_MONTHS_AND_YEARS) if months else _DATES:
        while (match := pattern.search(text)) is not None:
            found.append(DateStatement(f"the date {match[0]!r}", _spans(match)))
            text = f"{text[: match.start()]} {text[match.end() :]}"
    return _CLOCK.sub(" ", text).strip(), tuple(found)


def _spans(match: re.Match[str]) -> tuple[tuple[datetime, datetime], ...]:
    """What a date that was found may mean."""
    part = match.groupdict()
    if part.get("either"):  # in any order: then only the very day is meant
        one, two = int(part["either"]), int(part["other"])
        orders = [(int(part.get("year") or 0), one, two), (int(part.get("year") or 0), two, one)]
        if part.get("short"):
            zero = int(part["short"])
            orders = [(zero, one, two), (two, zero, one), (two, one, zero)]
            orders = [(y + (1900 if y >= 70 else 2000), m, d) for y, m, d in orders]
        days = {day for year, month, at in orders if (day := _day(year, month, at))}
        return tuple((day, day + _DAY) for day in sorted(days))
    year = int(part["year"])
    name = part.get("name")
    month = _MONTHS.index(name.lower()) + 1 if name else int(part.get("month") or 0)
    if part.get("day"):
        start = _day(year, month, int(part["day"]))
        return ((start - _ZONES, start + _DAY + _ZONES),) if start else ()
    first = _day(year, month or 1, 1)
    after = _day(year + (month in (0, 12)), month % 12 + 1 if month else 1, 1)
    return ((first, after - timedelta(minutes=1)),) if first and after else ()


def _day(year: int, month: int, day: int) -> datetime | None:
    try:
        return datetime(year, month, day, tzinfo=UTC)
    except ValueError:
        return None


def report_time(
    day_time: str,
    received: Received,
    stated: Sequence[DateStatement] = (),
    heading: str = "",
) -> datetime:
    """The time of a report that gives its day, hour and minute.

    Where nothing states a date, it is the latest such time up to an hour after `received`.

    Args:
        day_time: six digits: day, hour, minute.
        received: when the file was received.
        stated: what states a date.
        heading: six digits of the bulletin's heading, "" without one.

    Raises:
        RefusedRecordError: it is no day and time, or what states a date does not agree.

    >>> received = Received("--received", datetime(2026, 3, 1, 1, tzinfo=UTC))
    >>> format_time(report_time("312350", received))
    '2026-01-31T23:50Z'
    """
    bound = received.time + _CLOCKS
    possible = list(_times_before(day_time, bound))
    if not possible:
        raise RefusedRecordError(f"{day_time}Z is no day and time")
    under_heading = _heading_statement(heading, possible, bound) if heading else None
    latest = next((t for t in possible if under_heading and under_heading.allows(t)), possible[0])
    candidates = {latest} | {
        time
        for statement in stated
        for first, last in statement.spans
        for time in _times_before(day_time, last)
        if time >= first
    }
    witnesses = [*stated]
    if heading:
        witnesses.append(_heading_statement(heading, candidates, bound))
    # It cannot be later than the file; more is taken from that only where nothing else is stated.
    span = (_EARLIEST if stated else latest, bound if stated else latest)
    witnesses.append(DateStatement(f"{received.source} {format_time(received.time)}", (span,)))
    support = {time: [w.allows(time) for w in witnesses] for time in candidates}
    most = max(sum(votes) for votes in support.values())
    best = [time for time, votes in support.items() if sum(votes) == most]
    if latest in best and all(support[time] == support[latest] for time in best):
        best = [latest]  # only a year is stated, say, in which any month fits
    if len(best) > 1 or 2 * most <= len(witnesses):
        raise RefusedRecordError(
            f"the month of {day_time}Z is not clear from {', '.join(w.source for w in witnesses)}; "
            "correct what is wrong, or give --received with the time just after the report"
        )
    return best[0]


def longer_than_a_month(times: Sequence[datetime]) -> bool:
    """Whether a list of one station, in its order, cannot lie in the months found for it.

    A list in the order of time that leaps back by most of a month, or one in the reverse order
    that leaps ahead, has reports of more months than were taken for them.

    >>> from met2net_ops.times import parse_time
    >>> days = [parse_time(f"2026-02-{day}") for day in ("26", "27", "28")]
    >>> longer_than_a_month([*days, parse_time("2026-01-29")])
    True
    >>> longer_than_a_month([parse_time("2026-01-29"), *days])
    False
    """
    steps = [later - earlier for earlier, later in pairwise(times) if later != earlier]
    small = [step for step in steps if abs(step) < _LEAP]
    ahead = sum(step > timedelta() for step in small)
    if len(small) < 2 or ahead not in (0, len(small)):
        return False
    return any(abs(step) >= _LEAP and (step > timedelta()) != (ahead > 0) for step in steps)


def _heading_statement(
    day_time: str, reports: Iterable[datetime], bound: datetime
) -> DateStatement:
    """What the heading of a bulletin allows, in the months of the reports it may head."""
    spans = {
        (heading - _LATE, heading + _EARLY)
        for time in reports
        for heading in _times_before(day_time, min(bound, time + _LATE))
        if heading >= time - _EARLY
    }
    return DateStatement(f"the bulletin's heading of {day_time}", tuple(sorted(spans)))


def _times_before(day_time: str, bound: datetime) -> Iterator[datetime]:
    """The times with a day, hour and minute in the twelve months up to a time, latest first."""
    day, hour, minute = int(day_time[:2]), int(day_time[2:4]), int(day_time[4:6])
    year, month = bound.year, bound.month
    for _ in range(13):
        start = _day(year, month, day)
        if start is not None and hour < 24 and minute < 60:
            time = start.replace(hour=hour, minute=minute)
            if time <= bound:
                yield time
        year, month = (year, month - 1) if month > 1 else (year - 1, 12)
