"""How the service stands, for metrics and the watchdog."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from met2net_ops.service.ledger.states import CycleState
from met2net_ops.service.monitoring.listeners import ServiceSnapshot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from met2net_ops.service.ledger.transaction import AttemptResult


@dataclass
class Counts:
    """What has happened since the service started.

    Attributes:
        attempts: (model, how it ended) → how many.
        seconds: model → stage timings of its last forecast.
    """

    attempts: Counter[tuple[str, str]] = field(default_factory=Counter)
    seconds: dict[str, Mapping[str, float]] = field(default_factory=dict)

    def ended(self, model: str, ending: AttemptResult) -> None:
        """An attempt has ended."""
        self.attempts[model, str(ending.kind)] += 1
        if ending.seconds:
            self.seconds[model] = dict(ending.seconds)


def snapshot(
    now: datetime,
    started: datetime,
    cycles: Sequence[tuple[str, datetime, CycleState]],
    newest: Mapping[str, datetime],
    counts: Counts,
    children: Mapping[str, int],
    files: Sequence[tuple[int, int, int]],
    problems: Mapping[str, str],
    tick_seconds: float,
) -> ServiceSnapshot:
    """Put together what is known.

    Args:
        now: wall clock.
        started: when the service started.
        cycles: model, reference time and state of those that matter.
        newest: model → its newest published cycle.
        counts: of this service.
        children: model → processes started.
        files: read, refused and imported, per watch of the feeds.
        problems: component → what is wrong.
        tick_seconds: how long the round took.
    """
    ahead: dict[str, datetime] = {}
    for model, time, state in cycles:
        if state is CycleState.EXPECTED:
            ahead[model] = min(time, ahead.get(model, time))
    return ServiceSnapshot(
        at=now,
        started=started,
        states=Counter((model, state) for model, _, state in cycles),
        newest_published=dict(newest),
        next_expected=ahead,
        attempts=dict(counts.attempts),
        children_started=dict(children),
        seconds=dict(counts.seconds),
        files_read=sum(read for read, _, _ in files),
        files_refused=sum(refused for _, refused, _ in files),
        problems=dict(problems),
        tick_seconds=tick_seconds,
    )
