"""What became of a cycle, and how long each stage of it took."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from met2net_ops.forecast.gate import GateReport

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from met2net_ops.errors import Met2NetOpsError
    from met2net_ops.forecast.window import FrameTable


class CycleOutcome(StrEnum):
    """How a cycle ended."""

    PUBLISHED = "published"
    UNCHANGED = "unchanged"  # the same forecast is already published, perhaps with more leads
    REJECTED = "rejected"
    FAILED = "failed"


@dataclass(frozen=True)
class CycleResult:
    """What became of one cycle.

    Attributes:
        model: name of the forecaster.
        reference_time: the cycle.
        state: how it ended.
        path: where the product is (or would be, where it failed).
        leads: how many the product has (or would have).
        valid_from: valid time of the first lead.
        valid_to: valid time of the last lead.
        table: which frames the window has; None if that could not be told.
        report: what the gate found.
        seconds: per stage, in order; an equal share where cycles shared a batch; none if
            nothing was computed.
        note: why nothing was done, if the product was there before.
        error: why there is no product, if there is none.
    """

    model: str
    reference_time: datetime
    state: CycleOutcome
    path: Path
    leads: int
    valid_from: datetime
    valid_to: datetime
    table: FrameTable | None = None
    report: GateReport = field(default_factory=GateReport)
    seconds: Mapping[str, float] = field(default_factory=dict)
    note: str = ""
    error: Met2NetOpsError | None = None


STAGES = ("read", "window", "rollout", "gate", "write", "verify")


class StageClock:
    """Adds up wall-clock seconds per stage, one of `STAGES`.

    >>> clock = StageClock()
    >>> with clock("read"):
    ...     pass
    >>> list(clock.share(2))
    ['read']
    """

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Time what is inside."""
        start = time.perf_counter()
        try:
            yield
        finally:
            elapsed = time.perf_counter() - start
            self._seconds[stage] = self._seconds.get(stage, 0.0) + elapsed

    def share(self, cycles: int) -> dict[str, float]:
        """Seconds per stage and cycle, to the microsecond, in the order of `STAGES`."""
        return {
            stage: round(self._seconds[stage] / cycles, 6)
            for stage in STAGES
            if stage in self._seconds
        }
