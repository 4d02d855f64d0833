"""Check that sections are as long as what they say they hold.

ecCodes 2.50 believes the number of a template rather than the length of its section: where damage
has changed the number, or a count inside the section, it reads, and sometimes writes, beyond the
message. Lengths are octets, from the templates of WMO FM 92 GRIB; templates not listed here are
left to ecCodes.
"""

from __future__ import annotations

from met2net_ops.grib.records import GribUnreadableError

_GRID2 = {
    0: 72, 1: 84, 2: 84, 3: 96, 10: 72, 12: 84, 13: 88, 20: 65, 23: 81, 30: 81, 31: 81, 33: 97,
    40: 72, 41: 84, 42: 84, 43: 96, 50: 28, 51: 40, 52: 40, 53: 52, 90: 80, 100: 38, 101: 35,
    110: 57, 120: 39, 140: 64, 150: 42,
}  # fmt: skip
_PRODUCT2 = {
    0: 34, 1: 37, 2: 36, 5: 47, 6: 35, 7: 34, 8: 58, 9: 71, 10: 59, 11: 61, 12: 60, 15: 37, 20: 43,
    30: 14, 31: 14, 32: 23, 33: 26, 40: 36, 41: 39, 42: 60, 43: 63, 44: 45, 45: 50, 46: 71, 47: 74,
    48: 58, 49: 61, 51: 35, 53: 40, 54: 43, 55: 40, 56: 42, 57: 43, 58: 46, 59: 43, 60: 44, 61: 68,
    62: 64, 63: 67, 67: 67, 68: 70, 70: 39, 71: 42, 72: 63, 73: 66, 76: 37, 77: 40, 78: 61, 79: 64,
    80: 59, 81: 62, 82: 72, 83: 75, 84: 75, 85: 74, 86: 38, 87: 62, 88: 28, 89: 43, 90: 67, 91: 59,
}  # fmt: skip
# Over an interval: 12 octets for each time range, the first included in the length above; how
# many there are stands 17 octets before the end of the first.
_INTERVAL2 = frozenset(
    {8, 9, 10, 11, 12, 42, 43, 46, 47, 61, 62, 63, 67, 68, 72, 73, 78, 79, 82, 83, 84, 85, 87}
    | {90, 91}
)
_DATA2 = {0: 21, 2: 47, 3: 49, 4: 12, 40: 23, 41: 21, 42: 25, 50: 24, 51: 35, 200: 17}
_GRID1 = {
    0: 32, 1: 42, 3: 42, 4: 32, 5: 32, 8: 42, 10: 42, 13: 42, 14: 42, 20: 42, 24: 42, 30: 52,
    34: 52, 50: 32, 60: 42, 70: 42, 80: 52, 90: 38,
}  # fmt: skip
_REDUCED1 = 0xFFFF  # columns of a grid whose rows have their own numbers of points
_ECMWF = 98
_ECMWF_LOCAL1 = {  # section 1 by number of ECMWF's local definition
    1: 52, 3: 52, 4: 116, 5: 58, 6: 56, 7: 54, 8: 62, 9: 92, 11: 72, 12: 120, 13: 100, 15: 60,
    16: 80, 17: 96, 18: 120, 19: 80, 20: 52, 21: 100, 23: 84, 24: 56, 25: 52, 26: 69, 27: 107,
    28: 79, 29: 960, 30: 106, 31: 240, 33: 60, 35: 120, 36: 56, 38: 56, 39: 56, 40: 56, 49: 56,
    50: 300, 190: 52, 192: 84, 218: 120, 244: 240, 245: 160,
}  # fmt: skip


def check_templates(message: bytes) -> None:
    """Refuse a message with a section shorter than its contents.

    Args:
        message: with one field and sound framing.

    Raises:
        GribUnreadableError: one is, by number.
    """
    needed = _needed1(message) if message[7] == 1 else _needed2(message)
    for number, (there, wanted) in needed.items():
        if there < wanted:
            raise GribUnreadableError(
                f"its section {number} has {there} bytes for {wanted} of contents"
            )


def _needed2(message: bytes) -> dict[int, tuple[int, int]]:
    needed = {}
    at = 16
    while message[at : at + 4] != b"7777":
        length, number = _int(message, at, 4), message[at + 4]
        section = message[at : at + length]
        at += length
        if number == 3:
            wanted = _GRID2.get(_int(section, 12, 2), 14)
            if section[10]:  # numbers of points of every row
                wanted += section[10] * _int(section, 34, 4)
        elif number == 4:
            template = _int(section, 7, 2)
            wanted = _PRODUCT2.get(template, 9)
            if template in _INTERVAL2 and length >= wanted:
                wanted += 12 * max(0, section[wanted - 17] - 1)
            wanted += 4 * _int(section, 5, 2)  # vertical coordinates
        elif number == 5:
            wanted = _DATA2.get(_int(section, 9, 2), 11)
        else:
            wanted = {1: 21, 2: 5, 6: 6, 7: 5}[number]
        needed[number] = (length, wanted)
    return needed


def _needed1(message: bytes) -> dict[int, tuple[int, int]]:
    length = _int(message, 8, 3)
    section1 = message[8 : 8 + length]
    wanted = 28
    if length > 40 and section1[4] == _ECMWF:
        wanted = _ECMWF_LOCAL1.get(section1[40], 41)
    needed = {1: (length, wanted)}
    at = 8 + length
    if section1[7] & 0x80:
        length = _int(message, at, 3)
        section2 = message[at : at + length]
        wanted = _GRID1.get(section2[5], 6)
        coordinates, location = section2[3], section2[4]
        lists = max(0, location - 1) if location != 0xFF else wanted
        if coordinates:
            lists += 4 * coordinates
        if _int(section2, 6, 2) == _REDUCED1 and section2[5] in (0, 4):
            lists += 2 * _int(section2, 8, 2)
        needed[2] = (length, max(wanted, lists))
    return needed


def _int(octets: bytes, at: int, size: int) -> int:
    return int.from_bytes(octets[at : at + size], "big")
