"""Met2Net written the plain way, step by step as in the paper, to time our network against.

It shares no code with `met2net_ops.models`, keeps the published parameter names (so a checkpoint's
`_q` part loads as it is) and serves the tests as a second, independent implementation. One loop
over variables, one module per operation, nothing merged, nothing rearranged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Mapping

HEADS = 8


class Conv(nn.Module):
    """Convolution, optional pixel shuffle, GroupNorm(2), SiLU."""

    def __init__(self, c_in: int, c_out: int, stride: int, up: bool) -> None:
        super().__init__()
        if up:
            self.conv: nn.Module = nn.Sequential(
                nn.Conv2d(c_in, 4 * c_out, 3, padding=1), nn.PixelShuffle(2)
            )
        else:
            self.conv = nn.Conv2d(c_in, c_out, 3, stride=stride, padding=(3 - stride + 1) // 2)
        self.norm = nn.GroupNorm(2, c_out)
        self.act = nn.SiLU()

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w)."""
        out: Tensor = self.act(self.norm(self.conv(x)))
        return out


class Wrapped(nn.Module):
    """One level of names."""

    def __init__(self, c_in: int, c_out: int, stride: int = 1, up: bool = False) -> None:
        super().__init__()
        self.conv = Conv(c_in, c_out, stride, up)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w)."""
        out: Tensor = self.conv(x)
        return out


class Encoder(nn.Module):
    """Strides 1, 2, 1, 2 and so on."""

    def __init__(self, hid_s: int, n_s: int) -> None:
        super().__init__()
        channels = [1] + [hid_s] * n_s
        self.enc = nn.Sequential(
            *(Wrapped(channels[i], hid_s, stride=2 if i % 2 else 1) for i in range(n_s))
        )

    def forward(self, x: Tensor) -> Tensor:
        """(n, 1, H, W) -> (n, hid_s, h, w)."""
        out: Tensor = self.enc(x)
        return out


class Decoder(nn.Module):
    """Up, 1, up, 1 and so on, and a readout."""

    def __init__(self, hid_s: int, n_s: int) -> None:
        super().__init__()
        self.dec = nn.Sequential(*(Wrapped(hid_s, hid_s, up=i % 2 == 0) for i in range(n_s)))
        self.readout = nn.Conv2d(hid_s, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(n, hid_s, h, w) -> (n, 1, H, W)."""
        out: Tensor = self.readout(self.dec(x))
        return out


class Attention(nn.Module):
    """Eight heads over channels, variables as tokens."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.q_Conv = nn.Sequential(nn.Conv2d(dim, dim, 1, bias=False), nn.GroupNorm(1, dim))
        self.k_Conv = nn.Sequential(nn.Conv2d(dim, dim, 1, bias=False), nn.GroupNorm(1, dim))
        self.v_Conv = nn.Sequential(nn.Conv2d(dim, dim, 1, bias=False), nn.GroupNorm(1, dim))
        self.v_post_f = nn.Sequential(
            nn.Conv2d(dim, dim, 1, bias=False), nn.GroupNorm(1, dim), nn.SiLU()
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, dim, h, w)."""
        b, c, dim, h, w = x.shape
        maps = x.reshape(b * c, dim, h, w)
        q = self.q_Conv(maps).reshape(b, c, HEADS, -1).transpose(1, 2)
        k = self.k_Conv(maps).reshape(b, c, HEADS, -1).transpose(1, 2)
        v = self.v_Conv(maps).reshape(b, c, HEADS, -1).transpose(1, 2)
        attention = torch.softmax(q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5, dim=-1)
        mixed = (attention @ v).transpose(1, 2).reshape(b * c, dim, h, w)
        out: Tensor = self.v_post_f(mixed)
        return out.reshape(b, c, dim, h, w)


class Gate(nn.Module):
    """Large-kernel attention: depth-wise 5 x 5, dilated 7 x 7, 1 x 1."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv0 = nn.Conv2d(dim, dim, 5, padding=2, groups=dim)
        self.conv_spatial = nn.Conv2d(dim, dim, 7, padding=9, groups=dim, dilation=3)
        self.conv1 = nn.Conv2d(dim, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(n, dim, h, w)."""
        keep = x.clone()
        out: Tensor = self.conv1(self.conv_spatial(self.conv0(x))) * keep
        return out


