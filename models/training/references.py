"""What a trained network is judged against beyond persistence, and how far to trust its changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.models.linear import frames_per_day
from met2net_ops.models.training.linear_bases import LinearBases
from met2net_ops.models.training.scores import case_block
from met2net_ops.resampling import draw_counts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from met2net_ops.models.training.frames import FlatFrames
    from met2net_ops.models.training.scores import Forecast

_CASES_AT_ONCE = 8
_RESAMPLES = 1000


def linear_reference(frames: FlatFrames, frames_in: int, leads: int) -> Forecast | None:
    """The forecasts of `linear-online` from the frames up to each window's last one.

    Returns:
        (n,) first frames of windows -> (n, lead, variable, latitude, longitude), NaN where the days
        that the form needs are not complete; None if a day has fewer than two frames.
    """
    if frames_per_day(frames.step) is None:
        return None
    bases = LinearBases(frames, frames_in)
    return lambda starts: bases.forecasts(starts, leads)


def fit_increment(
    forecast: Forecast,
    base: Forecast,
    frames: FlatFrames,
    starts: NDArray[np.int64],
    frames_in: int,
    leads: int,
) -> tuple[float, ...]:
    """How much of the network's change to its base forecast to keep, per variable, from 0 to 1.

    The part that makes the squared error of `base + part x (forecast - base)` least over the
    validation windows, all leads together, less its standard error (circular block bootstrap): a
    network trained on few days says more than it knows, and few days cannot tell by how much.

    Args:
        forecast: of the network, (n,) starts -> (n, lead, variable, latitude, longitude).
        base: what it changes, likewise.
        frames: the series.
        starts: first frames of the validation windows, ascending.
        frames_in: frames per window.
        leads: of the forecasts.
    """
    areas = frames.grid.cell_areas
    cross, own = (np.zeros((len(starts), len(frames.variables))) for _ in range(2))
    for first in range(0, len(starts), _CASES_AT_ONCE):
        part = slice(first, first + _CASES_AT_ONCE)
        bases = base(starts[part]).astype(np.float64)
        changes = forecast(starts[part]) - bases
        truth = np.stack([frames.read(int(start) + frames_in, leads) for start in starts[part]])
        wanted = truth - bases
        # Relative to the error that is left at each lead, so that no lead outweighs the others.
        unit = np.square(wanted).mean(axis=(0, 3, 4), keepdims=True)
        unit[unit == 0] = 1.0
        cross[part] = (changes * wanted / unit * areas).sum(axis=(1, 3, 4))
        own[part] = (np.square(changes) / unit * areas).sum(axis=(1, 3, 4))
    smallest = np.finfo(np.float64).tiny
    best = cross.sum(axis=0) / np.maximum(own.sum(axis=0), smallest)
    block = case_block(starts, leads)
    counts = draw_counts(len(starts), block, _RESAMPLES, np.random.default_rng(0), circular=True)
    drawn = (counts @ cross) / np.maximum(counts @ own, smallest)
    return tuple(float(part) for part in np.clip(best - drawn.std(axis=0), 0.0, 1.0))
