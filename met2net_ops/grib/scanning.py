"""The order in which a message stores the points of a grid with rows and columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from met2net_ops.grib.keys import get_long
from met2net_ops.grib.records import GribUnreadableError

if TYPE_CHECKING:
    from numpy.typing import NDArray

T = TypeVar("T", bound=np.generic)

_STAGGERED = ("scanningMode5", "scanningMode6", "scanningMode7", "scanningMode8")


@dataclass(frozen=True, slots=True)
class Scanning:
    """Flag table 3.4; edition 1 table 8."""

    ni: int
    nj: int
    i_negative: bool
    j_positive: bool
    j_consecutive: bool
    alternating: bool

    @property
    def rows(self) -> NDArray[np.int64]:
        """Northward steps from the first grid point, row by row from north to south."""
        steps = np.arange(self.nj, dtype=np.int64)
        return steps[::-1] if self.j_positive else -steps

    @property
    def columns(self) -> NDArray[np.int64]:
        """Eastward steps from the first grid point, column by column from west to east."""
        steps = np.arange(self.ni, dtype=np.int64)
        return -steps[::-1] if self.i_negative else steps

    def orient(self, values: NDArray[T]) -> NDArray[T]:
        """(ni * nj,) in coded order → (nj, ni), north to south and west to east.

        ecCodes' own arrays do not turn the rows of alternating modes; this does.
        """
        shape = (self.ni, self.nj) if self.j_consecutive else (self.nj, self.ni)
        field = values.reshape(shape)
        if self.alternating:
            field = field.copy()
            field[1::2] = field[1::2, ::-1]
        if self.j_consecutive:
            field = field.T
        rows = slice(None, None, -1) if self.j_positive else slice(None)
        columns = slice(None, None, -1) if self.i_negative else slice(None)
        return np.ascontiguousarray(field[rows, columns])


def read_scanning(handle: int) -> Scanning:
    """How a message stores its rows and columns.

    Raises:
        GribUnreadableError: keys are missing, or rows are shifted against each other.
    """
    for key in _STAGGERED:
        if get_long(handle, key, 0):
            raise GribUnreadableError(f"a grid with {key} set (shifted rows) is not supported")
    return Scanning(
        ni=get_long(handle, "Ni"),
        nj=get_long(handle, "Nj"),
        i_negative=bool(get_long(handle, "iScansNegatively", 0)),
        j_positive=bool(get_long(handle, "jScansPositively", 0)),
        j_consecutive=bool(get_long(handle, "jPointsAreConsecutive", 0)),
        alternating=bool(get_long(handle, "alternativeRowScanning", 0)),
    )
