"""What a file is that does not begin with GRIB: packed GRIB, or the answer of a web server.

Files are judged by their content. A packed file (gzip, bzip2, xz, or a zip with one member) is
unpacked to a temporary file without a name, within limits that a GRIB file never meets and a file
made to fill the disk does.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import tempfile
import zipfile
import zlib
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from met2net_ops.errors import IngestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MAX_UNPACKED = 16 << 30  # bytes
MAX_RATIO = 400  # unpacked over packed; real GRIB packs to a third at best, constant fields further
_UNSUSPECTED = 64 << 20  # bytes below which no ratio is too large
_BLOCK = 1 << 20

_OPENERS: dict[bytes, tuple[str, Callable[..., Any]]] = {
    b"\x1f\x8b": ("gzip", gzip.open),
    b"BZh": ("bzip2", bz2.open),
    b"\xfd7zXZ\0": ("xz", lzma.open),
}
_OTHER_ARCHIVES = {
    b"\x28\xb5\x2f\xfd": "zstd-compressed", b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!": "a RAR archive", b"\x1f\x9d": "packed by compress (.Z)",
    b"\x89HDF": "NetCDF-4 or HDF5", b"CDF": "NetCDF", b"%PDF": "a PDF document",
    b"BUFR": "BUFR: `met2net-ops observations import` reads it",
}  # fmt: skip


def unpack(path: Path, head: bytes, size: int) -> IO[bytes] | None:
    """The content of a packed file, as an unnamed temporary file; None if it is not packed.

    Args:
        path: of the file.
        head: its first bytes.
        size: its bytes.

    Raises:
        IngestError: it is damaged, encrypted, too large unpacked, or holds not exactly one file.
    """
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        with _zip_member(path) as stream:
            return _copy(path, "zip", stream, size)
    for magic, (name, opener) in _OPENERS.items():
        if head.startswith(magic):
            with opener(path, "rb") as stream:
                return _copy(path, name, stream, size)
    return None


def describe_foreign(head: bytes) -> str:
    """What a file without any GRIB message is, in words; "" if it is nothing that is known.

    >>> describe_foreign(b"  <!DOCTYPE html><html>"), describe_foreign(b"noise")
    ('this is an HTML page', '')
    """
    for magic, name in _OTHER_ARCHIVES.items():
        if head.startswith(magic):
            return f"this is {name}"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "this is an HTML page"
    if text.startswith(b"<?xml") or (text.startswith(b"<") and b">" in text):
        return "this is an HTML page" if b"<html" in text else "this is an XML document"
    if text[:1] in (b"{", b"[") and b"\0" not in head:
        return "this is JSON"
    return ""


@contextmanager
def _zip_member(path: Path) -> Iterator[IO[bytes]]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [item for item in archive.infolist() if not item.is_dir()]
            if len(members) != 1:
                named = ", ".join(item.filename for item in members[:5]) or "nothing"
                raise IngestError(
                    f"{path} is a zip archive of {len(members)} files ({named}), not of one; "
                    "unpack it and ingest the files"
                )
            if members[0].flag_bits & 1:
                raise IngestError(f"{path} is an encrypted zip archive; unpack it first")
            with archive.open(members[0]) as stream:
                yield stream
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise IngestError(f"{path} is a damaged zip archive: {error}; fetch it again") from error


def _check_growth(path: Path, kind: str, size: int, count: int) -> None:
    if count > MAX_UNPACKED or (count > _UNSUSPECTED and count > MAX_RATIO * size):
        raise IngestError(
            f"{path} ({size} bytes of {kind}) unpacks to more than {count} bytes, which no GRIB "
            "file does; unpack it by hand if it is one"
        )


def _copy(path: Path, kind: str, stream: IO[bytes], size: int) -> IO[bytes]:
    target = tempfile.TemporaryFile()  # noqa: SIM115 - it is the caller's to close
    count = 0
    try:
        while block := stream.read(_BLOCK):
            count += len(block)
            _check_growth(path, kind, size, count)
            target.write(block)
        target.flush()
    except (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
        target.close()
        raise IngestError(f"{path} is damaged {kind}: {error}; fetch it again") from error
    except OSError as error:
        target.close()
        if error.errno is None:  # gzip and bz2 say so of damaged content
            raise IngestError(f"{path} is damaged {kind}: {error}; fetch it again") from error
        raise IngestError(
            f"{path} cannot be unpacked into {tempfile.gettempdir()}: {error.strerror}; free space "
            "there, or name another folder in $TMPDIR"
        ) from error
    except IngestError:
        target.close()
        raise
    return target
