"""What reading GRIB gives: message records, damage, verdicts and decoded fields."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from met2net_ops.fields import FieldKind
    from met2net_ops.grids import SourceGrid


class GribUnreadableError(Exception):
    """A message is framed well but cannot be used; becomes a verdict and stays in this package."""


class VerdictKind(StrEnum):
    """The outcome for a field or a damaged byte range; each has exactly one."""

    TAKEN = "taken"
    NOT_WANTED = "not wanted"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes that are no sound GRIB message; padding is not damage."""

    offset: int
    length: int
    reason: str


@dataclass(frozen=True, slots=True)
class MessageRecord:
    """One field of a file: a message, or one sub-message of a GRIB2 multi-field message.

    Attributes:
        field: position among all fields of the file, from 0.
        message: position of its message among the messages of the file, from 0.
        sub_message: position inside that message, from 0.
        offset: first byte of the message in the file.
        length: bytes of the whole message.
        edition: 1 or 2.
        centre: ecCodes name of the originating centre, such as `ecmf`.
        short_name: ecCodes shortName, `unknown` where it has none.
        param_id: ecCodes paramId, 0 where it has none.
        parameter: (discipline, category, number), or (table version, indicator) in GRIB1; empty
            if the header is too short for it.
        type_of_level: ecCodes typeOfLevel.
        level: ecCodes level, in that level type's own unit.
        number: ensemble member, None where the message names none.
        step_type: `instant`, `accum`, `avg`, `max` …
        step_range: ecCodes stepRange in hours where it divides, such as `11-12`.
        reference_time: UTC; None if it cannot be decoded.
        valid_time: UTC, the end of the interval for accumulations; None likewise.
        interval: length of the accumulation or averaging interval, zero for instants.
        kind: analysis or forecast.
        expver: ECMWF experiment version such as `0001`, else "".
        grid_type: ecCodes gridType.
        ni: columns, 0 where rows differ or there are none (reduced grids, spectral).
        nj: rows, 0 likewise.
        points: number of data points.
        variable: canonical name in `VARIABLES` if it is one of them, else None.
        reason: why the field cannot be taken as a variable, "" if it can.
        unreadable: the frame is sound, but the header cannot be read, as `reason` says; keys that
            could not be read have neutral values.
        header: checksum of the bytes of its header.
    """

    field: int
    message: int
    sub_message: int
    offset: int
    length: int
    edition: int
    centre: str
    short_name: str
    param_id: int
    parameter: tuple[int, ...]
    type_of_level: str
    level: float
    number: int | None
    step_type: str
    step_range: str
    reference_time: datetime | None
    valid_time: datetime | None
    interval: timedelta
    kind: FieldKind
    expver: str
    grid_type: str
    ni: int
    nj: int
    points: int
    variable: str | None
    reason: str
    unreadable: bool = False
    header: int = 0

    @property
    def lead(self) -> timedelta | None:
        """Valid time minus reference time."""
        if self.valid_time is None or self.reference_time is None:
            return None
        return self.valid_time - self.reference_time


@dataclass(frozen=True, slots=True)
class Inventory:
    """Everything that is in a file, in file order.

    Attributes:
        path: the file.
        size: its bytes.
        records: one row per field.
        damage: one row per damaged byte range.
    """

    path: Path
    size: int
    records: tuple[MessageRecord, ...]
    damage: tuple[Damage, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome for one field or one damaged byte range.

    Exactly one of `record` and `damage` is given. A damaged range is always refused.
    """

    outcome: VerdictKind
    reason: str
    record: MessageRecord | None = None
    damage: Damage | None = None


@dataclass(frozen=True, eq=False)
class SourceField:
    """A decoded field of a variable, on the grid it came on.

    Attributes:
        variable: canonical name.
        record: the message it came from; for derived fields the first of its inputs in the file.
        inputs: every message used, `record` included: the partner a wind was rotated with, the
            earlier accumulation, the fields it was derived from.
        grid: where the values lie.
        values: float32, of `grid.shape`; north to south and west to east where separable; NaN
            where missing; in the variable's own units; winds relative to the earth.
        reference_time: UTC.
        valid_time: UTC.
        kind: analysis or forecast.
        expver: as in the record.
        method: "" if decoded as it stands, else how it was made, such as `r1000 from q, t, p`.
        warnings: values outside the soft limits, in words.
    """

    variable: str
    record: MessageRecord
    inputs: tuple[MessageRecord, ...]
    grid: SourceGrid
    values: NDArray[np.float32]
    reference_time: datetime
    valid_time: datetime
    kind: FieldKind
    expver: str
    method: str = ""
    warnings: tuple[str, ...] = field(default=())

    @property
    def lead(self) -> timedelta:
        """Valid time minus reference time."""
        return self.valid_time - self.reference_time
