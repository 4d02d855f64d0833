"""Progress of a run: reports of steps and validations."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from met2net_ops.models.met2net.network import Met2Net
    from met2net_ops.models.training.scores import Scores
    from met2net_ops.models.training.two_stage import Losses

_STEPS_FOR_RATE = 20


@dataclass(frozen=True)
class StepReport:
    """One optimiser step, for progress displays.

    Attributes:
        step: its number, from 1.
        total_steps: of both phases.
        losses: of its batch.
        windows_per_second: over the last steps, all processes together.
        seconds_left: at that rate, if no phase ends early; NaN after the first step.
    """

    step: int
    total_steps: int
    losses: Losses
    windows_per_second: float
    seconds_left: float


@dataclass(frozen=True)
class ValidationReport:
    """One validation, as `on_validation` gets it.

    Attributes:
        step: optimiser steps made.
        seconds: training time so far.
        network: the averaged network.
        scores: of the averaged network on the validation windows.
        best: whether no earlier one was better.
    """

    step: int
    seconds: float
    network: Met2Net
    scores: Scores
    best: bool


class Rate:
    """Windows per second over the last steps, and how long the rest will take."""

    def __init__(self) -> None:
        self._recent: deque[tuple[float, int]] = deque(maxlen=_STEPS_FOR_RATE)

    def report(
        self, step: int, total_steps: int, seconds: float, windows: int, losses: Losses
    ) -> StepReport:
        """Report a step that ended after so many seconds of training."""
        recent = self._recent
        recent.append((seconds, windows))
        rate = math.nan
        if len(recent) > 1:
            counted = sum(count for _, count in list(recent)[1:])
            rate = counted / max(1e-9, recent[-1][0] - recent[0][0])
        left = (total_steps - step) * windows / rate
        return StepReport(step, total_steps, losses, rate, left)
