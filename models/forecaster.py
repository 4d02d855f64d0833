"""Met2Net as a forecaster: physical units in, blocks of leads in physical units out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import numpy as np
import torch

from met2net_ops.errors import ModelError
from met2net_ops.forecast.forecaster import LeadBlock, Runtime
from met2net_ops.forecast.remapped import on_model_grid
from met2net_ops.memory import keep_freed_memory
from met2net_ops.models.baselines import linear_forecasts
from met2net_ops.models.device import (
    Precision,
    arithmetic,
    device_name,
    effective_precision,
    resolve_device,
)
from met2net_ops.models.diurnal import daily_forecast
from met2net_ops.models.forcings import forcing_fields
from met2net_ops.models.linear import LinearForm, frames_per_day
from met2net_ops.models.met2net.inference import FastMet2Net
from met2net_ops.models.registry import find_model
from met2net_ops.models.weights import build_network, read_weights
from met2net_ops.times import to_datetime64

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from met2net_ops.forecast.forecaster import ForecasterSpec
    from met2net_ops.forecast.window import FrameReader, FrameSource
    from met2net_ops.models.folder import ModelFolder
    from met2net_ops.models.met2net.network import Met2Net


class Met2NetForecaster:
    """A trained Met2Net network with its normalisation, on one device.

    Calls share nothing but the weights, so the same forecaster may serve many cycles in turn;
    all cycles of one call share the batch.
    """

    def __init__(
        self,
        folder: ModelFolder,
        *,
        device: str = "auto",
        precision: Precision = "fp32",
        compile: bool = False,  # noqa: A002 - the setting's name
        source: FrameReader | None = None,
    ) -> None:
        """Load the weights onto the device.

        Args:
            folder: the model.
            source: frames on the model's grid, in which a model that corrects the linear form
                finds the weeks before the window; without them the form is fitted to the window.
            device: `auto`, `cpu`, `cuda` or `cuda:N`.
            precision: arithmetic of the network; see docs/models.md for what each costs.
            compile: let torch compile the network; on CUDA this also records CUDA graphs.

        Raises:
            ModelError: a damaged folder or a device that is not there.
        """
        description = folder.description
        weights = read_weights(folder)
        self._device = resolve_device(device)
        self._precision = effective_precision(precision, self._device)
        self._static = weights.static
        self._description = description
        network = build_network(folder, weights).to(self._device)
        self._network = _runnable(network, self._precision, compile)
        self._spec = folder.spec
        self._source = source
        entries = [description.normalisation[name] for name in description.variables]
        self._offset = self._per_variable([entry.offset for entry in entries])
        self._scale = self._per_variable([entry.scale for entry in entries])
        clips = [description.clip.get(name, (None, None)) for name in description.variables]
        self._low = self._per_variable([-math.inf if low is None else low for low, _ in clips])
        self._high = self._per_variable([math.inf if high is None else high for _, high in clips])
        self._increment = (
            self._per_lead(description.increment_scale) / self._scale
            if description.predict != "state"
            else None
        )
        self._memory = (
            self._per_lead(description.daily_memory) if description.predict == "daily" else None
        )

    @property
    def spec(self) -> ForecasterSpec:
        """What it is and needs."""
        return self._spec

    @property
    def runtime(self) -> Runtime:
        """On what it computes."""
        return Runtime(device_name(self._device), self._precision)

    def rollout(
        self,
        window: NDArray[np.float32],
        reference_times: Sequence[datetime],
        leads: int,
    ) -> Iterator[LeadBlock]:
        """Yield blocks of T leads, each fed back as the input of the next.

        Args:
            window: (cycle, frame, variable, latitude, longitude), physical units, finite.
            reference_times: valid time of the last frame of each cycle, UTC.
            leads: how many steps to forecast, at least 1.

        Raises:
            ModelError: the window has another shape or holds missing values, or the device has
                not enough memory for so many cycles at once.
        """
        self._check(window, reference_times, leads)
        block = self._description.input_frames
        base = self._linear(window, reference_times, -(-leads // block) * block)
        last = torch.tensor(window[:, -block:], device=self._device)
        frames = (last - self._offset) / self._scale
        for first in range(1, leads + 1, block):
            forcings = self._forcings(reference_times, first)
            linear = None if base is None else base[:, first - 1 : first - 1 + block]
            frames = self._advance(frames, forcings, linear)
            values = (frames * self._scale + self._offset).clamp(self._low, self._high)
            wanted = values[:, : leads + 1 - first].cpu().numpy()
            yield LeadBlock(first, np.ascontiguousarray(wanted, dtype=np.float32))

    def _linear(
        self, window: NDArray[np.float32], reference_times: Sequence[datetime], leads: int
    ) -> Tensor | None:
        """(n, leads, C, H, W) the linear form's forecast, normalised, if it is corrected."""
        day = frames_per_day(self._spec.step)
        if self._description.predict != "linear" or day is None:
            return None
        values = linear_forecasts(
            LinearForm(day), self._spec, window, reference_times, leads, self._source
        )
        return (torch.from_numpy(values).to(self._device) - self._offset) / self._scale

    def _advance(self, frames: Tensor, forcings: Tensor | None, linear: Tensor | None) -> Tensor:
        """One block: (n, T, C, H, W) normalised to the next T frames, normalised."""
        inputs = frames if forcings is None else torch.cat([frames, forcings], dim=2)
        turned = self._description.rows == "south_first"
        try:
            with torch.inference_mode(), arithmetic(self._precision, self._device):
                output = self._network(inputs.flip(-2) if turned else inputs).float()
        except torch.OutOfMemoryError as error:
            raise ModelError(
                f"{self._spec.name}: {self._device} has not enough memory for {len(frames)} "
                "cycles at once; lower forecast.batch"
            ) from error
        output = output.flip(-2) if turned else output
        if self._increment is None:
            return output
        if linear is not None:
            base = linear
        elif self._memory is not None:
            base = daily_forecast(frames, self._memory)
        else:
            base = frames[:, -1:]
        return base + output * self._increment

    def _forcings(self, reference_times: Sequence[datetime], first_lead: int) -> Tensor | None:
        """(n, T, F, H, W) at the block's valid times."""
        names = self._description.forcings
        if not names:
            return None
        spec = self._spec
        leads = range(first_lead, first_lead + self._description.input_frames)
        times = [
            to_datetime64(time + lead * spec.step) for time in reference_times for lead in leads
        ]
        fields = forcing_fields(names, np.array(times), spec.grid, self._static)
        shaped = fields.reshape(len(reference_times), len(leads), len(names), *spec.grid.shape)
        return torch.from_numpy(shaped).to(self._device)

    def _check(
        self, window: NDArray[np.float32], reference_times: Sequence[datetime], leads: int
    ) -> None:
        spec = self._spec
        shape = (
            len(reference_times), spec.input_frames, len(spec.variables), *spec.grid.shape,
        )  # fmt: skip
        if window.shape != shape or not reference_times:
            raise ModelError(
                f"{spec.name} needs a window of (cycle, frame, variable, latitude, longitude) = "
                f"{shape}, not {window.shape}"
            )
        if leads < 1:
            raise ModelError(f"{spec.name}: cannot forecast {leads} leads; ask for at least 1")
        if not np.isfinite(window).all():
            cycle, frame, variable = np.argwhere(~np.isfinite(window))[0][:3]
            raise ModelError(
                f"{spec.name}: the window of {reference_times[cycle]:%Y-%m-%dT%HZ} has missing "
                f"values in {spec.variables[variable]}, frame {frame + 1} of {spec.input_frames}"
            )

    def _per_variable(self, values: list[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=self._device)[:, None, None]

    def _per_lead(self, values: Mapping[str, tuple[float, ...]]) -> Tensor:
        """(T, C, 1, 1) from one row of T numbers per variable."""
        rows = [values[name] for name in self._spec.variables]
        return torch.tensor(rows, dtype=torch.float32, device=self._device).T[:, :, None, None]


def load_forecaster(
    name: str,
    workspace_models: Path | None,
    *,
    device: str = "auto",
    precision: Precision = "fp32",
    compile: bool = False,  # noqa: A002 - the setting's name
    source: FrameSource | None = None,
) -> Met2NetForecaster:
    """The model of that name, ready to run.

    Args:
        name: a model folder's name.
        workspace_models: the workspace's `models/`, searched before the shipped ones.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        precision: arithmetic of the network.
        compile: let torch compile the network.
        source: the archive, for a model that corrects the linear form.

    Raises:
        ModelError: no such model, a damaged folder, or a device that is not there.
        GridError: the model's grid is finer than the archive's.
    """
    folder = find_model(name, workspace_models)
    before = None
    if source is not None and folder.description.predict == "linear":
        before = on_model_grid(source, folder.spec)
    return Met2NetForecaster(
        folder, device=device, precision=precision, compile=compile, source=before
    )


def _runnable(network: Met2Net, precision: Precision, compile: bool) -> Callable[[Tensor], Tensor]:  # noqa: A002
    on_cpu = next(network.parameters()).device.type == "cpu"
    if on_cpu:
        keep_freed_memory()
    fast = FastMet2Net(network, pack=precision == "fp32" and not compile).eval()
    if not compile:
        return fast
    compiled = torch.compile(fast, mode="default" if on_cpu else "reduce-overhead")
    return cast("Callable[[Tensor], Tensor]", compiled)
