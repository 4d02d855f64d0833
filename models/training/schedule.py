"""The learning rate, step by step."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from met2net_ops.models.training.settings import RunSettings


def learning_rate(run: RunSettings, step: int) -> float:
    """Linear warm-up, cosine to the final rate; then the same again for the rollout phase."""
    if step < run.steps:
        peak, place, length, warmup = run.learning_rate, step, run.steps, run.warmup_steps
    else:
        peak, place = run.rollout_learning_rate, step - run.steps
        length, warmup = run.rollout_steps, 0
    if place < warmup:
        return peak * (place + 1) / warmup
    angle = math.pi * (place - warmup) / max(1, length - warmup)
    return run.final_learning_rate + (peak - run.final_learning_rate) * 0.5 * (1 + math.cos(angle))
