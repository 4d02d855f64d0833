"""Check complex packing before ecCodes unpacks it.

ecCodes 2.50 trusts the group descriptions of data representation templates 5.2 and 5.3: wrong
widths and lengths end in a failed assertion, which ends the process, or in reads beyond the
message. Here the whole chain of groups is followed first (WMO FM 92 GRIB, notes to templates 7.2
and 7.3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from met2net_ops.grib.keys import get_long
from met2net_ops.grib.records import GribUnreadableError

_MAX_BITS = 32


@dataclass(frozen=True, slots=True)
class _Groups:
    """What section 5 says about the groups."""

    count: int
    reference_bits: int
    width_reference: int
    width_bits: int
    length_reference: int
    length_increment: int
    last_length: int
    length_bits: int
    extra: int


def check_groups(handle: int, packed: bytes) -> None:
    """Check that the groups of a complex-packed message fit its values and its bytes.

    Args:
        handle: on the message.
        packed: section 7, without its length and number.

    Raises:
        GribUnreadableError: they do not.
    """
    groups = _read_groups(handle)
    if groups.count == 0:
        return  # all values are the reference value
    bits = (groups.reference_bits, groups.width_bits, groups.length_bits)
    coded = get_long(handle, "numberOfValues")
    if not 0 < groups.count <= coded or max(bits) > _MAX_BITS or min(bits) < 0:
        raise GribUnreadableError(
            f"its packing makes no sense: {groups.count} groups for {coded} values, described in "
            f"{bits} bits"
        )
    body = np.frombuffer(packed, dtype=np.uint8)
    at = groups.extra + (groups.count * groups.reference_bits + 7) // 8
    widths, at = _unpack(body, at, groups.count, groups.width_bits)
    lengths, at = _unpack(body, at, groups.count, groups.length_bits)
    widths = widths + groups.width_reference
    lengths = lengths * groups.length_increment + groups.length_reference
    lengths[-1] = groups.last_length
    if int(lengths.sum()) != coded or lengths.min() < 0:
        raise GribUnreadableError(f"its groups hold {int(lengths.sum())} values and not {coded}")
    if widths.max() > _MAX_BITS:
        raise GribUnreadableError(f"a group has {int(widths.max())} bits per value")
    needed = at + (int((widths * lengths).sum()) + 7) // 8
    if needed > body.size:
        raise GribUnreadableError(f"its groups need {needed} bytes, {body.size} are there")


def _read_groups(handle: int) -> _Groups:
    order = get_long(handle, "orderOfSpatialDifferencing", 0)
    octets = get_long(handle, "numberOfOctetsExtraDescriptors", 0)
    if order not in (0, 1, 2) or not 0 <= octets <= 4 or (order and not octets):
        raise GribUnreadableError(
            f"its packing has differences of order {order} in {octets} octets"
        )
    return _Groups(
        count=get_long(handle, "numberOfGroupsOfDataValues"),
        reference_bits=get_long(handle, "bitsPerValue"),
        width_reference=get_long(handle, "referenceForGroupWidths"),
        width_bits=get_long(handle, "numberOfBitsUsedForTheGroupWidths"),
        length_reference=get_long(handle, "referenceForGroupLengths"),
        length_increment=get_long(handle, "lengthIncrementForTheGroupLengths"),
        last_length=get_long(handle, "trueLengthOfLastGroup"),
        length_bits=get_long(handle, "numberOfBitsForScaledGroupLengths"),
        extra=(order + 1) * octets if order else 0,
    )


def _unpack(
    body: np.ndarray[tuple[int], np.dtype[np.uint8]], at: int, count: int, bits: int
) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], int]:
    """`count` integers of `bits` bits from byte `at`, and the byte after them."""
    end = at + (count * bits + 7) // 8
    if end > body.size:
        raise GribUnreadableError(f"its {count} groups do not fit into {body.size} bytes")
    if bits == 0:
        return np.zeros(count, dtype=np.int64), end
    unpacked = np.unpackbits(body[at:end], count=count * bits).reshape(count, bits)
    weights = np.int64(1) << np.arange(bits - 1, -1, -1, dtype=np.int64)
    return unpacked @ weights, end
