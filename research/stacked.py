"""A baseline: all variables stacked as channels of one encoder, in the manner of SimVP and TAU.

Encoder, TAU blocks over time and space, decoder with a skip from the encoder's first block (Gao et
al., SimVP, CVPR 2022, arXiv 2206.05099; Tan et al., TAU, CVPR 2023, arXiv 2206.12126). It is the
baseline of Met2Net's ablation: what is left without an encoder per variable, without attention
across variables, without the second stage. Layers are Met2Net's own, so that nothing else differs.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from met2net_ops.models.met2net.layers import ConvBlock, Tau
from met2net_ops.models.met2net.network import Met2Net, pad_to_stride

if TYPE_CHECKING:
    from met2net_ops.models.met2net.config import NetworkConfig

_CHANNEL_STEP = 2
_SPATIAL_WIDENING = 2


@dataclass(frozen=True)
class StackedSizes:
    """How wide the baseline is.

    Attributes:
        hid_s: channels of the one encoder and decoder.
        hid_t: channels of the TAU blocks.
    """

    hid_s: int
    hid_t: int


class StackedTau(nn.Module):
    """(B, T, C + F, H, W) -> (B, T, C, H, W), with one encoder for all variables and forcings.

    Args:
        config: frames, variables, forcings, grid, number of blocks and drop-path, as Met2Net's.
        sizes: its own widths.
    """

    def __init__(self, config: NetworkConfig, sizes: StackedSizes) -> None:
        super().__init__()
        self.config, self.sizes = config, sizes
        periodic, hid_s = config.periodic_longitude, sizes.hid_s
        self.encoder = nn.ModuleList(
            ConvBlock(
                config.tokens if i == 0 else hid_s, hid_s, stride=1 + i % 2, periodic=periodic
            )
            for i in range(config.n_s)
        )
        latent = config.input_frames * hid_s
        self.project_in = nn.Conv2d(latent, sizes.hid_t, 1)
        self.blocks = nn.ModuleList(
            Tau(sizes.hid_t, drop_path=config.drop_path, periodic=periodic)
            for _ in range(config.n_t)
        )
        self.project_out = nn.Conv2d(sizes.hid_t, latent, 1)
        self.decoder = nn.ModuleList(
            ConvBlock(hid_s, hid_s, up=i % 2 == 0, periodic=periodic) for i in range(config.n_s)
        )
        self.readout = nn.Conv2d(hid_s, config.variables, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Forecast normalised fields from normalised fields."""
        batch, frames = x.shape[:2]
        z = pad_to_stride(x.flatten(0, 1), self.config.stride)
        z = first = self.encoder[0](z)
        for block in self.encoder[1:]:
            z = block(z)
        height, width = z.shape[-2:]
        z = self.project_in(z.reshape(batch, -1, height, width))
        for block in self.blocks:
            z = block(z)
        z = self.project_out(z).reshape(batch * frames, -1, height, width)
        for block in self.decoder[:-1]:
            z = block(z)
        # SimVP's skip: input frame t to output frame t.
        z = self.decoder[-1](z + first)
        out: Tensor = self.readout(z).reshape(
            batch, frames, self.config.variables, *first.shape[-2:]
        )
        return out[..., : self.config.height, : self.config.width]


def parameters_of(network: nn.Module) -> int:
    """How many numbers it learns."""
    return sum(parameter.numel() for parameter in network.parameters())


def equal_sizes(config: NetworkConfig) -> StackedSizes:
    """The widths that make the baseline's parameter count nearest to Met2Net's of this shape.

    The encoder is twice as wide as one of Met2Net's, because all variables share it; the TAU
    blocks take what is left.
    """
    with torch.device("meta"):
        wanted = parameters_of(Met2Net(config))
        hid_s = _SPATIAL_WIDENING * config.hid_s

        def count(hid_t: int) -> int:
            return parameters_of(StackedTau(config, StackedSizes(hid_s, hid_t)))

        last = 1
        while count(last * _CHANNEL_STEP) < wanted:
            last *= 2
        above = bisect_left(range(last), wanted, key=lambda steps: count(steps * _CHANNEL_STEP))
        nearest = min(
            (max(1, above - 1) * _CHANNEL_STEP, max(1, above) * _CHANNEL_STEP),
            key=lambda hid_t: abs(count(hid_t) - wanted),
        )
    return StackedSizes(hid_s, nearest)


def build_stacked(config: NetworkConfig) -> StackedTau:
    """The baseline with as many parameters as Met2Net of this shape."""
    return StackedTau(config, equal_sizes(config))
