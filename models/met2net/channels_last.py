"""Layers of channels-last maps (n, h, w, c), constants only: for inference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from met2net_ops.models.met2net.layers import Conv2d, ConvBlock


class Depthwise(nn.Module):
    """A depth-wise convolution of channels-last maps.

    Columns of a dilated one are padded here even with zeros: the library takes seven times as
    long where it has to pad columns itself at a dilation of three.
    """

    def __init__(self, conv: Conv2d) -> None:
        super().__init__()
        self.weight = constant(conv.weight, channels_last=True)
        self.bias = constant(conv.bias)
        self.wraps = conv.wrap > 0
        self.dilation = conv.dilation[0]
        self.reach = self.dilation * (conv.kernel_size[0] - 1) // 2

    def forward(self, x: Tensor) -> Tensor:
        """(n, h, w, c) -> the same shape."""
        columns = 0
        if self.wraps:
            x = torch.cat([x[:, :, -self.reach :], x, x[:, :, : self.reach]], dim=2)
        elif self.dilation > 1:
            x = functional.pad(x, (0, 0, self.reach, self.reach))
        else:
            columns = self.reach
        out = functional.conv2d(
            x.permute(0, 3, 1, 2), self.weight, self.bias,
            padding=(self.reach, columns), dilation=self.dilation, groups=x.shape[-1],
        )  # fmt: skip
        return out.permute(0, 2, 3, 1)


class GroupNorm(nn.Module):
    """Group normalisation of channels-last maps."""

    def __init__(self, norm: nn.GroupNorm) -> None:
        super().__init__()
        self.groups = norm.num_groups
        self.weight = constant(norm.weight)
        self.bias = constant(norm.bias)
        self.eps = norm.eps

    def forward(self, x: Tensor) -> Tensor:
        """(n, h, w, c) -> the same shape."""
        maps = x.permute(0, 3, 1, 2)
        normed = functional.group_norm(maps, self.groups, self.weight, self.bias, self.eps)
        return normed.permute(0, 2, 3, 1)


class TokenNorm(nn.Module):
    """Group normalisation with one group: over everything of one map.

    Statistics come from torch's kernel for contiguous maps, whose rounding is a third of that of
    its channels-last kernel; the scale and shift per channel follow in a second pass.
    """

    def __init__(self, norm: nn.GroupNorm) -> None:
        super().__init__()
        self.weight = constant(norm.weight)
        self.bias = constant(norm.bias)
        self.eps = norm.eps

    def forward(self, x: Tensor) -> Tensor:
        """(n, h, w, c) -> the same shape."""
        return torch.addcmul(self.bias, self.standardise(x), self.weight)

    def standardise(self, x: Tensor) -> Tensor:
        """(n, h, w, c) -> the same shape, without scale and shift."""
        return functional.group_norm(x.reshape(len(x), 1, -1), 1, eps=self.eps).reshape(x.shape)


class FastConvBlock(nn.Module):
    """Convolution, GroupNorm, SiLU; up by pixel shuffle with channels sorted (i, j, k)."""

    def __init__(self, block: ConvBlock) -> None:
        super().__init__()
        weight, bias = block.conv.weight.detach(), block.conv.bias
        assert bias is not None
        bias = bias.detach()
        if block.up:
            weight = weight.reshape(-1, 4, *weight.shape[1:]).transpose(0, 1).flatten(0, 1)
            bias = bias.reshape(-1, 4).transpose(0, 1).flatten()
        self.weight = constant(weight, channels_last=True)
        self.bias = constant(bias)
        self.norm = GroupNorm(block.norm)
        self.up = block.up
        self.wrap = block.conv.wrap
        self.stride = block.conv.stride[0]

    def forward(self, x: Tensor) -> Tensor:
        """(n, h, w, in) -> (n, h / stride or 2 h, …, channels)."""
        if self.wrap:
            x = torch.cat([x[:, :, -1:], x, x[:, :, :1]], dim=2)
        x = functional.conv2d(
            x.permute(0, 3, 1, 2), self.weight, self.bias,
            stride=self.stride, padding=(1, 0 if self.wrap else 1),
        ).permute(0, 2, 3, 1)  # fmt: skip
        if self.up:
            n, height, width, channels = x.shape
            x = x.reshape(n, height, width, 2, 2, channels // 4).permute(0, 1, 3, 2, 4, 5)
            x = x.reshape(n, 2 * height, 2 * width, channels // 4)
        return functional.silu(self.norm(x), inplace=True)


def constant(value: Tensor | None, *, channels_last: bool = False) -> nn.Parameter:
    """A constant that moves with the module to another device."""
    assert value is not None
    memory = torch.channels_last if channels_last else torch.contiguous_format
    return nn.Parameter(
        value.detach().clone().contiguous(memory_format=memory), requires_grad=False
    )
