"""Times as people and programs write them; `datetime` and pandas are the oracles."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from met2net_ops.times import TimeFormatError, naive_utc, parse_time

TWO = datetime(2024, 1, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-01T02",
        "2024-01-01 02:00",
        "2024-01-01T02:00:00.000Z",
        "2024-01-01T02:00:00,000000000+00:00",
        "2024-01-01T04:00+02:00",
        "2023-12-31T22:30-0330",
        "20240101 0200",
        "20240101T020000Z",
        "2024010102",
        "202401010200",
        "2024/01/01 02:00 UTC",
        "01.01.2024 02:00",
        "1.1.2024 2:00",
        "2024-1-1 2:00",
    ],
)
def test_one_time_in_many_ways(text: str) -> None:
    assert parse_time(text) == TWO


def test_hour_24_is_the_end_of_the_day() -> None:
    assert parse_time("2024-02-28 24:00") == datetime(2024, 2, 29, tzinfo=UTC)
    assert parse_time("2024-12-31T24") == datetime(2025, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2023-02-29",
        "2024-01-01 24:01",
        "2024-01-01 25:00",
        "2024-13-01",
        "01/02/2024 00:00",  # January or February
        "24-01-01",
        "202401",
        "1704067200",  # seconds since 1970
        "2024-01-01 02:00 CET",
        "2024-01-01 02:00 PM",
        "2024-01-01T02:00+25:00",
        "2024-01-01T02:00+01:75",
        "0001-01-01T00:00+02:00",
        "9999-12-31T24:00",
        "٢٠٢٤-01-01",
    ],
)
def test_what_is_no_time_or_more_than_one_is_refused(text: str) -> None:
    with pytest.raises(TimeFormatError):
        parse_time(text)


@given(
    st.datetimes(
        naive_utc(datetime(1850, 1, 1, tzinfo=UTC)), naive_utc(datetime(2300, 1, 1, tzinfo=UTC))
    ),
    st.integers(-14 * 60, 14 * 60),
    st.sampled_from(["seconds", "milliseconds", "microseconds"]),
)
def test_what_isoformat_writes_is_read_back(time: datetime, minutes: int, digits: str) -> None:
    aware = time.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    text = aware.isoformat(timespec=digits)
    assert parse_time(text) == datetime.fromisoformat(text)
    assert naive_utc(parse_time(text)) == pd.Timestamp(text).tz_convert("UTC").tz_localize(None)


@given(st.text(max_size=30))
def test_any_text_is_a_time_or_refused(text: str) -> None:
    try:
        time = parse_time(text)
    except TimeFormatError:
        return
    assert time.tzinfo is UTC
