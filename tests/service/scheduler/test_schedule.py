"""Reference times from cron expressions: weekdays by name, time zones, DST, leap days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from apscheduler.triggers.cron import CronTrigger
from hypothesis import example, given, settings
from hypothesis import strategies as st

from met2net_ops.errors import SettingsError
from met2net_ops.service.scheduler.schedule import Schedule, read_schedules
from met2net_ops.settings import Settings
from met2net_ops.times import HOUR, parse_time, time_range

NOW = parse_time("2026-11-22T06")


def schedule(cron: str, timezone: str = "UTC", step: int = 1) -> Schedule:
    item = {"model": "m", "cron": cron, "timezone": timezone}
    (read,) = read_schedules(Settings(schedules=[item], archive={"step_hours": step}), NOW)
    return read


def between(one: Schedule, first: str, last: str) -> list[str]:
    times = one.between(parse_time(first) - timedelta(seconds=1), parse_time(last))
    return [f"{time:%m-%dT%H}" for time in times]


def test_weekdays_are_names_and_mean_what_they_say() -> None:
    # 2026-11-22 is a Sunday.
    found = between(schedule("0 12 * * sun,wed"), "2026-11-22", "2026-11-29")
    assert found == ["11-22T12", "11-25T12"]
    with pytest.raises(SettingsError, match="number for the weekday"):
        schedule("0 12 * * 0")


def test_hours_across_the_ends_of_summer_time_are_neither_lost_nor_doubled() -> None:
    berlin = schedule("0 * * * *", "Europe/Berlin")
    for first, last in (("2026-03-28", "2026-03-30"), ("2026-10-24", "2026-10-26")):
        times = list(berlin.between(parse_time(first) - HOUR, parse_time(last)))
        assert times == time_range(parse_time(first), parse_time(last))


def test_a_local_hour_that_does_not_exist_or_comes_twice() -> None:
    berlin = schedule("0 2 * * *", "Europe/Berlin")
    # 02:00 is skipped on 29 March 2026 and comes twice on 25 October 2026.
    assert between(berlin, "2026-03-28", "2026-03-30T12") == ["03-28T01", "03-29T01", "03-30T00"]
    assert between(berlin, "2026-10-24", "2026-10-26T12") == [
        "10-24T00", "10-25T00", "10-25T01", "10-26T01",
    ]  # fmt: skip
    assert berlin.has(parse_time("2026-03-29T01"))


def test_leap_days() -> None:
    assert between(schedule("0 12 * * *"), "2028-02-28", "2028-03-01T12") == [
        "02-28T12", "02-29T12", "03-01T12",
    ]  # fmt: skip
    leap = schedule("0 0 29 2 *")
    assert leap.following(NOW) == parse_time("2028-02-29")
    assert leap.following(parse_time("2096-03-01")) == parse_time("2104-02-29")


@settings(max_examples=20, deadline=None)
@example("0 2 1 * *", "Australia/Sydney", 10449, 0)
@given(
    st.sampled_from(["0 * * * *", "0 */6 * * *", "0 3 * * mon-fri", "0 2 1 * *"]),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Sydney"]),
    st.integers(0, 24 * 800),
    st.integers(0, 3599),
)
def test_reference_times_are_ascending_whole_and_known_as_such(cron, zone, hours, seconds) -> None:
    one = schedule(cron, zone)
    start = NOW + hours * HOUR + timedelta(seconds=seconds)
    times = [time for time, _ in zip(one.after(start), range(8), strict=False)]
    assert all(start < time for time in times)
    assert times == sorted(set(times))
    assert all(one.has(time) for time in times)
    assert not one.has(times[0] + timedelta(seconds=1))
    assert one.following(times[0]) == times[1]
    assert list(one.between(start, times[3])) == times[:4]


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ({"cron": "0 x * * *"}, "cannot be read"),
        ({"cron": "0 0 * *"}, "five fields"),
        ({"cron": "0 0 31 2 *"}, "never matches"),
        ({"cron": "0 6 * * *", "timezone": "Asia/Kolkata"}, "00:30Z"),
        ({"cron": "*/30 * * * *"}, "frames every 1 h"),
        ({"cron": "0 6 * * *", "timezone": "Mars/Olympus"}, "not known"),
        ({"cron": "0 6 * * *", "timezone": "../../etc/passwd"}, "not known"),
        ({"cron": "0 6 * * *", "deadline_minutes": 1440.0}, "expire_hours"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(item: dict, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as error:
        read_schedules(Settings(schedules=[{"model": "gust", **item}]), NOW)
    assert "gust" in str(error.value)


def test_one_schedule_per_model_and_at_least_one() -> None:
    twice = [{"model": "m", "cron": "0 0 * * *"}, {"model": "m", "cron": "0 6 * * *"}]
    with pytest.raises(SettingsError, match="m has two"):
        read_schedules(Settings(schedules=twice), NOW)
    with pytest.raises(SettingsError, match="nothing to serve"):
        read_schedules(Settings(), datetime.now(NOW.tzinfo))


def test_reference_times_lie_on_the_step_of_the_archive() -> None:
    assert schedule("0 */6 * * *", step=6).following(NOW) == parse_time("2026-11-22T12")
    with pytest.raises(SettingsError, match="every 6 h"):
        schedule("0 */3 * * *", step=6)


def test_a_zone_whose_summer_time_moves_cycles_off_the_archives_step_is_refused() -> None:
    """Lord Howe Island moves its clocks by half an hour, months from now or not."""
    hourly = {"model": "m", "cron": "0 * * * *", "timezone": "Australia/Lord_Howe"}
    for start in ("2026-01-10T00", "2026-07-10T00"):
        with pytest.raises(SettingsError, match="every 1 h"):
            read_schedules(Settings(schedules=[hourly]), parse_time(start))


ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "US/Pacific",
    "Australia/Sydney",
    "Australia/Lord_Howe",  # half an hour
    "Africa/Casablanca",  # summer time pauses in Ramadan
    "Asia/Beirut",  # at midnight, as in the next two
    "Africa/Cairo",
    "America/Havana",
    "America/Scoresbysund",
    "Asia/Kolkata",
)
EXPRESSIONS = (
    "0 0 * * *",
    "0 0,12 * * *",
    "0 */6 * * *",
    "0 */3 * * *",
    "0 * * * *",
    "30 * * * *",
    "15 0 * * *",
    "0 1 * * *",
    "0 2 * * *",
    "30 2 * * *",
    "0 3 * * *",
    "0 23 * * *",
    "45 23 * * sun",
    "0 0 1 * *",
    "0 0 * * fri,mon",
    "0 0,1,2,3 29,30 3 *",
)
YEAR_2026 = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 12, 31, 23, 59, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def field(text: str, least: int, most: int) -> set[int]:
    """The values of one field of a cron expression: `*`, `*/n`, or a list."""
    if text == "*":
        return set(range(least, most + 1))
    if text.startswith("*/"):
        return set(range(least, most + 1, int(text[2:])))
    return {WEEKDAYS.index(one) if one in WEEKDAYS else int(one) for one in text.split(",")}


@cache
def clock_of(zone: str) -> list[tuple[datetime, datetime]]:
    """Every quarter of an hour of 2026, and what the clocks of a zone show then.

    Local times that clocks skip are shown as much later as they skip.
    """
    place, shown = ZoneInfo(zone), []
    first, last = YEAR_2026
    moment, before = first, None
    while moment <= last:
        offset = moment.astimezone(place).utcoffset()
        shown.append((moment, (moment + offset).replace(tzinfo=None)))
        if before is not None and offset > before:  # clocks went forward now
            steps = (offset - before) // QUARTER
            for step in range(steps):
                late = moment + step * QUARTER
                shown.append((late, (late + before).replace(tzinfo=None)))
        before, moment = offset, moment + QUARTER
    return shown


def brute_force(cron: str, zone: str) -> list[datetime]:
    minutes, hours, days, months, weekdays = (
        field(text, *limits)
        for text, limits in zip(
            cron.split(), [(0, 59), (0, 23), (1, 31), (1, 12), (0, 6)], strict=True
        )
    )
    return sorted(
        {
            moment
            for moment, local in clock_of(zone)
            if local.minute in minutes
            and local.hour in hours
            and local.day in days
            and local.month in months
            and local.weekday() in weekdays
        }
    )


def in_2026(cron: str, zone: str) -> list[datetime]:
    """What a schedule has, whatever the step of an archive."""
    trigger = CronTrigger.from_crontab(cron, timezone=UTC)
    made = Schedule("m", trigger, ZoneInfo(zone), HOUR, 2 * HOUR)
    return list(made.within(*YEAR_2026))


@pytest.mark.parametrize("zone", ZONES)
def test_every_local_time_of_a_year_has_its_cycle(zone: str) -> None:
    for cron in EXPRESSIONS:
        assert in_2026(cron, zone) == brute_force(cron, zone), cron


def test_the_first_midnight_of_summer_time_is_one_of_a_daily_schedule() -> None:
    """APScheduler leaves it out, agronholm/apscheduler#606."""
    times = schedule("0 0 * * *", "Europe/Berlin").within(*YEAR_2026)
    assert parse_time("2026-03-29T22") in times


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([0, 15, 30, 45]), min_size=1, max_size=2, unique=True),
    st.one_of(
        st.sampled_from(["*", "*/2", "*/5"]),
        st.lists(st.integers(0, 23), min_size=1, max_size=3, unique=True),
    ),
    st.one_of(st.just("*"), st.lists(st.integers(1, 31), min_size=1, max_size=9, unique=True)),
    st.one_of(st.just("*"), st.lists(st.integers(1, 12), min_size=1, max_size=6, unique=True)),
    st.one_of(st.just("*"), st.lists(st.sampled_from(WEEKDAYS), min_size=1, unique=True)),
    st.sampled_from(ZONES),
)
def test_any_expression_has_all_its_local_times(minutes, hours, days, months, weekdays, zone):
    parts = (minutes, hours, days, months, weekdays)
    cron = " ".join(one if isinstance(one, str) else ",".join(map(str, one)) for one in parts)
    assert in_2026(cron, zone) == brute_force(cron, zone)
