"""Check JPEG 2000 and PNG packing before ecCodes hands it to an image library.

ecCodes 2.50 copies as many pixels as the image says it has, whatever the message says, and both
libraries may allocate or compute for hours on sizes that damage has changed.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from met2net_ops.grib.records import GribUnreadableError

if TYPE_CHECKING:
    from collections.abc import Iterator

_CODESTREAM, _SIZE, _CODING, _TILE = 0xFF4F, 0xFF51, 0xFF52, 0xFF90
_MAX_LAYERS = 64  # encoders of GRIB write one
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}


def check_jpeg2000(body: bytes, count: int) -> None:
    """Check that a codestream holds one tile with one component of `count` pixels.

    ITU-T T.800, annex A: SIZ and COD marker segments of the main header.

    Raises:
        GribUnreadableError: it does not.
    """
    segments = dict(_segments(body))
    try:
        width, height, x0, y0, tile_x, tile_y, tile_x0, tile_y0, components = struct.unpack_from(
            ">8IH", segments[_SIZE], 2
        )
        depth, dx, dy = segments[_SIZE][36:39]
        layers = struct.unpack_from(">H", segments[_CODING], 2)[0]
        levels = segments[_CODING][5]
    except (KeyError, struct.error, IndexError, ValueError) as error:
        raise GribUnreadableError("its JPEG 2000 header is incomplete") from error
    whole = not (x0 or y0 or tile_x0 or tile_y0) and tile_x >= width and tile_y >= height
    if (
        width * height != count
        or not whole
        or (components, dx, dy) != (1, 1, 1)
        or depth & 0x7F > 31
        or not 1 <= layers <= _MAX_LAYERS
        or levels > 32
    ):
        raise GribUnreadableError(f"its JPEG 2000 image has {width} x {height} pixels, not {count}")


def _segments(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and contents (without the length) of the main header's segments."""
    if int.from_bytes(body[:2], "big") != _CODESTREAM:
        return
    at = 2
    while at + 4 <= len(body):
        marker, length = struct.unpack_from(">2H", body, at)
        if marker == _TILE or length < 2:
            return
        yield marker, body[at + 4 : at + 2 + length]
        at += 2 + length


def check_png(body: bytes, count: int, bits: int) -> None:
    """Check that a PNG image holds `count` pixels of `bits` bits.

    Raises:
        GribUnreadableError: it does not.
    """
    if body[:8] != _PNG or len(body) < 26:
        raise GribUnreadableError("its PNG header is incomplete")
    width, height, depth, colour = struct.unpack_from(">2I2B", body, 16)
    if width * height != count or depth * _PNG_CHANNELS.get(colour, 0) != bits:
        raise GribUnreadableError(f"its PNG image has {width} x {height} pixels, not {count}")
