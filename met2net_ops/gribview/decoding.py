"""Values and coordinates of any message by our own decoder, and ecCodes' names for it."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.grib.decode import GridCache, find_field, read_raw
from met2net_ops.grib.keys import get_long, get_text, open_field
from met2net_ops.grib.records import GribUnreadableError
from met2net_ops.grib.scan import ByteSource
from met2net_ops.grib.sections import extract_field, extract_header

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from met2net_ops.grib.geometry import Geometry
    from met2net_ops.grib.records import MessageRecord

_NAMES = (
    "paramId", "shortName", "name", "units", "cfName", "cfVarName", "dataType", "typeOfLevel",
    "stepType", "gridType", "centre",
)  # fmt: skip
_ORDER = ("iScansNegatively", "jPointsAreConsecutive", "alternativeRowScanning")
_UNKNOWN = ("", "unknown", "undef", "~")


@dataclass(frozen=True, slots=True)
class GridOfMessage:
    """Where the points of a message lie, as far as it can be known.

    Attributes:
        geometry: None where our decoder does not support the grid.
        why: why it does not.
        unusual: its points are stored in an order that cfgrib is known to get wrong.
    """

    geometry: Geometry | None
    why: str
    unusual: bool


class OpenFile:
    """A file that stays open, unpacked if it is packed, while something refers to it.

    Args:
        path: of the file; a copy that was pickled opens it again.

    Raises:
        IngestError: it cannot be opened, or not unpacked.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.source = ByteSource(path)
        weakref.finalize(self, self.source.__exit__, None, None, None)

    def __reduce__(self) -> tuple[type[OpenFile], tuple[Path]]:
        return OpenFile, (self.path,)


class MessageDecoder:
    """Decodes single messages of one open file."""

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._grids = GridCache()
        self._found: dict[tuple[int, bytes], GridOfMessage] = {}

    def grid_key(self, record: MessageRecord) -> tuple[int, bytes]:
        """Edition and the bytes that describe the grid, the order of its points included."""
        frame, sections = find_field(self._source, record)
        return record.edition, extract_header(self._source, frame, sections).grid

    def grid(self, record: MessageRecord) -> GridOfMessage:
        """Where its points lie."""
        key = self.grid_key(record)
        if key not in self._found:
            self._found[key] = self._read_grid(record)
        return self._found[key]

    def values(self, record: MessageRecord) -> NDArray[np.float32]:
        """Its values in ecCodes' unit, NaN where missing.

        Returns:
            (nlat, nlon) or (ny, nx) north to south and west to east on grids with rows and
            columns, else (points,) in the order of the message.

        Raises:
            GribUnreadableError: they cannot be decoded, or are not as many as the grid has points.
        """
        values = read_raw(self._source, record)
        geometry = self.grid(record).geometry
        if geometry is None:
            return values
        if values.size != np.prod(geometry.grid.shape):
            raise GribUnreadableError(f"{values.size} values on a grid of {geometry.grid.shape}")
        return values if geometry.scanning is None else geometry.scanning.orient(values)

    def names(self, record: MessageRecord) -> dict[str, str | int]:
        """What ecCodes calls it: `GRIB_` attributes and those of CF."""
        frame, sections = find_field(self._source, record)
        with open_field(extract_header(self._source, frame, sections).message) as handle:
            found: dict[str, str | int] = {
                f"GRIB_{key}": get_text(handle, key, "unknown") for key in _NAMES
            }
            found["GRIB_paramId"] = get_long(handle, "paramId", 0)
        found["GRIB_level"] = int(record.level) if record.level % 1 == 0 else str(record.level)
        found |= {"long_name": found["GRIB_name"], "units": found["GRIB_units"]}
        if found["GRIB_cfName"] not in _UNKNOWN:
            found["standard_name"] = found["GRIB_cfName"]
        return found

    def message(self, record: MessageRecord) -> bytes:
        """Its bytes, as a message with one field."""
        frame, _ = find_field(self._source, record)
        whole = self._source.read(frame.offset, frame.length)
        return extract_field(whole, frame.edition, frame.sections, record.sub_message)

    def _read_grid(self, record: MessageRecord) -> GridOfMessage:
        frame, sections = find_field(self._source, record)
        header = extract_header(self._source, frame, sections)
        with open_field(header.message) as handle:
            unusual = any(get_long(handle, key, 0) for key in _ORDER)
        try:
            return GridOfMessage(self._grids.geometry(record.edition, header), "", unusual)
        except GribUnreadableError as error:
            return GridOfMessage(None, str(error), unusual)


def variable_name(names: dict[str, str | int], record: MessageRecord) -> str:
    """The name cfgrib uses where there is one; unknown parameters are called by their numbers."""
    for key in ("GRIB_cfVarName", "GRIB_shortName"):
        name = str(names[key])
        if name not in _UNKNOWN:
            return name
    return "_".join(["unknown", *map(str, record.parameter)])
