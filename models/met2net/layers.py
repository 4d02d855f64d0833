"""The pieces of the network: convolution blocks, attention across variables, TAU."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from met2net_ops.models.met2net.config import ATTENTION_HEADS
from met2net_ops.models.met2net.depthwise import DepthwiseConv


class Conv2d(nn.Conv2d):
    """A "same" convolution that pads with zeros, or wraps east-west where the grid does.

    (n, in, h, w) -> (n, out, h / stride, w / stride); the poles always see zeros.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
        periodic: bool = False,
    ) -> None:
        reach = dilation * (kernel - 1) // 2
        self.wrap = reach if periodic else 0
        padding = (reach, 0) if periodic else (reach, reach)
        super().__init__(
            in_channels, out_channels, kernel,
            stride=stride, padding=padding, dilation=dilation, groups=groups, bias=bias,
        )  # fmt: skip
        self._large_depthwise = groups == in_channels == out_channels > 1 and kernel > 3

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - nn.Conv2d's name
        """Convolve."""
        if input.device.type == "cpu" and self._large_depthwise:
            wrap = self.wrap > 0
            out: Tensor = DepthwiseConv.apply(  # type: ignore[no-untyped-call]
                input, self.weight, self.bias, self.dilation[0], wrap
            )
            return out
        if self.wrap:
            input = functional.pad(input, (self.wrap, self.wrap, 0, 0), mode="circular")  # noqa: A001
        return super().forward(input)


class ConvBlock(nn.Module):
    """Convolution 3 x 3, GroupNorm of two groups, SiLU; by stride down or by pixel shuffle up."""

    def __init__(
        self, in_channels: int, channels: int, *, stride: int = 1, up: bool = False, periodic: bool
    ) -> None:
        super().__init__()
        self.up = up
        out = 4 * channels if up else channels
        self.conv = Conv2d(in_channels, out, 3, stride=stride, periodic=periodic)
        self.norm = nn.GroupNorm(2, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(n, in, h, w) -> (n, channels, h / stride or 2 h, …)."""
        x = self.conv(x)
        if self.up:
            x = functional.pixel_shuffle(x, 2)
        return functional.silu(self.norm(x))


class NormedConv(nn.Module):
    """Convolution 1 x 1 without bias, then GroupNorm over all channels and points."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 1, bias=False)
        self.norm = nn.GroupNorm(1, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, h, w) -> the same shape."""
        normed: Tensor = self.norm(self.conv(x))
        return normed


class VariableAttention(nn.Module):
    """Self-attention whose sequence is the variables (paper, section 3.3).

    A token's vector, within one head, is its hid_T / 8 channels at all points.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query = NormedConv(channels)
        self.key = NormedConv(channels)
        self.value = NormedConv(channels)
        self.output = NormedConv(channels)

    def forward(self, x: Tensor, tokens: int) -> Tensor:
        """(B tokens, channels, h, w) -> the same shape."""
        query, key, value = (
            part(x).reshape(-1, tokens, ATTENTION_HEADS, x[0].numel() // ATTENTION_HEADS)
            for part in (self.query, self.key, self.value)
        )
        weights = torch.einsum("bihd,bjhd->bhij", query, key) / query.shape[-1] ** 0.5
        mixed = torch.einsum("bhij,bjhd->bihd", weights.softmax(-1), value)
        return functional.silu(self.output(mixed.reshape(x.shape)))


class GatedSpatialAttention(nn.Module):
    """The spatial half of TAU: a large kernel, made of three, gates its own input."""

    def __init__(self, channels: int, *, periodic: bool) -> None:
        super().__init__()
        self.project_in = nn.Conv2d(channels, channels, 1)
        self.near = Conv2d(channels, channels, 5, groups=channels, periodic=periodic)
        self.far = Conv2d(channels, channels, 7, dilation=3, groups=channels, periodic=periodic)
        self.mix = nn.Conv2d(channels, channels, 1)
        self.project_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, h, w) -> the same shape, input added."""
        gated = functional.gelu(self.project_in(x))
        gate = self.mix(self.far(self.near(gated)))
        out: Tensor = self.project_out(gate * gated) + x
        return out


class ConvMlp(nn.Module):
    """The channel half of TAU: widen four times, depth-wise 3 x 3, GELU, narrow."""

    def __init__(self, channels: int, *, periodic: bool) -> None:
        super().__init__()
        self.widen = nn.Conv2d(channels, 4 * channels, 1)
        self.depthwise = Conv2d(
            4 * channels, 4 * channels, 3, groups=4 * channels, periodic=periodic
        )
        self.narrow = nn.Conv2d(4 * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, h, w) -> the same shape."""
        out: Tensor = self.narrow(functional.gelu(self.depthwise(self.widen(x))))
        return out


class DropPath(nn.Module):
    """In training, drops the branch for a whole map with chance `p` and rescales the others."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """(n, …) -> the same shape."""
        if not self.training or self.p == 0.0:
            return x
        keep = 1.0 - self.p
        kept = x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(keep)
        return x * (kept / keep)


class Tau(nn.Module):
    """Temporal attention unit: spatial gate and channel MLP, each scaled, each residual."""

    def __init__(self, channels: int, *, drop_path: float, periodic: bool) -> None:
        super().__init__()
        self.norm_spatial = nn.BatchNorm2d(channels)
        self.spatial = GatedSpatialAttention(channels, periodic=periodic)
        self.scale_spatial = nn.Parameter(torch.full((channels,), 1e-2))
        self.norm_channel = nn.BatchNorm2d(channels)
        self.channel = ConvMlp(channels, periodic=periodic)
        self.scale_channel = nn.Parameter(torch.full((channels,), 1e-2))
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, h, w) -> the same shape."""
        spatial = self.scale_spatial[:, None, None] * self.spatial(self.norm_spatial(x))
        x = x + self.drop_path(spatial)
        channel = self.scale_channel[:, None, None] * self.channel(self.norm_channel(x))
        out: Tensor = x + self.drop_path(channel)
        return out


class TranslatorBlock(nn.Module):
    """Attention across variables, then TAU, each added and normalised.

    The second half adds its input twice, x + (x + TAU(x)), as the published network does.
    """

    def __init__(self, channels: int, *, drop_path: float, periodic: bool) -> None:
        super().__init__()
        self.attention = VariableAttention(channels)
        self.norm_attention = nn.GroupNorm(1, channels)
        self.tau = Tau(channels, drop_path=drop_path, periodic=periodic)
        self.norm_tau = nn.GroupNorm(1, channels)

    def forward(self, x: Tensor, tokens: int) -> Tensor:
        """(B tokens, channels, h, w) -> the same shape."""
        x = self.norm_attention(x + self.attention(x, tokens))
        out: Tensor = self.norm_tau(x + (x + self.tau(x)))
        return out
