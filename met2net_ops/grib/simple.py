"""Unpack the commonest packing, whole bytes without a bitmap, several times faster than ecCodes.

The value is (R + X 2^E) 10^-D (WMO FM 92 GRIB, regulation 92.9.4; data representation template
5.0 and edition 1 section 4). Everything else is left to ecCodes.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.grib.keys import get_double, get_long, get_text
from met2net_ops.grib.unreadable import UnreadableError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from met2net_ops.grib.scan import ByteSource, Frame, Section

_FIXED_BYTES = {1: 11, 2: 5}  # of the section, before the values


@dataclass(frozen=True, slots=True)
class SimplePacking:
    """Reference value R, binary and decimal scale factors E and D, bytes per value (1 or 2)."""

    reference: float
    binary_scale: int
    decimal_scale: int
    width: int

    def unpack(
        self, source: ByteSource, frame: Frame, section: Section, count: int
    ) -> NDArray[np.float32]:
        """(count,) values in coded order.

        Raises:
            UnreadableError: the section does not hold that many.
        """
        fixed = _FIXED_BYTES[frame.edition]
        there = section.length - fixed
        # Sections of edition 1 are filled up to an even number of bytes.
        if not 0 <= there - count * self.width <= (1 if frame.edition == 1 else 0):
            raise UnreadableError(f"{there} bytes of values for {count} grid points")
        raw = source.read(frame.offset + section.offset + fixed, count * self.width)
        if len(raw) < count * self.width:
            raise UnreadableError("the file shrank while it was read")
        packed = np.frombuffer(raw, dtype=">u2" if self.width == 2 else "u1")
        if self.width == 2 and sys.byteorder == "little":
            packed = packed.byteswap().view("<u2")
        values = packed.astype(np.float32)
        decimal = 10.0**-self.decimal_scale
        values *= np.float32(2.0**self.binary_scale * decimal)
        values += np.float32(self.reference * decimal)
        return values


def simple_packing(handle: int) -> SimplePacking | None:
    """The packing of a message if it is one that can be unpacked here."""
    if get_text(handle, "packingType", "") != "grid_simple" or get_long(handle, "bitmapPresent", 1):
        return None
    bits = get_long(handle, "bitsPerValue", 0)
    if bits not in (8, 16):
        return None
    return SimplePacking(
        reference=get_double(handle, "referenceValue"),
        binary_scale=get_long(handle, "binaryScaleFactor"),
        decimal_scale=get_long(handle, "decimalScaleFactor"),
        width=bits // 8,
    )
