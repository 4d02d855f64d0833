"""What the ledger holds: cycles, their attempts, their history, and the service's heartbeat."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

    from met2net_ops.service.ledger.states import CycleState, ExitKind


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to make a cycle's forecast.

    Attributes:
        number: 1 for the first ever; reruns go on counting.
        started: when.
        ended: when; None while it is under way.
        kind: how it ended; None while it is under way.
        reason: why it ended so, "" where all went well.
        seconds: per stage of the forecast, in order.
    """

    number: int
    started: datetime
    ended: datetime | None
    kind: ExitKind | None
    reason: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def duration(self) -> timedelta | None:
        """From start to end; None while it is under way."""
        return None if self.ended is None else self.ended - self.started


@dataclass(frozen=True, slots=True)
class Change:
    """A cycle went from one state to another.

    Attributes:
        at: when.
        before: state before; None when it entered the ledger.
        after: state after.
        reason: why.
        by: "service", or "operator" where someone did it by hand.
    """

    at: datetime
    before: CycleState | None
    after: CycleState
    reason: str
    by: str


@dataclass(frozen=True, slots=True)
class Cycle:
    """One cycle of one model, as the ledger has it.

    Attributes:
        model: name of the model.
        reference_time: the cycle.
        state: its state.
        since: when it entered that state.
        reason: why it is in that state.
        deadline: when it starts with what the gap rules allow, and is late if it cannot.
        expires: when it is given up.
        product: the published file, relative to the workspace; "" without.
        leads: lead times of the product; 0 without.
        published_at: when the product was published.
        late_at: when it was found to be late; None if it never was.
        alarmed: whether it had a late, failed or rejected event that no recovered one followed.
        backfill: it runs after the scheduled ones and raises no alarms.
        failures: attempts that count against the limit.
        not_before: when the next attempt may start, after one that failed.
        verification: how far it has been compared with the truth, in words; "" if not at all.
        attempts: all of them, oldest first.
        history: every change of state, oldest first.
    """

    model: str
    reference_time: datetime
    state: CycleState
    since: datetime
    reason: str
    deadline: datetime
    expires: datetime
    product: str = ""
    leads: int = 0
    published_at: datetime | None = None
    late_at: datetime | None = None
    alarmed: bool = False
    backfill: bool = False
    failures: int = 0
    not_before: datetime | None = None
    verification: str = ""
    attempts: tuple[Attempt, ...] = ()
    history: tuple[Change, ...] = ()

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it is where it is: the reasons of all its changes, oldest first."""
        return tuple(change.reason for change in self.history if change.reason)


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The last heartbeat of the service.

    Attributes:
        host: where it runs.
        pid: its process there.
        started: when it started.
        at: when it last completed a round.
        ended: when it ended in good order; None while it runs, or if it was killed.
        problems: component → what is wrong with it now.
    """

    host: str
    pid: int
    started: datetime
    at: datetime
    ended: datetime | None
    problems: Mapping[str, str]
