"""List everything that is in a GRIB file without decoding a value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from met2net_ops.grib.header_cache import HeaderCache
from met2net_ops.grib.headers import FieldPlacement
from met2net_ops.grib.records import Damage, Inventory
from met2net_ops.grib.scan import ByteSource, scan
from met2net_ops.grib.sections import extract_header, field_sections

if TYPE_CHECKING:
    from pathlib import Path

    from met2net_ops.grib.records import MessageRecord


def inventory(path: Path, headers: HeaderCache | None = None) -> Inventory:
    """Every field of a file, sub-messages included, and every damaged byte range.

    Args:
        path: the file.
        headers: share one among calls, so that headers like one seen before are quick to read.

    Raises:
        IngestError: the file cannot be opened or read at all.
    """
    with ByteSource(path) as source:
        return take_inventory(source, headers)


def take_inventory(source: ByteSource, headers: HeaderCache | None = None) -> Inventory:
    """As `inventory`, of an open file."""
    headers = headers or HeaderCache()
    records: list[MessageRecord] = []
    damage: list[Damage] = []
    messages = 0
    for found in scan(source):
        if isinstance(found, Damage):
            damage.append(found)
            continue
        for sub_message, sections in enumerate(field_sections(found.edition, found.sections)):
            place = FieldPlacement(len(records), messages, sub_message, found)
            record = headers.read(extract_header(source, found, sections), place)
            records.append(record)
        messages += 1
    return Inventory(source.path, source.size, tuple(records), tuple(damage))
