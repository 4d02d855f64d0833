"""Decode the values of one field to float32."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import eccodes
import numpy as np

from met2net_ops.grib.complex_packing import check_groups
from met2net_ops.grib.geometry import MAX_POINTS, Geometry, read_geometry
from met2net_ops.grib.identify import Identity, Match, recognise, scale_by_unit
from met2net_ops.grib.image_packing import check_jpeg2000, check_png
from met2net_ops.grib.keys import get_long, get_text, open_field
from met2net_ops.grib.records import GribUnreadableError
from met2net_ops.grib.scan import FramingError, read_frame
from met2net_ops.grib.sections import (
    bitmap,
    extract_field,
    extract_header,
    field_sections,
    packed_values,
)
from met2net_ops.grib.simple_packing import simple_packing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from met2net_ops.grib.records import MessageRecord
    from met2net_ops.grib.scan import ByteSource, Frame, GribSection
    from met2net_ops.grib.sections import Header

# Marks missing points while ecCodes decodes. No packing produces it by accident, whereas the
# customary 9999 is a possible value.
_MISSING = 3.0e38
_COMPLEX_PACKINGS = ("grid_complex", "grid_complex_spatial_differencing")
# Packings that ecCodes decodes to float32 itself; the others only to float64.
_FLOAT32_PACKINGS = ("grid_simple", "grid_ccsds", *_COMPLEX_PACKINGS)


class GridCache:
    """Geometries by the bytes that describe them: computing coordinates is slow.

    One cache may serve many files. It keeps the few grids used last.
    """

    def __init__(self, size: int = 8) -> None:
        self._size = size
        self._geometries: dict[tuple[int, bytes], Geometry] = {}

    def geometry(self, edition: int, header: Header) -> Geometry:
        """The geometry of a field with this header.

        Raises:
            GribUnreadableError: as `read_geometry`.
        """
        key = (edition, header.grid)
        geometry = self._geometries.pop(key, None) if header.grid else None
        if geometry is None:
            with open_field(header.message) as handle:
                geometry = read_geometry(handle)
        self._geometries[key] = geometry
        if len(self._geometries) > self._size:
            del self._geometries[next(iter(self._geometries))]
        return geometry


@dataclass(frozen=True, slots=True)
class Decoded:
    """Values of one message in canonical orientation, in the unit of its variable."""

    values: NDArray[np.float32]
    geometry: Geometry


def find_field(source: ByteSource, record: MessageRecord) -> tuple[Frame, tuple[GribSection, ...]]:
    """The message of a record, and the sections of its field.

    Raises:
        GribUnreadableError: the file no longer holds that message.
    """
    try:
        frame = read_frame(source, record.offset)
    except FramingError as error:
        raise GribUnreadableError(f"it has changed since it was listed: {error}") from error
    fields = field_sections(frame.edition, frame.sections)
    if frame.length != record.length or record.sub_message >= len(fields):
        raise GribUnreadableError("it has changed since it was listed")
    return frame, fields[record.sub_message]


def read_raw(source: ByteSource, record: MessageRecord) -> NDArray[np.float32]:
    """The values of any field as stored: coded order and unit, NaN where missing.

    Raises:
        GribUnreadableError: they cannot be decoded.
    """
    frame, _ = find_field(source, record)
    return decode_values(_whole(source, frame, record))


def decode(source: ByteSource, record: MessageRecord, grids: GridCache) -> Decoded:
    """The values of a field of a variable of the table.

    Raises:
        GribUnreadableError: they, or the grid, cannot be decoded.
    """
    frame, sections = find_field(source, record)
    header = extract_header(source, frame, sections)
    if header.checksum != record.header:
        raise GribUnreadableError("it has changed since it was listed")
    match = _match(record)
    geometry = grids.geometry(record.edition, header)
    count = math.prod(geometry.grid.shape)
    packing = simple_packing(record.edition, header.sections)
    if packing is None:
        values = decode_values(_whole(source, frame, record))
    else:
        values = packing.unpack(source, frame, header.values, count)
    if values.size != count:
        raise GribUnreadableError(f"{values.size} values on a grid of {geometry.grid.shape}")
    scale = _scale(header, match) if match.scale is None else match.scale
    if match.rate:
        scale *= record.interval.total_seconds()
    if scale != 1.0:
        values *= np.float32(scale)
    scanning = geometry.scanning
    return Decoded(values if scanning is None else scanning.orient(values), geometry)


def _match(record: MessageRecord) -> Match:
    """How the record was recognised."""
    identity = Identity(
        edition=record.edition,
        centre=record.centre,
        parameter=record.parameter,
        short_name=record.short_name,
        type_of_level=record.type_of_level,
        level=record.level,
        step_type=record.step_type,
        step_range=record.step_range,
        product_template=0,  # others, and statistics, are not recognised in the first place
        number=record.number,
    )
    match = recognise(identity)
    if not isinstance(match, Match):
        raise GribUnreadableError(match)
    return match


def _scale(header: Header, match: Match) -> float:
    """From ecCodes' unit to the variable's."""
    with open_field(header.message) as handle:
        units = get_text(handle, "units", "unknown")
    scale = scale_by_unit(match.variable, units)
    if scale is None:
        unit = match.variable.units
        raise GribUnreadableError(f"its unit is {units!r}, which does not become {unit!r}")
    return scale


def _whole(source: ByteSource, frame: Frame, record: MessageRecord) -> bytes:
    message = source.read(frame.offset, frame.length)
    if len(message) < frame.length:
        raise GribUnreadableError("the file shrank while it was read")
    return extract_field(message, frame.edition, frame.sections, record.sub_message)


def decode_values(message: bytes) -> NDArray[np.float32]:
    """All values of a message with one field, in coded order, NaN where missing.

    Raises:
        GribUnreadableError: the header promises more than the data hold, or decoding fails.
    """
    with open_field(message) as handle:
        packing = get_text(handle, "packingType", "")
        _check_data(handle)
        if get_long(handle, "edition") == 2:
            _check_packed(handle, packing, packed_values(message))
        if get_long(handle, "bitmapPresent", 0):
            _check_bitmap(handle, packing, bitmap(message))
        missing = get_long(handle, "bitmapPresent", 0) or get_long(
            handle, "missingValueManagementUsed", 0
        )
        try:
            if missing:
                eccodes.codes_set_double(handle, "missingValue", _MISSING)
            if packing in _FLOAT32_PACKINGS:
                values: NDArray[np.float32] = eccodes.codes_get_float_array(handle, "values")
            else:
                values = eccodes.codes_get_double_array(handle, "values").astype(np.float32)
        except (eccodes.CodesInternalError, MemoryError, ValueError) as error:
            raise GribUnreadableError(f"its values cannot be decoded: {error}") from error
    if missing:
        values[values >= np.float32(_MISSING)] = np.nan
    return values


def _check_packed(handle: int, packing: str, packed: bytes) -> None:
    count = get_long(handle, "numberOfValues", 0)
    bits = get_long(handle, "bitsPerValue", 0)
    if packing in _COMPLEX_PACKINGS:
        check_groups(handle, packed)
    elif packing == "grid_jpeg" and bits:
        check_jpeg2000(packed, count)
    elif packing == "grid_png" and bits:
        check_png(packed, count, bits)


def _check_bitmap(handle: int, packing: str, bits: bytes) -> None:
    """Refuse a bitmap that marks another number of points than there are values."""
    edition = get_long(handle, "edition")
    if edition == 1 and packing != "grid_simple":
        return  # how many values there are is known only after unpacking
    points = get_long(handle, "numberOfDataPoints", 0)
    if points > len(bits) * 8:
        raise GribUnreadableError(f"its bitmap has {len(bits)} bytes for {points} points")
    marked = int(np.unpackbits(np.frombuffer(bits, dtype=np.uint8), count=points).sum())
    coded = get_long(handle, "numberOfValues" if edition == 2 else "numberOfCodedValues", marked)
    if marked != coded:
        raise GribUnreadableError(f"its bitmap marks {marked} of {points} points, not {coded}")


def _check_data(handle: int) -> None:
    """Refuse counts that would make a decoder read or allocate without bound."""
    edition = get_long(handle, "edition")
    counts = ("numberOfDataPoints", "numberOfValues", "numberOfCodedValues")
    _, _, coded = sizes = [get_long(handle, key, 0) for key in counts]
    if max(sizes) > MAX_POINTS:
        raise GribUnreadableError(f"it says it has {max(sizes)} values")
    bits = get_long(handle, "bitsPerValue", 0)
    if not 0 <= bits <= 64:
        raise GribUnreadableError(f"it says it has {bits} bits per value")
    if get_text(handle, "packingType", "") == "grid_simple":
        there = get_long(handle, "section4Length" if edition == 1 else "section7Length", 0)
        if coded * bits > there * 8:
            raise GribUnreadableError(
                f"{coded} values of {bits} bits do not fit into {there} bytes"
            )
