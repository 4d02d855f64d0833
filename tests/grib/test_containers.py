"""Packed files are read by their content, and what is no GRIB is called what it is."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import eccodes
import numpy as np
import pytest

from met2net_ops.errors import IngestError
from met2net_ops.grib import containers
from met2net_ops.grib.inventory import inventory
from met2net_ops.grib.reader import read_fields
from met2net_ops.grib.records import SourceField


@pytest.fixture(scope="module")
def message() -> bytes:
    handle = eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib2")
    eccodes.codes_set(handle, "shortName", "2t")
    size = eccodes.codes_get_size(handle, "values")
    eccodes.codes_set_values(handle, 280.0 + np.arange(size) % 7)
    data = eccodes.codes_get_message(handle)
    eccodes.codes_release(handle)
    return bytes(data)


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "pack", [bytes, gzip.compress, bz2.compress, lzma.compress, lambda data: zipped(a=data)]
)
@pytest.mark.parametrize("name", ["a.grib2", "a.gz", "a.txt"])
def test_packed_files_hold_the_same_fields(
    message: bytes, tmp_path: Path, pack: Callable[[bytes], bytes], name: str
) -> None:
    plain, packed = tmp_path / "plain.grib2", tmp_path / name
    plain.write_bytes(message * 2)
    packed.write_bytes(pack(message * 2))
    first, second = (
        [item for item in read_fields(path, ["t2m"]) if isinstance(item, SourceField)]
        for path in (plain, packed)
    )
    assert len(second) == 2
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.values, other.values)
    assert inventory(packed).records == inventory(plain).records


def encrypted(message: bytes) -> bytes:
    data = bytearray(zipped(a=message))
    for magic, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(magic) + at] |= 1
    return bytes(data)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda data: gzip.compress(data)[:-40], "damaged gzip"),
        (lambda data: bz2.compress(data)[:-20], "damaged bzip2"),
        (lambda data: lzma.compress(data)[:-20], "damaged xz"),
        (lambda data: zipped(a=data)[:-20], "damaged zip"),
        (lambda data: zipped(a=data, b=data), r"zip archive of 2 files \(a, b\)"),
        (lambda data: zipped(), r"zip archive of 0 files \(nothing\)"),
        (encrypted, "encrypted zip"),
    ],
)
def test_what_cannot_be_unpacked_is_named(
    message: bytes, tmp_path: Path, spoil: Callable[[bytes], bytes], why: str
) -> None:
    path = tmp_path / "a.grib2"
    path.write_bytes(spoil(message))
    with pytest.raises(IngestError, match=why) as caught:
        inventory(path)
    assert str(path) in str(caught.value)


def test_a_bomb_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "_UNSUSPECTED", 1 << 16)
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(bytes(50 << 20)))
    with pytest.raises(IngestError, match=r"unpacks to more than .*which no GRIB file does"):
        inventory(path)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"<!DOCTYPE html><html><body>the GRIB file you want</body></html>", "an HTML page"),
        (b"\xef\xbb\xbf\n<HTML>GRIB2</HTML>", "an HTML page"),
        (b'{"error": "rate limited"}', "JSON"),
        (b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>', "an XML document"),
        (b"\x28\xb5\x2f\xfd0123456789", "zstd-compressed"),
        (b"CDF\x01" + bytes(200), "NetCDF"),
        (b"", "the file is empty"),
    ],
)
def test_what_is_no_grib_is_called_what_it_is(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "a.grib2"
    path.write_bytes(content)
    (damage,) = inventory(path).damage
    assert why in damage.reason


def test_half_a_message_says_so(message: bytes, tmp_path: Path) -> None:
    path = tmp_path / "half.grib2"
    path.write_bytes(message[: len(message) // 2])
    (damage,) = inventory(path).damage
    assert "only" in damage.reason


def test_the_reported_files(corpus: Path) -> None:
    folder = corpus / "cases" / "not_grib"
    for name in ("ok.grib2", "a.grib2.gz", "a.grib2.bz2", "a.zip"):
        assert [record.variable for record in inventory(folder / name).records] == ["t2m"]
    for name, why in (("error.grib2", "HTML"), ("json_429.grib2", "JSON"), ("xml.grib2", "XML")):
        (damage,) = inventory(folder / name).damage
        assert why in damage.reason
