"""What to fetch: pure functions from a source, variables and times to files and byte ranges."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from met2net_ops.errors import FeedError
from met2net_ops.feeds.index import largest_offset, select

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import datetime

    from met2net_ops.feeds.index import Entry
    from met2net_ops.feeds.source import Mirror, Source

_ENDINGS = {"metar": "txt", "bufr": "bufr", "csv": "csv"}


@dataclass(frozen=True, slots=True)
class WantedFile:
    """The messages that are wanted of one published file.

    Attributes:
        source: who publishes it.
        reference_time: of the run, aware UTC.
        lead: of the file.
        variables: of ours, those that are wanted and that it has.
    """

    source: Source
    reference_time: datetime
    lead: timedelta
    variables: tuple[str, ...]

    @property
    def valid_time(self) -> datetime:
        """What time its fields are for."""
        return self.reference_time + self.lead

    @property
    def expected(self) -> datetime:
        """When it appears, as a rule."""
        return self.source.schedule.expected(self.reference_time, self.lead)

    @property
    def deadline(self) -> datetime:
        """After which it is late."""
        return self.source.schedule.deadline(self.reference_time, self.lead)

    @property
    def file_name(self) -> str:
        """In the spool."""
        if self.source.reports:
            ending = _ENDINGS[self.source.reports]
            return f"{self.source.name}_{self.reference_time:%Y%m%d%H}.{ending}"
        hours = self.lead // timedelta(hours=1)
        names = "-".join(self.variables)
        return f"{self.source.name}_{self.reference_time:%Y%m%d%H}_f{hours:03d}_{names}.grib2"

    def __str__(self) -> str:
        if self.source.reports:
            return f"{self.source.name} {self.reference_time:%Y-%m-%dT%HZ}"
        hours = self.lead // timedelta(hours=1)
        return f"{self.source.name} {self.reference_time:%Y-%m-%dT%HZ} +{hours} h"


def wanted_files(
    source: Source,
    variables: Iterable[str],
    since: datetime,
    until: datetime,
    there: Collection[tuple[datetime, timedelta, str]] = frozenset(),
) -> list[WantedFile]:
    """The files that bring the analysis series of a source, by valid time.

    Args:
        source: who publishes them.
        variables: that are wanted; those the source does not have are left out.
        since: first valid time.
        until: last valid time, included.
        there: reference time, lead and variable of what was fetched before.
    """
    known = [name for name in variables if name in source.fields]
    leads = [timedelta(hours=hours) for hours in source.analysis_leads]
    longest = max(leads, default=timedelta(0))
    found = []
    for run in source.schedule.runs(since - longest, until):
        for lead in leads:
            if not since <= run + lead <= until:
                continue
            names = tuple(
                name
                for name in known
                if timedelta(hours=source.fields[name].from_lead) <= lead
                and (run, lead, name) not in there
            )
            if names:
                found.append(WantedFile(source, run, lead, names))
    return sorted(found, key=lambda file: (file.valid_time, file.reference_time))


@dataclass(frozen=True, slots=True)
class Piece:
    """One message to fetch.

    Attributes:
        variables: of ours, that it holds; several where sub-messages share it.
        first: offset of its first byte in the object.
        last: of its last, included; None where it ends the object.
    """

    variables: tuple[str, ...]
    first: int
    last: int | None


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes fetched by one request: one message, or several that lie side by side."""

    pieces: tuple[Piece, ...]

    @property
    def first(self) -> int:
        """Offset of the first byte."""
        return self.pieces[0].first

    @property
    def last(self) -> int | None:
        """Offset of the last byte, included; None for the rest of the object."""
        return self.pieces[-1].last


def pieces_of(file: WantedFile, entries: Sequence[Entry], name: str) -> list[Piece]:
    """The messages of a file that hold what is wanted, in the order in which they lie there.

    Raises:
        FeedError: the index does not have each of them exactly once, or is of another run.
    """
    variables: dict[tuple[int, int | None], list[str]] = {}
    for variable in file.variables:
        wanted = file.source.fields[variable].at(file.reference_time, file.lead)
        entry = select(entries, wanted, name)
        variables.setdefault((entry.offset, entry.end), []).append(variable)
    return [Piece(tuple(names), first, last) for (first, last), names in sorted(variables.items())]


def spans_of(pieces: Sequence[Piece]) -> list[Span]:
    """Pieces that lie side by side become one request.

    >>> [(s.first, s.last) for s in spans_of([Piece(("a",), 0, 9), Piece(("b",), 10, 19),
    ...     Piece(("c",), 30, None)])]
    [(0, 19), (30, None)]
    """
    spans: list[list[Piece]] = []
    for piece in pieces:
        if spans and spans[-1][-1].last == piece.first - 1:
            spans[-1].append(piece)
        else:
            spans.append([piece])
    return [Span(tuple(span)) for span in spans]


def check_size(size: int | None, entries: Sequence[Entry], url: str) -> None:
    """Raise FeedError if an object is too short for its index."""
    last = largest_offset(entries)
    if size is not None and size <= last:
        raise FeedError(
            f"{url} has {size} bytes, but by its index a message begins at byte {last}: the file "
            "is incomplete, or the index is of another version"
        )


def usable_mirrors(file: WantedFile, now: datetime, preferred: str = "") -> list[Mirror]:
    """Mirrors that may have a file by now, best first: the one that worked last, then by order.

    Args:
        file: that is wanted.
        now: aware UTC.
        preferred: name of the mirror that worked last.
    """
    age = now - file.reference_time
    able = [
        mirror
        for mirror in file.source.mirrors
        if (mirror.keep_days is None or age <= timedelta(days=mirror.keep_days))
        and now >= file.expected + timedelta(minutes=mirror.lag_minutes)
    ]
    able = able or list(file.source.mirrors[:1])
    return sorted(able, key=lambda mirror: mirror.name != preferred)
