"""What can be done to the ledger's cycles, and the view of them that decisions are made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from met2net_ops.service.ledger.events import EventKind
    from met2net_ops.service.ledger.records import Cycle
    from met2net_ops.service.ledger.states import CycleState


@dataclass(frozen=True, slots=True)
class Enter:
    """Put a cycle into the ledger, unless it is there."""

    model: str
    reference_time: datetime
    state: CycleState
    deadline: datetime
    expires: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Move:
    """Take a cycle from one state to another; where both are the same, only tell an event."""

    model: str
    reference_time: datetime
    before: CycleState
    after: CycleState
    reason: str
    event: EventKind | None = None


@dataclass(frozen=True)
class LedgerSnapshot:
    """How things stand in the ledger.

    Attributes:
        cycles: those that are open, and those that were given up but do not expire before now.
        newest: model → newest reference time, up to now, that came from its schedule.
        asked_for: model and reference time of cycles after that which were run by hand.
    """

    cycles: Sequence[Cycle]
    newest: Mapping[str, datetime]
    asked_for: frozenset[tuple[str, datetime]] = frozenset()
