"""What a soak came to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from soak_checks import Vitals


@dataclass
class Findings:
    """What a soak came to; `wrong` must be empty."""

    wrong: list[str] = field(default_factory=list)
    happened: Counter[str] = field(default_factory=Counter)
    vitals: list[Vitals] = field(default_factory=list)
    compared: int = 0
    hours: int = 0
    seconds: float = 0.0
