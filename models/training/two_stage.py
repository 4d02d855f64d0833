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
    from met2net_ops.models.training.settings import MomentumOf, MomentumUpdate


@dataclass(frozen=True)
class Losses:
    """What one batch cost; mean squared errors in the network's output space.

    Attributes:
        total: what is minimised.
        reconstruction: of the fields (stage 1); the whole of it in end-to-end training.
        latent: of the translated latent (stage 2); 0 in end-to-end training.
        prediction: of the forecast that inference would give; NaN where it is not computed.
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
    """The network, its slow copies, and the step that trains the network through them.

    The published code copies encoders and decoders too, at every step; those copies equal
    the originals whenever they are used, so with `momentum_of="translator"` the originals serve and
    x is encoded once for both stages. A copy of the decoders would train nothing in either form.

    Args:
        network: trained in place.
        momentum: m in  copy <- m copy + (1 - m) original.
        momentum_update: `after-backward` gives the exact gradient of the loss; `as-published`
            moves the copies between forward and backward, so that stage 1's gradient runs through
            weights that did not make the forward pass.
        row_weights: (H, 1) weights of the field loss, or None.
        momentum_of: `everything`: stage 2 sees the latents of slowly moving encoders, as in the
            paper; `translator`: those of the encoders themselves, as in the published code.
        report_prediction: whether to compute the forecast's error as well; it trains nothing.
    """

    def __init__(
        self,
        network: Met2Net,
        momentum: float = 0.9,
        momentum_update: MomentumUpdate = "after-backward",
        row_weights: Tensor | None = None,
        *,
        momentum_of: MomentumOf = "everything",
        report_prediction: bool = False,
    ) -> None:
        super().__init__()
        self.network = network
        self.momentum_translator = copy.deepcopy(network.translator).requires_grad_(False)
        self.momentum_encoders = (
            copy.deepcopy(network.encoders).requires_grad_(False)
            if momentum_of == "everything"
            else None
        )
        self.momentum = momentum
        self.momentum_update = momentum_update
        self.report_prediction = report_prediction
        self.register_buffer("row_weights", row_weights, persistent=False)
        self.row_weights: Tensor | None

    def backward(self, x: Tensor, y: Tensor) -> Losses:
        """One forward and one backward pass; the copies move, gradients are added.

        Args:
            x: (B, T, C + F, H, W) inputs.
            y: (B, T, C, H, W) targets.
        """
        total, parts = self._parts(x, y, self.momentum_translator)
        if self.momentum_update == "as-published":
            self._move_copies()
        total.backward()  # type: ignore[no-untyped-call]
        if self.momentum_update == "after-backward":
            self._move_copies()
        return Losses(*parts.tolist())

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """What `backward` minimises; nothing changes but the BatchNorm statistics."""
        return self._parts(x, y, self.momentum_translator)[0]

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
            return Losses(*self._parts(x, y, translator)[1].tolist())
        finally:
            self.train(was_training)

    def _parts(self, x: Tensor, y: Tensor, stage_one: nn.Module) -> tuple[Tensor, Tensor]:
        """The loss, and (4,) its parts without gradient, as in `Losses`."""
        network = self.network
        encoded = network.encode(x)
        decoded = network.decode(stage_one(encoded))
        reconstruction = mean_squared_error(decoded, y, self.row_weights)
        with torch.no_grad():
            slow = self.momentum_encoders
            seen = encoded.detach() if slow is None else network.encode(x, slow)
            wanted = network.encode(y, slow)
        translated = network.translate(seen)
        latent = functional.mse_loss(translated, wanted)
        prediction = torch.full((), torch.nan)
        if self.report_prediction:
            with torch.no_grad():
                prediction = mean_squared_error(network.decode(translated), y, self.row_weights)
        total = reconstruction + latent
        parts = (total, reconstruction, latent, prediction.to(total))
        return total, torch.stack([part.detach() for part in parts])

    def _move_copies(self) -> None:
        """Parameters only: the copies' BatchNorm statistics are their own."""
        pairs: list[tuple[nn.Module, nn.Module]] = [
            (self.momentum_translator, self.network.translator)
        ]
        if self.momentum_encoders is not None:
            pairs.append((self.momentum_encoders, self.network.encoders))
        for slow_module, module in pairs:
            for slow, fast in zip(slow_module.parameters(), module.parameters(), strict=True):
                # Given new data, not changed in place: in the published order backward then sees
                # the new weights where it kept the parameter itself, the old ones where it kept a
                # view.
                moved = slow.data.clone()  # keeps the layout, on which rounding depends
                slow.data = moved.mul_(self.momentum).add_(fast.data, alpha=1.0 - self.momentum)
