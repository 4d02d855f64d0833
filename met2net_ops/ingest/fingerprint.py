"""What files are read for: it decides whether a file read before has to be read again."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import timedelta
    from pathlib import Path

    from met2net_ops.grids import LatLonGrid

_VERSION = 2  # raise it when reading gives other frames, so that files are read again


@dataclass(frozen=True, slots=True)
class DecodeSettings:
    """How fields become frames.

    Attributes:
        grid: what they are remapped to.
        variables: canonical names wanted.
        step: valid times must be multiples of it.
        weights: folder in which remapping weights are kept.
    """

    grid: LatLonGrid
    variables: tuple[str, ...]
    step: timedelta
    weights: Path

    @property
    def checksum(self) -> str:
        """Sixteen hexadecimal digits; the folder for weights does not count."""
        parts = (_VERSION, self.grid.checksum, sorted(self.variables), self.step.total_seconds())
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
