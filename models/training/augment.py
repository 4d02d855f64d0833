"""Changes to training windows that teach a small data set more."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from met2net_ops.models.training.samples import Batch


def shift_level(
    batch: Batch, starts: NDArray[np.int64], spread: float, seed: int, step: int
) -> Batch:
    """Add one random constant to each window and variable, in frames and targets alike.

    The increments stay what they were: the network learns that a milder week changes from hour to
    hour much as a colder one does. Worth it where the training time is so short that its level is
    an accident.

    Args:
        batch: normalised windows.
        starts: first frame of each window. With seed and step it decides the constants, so that a
            resumed run, and one of several processes, sees the same.
        spread: standard deviation of the constants, in standard deviations of the variable.
        seed: of the run.
        step: optimiser step.
    """
    variables = batch.frames.shape[2]
    constants = [
        np.random.default_rng((seed, step, int(start))).normal(0.0, spread, variables)
        for start in starts
    ]
    shift = torch.from_numpy(np.stack(constants).astype(np.float32))[:, None, :, None, None]
    shift = shift.to(batch.frames.device)
    linear = batch.linear + shift if batch.linear.ndim > 2 else batch.linear
    return replace(batch, frames=batch.frames + shift, targets=batch.targets + shift, linear=linear)


def stretch(batch: Batch, starts: NDArray[np.int64], spread: float, seed: int, step: int) -> Batch:
    """Multiply each window's departures from the mean of its input frames by one random factor.

    A clear day's cycle is a cloudy day's, only larger: the network learns to read how large from
    the frames it is given, and not to expect the sizes of the few weeks it saw.

    Args:
        batch: normalised windows.
        starts: first frame of each window; decides the factors with seed and step.
        spread: standard deviation of the factor's logarithm.
        seed: of the run.
        step: optimiser step.
    """
    factors = [
        np.exp(np.random.default_rng((seed, step, int(start), 1)).normal(0.0, spread))
        for start in starts
    ]
    like = batch.frames
    factor = torch.tensor(factors, dtype=like.dtype, device=like.device)[:, None, None, None, None]
    # Of the input alone: a mean with the targets in it would show the network their level.
    mean = batch.frames.mean(dim=1, keepdim=True)
    frames, targets, linear = (
        mean + factor * (part - mean) if part.ndim > 2 else part
        for part in (batch.frames, batch.targets, batch.linear)
    )
    return replace(batch, frames=frames, targets=targets, linear=linear)
