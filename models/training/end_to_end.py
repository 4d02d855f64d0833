"""The plain step: one loss, one gradient through encoders, translator and decoders together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from met2net_ops.models.training.two_stage import Losses, mean_squared_error

if TYPE_CHECKING:
    from met2net_ops.models.met2net.network import Met2Net


class EndToEnd(nn.Module):
    """The network and the plain step on it.

    Args:
        network: trained in place.
        row_weights: (H, 1) weights of the field loss, or None.
    """

    def __init__(self, network: Met2Net, row_weights: Tensor | None = None) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("row_weights", row_weights, persistent=False)
        self.row_weights: Tensor | None

    def backward(self, x: Tensor, y: Tensor) -> Losses:
        """One forward and one backward pass; gradients are added."""
        loss = self.loss(x, y)
        loss.backward()  # type: ignore[no-untyped-call]
        value = loss.item()
        return Losses(value, value, 0.0, value)

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """What `backward` minimises; nothing changes but the BatchNorm statistics."""
        return mean_squared_error(self.network(x), y, self.row_weights)
