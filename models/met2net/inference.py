"""Met2Net rearranged for inference: equal output, about half the time on a CPU.

What a trained network in eval mode allows, and what each step buys is in docs/models.md:

- BatchNorm and layer scales are folded into the 1 x 1 convolutions beside them;
- all maps are kept channels-last, where 1 x 1 convolutions are matrix products and depth-wise
  convolutions read memory in order;
- the depth-wise 7 x 7 convolution of dilation 3 becomes a dense 7 x 7 one on nine interleaved
  sub-grids, which is the same sum in another order;
- the pixel shuffle's channels are sorted so that it moves long runs of memory;
- the widened maps of the MLP are made for a few tokens at a time, so that they stay in cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from met2net_ops.models.met2net.config import ATTENTION_HEADS
from met2net_ops.models.met2net.network import pad_to_stride
from met2net_ops.models.met2net.packed import PackedLinear

if TYPE_CHECKING:
    from collections.abc import Sequence

    from met2net_ops.models.met2net.layers import Conv2d, ConvBlock, TranslatorBlock
    from met2net_ops.models.met2net.network import Decoder, Encoder, Met2Net

_DILATION = 3
_CACHED_FLOATS = 2**19  # 2 MiB of float32: about what a core keeps near


class FastMet2Net(nn.Module):
    """The same function as the `Met2Net` it is made from, in eval mode.

    (B, T, C + F, H, W) -> (B, T, C, H, W). Made once after loading; the network it was made from
    is not changed and may be dropped.
    """

    def __init__(self, network: Met2Net, *, pack: bool = True) -> None:
        """Rearrange a network where it lies.

        Args:
            network: in eval mode or not: its running statistics are used.
            pack: use oneDNN's layout for matrix products if the network is fp32 on the CPU; then
                this module must stay there and run without autocast.
        """
        super().__init__()
        self.config = network.config
        translator = network.translator
        self.encoders = nn.ModuleList(_FastEncoder(part) for part in _encoders(network))
        self.decoders = nn.ModuleList(_FastDecoder(part) for part in _decoders(network))
        self.project_in = PackedLinear(*_matrix(translator.project_in), pack=pack)
        self.project_out = PackedLinear(*_matrix(translator.project_out), pack=pack)
        self.blocks = nn.ModuleList(_FastBlock(part, pack) for part in _blocks(network))

    def forward(self, x: Tensor) -> Tensor:
        """Normalised fields in and out."""
        config = self.config
        batch, frames, tokens = x.shape[:3]
        x = pad_to_stride(x.flatten(0, 1), config.stride)
        latents = []
        for i, encoder in enumerate(self.encoders):
            latent = encoder(x[:, i : i + 1])  # (B T, h, w, hid_s)
            latent = latent.reshape(batch, frames, *latent.shape[1:]).permute(0, 2, 3, 1, 4)
            latents.append(latent.flatten(3))
        z = self.project_in(torch.stack(latents, dim=1))  # (B, tokens, h, w, hid_t)
        z = z.flatten(0, 1)
        for block in self.blocks:
            z = block(z, tokens)
        z = z.reshape(batch, tokens, *z.shape[1:])[:, : config.variables]
        z = self.project_out(z)
        z = z.reshape(*z.shape[:4], frames, config.hid_s)
        fields = []
        for i, decoder in enumerate(self.decoders):
            latent = z[:, i].permute(0, 3, 1, 2, 4).flatten(0, 1)
            fields.append(decoder(latent))  # (B T, H, W)
        out = torch.stack(fields, dim=1)
        out = out.reshape(batch, frames, *out.shape[1:])
        return out[..., : config.height, : config.width]


class _Depthwise(nn.Module):
    """A depth-wise convolution of channels-last maps."""

    def __init__(self, conv: Conv2d) -> None:
        super().__init__()
        self.weight = _fixed(conv.weight, channels_last=True)
        self.bias = _fixed(conv.bias)
        self.wrap = conv.wrap
        self.reach = (conv.kernel_size[0] - 1) // 2
        self.dilated = conv.dilation[0] == _DILATION

    def forward(self, x: Tensor) -> Tensor:
        """(n, h, w, c) -> the same shape."""
        if self.wrap:
            x = torch.cat([x[:, :, -self.wrap :], x, x[:, :, : self.wrap]], dim=2)
        return self._on_subgrids(x) if self.dilated else self._convolve(x)

    def _convolve(self, x: Tensor) -> Tensor:
        out = functional.conv2d(
            x.permute(0, 3, 1, 2), self.weight, self.bias,
            padding=(self.reach, 0 if self.wrap else self.reach), groups=x.shape[-1],
        )  # fmt: skip
        return out.permute(0, 2, 3, 1)

    def _on_subgrids(self, x: Tensor) -> Tensor:
        """Points that a dilated kernel relates lie on the same one of 3 x 3 sub-grids."""
        n, height, width, channels = x.shape
        rows, columns = -(-height // _DILATION), -(-width // _DILATION)
        x = functional.pad(x, (0, 0, 0, columns * _DILATION - width, 0, rows * _DILATION - height))
        x = x.reshape(n, rows, _DILATION, columns, _DILATION, channels)
        x = x.permute(0, 2, 4, 1, 3, 5).reshape(-1, rows, columns, channels)
        x = self._convolve(x)
        x = x.reshape(n, _DILATION, _DILATION, rows, x.shape[2], channels)
        x = x.permute(0, 3, 1, 4, 2, 5).reshape(n, rows * _DILATION, -1, channels)
        return x[:, :height, : width - 2 * self.wrap].contiguous()


class _GroupNorm(nn.Module):
    """Group normalisation of channels-last maps."""

    def __init__(self, groups: int, weight: Tensor, bias: Tensor, eps: float) -> None:
        super().__init__()
        self.groups = groups
        self.weight = _fixed(weight)
        self.bias = _fixed(bias)
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """(n, h, w, c) -> the same shape."""
        x = x.permute(0, 3, 1, 2)
        return functional.group_norm(x, self.groups, self.weight, self.bias, self.eps).permute(
            0, 2, 3, 1
        )


class _TokenNorm(nn.Module):
    """Group normalisation with one group: over everything of one map.

    Statistics come from torch's kernel for contiguous maps, whose rounding is a third of that of
    its channels-last kernel; the scale and shift per channel follow in a second pass.
    """

    def __init__(self, norm: nn.GroupNorm) -> None:
        super().__init__()
        self.weight = _fixed(norm.weight)
        self.bias = _fixed(norm.bias)
        self.eps = norm.eps

    def forward(self, x: Tensor) -> Tensor:
        """(n, h, w, c) -> the same shape."""
        return torch.addcmul(self.bias, self.standardise(x), self.weight)

    def standardise(self, x: Tensor) -> Tensor:
        """(n, h, w, c) -> the same shape, without scale and shift."""
        return functional.group_norm(x.reshape(len(x), 1, -1), 1, eps=self.eps).reshape(x.shape)


class _FastConvBlock(nn.Module):
    """Convolution, GroupNorm, SiLU; up by pixel shuffle with channels sorted (i, j, k)."""

    def __init__(self, block: ConvBlock) -> None:
        super().__init__()
        weight, bias = block.conv.weight.detach(), block.conv.bias
        assert bias is not None
        bias = bias.detach()
        if block.up:
            weight = weight.reshape(-1, 4, *weight.shape[1:]).transpose(0, 1).flatten(0, 1)
            bias = bias.reshape(-1, 4).transpose(0, 1).flatten()
        self.weight = _fixed(weight, channels_last=True)
        self.bias = _fixed(bias)
        self.norm = _norm(block.norm)
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


class _FastEncoder(nn.Module):
    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_FastConvBlock(block) for block in _conv_blocks(encoder))

    def forward(self, frames: Tensor) -> Tensor:
        """(n, 1, H, W) -> (n, h, w, hid_s)."""
        x = frames.permute(0, 2, 3, 1).contiguous()
        for block in self.blocks:
            x = block(x)
        return x


class _FastDecoder(nn.Module):
    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_FastConvBlock(block) for block in _conv_blocks(decoder))
        self.readout = PackedLinear(*_matrix(decoder.readout), pack=False)

    def forward(self, x: Tensor) -> Tensor:
        """(n, h, w, hid_s) -> (n, H, W)."""
        x = x.contiguous()
        for block in self.blocks:
            x = block(x)
        out: Tensor = self.readout(x)
        return out.squeeze(-1)


class _FastBlock(nn.Module):
    """A translator block of channels-last maps."""

    def __init__(self, block: TranslatorBlock, pack: bool) -> None:
        super().__init__()
        attention, tau = block.attention, block.tau
        parts = (attention.query, attention.key, attention.value)
        self.products = nn.ModuleList(
            PackedLinear(_matrix(part.conv)[0], None, pack=pack) for part in parts
        )
        self.norms = nn.ModuleList(_TokenNorm(part.norm) for part in parts)
        self.output = PackedLinear(_matrix(attention.output.conv)[0], None, pack=pack)
        self.norm_output = _TokenNorm(attention.output.norm)
        self.norm_attention = _TokenNorm(block.norm_attention)
        self.norm_tau = _TokenNorm(block.norm_tau)

        spatial, channel = tau.spatial, tau.channel
        scale, shift = _affine(tau.norm_spatial)
        self.project_in = PackedLinear(*_after(spatial.project_in, scale, shift), pack=pack)
        self.near = _Depthwise(spatial.near)
        self.far = _Depthwise(spatial.far)
        self.mix = PackedLinear(*_matrix(spatial.mix), pack=pack)
        # x + s (P(g) + scale x + shift) = (1 + s scale) x + (s P)(g) + s shift
        s = tau.scale_spatial.detach().double()
        self.keep = _fixed((1 + s * scale).to(tau.scale_spatial.dtype))
        self.project_out = PackedLinear(*_before(spatial.project_out, s, shift), pack=pack)

        scale, shift = _affine(tau.norm_channel)
        self.widen = PackedLinear(*_after(channel.widen, scale, shift), pack=pack)
        self.depthwise = _Depthwise(channel.depthwise)
        s = tau.scale_channel.detach().double()
        self.narrow = PackedLinear(*_before(channel.narrow, s, torch.zeros_like(s)), pack=pack)

    def forward(self, x: Tensor, tokens: int) -> Tensor:
        """(B tokens, h, w, c) -> the same shape."""
        x = self.norm_attention(self._attend(x, tokens).add_(x))
        gated = functional.gelu(self.project_in(x))
        gate = self.mix(self.far(self.near(gated)))
        y = torch.addcmul(self.project_out(gate.mul_(gated)), x, self.keep)
        out: Tensor = self.norm_tau(self._mlp(y).add_(y).add_(x, alpha=2))  # the block adds x twice
        return out

    def _attend(self, x: Tensor, tokens: int) -> Tensor:
        """Attention across the tokens of each of the B cycles.

        The sums behind the scores are taken row by row of the map and then added, which keeps
        the rounding of so long a sum (hid_T / 8 x h x w terms) small.
        """
        n, height, width, channels = x.shape
        query, key, value = (
            self._for_heads(norm, product(x), tokens)
            for norm, product in zip(self.norms, self.products, strict=True)
        )
        size = height * query.shape[-1]
        scores = (query @ key.transpose(-2, -1)).sum(dim=2, keepdim=True) / size**0.5
        mixed = scores.softmax(-1) @ value
        mixed = mixed.reshape(*mixed.shape[:4], width, -1).permute(0, 3, 2, 4, 1, 5)
        mixed = self.output(mixed.reshape(n, height, width, channels))
        return functional.silu(self.norm_output(mixed), inplace=True)

    @staticmethod
    def _for_heads(norm: nn.Module, x: Tensor, tokens: int) -> Tensor:
        """(B tokens, h, w, c) -> (B, heads, h, tokens, w c / heads); scaled on the way."""
        assert isinstance(norm, _TokenNorm)
        _, height, width, channels = x.shape
        heads = (ATTENTION_HEADS, channels // ATTENTION_HEADS)
        parted = norm.standardise(x).reshape(-1, tokens, height, width, *heads)
        shape = (len(parted), ATTENTION_HEADS, height, tokens, width, heads[1])
        out = torch.empty(shape, dtype=x.dtype, device=x.device)
        torch.addcmul(
            norm.bias.reshape(heads), parted, norm.weight.reshape(heads),
            out=out.permute(0, 3, 2, 4, 1, 5),
        )  # fmt: skip
        return out.flatten(4)

    def _mlp(self, y: Tensor) -> Tensor:
        size = y[0].numel() * 4
        step = len(y) if y.is_cuda else max(1, _CACHED_FLOATS // size)
        parts = [
            self.narrow(functional.gelu(self.depthwise(self.widen(part))))
            for part in torch.split(y, step)
        ]
        return parts[0] if len(parts) == 1 else torch.cat(parts)


def _encoders(network: Met2Net) -> Sequence[Encoder]:
    return list(network.encoders)  # type: ignore[arg-type]


def _decoders(network: Met2Net) -> Sequence[Decoder]:
    return list(network.decoders)  # type: ignore[arg-type]


def _blocks(network: Met2Net) -> Sequence[TranslatorBlock]:
    return list(network.translator.blocks)  # type: ignore[arg-type]


def _conv_blocks(part: Encoder | Decoder) -> Sequence[ConvBlock]:
    return list(part.blocks)  # type: ignore[arg-type]


def _fixed(value: Tensor | None, *, channels_last: bool = False) -> nn.Parameter:
    """A constant that moves with the module to another device."""
    assert value is not None
    memory = torch.channels_last if channels_last else torch.contiguous_format
    return nn.Parameter(
        value.detach().clone().contiguous(memory_format=memory), requires_grad=False
    )


def _norm(norm: nn.GroupNorm) -> _GroupNorm:
    return _GroupNorm(norm.num_groups, norm.weight, norm.bias, norm.eps)


def _matrix(conv: nn.Conv2d) -> tuple[Tensor, Tensor | None]:
    """Weight (out, in) and bias of a 1 x 1 convolution."""
    return conv.weight.detach().flatten(1), conv.bias


def _affine(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Scale and shift, float64, of a BatchNorm in eval mode."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight.detach().double() / (norm.running_var.double() + norm.eps).sqrt()
    return scale, norm.bias.detach().double() - norm.running_mean.double() * scale


def _after(conv: nn.Conv2d, scale: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """Weight and bias of conv(scale x + shift)."""
    weight, bias = _doubles(conv)
    return (weight * scale).to(conv.weight.dtype), (bias + weight @ shift).to(conv.weight.dtype)


def _before(conv: nn.Conv2d, factor: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """Weight and bias of factor (conv(x) + shift)."""
    weight, bias = _doubles(conv)
    scaled = (factor[:, None] * weight).to(conv.weight.dtype)
    return scaled, (factor * (bias + shift)).to(conv.weight.dtype)


def _doubles(conv: nn.Conv2d) -> tuple[Tensor, Tensor]:
    weight, bias = _matrix(conv)
    assert bias is not None
    return weight.double(), bias.detach().double()
