"""Met2Net rearranged for inference: equal output, about half the time on a CPU.

What a trained network in eval mode allows, and what each step buys is in docs/models.md:

- BatchNorm and layer scales are folded into the 1 x 1 convolutions beside them;
- all maps are kept channels-last, where 1 x 1 convolutions are matrix products and depth-wise
  convolutions read memory in order;
- the depth-wise 7 x 7 convolution of dilation 3 gets its columns padded first, which avoids
  the library's slow path;
- the pixel shuffle's channels are sorted so that it moves long runs of memory;
- the widened maps of the MLP are made for a few tokens at a time, so that they stay in cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from met2net_ops.models.met2net.channels_last import (
    Depthwise,
    FastConvBlock,
    TokenNorm,
    constant,
)
from met2net_ops.models.met2net.config import ATTENTION_HEADS
from met2net_ops.models.met2net.folding import affine, after_affine, before_affine, matrix
from met2net_ops.models.met2net.network import pad_to_stride
from met2net_ops.models.met2net.packed import PackedLinear

if TYPE_CHECKING:
    from collections.abc import Sequence

    from met2net_ops.models.met2net.layers import ConvBlock, TranslatorBlock
    from met2net_ops.models.met2net.network import Decoder, Encoder, Met2Net

_CACHED_FLOATS = 2**19  # 2 MiB of float32: about what a core keeps near


class FastMet2Net(nn.Module):
    """The same function as the `Met2Net` it is made from, in eval mode.

    (B, T, C + F, H, W) -> (B, T, C, H, W). Made once after loading; the network it was made from
    is not changed and may be dropped.
    """

    def __init__(self, network: Met2Net, *, pack: bool = True) -> None:
        """Rearrange a network on its device.

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
        self.project_in = PackedLinear(*matrix(translator.project_in), pack=pack)
        self.project_out = PackedLinear(*matrix(translator.project_out), pack=pack)
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


class _FastEncoder(nn.Module):
    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(FastConvBlock(block) for block in _conv_blocks(encoder))

    def forward(self, frames: Tensor) -> Tensor:
        """(n, 1, H, W) -> (n, h, w, hid_s)."""
        x = frames.permute(0, 2, 3, 1).contiguous()
        for block in self.blocks:
            x = block(x)
        return x


class _FastDecoder(nn.Module):
    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(FastConvBlock(block) for block in _conv_blocks(decoder))
        self.readout = PackedLinear(*matrix(decoder.readout), pack=False)

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
            PackedLinear(matrix(part.conv)[0], None, pack=pack) for part in parts
        )
        self.norms = nn.ModuleList(TokenNorm(part.norm) for part in parts)
        self.output = PackedLinear(matrix(attention.output.conv)[0], None, pack=pack)
        self.norm_output = TokenNorm(attention.output.norm)
        self.norm_attention = TokenNorm(block.norm_attention)
        self.norm_tau = TokenNorm(block.norm_tau)

        spatial, channel = tau.spatial, tau.channel
        scale, shift = affine(tau.norm_spatial)
        self.project_in = PackedLinear(*after_affine(spatial.project_in, scale, shift), pack=pack)
        self.near = Depthwise(spatial.near)
        self.far = Depthwise(spatial.far)
        self.mix = PackedLinear(*matrix(spatial.mix), pack=pack)
        # x + s (P(g) + scale x + shift) = (1 + s scale) x + (s P)(g) + s shift
        s = tau.scale_spatial.detach().double()
        self.keep = constant((1 + s * scale).to(tau.scale_spatial.dtype))
        self.project_out = PackedLinear(*before_affine(spatial.project_out, s, shift), pack=pack)

        scale, shift = affine(tau.norm_channel)
        self.widen = PackedLinear(*after_affine(channel.widen, scale, shift), pack=pack)
        self.depthwise = Depthwise(channel.depthwise)
        s = tau.scale_channel.detach().double()
        self.narrow = PackedLinear(
            *before_affine(channel.narrow, s, torch.zeros_like(s)), pack=pack
        )

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
        assert isinstance(norm, TokenNorm)
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
