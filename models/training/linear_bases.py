"""The linear form's forecasts of training windows, each computed once."""

from __future__ import annotations

import tempfile
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.models.linear import HISTORY_DAYS, LEAST_DAYS, LinearForm, frames_per_day

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from met2net_ops.models.training.frames import FlatFrames


class LinearBases:
    """Forecasts of `linear-online` from the last frame of each window, on disk once computed.

    Args:
        frames: the series; what comes before a window is read as far as the form reaches.
        frames_in: frames per window.

    Raises:
        ValueError: a day has fewer than two frames, or is no multiple of the step.
    """

    def __init__(self, frames: FlatFrames, frames_in: int) -> None:
        day = frames_per_day(frames.step)
        if day is None:
            raise ValueError(f"frames {frames.step} apart have no daily cycle")
        self._frames, self._frames_in = frames, frames_in
        self._form = LinearForm(day)
        self._kept: dict[int, NDArray[np.float32]] = {}

    def forecasts(self, starts: NDArray[np.int64], leads: int) -> NDArray[np.float32]:
        """(n, lead, variable, latitude, longitude), in the variables' units.

        NaN for a window without `LEAST_DAYS` of complete frames up to its last.
        """
        kept = self._kept.get(leads)
        shape = (leads, len(self._frames.variables), *self._frames.grid.shape)
        if kept is None:
            with tempfile.TemporaryFile() as file:
                kept = np.memmap(file, np.float32, "w+", shape=(len(self._frames), *shape))
            self._kept[leads] = kept
        out = np.empty((len(starts), *shape), dtype=np.float32)
        for case, start in enumerate(starts):
            # A file with holes reads as zeros, and no forecast is 0 everywhere.
            if not kept[start].any():
                kept[start] = self._forecast(int(start), leads)
            out[case] = kept[start]
        return out

    def known(self, starts: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(n,) whether the days that the form needs are complete."""
        ends = starts + self._frames_in
        needed = LEAST_DAYS * self._form.day
        first, last = max(0, int(ends.min()) - needed), int(ends.max())
        whole = np.isfinite(self._frames.read(first, last - first)).all(axis=(1, 2, 3))
        counts = np.concatenate([[0], np.cumsum(whole)])
        begins = np.maximum(ends - needed - first, 0)
        return np.asarray(counts[ends - first] - counts[begins] == needed)

    def _forecast(self, start: int, leads: int) -> NDArray[np.float32]:
        shape = (leads, len(self._frames.variables), *self._frames.grid.shape)
        out = np.full(shape, np.nan, dtype=np.float32)
        if not self.known(np.array([start]))[0]:
            return out
        end = start + self._frames_in
        first = max(0, end - HISTORY_DAYS * self._form.day)
        history = self._frames.read(first, end - first)
        for number in range(shape[1]):
            read = partial(_part, history[:, number])
            areas = self._frames.grid.cell_areas
            out[:, number] = self._form.forecast(read, len(history), leads, areas)
        return out


def _part(values: NDArray[np.float32], first: int, count: int) -> NDArray[np.float32]:
    return values[first : first + count]
