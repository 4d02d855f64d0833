"""Times that a header states in several ways, and fields whose times do not matter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from met2net_ops.grib.header_cache import HeaderCache
from met2net_ops.grib.inventory import inventory
from met2net_ops.grib.reader import read_fields
from met2net_ops.grib.records import SourceField, Verdict, VerdictKind
from met2net_ops.variables import VARIABLES

from .conftest import encode_message

N = 20
UNITS = {0: timedelta(minutes=1), 1: timedelta(hours=1), 10: timedelta(hours=3),
         13: timedelta(seconds=1)}  # fmt: skip
RAIN = {
    "centre": "kwbc", "paramId": 228228, "typeOfLevel": "surface", "stepType": "accum",
    "dataDate": 20261122, "dataTime": 0, "stepRange": "0-1",
}  # fmt: skip
END = "OfEndOfOverallTimeInterval"
FORECAST, LENGTH, UNIT = 18, 49, 17  # octets of section 4 from 0, templates 4.0 and 4.8


def section4(message):
    at = 16
    while message[at + 4] != 4:
        at += int.from_bytes(message[at : at + 4], "big")
    return at


def change(message, octet, value, width=4):
    """Write a number into section 4; negative ones with a sign bit, as GRIB has them."""
    changed = bytearray(message)
    at = section4(message) + octet
    coded = value if value >= 0 else (1 << (8 * width - 1)) - value
    changed[at : at + width] = coded.to_bytes(width, "big")
    return bytes(changed)


def only(path, name="t2m"):
    items = list(read_fields(path, [name]))
    assert isinstance(items[0], SourceField), items
    return items[0]


def refused(path, name="t2m"):
    (verdict,) = read_fields(path, [name])
    assert isinstance(verdict, Verdict)
    assert verdict.outcome is VerdictKind.REFUSED
    return verdict.reason


@given(count=st.integers(-3000, 3000), unit=st.sampled_from(sorted(UNITS)))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_forecast_times_have_a_sign_and_a_unit(write, count, unit):
    message = encode_message(np.full(N, 280.0), dataDate=20240301, dataTime=0)
    message = change(change(message, FORECAST, count), UNIT, unit, 1)
    field = only(write(message))
    assert field.lead == count * UNITS[unit]
    assert field.valid_time == datetime(2024, 3, 1, tzinfo=UTC) + count * UNITS[unit]


def test_an_interval_whose_three_statements_agree_is_taken(write):
    field = only(write(encode_message(np.full(N, 1.0), **RAIN)), "tp")
    assert field.valid_time == datetime(2026, 11, 22, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("keys", "numbers"),
    [
        ({f"hour{END}": 2}, ["2026-11-22T02", "0-1"]),
        ({f"day{END}": 23}, ["2026-11-23T01", "0-1"]),
        ({f"year{END}": 2025}, ["2025-11-22T01", "0-1"]),
        ({f"month{END}": 13}, ["13"]),
        ({"forecastTime": 5}, ["2026-11-22T01", "5-6"]),
        ({"lengthOfTimeRange": 2}, ["2026-11-22T01", "0-2"]),
        ({"dataDate": 20261121}, ["2026-11-22T01", "2026-11-21T00"]),
        ({"dataTime": 600}, ["2026-11-22T01", "2026-11-22T06"]),
    ],
)
def test_an_interval_with_one_wrong_number_is_refused(write, keys, numbers):
    import eccodes

    handle = eccodes.codes_new_from_message(encode_message(np.full(N, 1.0), **RAIN))
    coded = {"forecastTime": FORECAST, "lengthOfTimeRange": LENGTH}
    for key, value in keys.items():
        if key not in coded and not key.startswith("data"):
            eccodes.codes_set(handle, key, value)
    message = bytes(eccodes.codes_get_message(handle))
    eccodes.codes_release(handle)
    for key, value in keys.items():
        if key in coded:
            message = change(message, coded[key], value)
        elif key == "dataDate":
            message = message[: 16 + 15] + bytes([value % 100]) + message[16 + 16 :]
        elif key == "dataTime":
            message = message[: 16 + 16] + bytes([value // 100]) + message[16 + 17 :]
    # A feed's earlier hour, whose header it otherwise equals, must not vouch for it.
    cache = HeaderCache()
    inventory(write(encode_message(np.full(N, 1.0), **RAIN)), cache)
    path = write(message, name="wrong.grib")
    assert inventory(path, cache) == inventory(path)
    reason = refused(path, "tp")
    assert all(number in reason for number in numbers), reason


def test_an_interval_without_an_end_date_is_placed_by_its_length(write):
    message = encode_message(np.full(N, 1.0), **RAIN)
    at = section4(message) + 34
    field = only(write(message[:at] + bytes(7) + message[at + 7 :]), "tp")
    assert field.valid_time == datetime(2026, 11, 22, 1, tzinfo=UTC)


def test_an_initialised_analysis_has_no_step(write):
    keys = {"edition": 1, "timeRangeIndicator": 1, "P1": 6}
    assert "indicator 1" in refused(write(encode_message(np.full(N, 280.0), **keys)))
    assert only(write(encode_message(np.full(N, 280.0), **(keys | {"P1": 0})))).lead == timedelta(0)


def test_a_reference_time_that_is_the_valid_time_has_no_step(write):
    keys = {"significanceOfReferenceTime": 2, "forecastTime": 6}
    assert "valid time" in refused(write(encode_message(np.full(N, 280.0), **keys)))


UNWANTED = {
    2: {"shortName": "t", "typeOfFirstFixedSurface": 1, "discipline": 3, "parameterCategory": 1,
        "parameterNumber": 14},
    1: {"edition": 1, "table2Version": 2, "indicatorOfParameter": 144},
}  # fmt: skip


def verdict_of(path):
    (verdict,) = read_fields(path, list(VARIABLES))
    return verdict


@pytest.mark.parametrize(
    ("octet", "value", "width"),
    [
        (UNIT, 255, 1), (UNIT, 3, 1), (UNIT, 4, 1), (FORECAST, 0x7FFFFFFF, 4), (FORECAST, -7, 4),
        (FORECAST, 2**32 - 36, 4), (7, 31, 2), (7, 4000, 2), (7, 254, 2),
    ],
)  # fmt: skip
def test_fields_nobody_wants_are_not_judged_by_their_times(write, octet, value, width):
    message = encode_message(np.full(N, 280.0), **UNWANTED[2])
    verdict = verdict_of(write(change(message, octet, value, width)))
    assert verdict.outcome is VerdictKind.NOT_WANTED
    assert "is not in the variable table" in verdict.reason


@pytest.mark.parametrize(
    "octets",
    [{12: 0}, {13: 13}, {14: 40}, {15: 99}, {17: 3}, {17: 200}, {20: 13}, {20: 99}],
)
def test_unwanted_fields_of_edition_1_neither(write, octets):
    """Octets 13 to 21 of section 1, counted from 0: date, time, unit and time range indicator."""
    message = bytearray(encode_message(np.full(N, 280.0), **UNWANTED[1]))
    for octet, value in octets.items():
        message[8 + octet] = value
    verdict = verdict_of(write(bytes(message)))
    assert verdict.outcome is VerdictKind.NOT_WANTED
    assert "is not in the variable table" in verdict.reason


def test_an_unwanted_interval_of_centuries(write):
    message = change(encode_message(np.full(N, 1.0), **RAIN), LENGTH, 2**32 - 36)
    assert verdict_of(write(message)).outcome is VerdictKind.REFUSED  # rain is wanted
    maximum = bytearray(message)
    maximum[section4(message) + 46] = 2  # a maximum of it is not
    verdict = verdict_of(write(bytes(maximum)))
    assert verdict.outcome is VerdictKind.NOT_WANTED


@pytest.mark.parametrize("keys", [{"productDefinitionTemplateNumber": 2},
                                  {"productDefinitionTemplateNumber": 1, "number": 7}])  # fmt: skip
def test_members_and_statistics_are_not_wanted_whatever_their_times(write, keys):
    message = change(encode_message(np.full(N, 280.0), **keys), UNIT, 255, 1)
    verdict = verdict_of(write(message))
    assert verdict.outcome is VerdictKind.NOT_WANTED


def test_a_wanted_field_is_still_judged(write):
    message = encode_message(np.full(N, 280.0))
    for octet, value, width in ((UNIT, 255, 1), (UNIT, 3, 1), (FORECAST, 0x7FFFFFFF, 4)):
        assert refused(write(change(message, octet, value, width))).startswith("its ")


@pytest.mark.parametrize("name", ["refused_though_not_wanted"])
def test_the_reported_files_hold_nothing_wanted(corpus, name):
    paths = sorted(p for p in (corpus / "cases" / name).iterdir() if p.name != "README")
    assert paths
    for path in paths:
        for verdict in read_fields(path, list(VARIABLES)):
            assert verdict.outcome is VerdictKind.NOT_WANTED, (path, verdict.reason)


@given(second=st.integers(1, 59))
@settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_seconds_of_a_reference_time_count(write, second):
    assume(second)
    field = only(write(encode_message(np.full(N, 280.0), dataDate=20240101, second=second)))
    assert field.reference_time.second == second


def test_a_variable_that_is_not_wanted_is_not_judged_either(write):
    """Rain with contradictory times, and a header that cannot be opened, beside what is wanted."""
    rain = change(encode_message(np.full(N, 1.0), **RAIN), FORECAST, 5)
    unopened = change(encode_message(np.full(N, 280.0)), 7, 11, 2)  # a template of other length
    good = encode_message(np.full(N, 1e5), shortName="msl", dataDate=20260101)
    path = write(rain, unopened, good)
    outcomes = [v.outcome for v in read_fields(path, ["msl"]) if isinstance(v, Verdict)]
    assert sorted(outcomes) == [VerdictKind.NOT_WANTED] * 2 + [VerdictKind.TAKEN]
    outcomes = [v.outcome for v in read_fields(path, ["tp", "t2m"]) if isinstance(v, Verdict)]
    assert sorted(outcomes) == [VerdictKind.NOT_WANTED] + [VerdictKind.REFUSED] * 2


def test_what_a_wanted_variable_is_made_from_is_judged(write):
    """v10 turns u10, and q1000 makes r1000."""
    wind = change(encode_message(np.full(N, 5.0), shortName="10v"), UNIT, 255, 1)
    humidity = encode_message(
        np.full(N, 0.005), shortName="q", typeOfLevel="isobaricInhPa", level=1000
    )
    path = write(wind, change(humidity, UNIT, 255, 1))
    for wanted, refusals in ((["u10"], 1), (["r1000"], 1), (["u10", "r1000"], 2), (["t2m"], 0)):
        verdicts = [v for v in read_fields(path, wanted) if v.outcome is VerdictKind.REFUSED]
        assert len(verdicts) == refusals
