"""Take one field out of a message as a message of its own.

An edition 2 message may hold many fields: sections 2 to 7, 3 to 7 or 4 to 7 repeat, and what is
not repeated stays in force. ecCodes reads them only from a file and only with
`codes_grib_multi_support_on`; taken apart here, each field is an ordinary message, wherever its
bytes come from, and no switch for the whole process is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from met2net_ops.grib.scan import Section

_REUSED_BITMAP = 254  # code table 6.0: a bitmap defined before in this message applies


def field_sections(edition: int, sections: Sequence[Section]) -> list[tuple[Section, ...]]:
    """The sections in force for every field of a message, in order.

    >>> from met2net_ops.grib.scan import Section
    >>> numbers = [1, 3, 4, 5, 6, 7, 4, 5, 6, 7]
    >>> fields = field_sections(2, [Section(n, i, 9) for i, n in enumerate(numbers)])
    >>> [[s.offset for s in field] for field in fields]
    [[0, 1, 2, 3, 4, 5], [0, 1, 6, 7, 8, 9]]
    """
    if edition == 1:
        return [tuple(sections)]
    in_force: dict[int, Section] = {}
    fields = []
    for section in sections:
        in_force[section.number] = section
        if section.number == 7:
            fields.append(tuple(in_force[number] for number in sorted(in_force)))
    return fields


def extract_field(
    message: bytes, edition: int, sections: Sequence[Section], sub_message: int
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


def _bitmap_before(message: bytes, sections: Sequence[Section], section: Section) -> bytes | None:
    """The last section 6 before `section` that carries a bitmap itself."""
    found = None
    for other in sections:
        if other.offset >= section.offset:
            break
        if other.number == 6 and message[other.offset + 5] == 0:
            found = message[other.offset : other.offset + other.length]
    return found
