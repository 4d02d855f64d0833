"""Station reports as the centre publishes them: one file for each hour, without an index."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from met2net_ops.centre.objects import Message, Published
from met2net_ops.feeds.source import REPORTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from met2net_ops.feeds.source import Source


class ReportObjects:
    """Every file of a source of station reports over some days, by path."""

    def __init__(
        self,
        source: Source,
        reports: Callable[[datetime], bytes],
        since: datetime,
        until: datetime,
    ) -> None:
        """Lay out the paths; no file is made yet.

        Args:
            source: whose paths and schedule are used; each hour must have a path of its own.
            reports: hour → the file of its reports.
            since: first hour.
            until: last hour, included.
        """
        self.source = source
        self._reports = reports
        self._hours = list(source.schedule.runs(since, until))
        none = timedelta(0)
        self.paths = {
            urlsplit(source.mirrors[0].address(hour, none, REPORTS)).path: Published(
                hour, none, index=False
            )
            for hour in self._hours
        }

    def messages(self, reference_time: datetime, _lead: timedelta) -> tuple[Message, ...]:
        """The file of an hour, as one message."""
        return (Message(REPORTS, self._reports(reference_time)),)

    def other(self, place: Published) -> tuple[datetime, timedelta]:
        """Another hour: the one before if there is one."""
        return self._hours[self._hours.index(place.reference_time) - 1], place.lead

    def index(
        self, _reference_time: datetime, _lead: timedelta, _messages: Sequence[Message]
    ) -> bytes:
        """There is none."""
        return b""
