"""Initial weights as the published code draws them (OpenSTL's SimVP modules, and its `get_clones`).

Where a layer is not named here, it keeps torch's default, as there: the attention, the projections
into and out of the translator, and the decoders' last convolution.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

from met2net_ops.models.met2net.layers import ConvBlock, Tau
from met2net_ops.models.met2net.network import Met2Net

if TYPE_CHECKING:
    from collections.abc import Iterator

CONVOLUTION_STD = 0.02
"""Standard deviation of the weights of encoders and decoders; truncated far outside it, at ±2."""


@torch.no_grad()
def initialise_as_published(network: nn.Module) -> None:
    """Draw the initial weights of a network in place.

    Encoder and decoder convolutions: truncated normal of standard deviation 0.02, zero bias.
    Convolutions of TAU: normal of standard deviation √(2 / fan_out), where fan_out counts the
    outputs per group, zero bias. All translator blocks of `Met2Net` begin with the same weights,
    because the published code copies one block.
    """
    for module in network.modules():
        if isinstance(module, ConvBlock):
            nn.init.trunc_normal_(module.conv.weight, std=CONVOLUTION_STD)
            _zero_bias(module.conv)
        elif isinstance(module, Tau):
            for convolution in _convolutions(module):
                area = math.prod(convolution.kernel_size)
                fan_out = area * convolution.out_channels // convolution.groups
                convolution.weight.normal_(0.0, math.sqrt(2.0 / fan_out))
                _zero_bias(convolution)
    if isinstance(network, Met2Net):
        first, *others = network.translator.blocks
        for block in others:
            block.load_state_dict(first.state_dict())


def _convolutions(module: nn.Module) -> Iterator[nn.Conv2d]:
    return (part for part in module.modules() if isinstance(part, nn.Conv2d))


def _zero_bias(convolution: nn.Conv2d) -> None:
    if convolution.bias is not None:
        convolution.bias.zero_()
