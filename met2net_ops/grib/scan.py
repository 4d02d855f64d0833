"""Find GRIB messages in raw bytes, so that a damaged one never hides the good ones around it.

A message counts as sound when everything that frames it agrees: the indicator, the length, the
closing `7777` and the chain of sections between them (WMO FM 92 GRIB, editions 1 and 2). Only
sound messages are ever given to ecCodes. Whatever lies between them is either padding, which is
common and harmless, or damage, which is reported.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from met2net_ops.errors import IngestError
from met2net_ops.grib.containers import describe_foreign, unpack
from met2net_ops.grib.records import Damage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType
    from typing import Self

_START, _END = b"GRIB", b"7777"
_BLOCK = 1 << 20
_FIRST_BLOCK = 1 << 12  # the next message mostly begins within it
_MAGIC_BYTES = 8
_HEAD_BYTES = 4096  # by which a file without a message is described
_MAX_ZERO_PADDING = 1 << 16  # longer runs of zeros are holes of an unfinished transfer
_MAX_TEXT_PADDING = 1 << 10  # bulletin headings, separators
_SMALLEST_GRIB1 = 84  # so many unused bytes could hide a whole message
_TEXT = bytes(range(0x20, 0x7F)) + b"\t\n\r\f\x00\x01\x03"

# Which section may follow which in edition 2; 8 is the closing 7777.
_NEXT_GRIB2 = {0: (1,), 1: (2, 3), 2: (3,), 3: (4,), 4: (5,), 5: (6,), 6: (7,), 7: (2, 3, 4, 8)}


class FramingError(Exception):
    """The bytes at this place do not frame a message; says why."""


@dataclass(frozen=True, slots=True)
class GribSection:
    """Number, first byte (counted from the start of the message) and length of a section."""

    number: int
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Frame:
    """A sound message: where it lies in the file, and its sections."""

    offset: int
    length: int
    edition: int
    sections: tuple[GribSection, ...]


class ByteSource:
    """A file read at any place; a context manager. A packed file is read unpacked.

    Plain reads, no memory map: a file that shrinks while it is read then gives short reads,
    which are damage, and not a signal that kills the process.

    Attributes:
        path: of the file.
        status: of the file itself, when it was opened.
        size: bytes, unpacked.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
            self.status = os.fstat(self._descriptor)
        except OSError as error:
            raise IngestError(f"cannot open {path}: {error.strerror}") from error
        self.size = self.status.st_size
        try:
            unpacked = unpack(path, self.read(0, _MAGIC_BYTES), self.size)
        except BaseException:
            os.close(self._descriptor)
            raise
        if unpacked is not None:
            with unpacked:
                os.dup2(unpacked.fileno(), self._descriptor)
            self.size = os.fstat(self._descriptor).st_size

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)

    def read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`; fewer at the end of the file.

        Raises:
            IngestError: the operating system cannot read there.
        """
        parts = []
        try:
            while length > 0 and (part := os.pread(self._descriptor, length, offset)):
                parts.append(part)
                offset += len(part)
                length -= len(part)
        except OSError as error:
            raise IngestError(f"cannot read {self.path} at {offset}: {error.strerror}") from error
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def find(self, wanted: bytes, offset: int) -> int:
        """Where `wanted` next begins at or after `offset`, or -1."""
        size = _FIRST_BLOCK
        while offset + len(wanted) <= self.size:
            block = self.read(offset, size)
            if len(block) < len(wanted):
                break
            at = block.find(wanted)
            if at >= 0:
                return offset + at
            offset += len(block) - len(wanted) + 1
            size = _BLOCK
        return -1


def scan(source: ByteSource) -> Iterator[Frame | Damage]:
    """Yield every sound message and every damaged range of a file, in file order.

    A damaged range reaches from where the damage begins to the next sound message. A file
    without any message, an empty one included, gives one damaged range that says so.

    Raises:
        IngestError: the operating system cannot read the file.
    """
    if source.size == 0:
        yield Damage(0, 0, "the file is empty")
        return
    done = search = 0  # everything before `done` is accounted for
    failure: tuple[int, str] | None = None
    messages = 0
    while (start := source.find(_START, search)) >= 0:
        try:
            frame = read_frame(source, start)
        except FramingError as error:
            failure = failure or (start, str(error))
            search = start + 1
            continue
        yield from _gap(source, done, start, failure)
        yield frame
        messages += 1
        done = search = start + frame.length
        failure = None
    foreign = "" if messages else describe_foreign(source.read(0, _HEAD_BYTES))
    if foreign:
        yield Damage(0, source.size, f"{foreign}, not GRIB")
    elif messages == 0 and failure is None:
        yield Damage(0, source.size, "there is no GRIB message in it")
    else:
        yield from _gap(source, done, source.size, failure)


def _gap(
    source: ByteSource, begin: int, end: int, failure: tuple[int, str] | None
) -> Iterator[Damage]:
    """What lies between two messages; `failure` is the first message in it that is not sound."""
    before = failure[0] if failure else end
    reason = _why_not_padding(source, begin, before) if begin < before else None
    if failure:
        start = begin if reason else before
        yield Damage(start, end - start, failure[1])
    elif reason:
        yield Damage(begin, end - begin, reason)


def _why_not_padding(source: ByteSource, begin: int, end: int) -> str | None:
    length = end - begin
    if length <= _MAX_TEXT_PADDING:
        if not source.read(begin, length).translate(None, _TEXT):
            return None
    elif length <= _MAX_ZERO_PADDING and not source.read(begin, length).strip(b"\x00"):
        return None
    return f"{length} bytes that belong to no GRIB message"


def read_frame(source: ByteSource, start: int) -> Frame:
    """The message whose `GRIB` stands at `start`.

    Raises:
        FramingError: length, closing 7777 or chain of sections do not agree.
    """
    head = source.read(start, 16)
    if len(head) < 16 or head[:4] != _START:
        raise FramingError(f"the file ends {len(head)} bytes into a message: cut short?")
    edition = head[7]
    if edition == 1:
        sections, length = _sections_grib1(source, start, head)
    elif edition == 2:
        length = int.from_bytes(head[8:16], "big")
        _check_end(source, start, length)
        sections = _sections_grib2(source, start, length)
    else:
        raise FramingError(f"GRIB edition {edition} does not exist")
    return Frame(start, length, edition, sections)


def _check_end(source: ByteSource, start: int, length: int) -> None:
    there = source.size - start
    if length > there:
        raise FramingError(f"the message says it has {length} bytes, only {there} are there")
    if length < 16 + len(_END) or source.read(start + length - 4, 4) != _END:
        raise FramingError(f"no 7777 at the end of the {length} bytes the message says it has")


def _sections_grib2(source: ByteSource, start: int, length: int) -> tuple[GribSection, ...]:
    sections = []
    previous, at, end = 0, 16, length - len(_END)
    while at < end:
        head = source.read(start + at, 5)
        size, number = int.from_bytes(head[:4], "big"), head[4]
        if head[:4] == _END:
            raise FramingError(f"7777 after {at} of the {length} bytes the message says it has")
        if number not in _NEXT_GRIB2[previous]:
            raise FramingError(f"section {number} follows section {previous}")
        if size < 5 or at + size > end:
            raise FramingError(f"section {number} says it has {size} bytes, {end - at} are left")
        sections.append(GribSection(number, at, size))
        previous, at = number, at + size
    if 8 not in _NEXT_GRIB2[previous]:
        raise FramingError(f"the message ends after section {previous}")
    return tuple(sections)


def _sections_grib1(
    source: ByteSource, start: int, head: bytes
) -> tuple[tuple[GribSection, ...], int]:
    """Sections and length of an edition 1 message.

    Its length has 24 bits. Longer messages set the top bit, count in units of 120 bytes and
    write into section 4 how many bytes too many that makes; a section 4 that says less than 120
    bytes is the sign of it (ECMWF's convention, as in ecCodes' grib_io.c).
    """
    length = int.from_bytes(head[4:7], "big")
    section1 = source.read(start + 8, 8)
    flags = section1[7] if len(section1) == 8 else 0
    numbers = [1, *([2] if flags & 0x80 else []), *([3] if flags & 0x40 else []), 4]
    sections = []
    at = 8
    for number in numbers:
        size = int.from_bytes(source.read(start + at, 3), "big")
        if number == 4 and length & 0x800000 and size < 120:
            length = (length & 0x7FFFFF) * 120 - size + 4
            size = length - at - len(_END)
        if size < (11 if number == 4 else 6) or start + at + size + len(_END) > source.size:
            _check_end(source, start, length)  # says more, where the length is wrong too
            raise FramingError(f"section {number} says it has {size} bytes")
        sections.append(GribSection(number, at, size))
        at += size
    _check_end(source, start, length)
    unused = length - at - len(_END)
    if not 0 <= unused < _SMALLEST_GRIB1:
        raise FramingError(f"its sections fill {at + 4} of the {length} bytes it says it has")
    return tuple(sections), length
