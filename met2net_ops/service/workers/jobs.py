"""Jobs of the child processes, and their answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class ForecastJob:
    """Make and publish the forecast of a cycle.

    Attributes:
        reference_time: the cycle.
        force: even if the same one is published.
    """

    reference_time: datetime
    force: bool = False


@dataclass(frozen=True, slots=True)
class ForecastDone:
    """The forecast is published.

    Attributes:
        path: of the product, absolute.
        leads: lead times in it.
        unchanged: it was published already.
        seconds: per stage.
        note: what there is to say, such as gaps that were filled.
    """

    path: str
    leads: int
    unchanged: bool
    seconds: Mapping[str, float] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, slots=True)
class VerifyJob:
    """Compare the published products of a model with what truth there is.

    Attributes:
        model: its name.
        since: earliest cycle.
        until: latest cycle, included.
    """

    model: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class VerifyVerdict:
    """How far one cycle has been verified.

    Attributes:
        reference_time: the cycle.
        final: every analysis it can be compared with is there.
        any: it has been compared with something.
        words: for people.
    """

    reference_time: datetime
    final: bool
    any: bool
    words: str


@dataclass(frozen=True, slots=True)
class VerifyDone:
    """One verdict per cycle."""

    verdicts: tuple[VerifyVerdict, ...]
