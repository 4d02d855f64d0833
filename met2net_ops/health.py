"""What a check of a deployment found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class CheckState(StrEnum):
    """How serious a finding is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """One line of the doctor's table.

    Attributes:
        name: what was checked.
        state: whether it is as it should be.
        finding: what was found.
        advice: what to do about it; "" if nothing.
    """

    name: str
    state: CheckState
    finding: str
    advice: str = ""


def worst(checks: Sequence[HealthCheck]) -> CheckState:
    """The most serious state among them.

    >>> worst([HealthCheck("a", CheckState.OK, ""), HealthCheck("b", CheckState.WARN, "")])
    <CheckState.WARN: 'warn'>
    """
    order = list(CheckState)
    return max((check.state for check in checks), key=order.index, default=CheckState.OK)
