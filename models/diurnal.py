"""Diurnal persistence: yesterday's values at the same hours, plus a part of today's change.

With 24 hours of frames, x(t + L) is taken to be x(t + L - 24 h) plus a part of what has
changed since the same hour yesterday. A network that has only to correct this spends nothing on the
daily cycle; the form is linear, so it also fits days clearer or cloudier than any in training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    Frames = TypeVar("Frames", Tensor, NDArray[np.float64])


def change_since_yesterday(frames: Frames) -> Frames:
    """(B, 1, C, H, W): last frame minus the one a day before it.

    The window begins one hour too late for that; the frame before it is extrapolated from the
    first two.

    Args:
        frames: (B, T, C, H, W), T of them making a day.
    """
    return frames[:, -1:] - 2 * frames[:, :1] + frames[:, 1:2]


def daily_forecast(frames: Frames, memory: Frames) -> Frames:
    """(B, T, C, H, W) from (B, T, C, H, W), which is the day before.

    Args:
        frames: T frames that make a day, in any unit.
        memory: (T, C, 1, 1) what part of the change since yesterday is left at each lead.
    """
    return frames + memory * change_since_yesterday(frames)
