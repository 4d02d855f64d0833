"""Events of cycles that hooks report."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from met2net_ops.service.ledger.states import CycleState


class EventKind(StrEnum):
    """What hooks can be called for."""

    LATE = "late"  # the deadline has passed and there is no forecast
    FAILED = "failed"  # there will be no forecast: attempts are used up, or it has expired
    REJECTED = "rejected"  # there is one, but the gate refused it
    RECOVERED = "recovered"  # the forecast is published after all, after one of the others


@dataclass(frozen=True, slots=True)
class CycleEvent:
    """Something about a cycle that people want to know.

    Delivered at least once: after the service was killed it may come again, with the same `id`.

    Attributes:
        id: counts up in this workspace.
        kind: what happened.
        at: when.
        model: name of the model.
        reference_time: the cycle.
        state: of the cycle at the time of delivery.
        reason: why, for people.
        attempts: how many there have been.
        product: the published file, relative to the workspace; "" without.
    """

    id: int
    kind: EventKind
    at: datetime
    model: str
    reference_time: datetime
    state: CycleState
    reason: str
    attempts: int
    product: str
