"""The two-stage step with its missing link: what an encoded target means to the decoder.

Stage 2 moves the translator towards encode(y), stage 1 makes the decoder read translate(encode(x)).
Nothing but the translator's own success ties the two: where encode(y) says little about y, because
the encoder only ever saw x, the translator learns to say little. A third term makes
decode(encode(y)) equal y.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from met2net_ops.models.training.two_stage import TwoStage, mean_squared_error

if TYPE_CHECKING:
    from torch import Tensor, nn


class TiedTwoStage(TwoStage):
    """`TwoStage`, and encoders and decoders learn to restore the targets as well."""

    def _parts(self, x: Tensor, y: Tensor, stage_one: nn.Module) -> tuple[Tensor, Tensor]:
        total, parts = super()._parts(x, y, stage_one)
        restored = self.network.decode(self.network.encode(y))
        total = total + mean_squared_error(restored, y, self.row_weights)
        return total, torch.cat([total.detach()[None], parts[1:]])
