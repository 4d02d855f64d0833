"""Unpack the commonest packing, whole bytes without a bitmap, several times faster than ecCodes.

The value is (R + X 2^E) 10^-D (WMO FM 92 GRIB, regulation 92.9.4; data representation template
5.0 and edition 1 section 4). Everything else is left to ecCodes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.grib.records import GribUnreadableError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from met2net_ops.grib.scan import ByteSource, Frame, GribSection

_FIXED_BYTES = {1: 11, 2: 5}  # of the section, before the values
_SECTION5_BYTES = 21
_NO_BITMAP = 255  # code table 6.0
_HAS_BITMAP1 = 0x40  # section 1 of edition 1, octet 8


@dataclass(frozen=True, slots=True)
class SimplePacking:
    """Reference value R, binary and decimal scale factors E and D, bytes per value (1 or 2)."""

    reference: float
    binary_scale: int
    decimal_scale: int
    width: int

    def unpack(
        self, source: ByteSource, frame: Frame, section: GribSection, count: int
    ) -> NDArray[np.float32]:
        """(count,) values in coded order.

        Raises:
            GribUnreadableError: the section does not hold that many.
        """
        fixed = _FIXED_BYTES[frame.edition]
        there = section.length - fixed
        # Sections of edition 1 are filled up to an even number of bytes.
        if not 0 <= there - count * self.width <= (1 if frame.edition == 1 else 0):
            raise GribUnreadableError(f"{there} bytes of values for {count} grid points")
        raw = source.read(frame.offset + section.offset + fixed, count * self.width)
        if len(raw) < count * self.width:
            raise GribUnreadableError("the file shrank while it was read")
        packed = np.frombuffer(raw, dtype=">u2" if self.width == 2 else "u1")
        values = packed.astype(np.float32)
        decimal = 10.0**-self.decimal_scale
        values *= np.float32(2.0**self.binary_scale * decimal)
        values += np.float32(self.reference * decimal)
        return values


def simple_packing(edition: int, sections: dict[int, bytes]) -> SimplePacking | None:
    """The packing of a field if it is one that can be unpacked here.

    Args:
        edition: 1 or 2.
        sections: of its header by number.
    """
    packing = _packing1(sections) if edition == 1 else _packing2(sections)
    sensible = packing and abs(packing.binary_scale) < 127 and abs(packing.decimal_scale) < 30
    return packing if sensible else None


def _packing2(sections: dict[int, bytes]) -> SimplePacking | None:
    section5, section6 = sections[5], sections[6]
    template = int.from_bytes(section5[9:11], "big")
    if template != 0 or len(section5) < _SECTION5_BYTES or section6[5] != _NO_BITMAP:
        return None
    (reference,) = struct.unpack(">f", section5[11:15])
    bits = section5[19]
    if bits not in (8, 16) or not np.isfinite(reference):
        return None
    return SimplePacking(reference, _signed(section5[15:17]), _signed(section5[17:19]), bits // 8)


def _packing1(sections: dict[int, bytes]) -> SimplePacking | None:
    section1, section4 = sections[1], sections[4]
    grid_point_simple_floating = section4[3] & 0xF0 == 0
    bits = section4[10]
    if section1[7] & _HAS_BITMAP1 or not grid_point_simple_floating or bits not in (8, 16):
        return None
    reference = _ibm_float(section4[6:10])
    return SimplePacking(reference, _signed(section4[4:6]), _signed(section1[26:28]), bits // 8)


def _signed(octets: bytes) -> int:
    """Two octets, the first bit of which is the sign (regulation 92.1.5)."""
    number = int.from_bytes(octets, "big")
    return -(number & 0x7FFF) if number & 0x8000 else number


def _ibm_float(octets: bytes) -> float:
    """Edition 1's floating point: sign, exponent of 16 less 64, fraction of 24 bits.

    >>> _ibm_float(bytes([0xC2, 0x76, 0xA0, 0x00]))
    -118.625
    """
    size = float(int.from_bytes(octets[1:], "big")) / (1 << 24)
    return (-size if octets[0] & 0x80 else size) * 16.0 ** ((octets[0] & 0x7F) - 64)
