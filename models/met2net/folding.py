"""What a network in eval mode allows to compute once: affine maps folded into their neighbours.

Folding is done in float64 and rounded once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn


def matrix(conv: nn.Conv2d) -> tuple[Tensor, Tensor | None]:
    """Weight (out, in) and bias of a 1 x 1 convolution."""
    return conv.weight.detach().flatten(1), conv.bias


def affine(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Scale and shift, float64, of a BatchNorm in eval mode."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight.detach().double() / (norm.running_var.double() + norm.eps).sqrt()
    return scale, norm.bias.detach().double() - norm.running_mean.double() * scale


def after_affine(conv: nn.Conv2d, scale: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """Weight and bias of conv(scale x + shift)."""
    weight, bias = _doubles(conv)
    return (weight * scale).to(conv.weight.dtype), (bias + weight @ shift).to(conv.weight.dtype)


def before_affine(conv: nn.Conv2d, factor: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """Weight and bias of factor (conv(x) + shift)."""
    weight, bias = _doubles(conv)
    scaled = (factor[:, None] * weight).to(conv.weight.dtype)
    return scaled, (factor * (bias + shift)).to(conv.weight.dtype)


def _doubles(conv: nn.Conv2d) -> tuple[Tensor, Tensor]:
    weight, bias = matrix(conv)
    assert bias is not None
    return weight.double(), bias.detach().double()
