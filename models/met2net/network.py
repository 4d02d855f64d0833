"""Met2Net (Li et al., ICCV 2025, arXiv 2507.17189): encoders, translator, decoders.

This is the form that trains and the reference for the faster form in `inference.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from met2net_ops.models.met2net.layers import ConvBlock, TranslatorBlock

if TYPE_CHECKING:
    from met2net_ops.models.met2net.config import NetworkConfig


class Encoder(nn.Module):
    """One variable's encoder, applied to every frame by itself."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            ConvBlock(
                1 if i == 0 else config.hid_s,
                config.hid_s,
                stride=1 + i % 2,
                periodic=config.periodic_longitude,
            )
            for i in range(config.n_s)
        )

    def forward(self, frames: Tensor) -> Tensor:
        """(n, 1, H, W) -> (n, hid_s, h, w)."""
        for block in self.blocks:
            frames = block(frames)
        return frames


class Decoder(nn.Module):
    """One variable's decoder: the encoder's pattern in reverse, then one channel."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            ConvBlock(config.hid_s, config.hid_s, up=i % 2 == 0, periodic=config.periodic_longitude)
            for i in range(config.n_s)
        )
        self.readout = nn.Conv2d(config.hid_s, 1, 1)

    def forward(self, latent: Tensor) -> Tensor:
        """(n, hid_s, h, w) -> (n, 1, H, W)."""
        for block in self.blocks:
            latent = block(latent)
        frames: Tensor = self.readout(latent)
        return frames


class Translator(nn.Module):
    """Moves the latents from the input frames to the target frames; variables are tokens."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.project_in = nn.Conv2d(config.latent_channels, config.hid_t, 1)
        self.blocks = nn.ModuleList(
            TranslatorBlock(
                config.hid_t, drop_path=config.drop_path, periodic=config.periodic_longitude
            )
            for _ in range(config.n_t)
        )
        self.project_out = nn.Conv2d(config.hid_t, config.latent_channels, 1)
        self.variables = config.variables

    def forward(self, latent: Tensor) -> Tensor:
        """(B, C + F, T hid_s, h, w) -> (B, C, T hid_s, h, w)."""
        batch, tokens = latent.shape[:2]
        x = self.project_in(latent.flatten(0, 1))
        for block in self.blocks:
            x = block(x, tokens)
        x = x.reshape(batch, tokens, *x.shape[1:])[:, : self.variables]
        translated: Tensor = self.project_out(x.flatten(0, 1))
        return translated.reshape(batch, self.variables, *latent.shape[2:])


class Met2Net(nn.Module):
    """The network that inference uses.

    (B, T, C + F, H, W) -> (B, T, C, H, W); `encode`, `translator` and `decode` are its three
    parts, for training that treats them apart.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.encoders = nn.ModuleList(Encoder(config) for _ in range(config.tokens))
        self.translator = Translator(config)
        self.decoders = nn.ModuleList(Decoder(config) for _ in range(config.variables))

    def encode(self, x: Tensor, encoders: nn.ModuleList | None = None) -> Tensor:
        """Frames to latents.

        Sides that the stride does not divide are padded south and east with the edge's values.

        Args:
            x: (B, T, N, H, W) with N = C (targets) or C + F (inputs).
            encoders: others than its own, such as slow copies of them.

        Returns:
            (B, N, T hid_s, h, w).
        """
        batch, tokens = x.shape[0], x.shape[2]
        x = pad_to_stride(x.flatten(0, 1), self.config.stride)
        encoders = self.encoders if encoders is None else encoders
        latents = [encoders[i](x[:, i : i + 1]) for i in range(tokens)]
        height, width = latents[0].shape[-2:]
        return torch.stack([latent.reshape(batch, -1, height, width) for latent in latents], dim=1)

    def translate(self, latent: Tensor) -> Tensor:
        """(B, C + F, T hid_s, h, w) -> (B, C, T hid_s, h, w)."""
        translated: Tensor = self.translator(latent)
        return translated

    def decode(self, latent: Tensor) -> Tensor:
        """(B, C, T hid_s, h, w) -> (B, T, C, H, W), padding cropped."""
        batch, height, width = latent.shape[0], *latent.shape[-2:]
        fields = [
            decoder(latent[:, i].reshape(-1, self.config.hid_s, height, width))
            for i, decoder in enumerate(self.decoders)
        ]
        out = torch.cat(fields, dim=1)
        out = out.reshape(batch, self.config.input_frames, *out.shape[1:])
        return out[..., : self.config.height, : self.config.width]

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C + F, H, W) -> (B, T, C, H, W), normalised fields both."""
        return self.decode(self.translate(self.encode(x)))


def pad_to_stride(x: Tensor, stride: int) -> Tensor:
    """(n, c, H, W) padded south and east to multiples of the stride by repeating the edge."""
    south, east = -x.shape[-2] % stride, -x.shape[-1] % stride
    return functional.pad(x, (0, east, 0, south), mode="replicate") if south or east else x
