"""What verifying one product gave, whatever the truth, and what both kinds of truth share."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from met2net_ops.errors import VerificationError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path

    from met2net_ops.grids import LatLonGrid
    from met2net_ops.settings import Settings
    from met2net_ops.verification.inputs.climatology import Climatology
    from met2net_ops.verification.inputs.surface import Surface
    from met2net_ops.verification.store.files import Record


@dataclass(frozen=True, slots=True)
class VerificationOutcome:
    """What became of one product and truth.

    Attributes:
        model: name of the forecaster.
        cycle: reference time.
        truth: "analysis" or "stations".
        status: "final", "partial" (some truth is missing), "pending" (all is) or "failed".
        computed: whether sums were computed now; False where they were there already.
        expected: pairs of variable and lead in the product.
        matched: those that had truth.
        reason: why it is not final, or what else a reader should know.
    """

    model: str
    cycle: datetime
    truth: str
    status: str
    computed: bool
    expected: int = 0
    matched: int = 0
    reason: str = ""


def outcome_of(record: Record, *, computed: bool) -> VerificationOutcome:
    """The outcome a stored record stands for."""
    return VerificationOutcome(
        record.model, record.cycle, record.truth, record.status, computed, record.expected,
        record.matched, "; ".join(record.notes),
    )  # fmt: skip


def settings_digest(settings: Settings, grid: LatLonGrid, surface: Surface | None = None) -> str:
    """Changes with anything that shapes sums besides product and truth."""
    parts = [
        settings.verification.model_dump(),
        [region.model_dump() for region in settings.regions],
        grid.checksum,
        None if surface is None else surface.checksum,
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def product_state(path: Path) -> str:
    """Size and modification time: a replaced product differs in one of them.

    Raises:
        VerificationError: it is not there (any more).
    """
    try:
        stat = path.stat()
    except OSError as error:
        raise VerificationError(f"cannot read {path}: {error.strerror or error}") from error
    return f"{stat.st_size} {stat.st_mtime_ns}"


class Months:
    """Sees to it that climatology is there for the months in use, each month once per run."""

    def __init__(self, climatology: Climatology, *, rebuild: bool) -> None:
        self.climatology = climatology
        self._rebuild = rebuild
        self._ensured: set[int] = set()

    def identities(self, months: Iterable[int]) -> dict[str, str]:
        """Which climatology each month has, after computing those it is time for."""
        wanted = sorted(set(months))
        self.climatology.ensure(set(wanted) - self._ensured, rebuild=self._rebuild)
        self._ensured.update(wanted)
        return {str(month): self.climatology.identity(month) for month in wanted}
