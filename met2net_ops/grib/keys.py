"""Read keys of a message through ecCodes, with errors that say which key and why."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import eccodes

from met2net_ops.grib.records import GribUnreadableError
from met2net_ops.grib.templates import check_templates

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def open_field(message: bytes) -> Iterator[int]:
    """An ecCodes handle on a message with one field, released at the end.

    Raises:
        GribUnreadableError: ecCodes cannot open it, or takes its sections to be longer or
            shorter than they say, as it does where the number of a template is damaged.
    """
    check_templates(message)
    try:
        handle = eccodes.codes_new_from_message(message)
    except eccodes.CodesInternalError as error:
        raise GribUnreadableError(f"ecCodes cannot read it: {error}") from error
    try:
        last = 4 if message[7] == 1 else 7
        if get_long(handle, f"offsetSection{last}", 0) != _start_of(message, last):
            raise GribUnreadableError("its sections are not as long as their templates require")
        yield handle
    finally:
        eccodes.codes_release(handle)


def _start_of(message: bytes, last: int) -> int:
    """Where the section with the values begins, by the lengths the sections state."""
    if message[7] != 1:
        at = 16
        while message[at + 4] != last:
            at += int.from_bytes(message[at : at + 4], "big")
        return at
    flags, at = message[15], 8
    for present in (True, flags & 0x80, flags & 0x40):
        at += int.from_bytes(message[at : at + 3], "big") if present else 0
    return at


def get_long(handle: int, key: str, default: int | None = None) -> int:
    """An integer key; `default` where the message has none.

    Raises:
        GribUnreadableError: the message has none and there is no default.
    """
    try:
        return int(eccodes.codes_get_long(handle, key))
    except eccodes.CodesInternalError as error:
        if default is None:
            raise GribUnreadableError(f"ecCodes cannot read its {key}: {error}") from error
        return default


def get_text(handle: int, key: str, default: str | None = None) -> str:
    """A text key; `default` where the message has none.

    Raises:
        GribUnreadableError: the message has none and there is no default.
    """
    try:
        return str(eccodes.codes_get_string(handle, key))
    except (eccodes.CodesInternalError, UnicodeDecodeError) as error:
        if default is None:
            raise GribUnreadableError(f"ecCodes cannot read its {key}: {error}") from error
        return default


def get_double(handle: int, key: str, default: float | None = None) -> float:
    """A floating-point key; `default` where the message has none.

    Raises:
        GribUnreadableError: the message has none and there is no default.
    """
    try:
        return float(eccodes.codes_get_double(handle, key))
    except eccodes.CodesInternalError as error:
        if default is None:
            raise GribUnreadableError(f"ecCodes cannot read its {key}: {error}") from error
        return default
