"""The network, and the step that trains it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from met2net_ops.models.met2net.network import Met2Net
from met2net_ops.models.training.end_to_end import EndToEnd
from met2net_ops.models.training.two_stage import TwoStage

if TYPE_CHECKING:
    from met2net_ops.models.met2net.config import NetworkConfig
    from met2net_ops.models.training.settings import RunSettings

MethodBuilder = Callable[["RunSettings", "NetworkConfig", Tensor | None], EndToEnd | TwoStage]
"""Makes a network and its step from settings, shape and row weights; research trains others."""


def build_method(
    run: RunSettings, config: NetworkConfig, weights: Tensor | None
) -> EndToEnd | TwoStage:
    """Met2Net, and the training step of the settings."""
    network = Met2Net(config)
    # The same numbers; a sixth of the time less on a CPU (`python bench/train.py`).
    network.encoders.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network.decoders.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if run.method == "end-to-end":
        return EndToEnd(network, weights)
    return TwoStage(
        network, run.momentum, run.momentum_update, weights, momentum_of=run.momentum_of
    )
