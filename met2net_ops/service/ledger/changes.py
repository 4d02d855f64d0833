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
    """Put a cycle into the ledger, unless it is there.

    Attributes:
        backfill: run it after scheduled cycles, and raise no alarms.
    """

    model: str
    reference_time: datetime
    state: CycleState
    deadline: datetime
    expires: datetime
    reason: str
    backfill: bool = False


@dataclass(frozen=True, slots=True)
class Move:
    """Take a cycle from one state to another; where both are the same, only report an event."""

    model: str
    reference_time: datetime
    before: CycleState
    after: CycleState
    reason: str
    event: EventKind | None = None


@dataclass(frozen=True)
class LedgerSnapshot:
    """What the ledger knows that decisions depend on.

    Attributes:
        cycles: those that are open, and those that were given up but do not expire before now.
        newest: model → newest reference time, up to now, that came from its schedule.
        by_operator: model and reference time of cycles after that which were run by hand.
    """

    cycles: Sequence[Cycle]
    newest: Mapping[str, datetime]
    by_operator: frozenset[tuple[str, datetime]] = frozenset()
