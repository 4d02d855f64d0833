"""Headers that crash, hang or exhaust ecCodes 2.50 are refused before it sees them."""

from __future__ import annotations

import time

import numpy as np
import pytest

from met2net_ops.grib.decode import read_raw
from met2net_ops.grib.inventory import inventory
from met2net_ops.grib.reader import read_fields
from met2net_ops.grib.records import GribUnreadableError, Verdict, VerdictKind
from met2net_ops.grib.scan import ByteSource

from .conftest import encode_message

VALUES = 280 + 20 * np.sin(np.arange(400) / 9)
GRID = {
    "Ni": 20, "Nj": 20, "latitudeOfFirstGridPointInDegrees": 60,
    "longitudeOfFirstGridPointInDegrees": 0, "latitudeOfLastGridPointInDegrees": 41,
    "longitudeOfLastGridPointInDegrees": 19, "iDirectionIncrementInDegrees": 1,
    "jDirectionIncrementInDegrees": 1,
}  # fmt: skip


def section(message, number):
    at = 16
    while message[at + 4] != number:
        at += int.from_bytes(message[at : at + 4], "big")
    return at


def change(message, number, octet, new):
    """Write `new` from an octet (counted from 1, as in the manual) of a section."""
    changed = bytearray(message)
    at = section(message, number) + octet - 1
    changed[at : at + len(new)] = new
    return bytes(changed)


PLAIN = encode_message(VALUES, **GRID)
COMPLEX = encode_message(VALUES, **GRID, packingType="grid_complex_spatial_differencing")
JPEG = encode_message(VALUES, **GRID, packingType="grid_jpeg")
BITMAP = encode_message(np.where(np.arange(400) % 9, 280.0, np.nan), **GRID, missing=True)
GAUSS = encode_message(
    np.full(512, 280.0), gridType="regular_gg", Ni=32, Nj=16, N=8,
    latitudeOfFirstGridPointInDegrees=81.65, latitudeOfLastGridPointInDegrees=-81.65,
    longitudeOfFirstGridPointInDegrees=0, longitudeOfLastGridPointInDegrees=348.75,
    iDirectionIncrementInDegrees=11.25,
)  # fmt: skip
PIXELS = JPEG.index(b"\xff\x51") - section(JPEG, 7) + 1 + 6  # octet of the image's width

CASES = {
    "vertical coordinates that are not there": (change(PLAIN, 4, 6, b"\x00\x10"), "section 4"),
    "another product template": (change(PLAIN, 4, 8, b"\x00\x0b"), "section 4"),
    "another grid template": (change(PLAIN, 3, 13, b"\x00\x03"), "section 3"),
    "unit of time 255": (change(PLAIN, 4, 18, b"\xff"), "units of code 255"),
    "a forecast of centuries": (change(PLAIN, 4, 19, b"\x7f\xff\xff\xff"), "forecastTime"),
    "month 13": (change(PLAIN, 1, 15, b"\x0d"), "no date"),
    "group widths of 102 bits": (change(COMPLEX, 5, 37, b"\x66"), "packing makes no sense"),
    "more groups than values": (change(COMPLEX, 5, 32, b"\x00\xff\xff\xff"), "packing makes no"),
    "group lengths that do not add up": (change(COMPLEX, 5, 43, b"\x00\x00\x20\x00"), "values and"),
    "differences of order 9": (change(COMPLEX, 5, 48, b"\x09"), "order 9"),
    "an image too wide": (change(JPEG, 7, PIXELS, b"\x00\x40\x00\x14"), "4194324 x 20 pixels"),
    "more points than the bitmap has": (
        change(BITMAP, 3, 7, b"\x00\x01\x86\xa0"),
        "20 x 20 points by Ni and Nj, but 100000",
    ),
    "points beyond any grid": (change(PLAIN, 3, 7, b"\x10\x00\x29\x10"), "268445968"),
    "values beyond the section": (change(PLAIN, 5, 20, b"\x40"), "do not fit"),
    "a Gaussian number of 65535": (change(GAUSS, 3, 68, b"\x00\x00\xff\xff"), "N = 65535"),
    "columns that do not fit": (change(PLAIN, 3, 31, b"\x00\x00\x00\x15"), "21 x 20"),
}


@pytest.mark.parametrize("name", CASES)
def test_refused_quickly_and_by_reason(write, encode, name):
    message, reason = CASES[name]
    good = encode(np.full(20, 280.0))
    start = time.process_time()
    items = list(read_fields(write(good, message, good), ["t2m"]))
    assert time.process_time() - start < 10  # not for hours, as some of these would take
    verdicts = [item for item in items if isinstance(item, Verdict)]
    assert [v.outcome for v in verdicts if v.record.field != 1] == [VerdictKind.TAKEN] * 2
    (bad,) = (v for v in verdicts if v.record.field == 1)
    assert bad.outcome is VerdictKind.REFUSED
    assert reason in bad.reason


def test_raw_values_need_their_bitmap(write):
    path = write(change(BITMAP, 3, 7, b"\x00\x01\x86\xa0"))
    (record,) = inventory(path).records
    with (
        ByteSource(path) as source,
        pytest.raises(GribUnreadableError, match="bitmap has 50 bytes"),
    ):
        read_raw(source, record)


def test_local_section_of_another_definition_grib1(write):
    message = bytearray(encode_message(np.full(20, 280.0), edition=1))
    assert message[8 + 4] == 98
    message[8 + 40] = 30  # ECMWF's local definition 30 needs 106 octets
    (record,) = inventory(write(bytes(message))).records
    assert record.unreadable
    assert "section 1" in record.reason
