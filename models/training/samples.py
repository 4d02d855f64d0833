"""From windows of frames to what the network sees and should say, and back to physical units."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from met2net_ops.models.diurnal import daily_forecast
from met2net_ops.models.forcings import forcing_fields
from met2net_ops.models.training.linear_bases import LinearBases
from met2net_ops.times import to_datetime64

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import Tensor

    from met2net_ops.models.training.frames import FlatFrames
    from met2net_ops.models.training.settings import NetworkSettings, Normalise
    from met2net_ops.models.training.statistics import Statistics


@dataclass(frozen=True)
class Batch:
    """Some windows, normalised.

    Attributes:
        frames: (B, T, C, H, W) input frames.
        targets: (B, blocks T, C, H, W) what followed.
        forcings: (B, blocks T, F, H, W) at the targets' times.
        linear: (B, blocks T, C, H, W) the linear form's forecast, which the network corrects; of
            size 0 where it corrects something else.
    """

    frames: Tensor
    targets: Tensor
    forcings: Tensor
    linear: Tensor


class Samples:
    """Makes batches, and knows the network's output space.

    Args:
        frames: the series; its variables are the network's.
        network: frames in and out, forcings, what is predicted.
        statistics: of the training period.
        static: (latitude, longitude) fields of the static forcings.
        normalise: how.
    """

    def __init__(
        self,
        frames: FlatFrames,
        network: NetworkSettings,
        statistics: Statistics,
        static: Mapping[str, NDArray[np.float32]],
        normalise: Normalise = "mean-std",
    ) -> None:
        self.frames = frames
        self.network = network
        self.static = static
        self.device = torch.device("cpu")
        offset, scale = statistics.normalisation(normalise)
        self._offset, self._scale = offset[:, None, None], scale[:, None, None]
        increment = statistics.increment_std / scale
        if network.predict == "state":
            increment = np.ones_like(increment)
        # (T, C, 1, 1): one unit of the network's output, in normalised units.
        self.unit = torch.from_numpy(increment.astype(np.float32))[:, :, None, None]
        memory = statistics.daily_memory
        self._linear = LinearBases(frames, network.frames) if network.predict == "linear" else None
        self._memory = (
            torch.zeros(())
            if memory is None
            else torch.from_numpy(memory.astype(np.float32))[:, :, None, None]
        )

    def on(self, device: torch.device) -> Samples:
        """The same, giving batches on a device."""
        moved = copy.copy(self)
        moved.device, moved.unit = device, self.unit.to(device)
        moved._memory = self._memory.to(device)
        return moved

    def batch(self, starts: NDArray[np.int64], blocks: int = 1) -> Batch:
        """The windows that begin at these frames: T frames in, `blocks` T frames to predict."""
        t = self.network.frames
        windows = np.stack([self.frames.read(int(start), t * (1 + blocks)) for start in starts])
        windows = ((windows - self._offset) / self._scale).astype(np.float32)
        normalised = torch.from_numpy(windows).to(self.device)
        forcings, linear = self.forcings(starts, t, blocks), self.linear(starts, t * blocks)
        return Batch(normalised[:, :t], normalised[:, t:], forcings, linear)

    def linear(self, starts: NDArray[np.int64], leads: int) -> Tensor:
        """(n, leads, C, H, W) normalised forecasts of the linear form; of size 0 without it."""
        if self._linear is None:
            return torch.empty((len(starts), 0), device=self.device)
        values = (self._linear.forecasts(starts, leads) - self._offset) / self._scale
        return torch.from_numpy(values.astype(np.float32)).to(self.device)

    def inputs(self, frames: Tensor, forcings: Tensor) -> Tensor:
        """(B, T, C + F, H, W): what the network reads."""
        return torch.cat([frames, forcings], dim=2) if forcings.shape[2] else frames

    def output_for(self, batch: Batch) -> Tensor:
        """What the network should say so that `state_from` gives the targets."""
        return (batch.targets - self._base(batch.frames, batch.linear)) / self.unit

    def state_from(self, frames: Tensor, output: Tensor, linear: Tensor) -> Tensor:
        """(B, T, C, H, W) normalised fields that an output means after these input frames."""
        return self._base(frames, linear) + output * self.unit

    def _base(self, frames: Tensor, linear: Tensor) -> Tensor:
        if self.network.predict == "linear":
            return linear
        if self.network.predict == "increment":
            return frames[:, -1:]
        if self.network.predict == "daily":
            return daily_forecast(frames, self._memory)
        return torch.zeros((), device=frames.device)

    def physical(self, states: Tensor) -> NDArray[np.float32]:
        """(…, C, H, W) normalised fields in the variables' units."""
        return np.asarray(states.cpu().numpy() * self._scale + self._offset, dtype=np.float32)

    def forcings(self, starts: NDArray[np.int64], t: int, blocks: int) -> Tensor:
        """(n, blocks T, F, H, W) at the times that follow the windows' input frames."""
        grid, names = self.frames.grid, self.network.forcings
        if not names:
            return torch.zeros((len(starts), t * blocks, 0, *grid.shape), device=self.device)
        times = np.array(
            [
                to_datetime64(self.frames.time(int(start) + t + lead))
                for start in starts
                for lead in range(t * blocks)
            ],
            dtype="datetime64[ns]",
        )
        fields = forcing_fields(names, times, grid, self.static)
        fields = fields.reshape(len(starts), t * blocks, *fields.shape[1:])
        return torch.from_numpy(fields).to(self.device)


def row_weights(frames: FlatFrames) -> Tensor:
    """(H, 1) cell areas by row, mean 1."""
    areas = frames.grid.cell_areas[:, :1]
    return torch.from_numpy((areas / areas.mean()).astype(np.float32))
