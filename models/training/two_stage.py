"""The implicit two-stage step of Met2Net (paper, section 3.4), with exact gradients by default.

Stage 1 teaches encoders and decoders, looking through a slowly moving copy of the translator;
stage 2 teaches the translator to map encoded inputs to encoded targets, encoders held still. No
module gets gradient from both, so one backward pass serves them together.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from met2net_ops.models.met2net.network import Met2Net
    from met2net_ops.models.training.settings import MomentumUpdate


@dataclass(frozen=True)
class Losses:
    """What one batch cost; mean squared errors in the network's output space.

    Attributes:
        total: what is minimised.
        reconstruction: of the fields (stage 1); the whole of it in end-to-end training.
        latent: of the translated latent (stage 2); 0 in end-to-end training.
        prediction: of the forecast that inference would give; NaN where it was not asked for.
    """

    total: float
    reconstruction: float
    latent: float
    prediction: float


def mean_squared_error(out: Tensor, target: Tensor, weights: Tensor | None) -> Tensor:
    """Mean of (out - target)², each row of points times its weight where weights are given.

    Args:
        out: (…, H, W).
        target: (…, H, W).
        weights: (H, 1) with mean 1, or None.
    """
    if weights is None:
        return functional.mse_loss(out, target)
    return (torch.square(out - target) * weights).mean()


class TwoStage(nn.Module):
    """The network, the momentum copy of its translator, and the step that trains both.

    The published code keeps copies of encoders and decoders as well; they equal the originals
    whenever they are used, so the originals serve, and x is encoded once for both stages.

    Args:
        network: trained in place.
        momentum: m in  translator copy ← m · copy + (1 - m) · translator.
        momentum_update: `after-backward` gives the exact gradient of the loss; `as-published`
            moves the copy between forward and backward, so that stage 1's gradient runs through
            weights that did not make the forward pass.
        row_weights: (H, 1) weights of the field loss, or None.
        report_prediction: whether to compute the forecast's error as well; it trains nothing.
    """

    def __init__(
        self,
        network: Met2Net,
        momentum: float = 0.9,
        momentum_update: MomentumUpdate = "after-backward",
        row_weights: Tensor | None = None,
        *,
        report_prediction: bool = False,
    ) -> None:
        super().__init__()
        self.network = network
        self.momentum_translator = copy.deepcopy(network.translator).requires_grad_(False)
        self.momentum = momentum
        self.momentum_update = momentum_update
        self.report_prediction = report_prediction
        self.register_buffer("row_weights", row_weights, persistent=False)
        self.row_weights: Tensor | None

    def backward(self, x: Tensor, y: Tensor) -> Losses:
        """One forward and one backward pass; the translator copy moves, gradients are added.

        Args:
            x: (B, T, C + F, H, W) inputs.
            y: (B, T, C, H, W) targets.
        """
        total, losses = self._losses(x, y, self.momentum_translator)
        if self.momentum_update == "as-published":
            self._move_copy()
        total.backward()  # type: ignore[no-untyped-call]
        if self.momentum_update == "after-backward":
            self._move_copy()
        return losses

    @torch.no_grad()
    def evaluate(self, x: Tensor, y: Tensor) -> Losses:
        """The losses in evaluation mode; nothing changes, the translator copy included.

        As in the published code, the copy normalises by the batch also here (there, and not here,
        that moves its running statistics, and the copy itself is moved).
        """
        was_training = self.training
        self.eval()
        translator = copy.deepcopy(self.momentum_translator)
        for module in translator.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.train()
        try:
            return self._losses(x, y, translator)[1]
        finally:
            self.train(was_training)

    def _losses(self, x: Tensor, y: Tensor, stage_one: nn.Module) -> tuple[Tensor, Losses]:
        network = self.network
        encoded = network.encode(x)
        decoded = network.decode(stage_one(encoded))
        reconstruction = mean_squared_error(decoded, y, self.row_weights)
        with torch.no_grad():
            wanted = network.encode(y)
        translated = network.translate(encoded.detach())
        latent = functional.mse_loss(translated, wanted)
        prediction = torch.full((), torch.nan)
        if self.report_prediction:
            with torch.no_grad():
                prediction = mean_squared_error(network.decode(translated), y, self.row_weights)
        total = reconstruction + latent
        parts = torch.stack([total, reconstruction, latent, prediction.to(total)]).tolist()
        return total, Losses(*parts)

    def _move_copy(self) -> None:
        """Parameters only: the copy's BatchNorm statistics are its own."""
        pairs = zip(
            self.momentum_translator.parameters(), self.network.translator.parameters(), strict=True
        )
        for slow, fast in pairs:
            # Given new data, not changed in place: in the published order backward then sees the
            # new weights where it kept the parameter itself, the old ones where it kept a view.
            slow.data = slow.data * self.momentum + fast.data * (1.0 - self.momentum)
