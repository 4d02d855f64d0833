"""Several blocks, each fed with the one before: to forecast, and to train through them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from met2net_ops.models.training.two_stage import Losses, mean_squared_error

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from met2net_ops.models.met2net.network import Met2Net
    from met2net_ops.models.training.samples import Batch, Samples


def rollout_backward(
    network: Met2Net, samples: Samples, batch: Batch, weights: Tensor | None
) -> Losses:
    """Roll the batch forward block by block and add the gradients of the mean error of all.

    The first block's error is measured as in one-block training; later blocks' in units of the
    longest lead of one block, because a small error there need not be small after one hour.
    """
    t = samples.network.frames
    frames = batch.frames
    total = first = torch.zeros((), device=frames.device)
    blocks = batch.targets.shape[1] // t
    for block in range(blocks):
        part = slice(block * t, (block + 1) * t)
        output = network(samples.inputs(frames, batch.forcings[:, part]))
        state = samples.state_from(frames, output, batch.linear[:, part])
        unit = samples.unit if block == 0 else samples.unit[-1:]
        loss = mean_squared_error(state / unit, batch.targets[:, part] / unit, weights)
        first = loss.detach() if block == 0 else first
        total = total + loss / blocks
        frames = state
    total.backward()  # type: ignore[no-untyped-call]
    return Losses(total.item(), total.item(), 0.0, first.item())


@torch.no_grad()
def base_forecast(samples: Samples, starts: NDArray[np.int64], leads: int) -> NDArray[np.float32]:
    """The forecast of a network whose output is 0: what `predict` starts from, as in `forecast`."""
    t = samples.network.frames
    blocks = -(-leads // t)
    frames, states = samples.batch(starts, 0).frames, []
    linear = samples.linear(starts, t * blocks)
    for first in range(0, blocks * t, t):
        part = linear[:, first : first + t]
        frames = samples.state_from(frames, torch.zeros_like(frames), part)
        states.append(frames)
    return samples.physical(torch.cat(states, dim=1)[:, :leads])


@torch.no_grad()
def forecast(
    network: Met2Net, samples: Samples, starts: NDArray[np.int64], leads: int
) -> NDArray[np.float32]:
    """(n, lead, variable, latitude, longitude) from the windows at `starts`, physical units."""
    t = samples.network.frames
    blocks = -(-leads // t)
    batch = samples.batch(starts, 0)
    forcings = samples.forcings(starts, t, blocks)
    linear = samples.linear(starts, t * blocks)
    frames, states = batch.frames, []
    for first in range(0, blocks * t, t):
        part = slice(first, first + t)
        output = network(samples.inputs(frames, forcings[:, part])).float()
        frames = samples.state_from(frames, output, linear[:, part])
        states.append(frames)
    return samples.physical(torch.cat(states, dim=1)[:, :leads])
