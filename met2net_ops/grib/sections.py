"""Extract one field of a message as a message of its own.

An edition 2 message may hold many fields: sections 2 to 7, 3 to 7 or 4 to 7 repeat, and what is
not repeated stays in force. ecCodes reads them only from a file and only with
`codes_grib_multi_support_on`; extracted here, each field is an ordinary message, wherever its
bytes come from, and no process-wide switch is needed.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from met2net_ops.grib.scan import ByteSource, Frame, GribSection

_KEPT_OF_VALUES = {1: 64, 2: 5}  # edition 1 describes the packing there too
_TEMPLATES_WITH_TIME = (0, 1, 8, 11)  # forecast time in octets 19 to 22 of section 4
_HAS_GRID1 = 0x80  # section 1 of edition 1, octet 8
_INSTANT_TEMPLATES = (0, 1)
_REUSED_BITMAP = 254  # code table 6.0: a bitmap defined before in this message applies


def field_sections(edition: int, sections: Sequence[GribSection]) -> list[tuple[GribSection, ...]]:
    """The sections in force for every field of a message, in order.

    >>> from met2net_ops.grib.scan import GribSection
    >>> numbers = [1, 3, 4, 5, 6, 7, 4, 5, 6, 7]
    >>> fields = field_sections(2, [GribSection(n, i, 9) for i, n in enumerate(numbers)])
    >>> [[s.offset for s in field] for field in fields]
    [[0, 1, 2, 3, 4, 5], [0, 1, 6, 7, 8, 9]]
    """
    if edition == 1:
        return [tuple(sections)]
    in_force: dict[int, GribSection] = {}
    fields = []
    for section in sections:
        in_force[section.number] = section
        if section.number == 7:
            fields.append(tuple(in_force[number] for number in sorted(in_force)))
    return fields


def extract_field(
    message: bytes, edition: int, sections: Sequence[GribSection], sub_message: int
) -> bytes:
    """One field as a message of its own; a message with a single field comes back as it is.

    Args:
        message: all bytes of a sound message.
        edition: 1 or 2.
        sections: of the message, as `scan` found them.
        sub_message: which of its fields, from 0.
    """
    fields = field_sections(edition, sections)
    if len(fields) == 1:
        return message
    parts = []
    for section in fields[sub_message]:
        body = message[section.offset : section.offset + section.length]
        if section.number == 6 and len(body) > 5 and body[5] == _REUSED_BITMAP:
            body = _bitmap_before(message, sections, section) or body
        parts.append(body)
    length = 16 + sum(len(part) for part in parts) + 4
    return b"".join((message[:8], length.to_bytes(8, "big"), *parts, b"7777"))


def _bitmap_before(
    message: bytes, sections: Sequence[GribSection], section: GribSection
) -> bytes | None:
    """The last section 6 before `section` that carries a bitmap itself."""
    found = None
    for other in sections:
        if other.offset >= section.offset:
            break
        if other.number == 6 and message[other.offset + 5] == 0:
            found = message[other.offset : other.offset + other.length]
    return found


@dataclass(frozen=True, slots=True)
class Header:
    """All of a field but its values.

    Attributes:
        message: a message of its own with all of the field's header.
        names_key: the bytes that the names of its parameter and level depend on; the same for all
            times of one product.
        grid: the bytes that describe its grid.
        record_key: the bytes that its record in an inventory depends on, except the reference
            time; empty if the reference time matters otherwise, as it does for a field that
            states the date its interval ends.
        reference_time: the octets with its reference time.
        sections: its sections by number, the one with the values cut to its beginning.
        values: where the section with its values lies.
    """

    message: bytes
    names_key: bytes
    grid: bytes
    record_key: bytes
    reference_time: bytes
    sections: dict[int, bytes]
    values: GribSection

    @property
    def parameter(self) -> tuple[int, ...]:
        """(discipline, category, number), or (table version, indicator) in edition 1.

        From the octets alone, which all templates of edition 2 have in one place; () if the
        section is too short for them.
        """
        if 4 in self.sections and self.message[7] == 2:
            section4 = self.sections[4]
            return (self.message[6], section4[9], section4[10]) if len(section4) > 10 else ()
        section1 = self.sections[1]
        return (section1[3], section1[8]) if len(section1) > 8 else ()

    @property
    def checksum(self) -> int:
        """Identifies the header, to notice a file that was replaced."""
        return zlib.crc32(self.message)


def extract_header(source: ByteSource, frame: Frame, sections: Sequence[GribSection]) -> Header:
    """One field without its values: a few hundred bytes hold all header keys.

    The section with the values is cut to its fixed beginning; all others are as in the file.

    Args:
        source: the file.
        frame: the message.
        sections: of the field, one of `field_sections`.
    """
    edition = frame.edition
    *head, last = sections
    parts = {part.number: source.read(frame.offset + part.offset, part.length) for part in head}
    kept = min(last.length, _KEPT_OF_VALUES[edition])
    values = source.read(frame.offset + last.offset, kept)
    size = 3 if edition == 1 else 4
    values = kept.to_bytes(size, "big") + values[size:]
    length = (8 if edition == 1 else 16) + sum(map(len, parts.values())) + kept + 4
    start = source.read(frame.offset, 8)
    if edition == 1:
        start = start[:4] + length.to_bytes(3, "big") + start[7:]
    else:
        start += length.to_bytes(8, "big")
    keys = _record_key1(parts, values) if edition == 1 else _record_key2(start, parts)
    record_key, reference_time = keys
    return Header(
        message=b"".join((start, *parts.values(), values, b"7777")),
        names_key=_names_key1(parts[1]) if edition == 1 else _names_key2(start[6:7], parts),
        grid=parts.get(2 if edition == 1 else 3, b""),
        record_key=record_key,
        reference_time=reference_time,
        sections=parts | {last.number: values},
        values=last,
    )


def _names_key1(section1: bytes) -> bytes:
    """Section 1 without its times (octets 13 to 17, 19, 20 and 25)."""
    return section1[:12] + section1[17:18] + section1[20:24] + section1[25:]


def _names_key2(discipline: bytes, parts: dict[int, bytes]) -> bytes:
    """Section 1 without its date, sections 2 and 4, the latter without the forecast time."""
    section4 = parts[4]
    if int.from_bytes(section4[7:9], "big") in _TEMPLATES_WITH_TIME:
        section4 = section4[:18] + section4[22:]
    once = parts[1][:12] + parts[1][19:]
    return b"|".join((discipline, once, parts.get(2, b""), section4))


def _record_key1(parts: dict[int, bytes], values: bytes) -> tuple[bytes, bytes]:
    """The record key and, of section 1, octets 25 (century) and 13 to 17.

    Of section 4 the key has how values are packed.
    """
    section1 = parts[1]
    reference_time = section1[24:25] + section1[12:17]
    fixed = section1[:12] + section1[17:24] + section1[25:]
    lengths = b"".join(parts[number][:3] for number in sorted(parts) if number != 2)
    return b"|".join(
        (b"1", lengths, fixed, parts.get(2, b""), values[3:4], values[10:11])
    ), reference_time


def _record_key2(start: bytes, parts: dict[int, bytes]) -> tuple[bytes, bytes]:
    """The record key and octets 13 to 19 of section 1.

    Of section 5 the key has length, number of values and template.
    """
    section1 = parts[1]
    if int.from_bytes(parts[4][7:9], "big") not in _INSTANT_TEMPLATES:
        return b"", section1[12:19]
    fixed = section1[:12] + section1[19:]
    rest = (parts.get(2, b""), parts.get(3, b""), parts[4], parts[5][:11])
    return b"|".join((b"2", start[6:7], fixed, *rest)), section1[12:19]


def packed_values(message: bytes) -> bytes:
    """Section 7 of an edition 2 message with one field, without its length and number."""
    return _section2(message, 7)[5:]


def bitmap(message: bytes) -> bytes:
    """The bitmap of a message with one field that has one; the first bit is the first point."""
    if message[7] == 2:
        return _section2(message, 6)[6:]
    at = 8 + int.from_bytes(message[8:11], "big")
    if message[15] & _HAS_GRID1:
        at += int.from_bytes(message[at : at + 3], "big")
    return message[at + 6 : at + int.from_bytes(message[at : at + 3], "big")]


def _section2(message: bytes, number: int) -> bytes:
    at = 16
    while message[at + 4] != number:
        at += int.from_bytes(message[at : at + 4], "big")
    return message[at : at + int.from_bytes(message[at : at + 4], "big")]
