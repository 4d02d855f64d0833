"""The network, and the step that trains it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from met2net_ops.models.met2net.initialisation import initialise_as_published
from met2net_ops.models.met2net.network import Met2Net
from met2net_ops.models.training.end_to_end import EndToEnd
from met2net_ops.models.training.two_stage import TwoStage

if TYPE_CHECKING:
    from torch import nn

    from met2net_ops.models.met2net.config import NetworkConfig
    from met2net_ops.models.training.settings import RunSettings

MethodBuilder = Callable[["RunSettings", "NetworkConfig", Tensor | None], EndToEnd | TwoStage]
"""Makes a network and its step from settings, shape and row weights; research trains others."""


def build_method(
    run: RunSettings, config: NetworkConfig, weights: Tensor | None
) -> EndToEnd | TwoStage:
    """Met2Net, and the training step of the settings."""
    network = Met2Net(config)
    if run.init == "published":
        initialise_as_published(network)
    # The same numbers; a sixth of the time less on a CPU (`python bench/train.py`).
    network.encoders.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network.decoders.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if run.method == "end-to-end":
        return EndToEnd(network, weights)
    return TwoStage(
        network, run.momentum, run.momentum_update, weights, momentum_of=run.momentum_of
    )


def decay_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Parameters for AdamW: weights of convolutions decay; norms, biases and layer scales do not.

    Decay would pull a norm's factor and a layer scale towards 0, that is, switch their layer off.
    """
    parameters = list(network.parameters())
    if not weight_decay:
        return [{"params": parameters, "weight_decay": 0.0}]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
