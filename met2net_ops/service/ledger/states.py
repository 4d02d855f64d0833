"""The states of a cycle and the ways an attempt ends: one table each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class CycleState(StrEnum):
    """The state of a cycle in the ledger."""

    EXPECTED = "expected"
    WAITING = "waiting"
    READY = "ready"
    RUNNING = "running"
    PUBLISHED = "published"
    VERIFIED = "verified"
    LATE = "late"
    FAILED = "failed"
    EXPIRED = "expired"
    HELD = "held"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class StateFacts:
    """What a state means.

    Attributes:
        meaning: for people.
        open: whether a forecast may still come without an operator.
        good: whether the forecast is published.
        after: which states the service may move it to.
        by_operator: which states an operator may move it to.
    """

    meaning: str
    open: bool
    good: bool
    after: frozenset[CycleState]
    by_operator: frozenset[CycleState]


def _facts(
    meaning: str, *after: CycleState, operator: tuple[CycleState, ...] = (), is_open: bool = False,
    good: bool = False,
) -> StateFacts:  # fmt: skip
    return StateFacts(meaning, is_open, good, frozenset(after), frozenset(operator))


_S = CycleState
_BEFORE_RUN = (_S.READY, _S.HELD, _S.SKIPPED)

STATES: dict[CycleState, StateFacts] = {
    _S.EXPECTED: _facts(
        "its reference time is in the future",
        _S.WAITING, _S.READY, _S.LATE, _S.EXPIRED, _S.SKIPPED,
        operator=_BEFORE_RUN, is_open=True,
    ),
    _S.WAITING: _facts(
        "its window is not complete yet",
        _S.EXPECTED, _S.READY, _S.LATE, _S.EXPIRED,
        operator=_BEFORE_RUN, is_open=True,
    ),
    _S.READY: _facts(
        "it will start as soon as there is room",
        _S.RUNNING, _S.PUBLISHED, _S.EXPIRED,
        operator=_BEFORE_RUN, is_open=True,
    ),
    _S.RUNNING: _facts(
        "an attempt is under way",
        _S.READY, _S.PUBLISHED, _S.FAILED,
        is_open=True,
    ),
    _S.PUBLISHED: _facts(
        "the forecast is published; the truth is still to come",
        _S.VERIFIED,
        operator=(_S.READY,), good=True,
    ),
    _S.VERIFIED: _facts(
        "compared with the truth; late observations still count",
        operator=(_S.READY,), good=True,
    ),
    _S.LATE: _facts(
        "its deadline has passed and even with gaps filled it cannot start",
        _S.EXPECTED, _S.WAITING, _S.READY, _S.EXPIRED,
        operator=_BEFORE_RUN, is_open=True,
    ),
    _S.FAILED: _facts(
        "all attempts failed, or the gate refused the forecast",
        operator=(_S.READY, _S.SKIPPED),
    ),
    _S.EXPIRED: _facts(
        "too old to be of use; it never ran to its end",
        _S.EXPECTED, _S.WAITING,  # only where the clock went back
        operator=(_S.READY, _S.SKIPPED),
    ),
    _S.HELD: _facts(
        "held by hand until released",
        operator=(_S.WAITING, _S.READY, _S.SKIPPED),
    ),
    _S.SKIPPED: _facts(
        "left out by hand, or missed for too long while the service was down",
        _S.EXPECTED, _S.WAITING,  # only where the clock went back
        operator=(_S.READY,),
    ),
}  # fmt: skip

OPEN = frozenset(state for state, facts in STATES.items() if facts.open)
GOOD = frozenset(state for state, facts in STATES.items() if facts.good)
BAD = frozenset({CycleState.FAILED, CycleState.EXPIRED})


class ExitKind(StrEnum):
    """How an attempt ended."""

    PUBLISHED = "published"
    UNCHANGED = "unchanged"  # the same forecast was published already
    REJECTED = "rejected"  # the gate refused it
    REFUSED = "refused"  # an error with a message for people: input, model, archive, product
    ERROR = "error"  # an exception that should not happen
    CRASHED = "crashed"  # the child ended by itself or by a signal
    MEMORY = "memory"  # the child needed too much memory
    TIMEOUT = "timeout"  # the child took too long, or hung
    ABANDONED = "abandoned"  # the service was asked to end; costs no attempt
    LOST = "lost"  # the service itself was killed meanwhile


COSTLESS = frozenset({ExitKind.ABANDONED})
"""Attempts that ended so are not counted."""
