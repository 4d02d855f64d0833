"""Depth-wise convolution with a quick backward pass on CPUs.

The library's own gradient of a large depth-wise kernel takes forty times as long as its forward
pass on a CPU. Here the gradient of the input is a forward convolution with the mirrored kernel,
and that of the kernel a correlation taken through the Fourier transform.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


class DepthwiseConv(torch.autograd.Function):
    """A "same" convolution of every channel by itself, odd kernel, stride 1."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, dilation: int, wrap: bool
    ) -> Tensor:
        """(n, c, h, w), (c, 1, k, k), (c,) -> (n, c, h, w).

        Args:
            ctx: autograd's.
            x: maps.
            weight: one kernel per channel.
            bias: one number per channel.
            dilation: distance of the kernel's points.
            wrap: whether the last column is next to the first; else zeros lie beyond all edges.
        """
        ctx.save_for_backward(x, weight)
        ctx.dilation, ctx.wrap = dilation, wrap
        return _convolve(x, weight, bias, dilation, wrap)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of x, weight and bias."""
        x, weight = ctx.saved_tensors
        (g,) = gradients
        mirrored = weight.flip(-2, -1)
        x_grad = (
            _convolve(g, mirrored, None, ctx.dilation, ctx.wrap)
            if ctx.needs_input_grad[0]
            else None
        )
        weight_grad = (
            _correlate(x, g, weight.shape[-1], ctx.dilation, ctx.wrap)
            if ctx.needs_input_grad[1]
            else None
        )
        bias_grad = g.sum((0, 2, 3)) if ctx.needs_input_grad[2] else None
        return x_grad, weight_grad, bias_grad, None, None


def _convolve(x: Tensor, weight: Tensor, bias: Tensor | None, dilation: int, wrap: bool) -> Tensor:
    reach = dilation * (weight.shape[-1] - 1) // 2
    # Padded here even with zeros: the library's own padding of columns is slow at this dilation.
    x = functional.pad(x, (reach, reach, 0, 0), mode="circular" if wrap else "constant")
    return functional.conv2d(
        x, weight, bias, padding=(reach, 0), dilation=dilation, groups=x.shape[1]
    )


def _correlate(x: Tensor, g: Tensor, kernel: int, dilation: int, wrap: bool) -> Tensor:
    """(c, 1, k, k): sum over maps and points of x, shifted by each kernel point, times g."""
    height, width = x.shape[-2:]
    reach = dilation * (kernel - 1) // 2
    # Room for the shifts, so that what leaves one edge does not come in at the other.
    size = (_quick_length(height + reach), width if wrap else _quick_length(width + reach))
    spectrum = (torch.fft.rfft2(x, s=size) * torch.fft.rfft2(g, s=size).conj()).sum(0)
    lags = torch.arange(-reach, reach + 1, dilation, device=x.device)
    summed: Tensor = torch.fft.irfft2(spectrum, s=size)
    return summed[:, lags][:, :, lags][:, None]


def _quick_length(least: int) -> int:
    """The next length that Fourier transforms like: 1, 3 or 5 times a power of two, 8 at least.

    >>> _quick_length(41)
    48
    """
    return min(
        factor << power
        for factor in (1, 3, 5)
        for power in range(3, 24)
        if factor << power >= least
    )
