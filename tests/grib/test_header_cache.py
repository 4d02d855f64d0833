"""Records from the cache of headers equal those that ecCodes gives."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import met2net_ops.grib.header_cache as module
from met2net_ops.grib.header_cache import HeaderCache
from met2net_ops.grib.inventory import inventory

dates = st.dates(date(1850, 1, 1), date(2099, 12, 31))
keys = st.fixed_dictionaries({
    "edition": st.sampled_from([1, 2]),
    "shortName": st.sampled_from(["2t", "10u", "msl", "tp", "q"]),
    "dataDate": dates.map(lambda day: int(f"{day:%Y%m%d}")),
    "dataTime": st.sampled_from([0, 600, 1200, 2330]),
    "step": st.sampled_from([0, 3, 12]),
    "typeOfProcessedData": st.sampled_from(["an", "fc"]),
})  # fmt: skip


@pytest.fixture
def asked(monkeypatch):
    """How often ecCodes was asked for a header."""
    times = []
    open_field = module.open_field
    monkeypatch.setattr(module, "open_field", lambda m: times.append(m) or open_field(m))
    return times


def one_message(encode, options):
    options = dict(options)
    if options["edition"] == 1:
        del options["typeOfProcessedData"]
    return encode([280.0] * 20, **options)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(messages=st.lists(keys, min_size=2, max_size=6))
def test_rows_are_those_of_each_file_by_itself(encode, write, messages):
    cache = HeaderCache()
    # Twice, the second time in other company: what is cached by then changes no record.
    for number, options in enumerate(messages + messages[::-1]):
        path = write(one_message(encode, options), name=f"{number}.grib")
        assert inventory(path, cache).records == inventory(path).records


def test_ecCodes_is_asked_once_for_fields_that_differ_in_reference_time(  # noqa: N802
    encode, write, asked
):
    cache = HeaderCache()
    for day in range(1, 8):
        for edition in (1, 2):
            path = write(encode([280.0 + day] * 20, edition=edition, dataDate=20240100 + day))
            (record,) = inventory(path, cache).records
            assert record.reference_time.day == record.valid_time.day == day
    assert len(asked) == 2


@pytest.mark.parametrize("keys", [
    {"level": 3}, {"step": 6}, {"edition": 1}, {"number": 1, "productDefinitionTemplateNumber": 1},
    {"centre": "kwbc"}, {"dataDate": 20240101, "second": 30},
])  # fmt: skip
def test_any_other_difference_is_asked_for(encode, write, asked, keys):
    cache = HeaderCache()
    inventory(write(encode([280.0] * 20)), cache)
    if "productDefinitionTemplateNumber" in keys:
        keys = dict(reversed(keys.items()))
    path = write(encode([280.0] * 20, **keys))
    (record,) = inventory(path, cache).records
    assert len(asked) == 2
    assert record == inventory(path).records[0]


@pytest.mark.parametrize("octets", [b"\x07\xe8\x0d\x01", b"\x07\xe8\x02\x1e", b"\x00\x00\x01\x01"])
def test_an_impossible_date_is_refused_as_ever(encode, write, octets):
    cache = HeaderCache()
    message = bytearray(encode([280.0] * 20))
    inventory(write(bytes(message)), cache)
    message[16 + 12 : 16 + 16] = octets  # year, month and day in section 1
    path = write(bytes(message), name="damaged.grib")
    (record,) = inventory(path, cache).records
    assert record.unreadable
    assert record == inventory(path).records[0]


def test_a_section_too_short_for_its_template_is_refused_as_ever(encode, write):
    cache = HeaderCache()
    good = encode([280.0] * 20, numberOfBits=16)
    inventory(write(good), cache)
    damaged = bytearray(good)
    at = 16
    while damaged[at + 4] != 5:
        at += int.from_bytes(damaged[at : at + 4], "big")
    damaged[at + 9 : at + 11] = (40).to_bytes(2, "big")  # a template longer than the section
    path = write(bytes(damaged), name="damaged.grib")
    (record,) = inventory(path, cache).records
    assert record.unreadable
    assert record == inventory(path).records[0]


def test_the_corpus_read_with_one_cache_gives_the_same_rows(corpus):
    cache = HeaderCache()
    for path in sorted((corpus / "grib").rglob("*")):
        if path.is_file():
            once = inventory(path, cache)
            assert inventory(path, cache) == once
            assert inventory(path) == once