class Spatial(nn.Module):
    """1 x 1, GELU, gate, 1 x 1, plus the input."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj_1 = nn.Conv2d(dim, dim, 1)
        self.activation = nn.GELU()
        self.spatial_gating_unit = Gate(dim)
        self.proj_2 = nn.Conv2d(dim, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(n, dim, h, w)."""
        keep = x.clone()
        x = self.proj_2(self.spatial_gating_unit(self.activation(self.proj_1(x))))
        return x + keep


class DepthWise(nn.Module):
    """One level of names."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)

    def forward(self, x: Tensor) -> Tensor:
        """(n, dim, h, w)."""
        out: Tensor = self.dwconv(x)
        return out


class Mlp(nn.Module):
    """Widen, depth-wise, GELU, narrow."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(dim, 4 * dim, 1)
        self.dwconv = DepthWise(4 * dim)
        self.act = nn.GELU()
        self.fc2 = nn.Conv2d(4 * dim, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(n, dim, h, w)."""
        out: Tensor = self.fc2(self.act(self.dwconv(self.fc1(x))))
        return out


class Tau(nn.Module):
    """Without drop-path: it is off in inference."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(dim)
        self.attn = Spatial(dim)
        self.norm2 = nn.BatchNorm2d(dim)
        self.mlp = Mlp(dim)
        self.layer_scale_1 = nn.Parameter(1e-2 * torch.ones(dim))
        self.layer_scale_2 = nn.Parameter(1e-2 * torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        """(n, dim, h, w)."""
        x = x + self.layer_scale_1[:, None, None] * self.attn(self.norm1(x))
        return x + self.layer_scale_2[:, None, None] * self.mlp(self.norm2(x))


class FeedForward(nn.Module):
    """x + TAU(x)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.ff1 = Tau(dim)

    def forward(self, x: Tensor) -> Tensor:
        """(n, dim, h, w)."""
        return x + self.ff1(x)


class Block(nn.Module):
    """Attention, then feed-forward, each added and normalised."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.attn_1 = Attention(dim)
        self.norm_1 = nn.GroupNorm(1, dim)
        self.ff = FeedForward(dim)
        self.norm_2 = nn.GroupNorm(1, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, dim, h, w)."""
        shape = x.shape
        x = self.norm_1((x + self.attn_1(x)).reshape(-1, *shape[2:]))
        x = self.norm_2(x + self.ff(x))
        return x.reshape(shape)


class Translator(nn.Module):
    """1 x 1 in, blocks, 1 x 1 out."""

    def __init__(self, latent: int, dim: int, n_t: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(latent, dim, 1)
        self.layers = nn.ModuleList(Block(dim) for _ in range(n_t))
        self.conv2 = nn.Conv2d(dim, latent, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T hid_s, h, w)."""
        b, c, latent, h, w = x.shape
        x = self.conv1(x.reshape(b * c, latent, h, w)).reshape(b, c, -1, h, w)
        for layer in self.layers:
            x = layer(x)
        return self.conv2(x.reshape(b * c, -1, h, w)).reshape(b, c, latent, h, w)


class Straightforward(nn.Module):
    """(B, T, C, H, W) -> the same shape; sides must be multiples of the stride."""

    def __init__(self, t: int, c: int, hid_s: int, hid_t: int, n_t: int, n_s: int) -> None:
        super().__init__()
        self.enc_q_list = nn.ModuleList(Encoder(hid_s, n_s) for _ in range(c))
        self.hid_q = Translator(t * hid_s, hid_t, n_t)
        self.dec_q_list = nn.ModuleList(Decoder(hid_s, n_s) for _ in range(c))

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C, H, W)."""
        b, t, c, height, width = x.shape
        latents = []
        for i in range(c):
            latent = self.enc_q_list[i](x[:, :, i].reshape(b * t, 1, height, width))
            latents.append(latent.reshape(b, -1, *latent.shape[-2:]))
        translated = self.hid_q(torch.stack(latents, dim=1))
        fields = []
        for i in range(c):
            latent = translated[:, i].reshape(b * t, -1, *translated.shape[-2:])
            fields.append(self.dec_q_list[i](latent).reshape(b, t, height, width))
        return torch.stack(fields, dim=2)


def load_published(model: Straightforward, state: Mapping[str, Tensor]) -> None:
    """Load the `_q` part of a published state dict.

    Raises:
        RuntimeError: a parameter is missing.
    """
    own = {key.removeprefix("model."): value for key, value in state.items()}
    model.load_state_dict({name: own[name] for name in model.state_dict()})
