"""Damage costs nothing but itself."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from met2net_ops.errors import IngestError
from met2net_ops.grib.inventory import inventory
from met2net_ops.grib.reader import read_fields
from met2net_ops.grib.records import Damage, SourceField, Verdict, VerdictKind
from met2net_ops.grib.scan import ByteSource, Frame, scan

from .conftest import encode_message


def scan_bytes(path, data):
    path.write_bytes(data)
    with ByteSource(path) as source:
        return list(scan(source))


@pytest.fixture(scope="module")
def message():
    return encode_message(280 + np.arange(20))


@pytest.mark.parametrize("edition", [1, 2])
@pytest.mark.parametrize(
    "filler", [b"", b"\x00" * 100, b"padding", b"\r\r\n", b"****0000000260****\nHTXA99 KWBC\n"]
)
def test_messages_between_padding(tmp_path, edition, filler):
    message = encode_message(280 + np.arange(20), edition=edition)
    found = scan_bytes(tmp_path / "a", filler + message + filler + message + filler)
    starts = [len(filler), 2 * len(filler) + len(message)]
    assert [frame.offset for frame in found] == starts
    assert all(isinstance(frame, Frame) and frame.edition == edition for frame in found)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"<html>503 Service Unavailable</html>", "this is an HTML page, not GRIB"),
        (b"\x00" * 5000, "no GRIB message"),
        (b"GRIB", "cut short"),
        (b"GRIB\x00\x00\x10\x07" + b"\x00" * 40, "edition 7"),
        (b"GRIB\x00\x10\x00\x01" + b"\xff" * 40, "only 48 are there"),
        (b"GRIB\x00\x00\x10\x02" + b"\x00" * 40, "7777"),
    ],
)
def test_a_file_without_a_message_says_so(tmp_path, data, reason):
    (damage,) = scan_bytes(tmp_path / "a", data)
    assert isinstance(damage, Damage)
    assert (damage.offset, damage.length) == (0, len(data))
    assert reason in damage.reason


def test_truncated_tail(tmp_path, message):
    first, damage = scan_bytes(tmp_path / "a", message + message[:-30])
    assert isinstance(first, Frame)
    assert (damage.offset, damage.length) == (len(message), len(message) - 30)
    assert f"says it has {len(message)} bytes, only {len(message) - 30} are there" in damage.reason


def test_letters_grib_in_garbage_and_in_values(tmp_path):
    word = np.frombuffer(b"GRIBGRIBGRIBGRIBGRIB", dtype=">u4").astype(float)
    tricky = encode_message(np.tile(word, 4) / 1e7, bits=32)
    garbage = b"\xffGRIB\x00\x00\x01\x01GRIB" * 9
    found = scan_bytes(tmp_path / "a", garbage + tricky + garbage)
    assert [type(item) for item in found] == [Damage, Frame, Damage]
    assert found[1].offset == len(garbage)


def test_length_that_would_swallow_the_next_message(tmp_path, message):
    swallowing = bytearray(message)
    swallowing[8:16] = (2 * len(message)).to_bytes(8, "big")
    damage, frame = scan_bytes(tmp_path / "a", bytes(swallowing) + message)
    assert "7777 after" in damage.reason
    assert frame.offset == len(message)


def test_long_run_of_zeros_is_a_hole(tmp_path, message):
    frame, damage, _ = scan_bytes(tmp_path / "a", message + b"\x00" * 70_000 + message)
    assert (damage.offset, damage.length) == (frame.length, 70_000)


def test_grib1_longer_than_its_24_bit_length(tmp_path):
    """ecCodes codes 8 MiB and more in units of 120 bytes."""
    size = (2100, 2100)
    values = np.linspace(250, 300, size[0] * size[1])
    big = encode_message(
        values, edition=1, bits=16, Ni=size[1], Nj=size[0], latitudeOfFirstGridPointInDegrees=60,
        longitudeOfFirstGridPointInDegrees=0, latitudeOfLastGridPointInDegrees=39.01,
        longitudeOfLastGridPointInDegrees=20.99, iDirectionIncrementInDegrees=0.01,
        jDirectionIncrementInDegrees=0.01,
    )  # fmt: skip
    assert len(big) > 1 << 23
    small = encode_message(280 + np.arange(20), edition=1)
    path = tmp_path / "a"
    frames = scan_bytes(path, small + big + small)
    assert [frame.length for frame in frames] == [len(small), len(big), len(small)]
    fields = [item for item in read_fields(path, ["t2m"]) if isinstance(item, SourceField)]
    np.testing.assert_allclose(fields[1].values.ravel(), values, atol=1e-3)


def test_a_file_that_cannot_be_read_names_it(tmp_path):
    with pytest.raises(IngestError, match="nowhere"):
        inventory(tmp_path / "nowhere.grib")
    with pytest.raises(IngestError, match=str(tmp_path)):
        inventory(tmp_path)


GOOD = [
    encode_message(250 + i + np.arange(20), edition=edition, bits=bits, dataDate=20260101 + i)
    for i, (edition, bits) in enumerate([(2, 16), (1, 16), (2, 12), (1, 24), (2, 8)])
] + [
    encode_message(
        np.where(np.arange(20) % 7, 260.0, np.nan), missing=True, dataDate=20260106
    ),
    encode_message(270 + np.arange(20), dataDate=20260107, packingType="grid_ccsds"),
    encode_message(
        270 + np.arange(20), dataDate=20260108, packingType="grid_complex_spatial_differencing"
    ),
    encode_message(270 + np.arange(20), dataDate=20260109, packingType="grid_jpeg"),
    encode_message(
        270 + np.arange(20), dataDate=20260110, edition=1, packingType="grid_second_order"
    ),
    encode_message(
        270 + np.arange(20), dataDate=20260111, gridType="polar_stereographic", Nx=5, Ny=4,
        shapeOfTheEarth=6, LaDInDegrees=60, orientationOfTheGridInDegrees=20, DxInMetres=200_000,
        DyInMetres=150_000, latitudeOfFirstGridPointInDegrees=50,
        longitudeOfFirstGridPointInDegrees=17, jScansPositively=1,
    ),
]  # fmt: skip


@st.composite
def damaged(draw):
    """Good messages in any order, some of them damaged, and which of them are whole."""
    parts, whole = [], []
    for index in draw(st.lists(st.sampled_from(range(len(GOOD))), min_size=1, max_size=5)):
        message = GOOD[index]
        kind = draw(st.sampled_from(["none", "none", "flip", "cut", "insert", "junk"]))
        if kind == "junk":
            parts.append(draw(st.binary(min_size=1, max_size=60)))
        elif kind == "flip":
            changed = bytearray(message)
            for _ in range(draw(st.integers(1, 8))):
                at = draw(st.integers(0, len(message) - 1))
                changed[at] ^= 1 << draw(st.integers(0, 7))
            message = bytes(changed)
        elif kind == "cut":
            start = draw(st.integers(0, len(message) - 1))
            stop = draw(st.integers(start + 1, len(message)))
            message = message[:start] + message[stop:]
        elif kind == "insert":
            at = draw(st.integers(1, len(message) - 1))
            message = message[:at] + draw(st.binary(min_size=1, max_size=40)) + message[at:]
        if message == GOOD[index]:
            whole.append((sum(map(len, parts)), index))
        parts.append(message)
    return b"".join(parts), whole


EXPECTED = {}


def expected(index, tmp_path):
    if index not in EXPECTED:
        path = tmp_path / f"good{index}"
        path.write_bytes(GOOD[index])
        EXPECTED[index] = next(iter(read_fields(path, ["t2m"])))
        assert isinstance(EXPECTED[index], SourceField)
    return EXPECTED[index]


@settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(damaged())
def test_damage_never_touches_whole_messages(tmp_path, case):
    data, whole = case
    path = tmp_path / "damaged"
    path.write_bytes(data)
    listed = inventory(path)
    items = list(read_fields(path, ["t2m"], inventory=listed))
    fields = {i.record.offset: i for i in items if isinstance(i, SourceField)}
    for offset, index in whole:
        good = expected(index, tmp_path)
        assert offset in fields, (offset, listed)
        np.testing.assert_array_equal(fields[offset].values, good.values)
        assert fields[offset].valid_time == good.valid_time
        assert fields[offset].grid == good.grid
    verdicts = [item for item in items if isinstance(item, Verdict)]
    assert len(verdicts) == len(listed.records) + len(listed.damage)
    spans = sorted((d.offset, d.offset + d.length) for d in listed.damage)
    spans += sorted({(r.offset, r.offset + r.length) for r in listed.records})
    spans.sort()
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans))
    for verdict in verdicts:
        if verdict.damage is not None:
            assert verdict.outcome is VerdictKind.REFUSED
