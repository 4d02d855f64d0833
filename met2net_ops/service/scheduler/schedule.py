"""Which cycles there are: cron expressions for reference times, read by APScheduler.

APScheduler only does the arithmetic of cron expressions here. The ledger remembers what became of
each cycle: APScheduler's own memory drops or repeats runs after a crash.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from itertools import islice
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from apscheduler.triggers.cron import CronTrigger

from met2net_ops.errors import SettingsError
from met2net_ops.times import format_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from met2net_ops.settings import ScheduleSettings, Settings

_LOOKED_AT = 400  # reference times checked against the archive's step
_WEEK, _WEEKS = timedelta(weeks=1), 54
_MOMENT = timedelta(microseconds=1)
_SECOND = timedelta(seconds=1)
_LARGEST_SHIFT = timedelta(hours=25)  # of local time: Samoa once left out a whole day


@dataclass(frozen=True)
class Schedule:
    """The cycles of one model.

    Attributes:
        model: its name.
        trigger: of local times, which it takes for UTC, see `after`.
        zone: of these local times.
        deadline: how long after the reference time it starts with gaps filled.
        expire: how long after the reference time it is given up.
    """

    model: str
    trigger: CronTrigger
    zone: ZoneInfo
    deadline: timedelta
    expire: timedelta

    def after(self, time: datetime) -> Iterator[datetime]:
        """Reference times after `time`, ascending, UTC; ends where the expression has no more.

        A local time that the clocks skip in spring has its cycle later by as much as they skip
        (usually an hour), one that comes twice in autumn has two cycles. A time that two local
        times lead to is one cycle.
        """
        # APScheduler in a zone with summer time skips the first local midnight after the change
        # (agronholm/apscheduler#606, in 3.11.3 still) and rounds fractions of a second past
        # local times that do not exist. So it only finds local times here, which it takes for
        # UTC; the standard library's zones turn them into moments.
        shift = timedelta() if self.zone.key == "UTC" else _LARGEST_SHIFT
        last, moments = time, list[datetime]()
        for local in self._local_times(_local(time, self.zone) - shift):
            while moments and _local(moments[0], self.zone) + shift < local:
                if (moment := heappop(moments)) > last:
                    last = moment
                    yield moment
            for moment in _moments(local, self.zone):
                heappush(moments, moment)
        while moments:
            if (moment := heappop(moments)) > last:
                last = moment
                yield moment

    def _local_times(self, since: datetime) -> Iterator[datetime]:
        """Local times of the expression from `since` on, without zone, skipped ones included."""
        start = since.replace(microsecond=0, tzinfo=UTC)
        while True:
            found: datetime | None = self.trigger.get_next_fire_time(None, start)
            if found is None:
                return
            yield found.replace(tzinfo=None)
            start = found + _SECOND

    def between(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """Reference times after `after` up to `until`, included."""
        for time in self.after(after):
            if time > until:
                return
            yield time

    def within(self, first: datetime, last: datetime) -> Iterator[datetime]:
        """Reference times from `first` to `last`, both included."""
        return self.between(first - _MOMENT, last)

    def following(self, time: datetime) -> datetime | None:
        """The first reference time after `time`; None where there is none."""
        return next(self.after(time), None)

    def has(self, time: datetime) -> bool:
        """Whether `time` is one of its reference times."""
        return self.following(time - _MOMENT) == time


def _local(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None)


def _moments(local: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """When a clock of the zone shows a local time: once, twice, or for skipped ones later."""
    first = local.replace(tzinfo=zone).astimezone(UTC)  # skipped: by the offset of before
    second = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    yield first
    if second > first:
        yield second


def read_schedules(settings: Settings, now: datetime) -> tuple[Schedule, ...]:
    """The schedules of the settings, checked.

    Args:
        settings: of the workspace.
        now: reference times are checked from then on.

    Raises:
        SettingsError: no schedule, two of one model, an expression or time zone that cannot be
            read, or reference times for which the archive never has frames.
    """
    if not settings.schedules:
        raise SettingsError(
            "there is nothing to serve: met2net.toml has no [[schedules]]. Add one, such as\n"
            f'  [[schedules]]\n  model = "{settings.forecast.model}"\n  cron = "0 0,6,12,18 * * *"'
        )
    found: dict[str, Schedule] = {}
    for item in settings.schedules:
        if item.model in found:
            raise SettingsError(
                f"[[schedules]]: {item.model} has two; write one with both times, such as "
                '"0 0,12 * * *"'
            )
        found[item.model] = _read(item, now, timedelta(hours=settings.archive.step_hours))
    return tuple(found.values())


def _read(item: ScheduleSettings, now: datetime, step: timedelta) -> Schedule:
    where = f"[[schedules]] of {item.model}"
    try:
        zone = ZoneInfo(item.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SettingsError(
            f"{where}: timezone {item.timezone!r} is not known; write it like Europe/Berlin"
        ) from error
    fields = item.cron.split()
    if len(fields) == 5 and re.search(r"\d", fields[4]):
        raise SettingsError(
            f"{where}: cron {item.cron!r} has a number for the weekday, which some programs count "
            "from Monday and some from Sunday; write names: mon, tue, wed, thu, fri, sat, sun"
        )
    try:
        trigger = CronTrigger.from_crontab(item.cron, timezone=UTC)
    except (ValueError, TypeError) as error:
        raise SettingsError(
            f"{where}: cron {item.cron!r} cannot be read: {error}. It has five fields, minute, "
            'hour, day, month and weekday, as in "0 0,12 * * mon-fri"'
        ) from error
    if item.deadline >= item.expire:
        raise SettingsError(
            f"{where}: expire_hours = {item.expire_hours:g} is not after deadline_minutes = "
            f"{item.deadline_minutes:g}: no cycle could ever run at its deadline"
        )
    schedule = Schedule(item.model, trigger, zone, item.deadline, item.expire)
    _check_step(schedule, item, now, step)
    return schedule


def _check_step(schedule: Schedule, item: ScheduleSettings, now: datetime, step: timedelta) -> None:
    some = list(islice(schedule.after(now), _LOOKED_AT))
    where = f"[[schedules]] of {item.model}: cron {item.cron!r}"
    if not some:
        raise SettingsError(f"{where} never matches any time; does that day exist?")
    if len(some) == _LOOKED_AT:  # and later in the year: summer time may come in months
        weeks = (schedule.following(now + week * _WEEK) for week in range(_WEEKS))
        some += [time for time in weeks if time is not None]
    for time in some:
        midnight = time.replace(hour=0, minute=0, second=0, microsecond=0)
        if (time - midnight) % step:
            raise SettingsError(
                f"{where} in {item.timezone} gives {format_time(time)}, but the archive has "
                f"frames every {step // timedelta(hours=1)} h, counted from 00 UTC; choose other "
                "times, or another time zone"
            )
