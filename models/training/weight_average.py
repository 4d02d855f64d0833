"""The running average of the weights, which forecasts better than the weights themselves."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from met2net_ops.models.met2net.network import Met2Net


class WeightAverage:
    """Exponential moving average of parameters and BatchNorm statistics.

    Early on the average is short, min(decay, (1 + n) / (10 + n)), so that random initial weights
    are soon forgotten. `torch.optim.swa_utils.AveragedModel` cannot do the same: its first update
    replaces the initial weights instead of averaging them, so results would differ.

    Args:
        network: whose weights; copied.
        decay: the average's memory is 1 / (1 - decay) steps; 0 follows the weights exactly.
    """

    def __init__(self, network: Met2Net, decay: float) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False).eval()
        self.decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, network: Met2Net) -> None:
        """Take in the weights after one more step."""
        self.updates += 1
        decay = min(self.decay, self.updates / (9 + self.updates)) if self.decay else 0.0
        new = network.state_dict()
        for name, value in self.network.state_dict().items():
            if value.is_floating_point():
                value.lerp_(new[name], 1.0 - decay)
            else:
                value.copy_(new[name])
