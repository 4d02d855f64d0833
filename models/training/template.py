"""Training settings for a workspace's own archive: sized by its length, the device and the time.

The starting point is what won on the short real series (docs/skill.md): increments, end to end,
averaged weights; drop path and level shift against the accidents of few months.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from met2net_ops.errors import ArchiveError
from met2net_ops.models.training.memory import available_bytes, training_cost
from met2net_ops.models.training.methods import build_method
from met2net_ops.models.training.periods import split_periods
from met2net_ops.models.training.preparation import network_config
from met2net_ops.models.training.settings import (
    DataSettings,
    NetworkSettings,
    RunSettings,
    TrainingSettings,
)
from met2net_ops.models.training.trial import seconds_per_step

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    import torch

    from met2net_ops.archive.frames import FrameArchive
    from met2net_ops.grids import LatLonGrid

# (hid_s, hid_t, n_t), and how many training windows such a network needs not to learn by heart.
_SIZES = ((8, 48, 2, 0), (16, 64, 4, 4_000), (16, 128, 4, 12_000), (32, 256, 8, 30_000))
_EPOCHS = 20  # as many passes over the windows as pay, on short series
_LEAST_STEPS, _MOST_STEPS = 600, 30_000
_VALIDATIONS = 10
_FOR_STEPS = 0.75  # of the time; validation, copying and testing take the rest
_SHORT = timedelta(days=120)
_MEMORY_SHARE = 0.6


@dataclass(frozen=True)
class Sized:
    """Settings, and what they will take here.

    Attributes:
        settings: of the run.
        step_seconds: measured.
        seconds: of all steps.
        first_seconds: until the first model that can be used.
    """

    settings: TrainingSettings
    step_seconds: float

    @property
    def seconds(self) -> float:
        """Of all steps, validations apart."""
        return self.step_seconds * self.settings.run.steps / _FOR_STEPS

    @property
    def first_seconds(self) -> float:
        """Until the first validation leaves a usable model."""
        return self.step_seconds * self.settings.run.validate_steps / _FOR_STEPS


def workspace_settings(
    archive: FrameArchive,
    variables: Sequence[str],
    name: str,
    statics: Path | None,
    static_names: Sequence[str],
    attribution: str = "",
) -> TrainingSettings:
    """Settings for an archive, of the smallest network and not sized yet.

    Args:
        archive: to learn from.
        variables: that are wanted.
        name: of the model.
        statics: NetCDF with the surface, None for none.
        static_names: which of orography and land_sea_mask are in it.
        attribution: what the data's owners ask to be said.

    Raises:
        ArchiveError: a variable has no frame, or the series is too short.
    """
    first, last, count = _common_span(archive, variables)
    day = timedelta(days=1)
    frames = max(4, min(12, day // archive.step))
    split, guard = split_periods(first, last, archive.step, 2 * frames)
    forcings = [*(["cos_zenith"] if archive.step < day / 2 else []), *static_names]
    if last - first > 2 * _SHORT:
        forcings += ["sin_year", "cos_year"]
    short = last - first < _SHORT
    hours = archive.step // timedelta(hours=1)
    return TrainingSettings(
        name=name,
        description=(
            f"{', '.join(variables)} on the grid {archive.grid.name or 'of its workspace'}, every "
            f"{hours} h, {frames} frames in, {frames} out, learnt from {count:,} times from "
            f"{first:%Y-%m-%d} to {last:%Y-%m-%d}."
        ),
        data=DataSettings(
            variables=tuple(variables),
            train=tuple(map(_text, split.train)),
            validation=tuple(map(_text, split.validation)),
            test=tuple(map(_text, split.test)),
            guard_hours=guard,
            static=str(statics) if static_names else "",
        ),
        network=NetworkSettings(
            frames=frames, n_s=2, predict="increment", forcings=tuple(forcings),
            periodic_longitude=_wraps(archive.grid), drop_path=0.1 if short else 0.0,
        ),
        run=RunSettings(
            method="end-to-end", latitude_weighted=True, learning_rate=2e-3, weight_decay=0.02,
            clip_norm=1.0, ema_decay=0.98, level_shift=0.5 if short else 0.0,
            checkpoint_minutes=3.0, validation_windows=60,
        ),
        attribution=attribution,
    )  # fmt: skip


def _common_span(archive: FrameArchive, variables: Sequence[str]) -> tuple[datetime, datetime, int]:
    """First and last time at which every variable is there, and how many such times there are."""
    times = [set(archive.times(name)) for name in variables]
    empty = [name for name, there in zip(variables, times, strict=True) if not there]
    if empty:
        raise ArchiveError(
            f"{archive.url} holds no frame of {', '.join(empty)}. Fetch or ingest them, or take "
            "them out of archive.variables"
        )
    common = sorted(set.intersection(*times))
    if not common:
        raise ArchiveError(
            f"{archive.url} has no time with all of {', '.join(variables)}; `met2net-ops coverage` "
            "shows which is there when"
        )
    return common[0], common[-1], len(common)


def _wraps(grid: LatLonGrid) -> bool:
    return grid.periodic and grid.nlon % 2 == 0 and grid.nlon >= 18


def _text(period: object) -> str:
    return str(period).replace("Z", "")


def size_settings(
    settings: TrainingSettings,
    grid: LatLonGrid,
    windows: int,
    budget_seconds: float,
    device: torch.device,
) -> Sized:
    """The largest network that the windows justify and the time trains, with batch and steps.

    Args:
        settings: from `workspace_settings`.
        grid: of the frames.
        windows: training windows.
        budget_seconds: for the whole run.
        device: it will run on.

    Raises:
        ModelError: no network fits the grid.
    """
    room = _MEMORY_SHARE * available_bytes(device)
    best: Sized | None = None
    for hid_s, hid_t, n_t, needs in _SIZES:
        if best is not None and windows < needs:
            break
        network = replace(settings.network, hid_s=hid_s, hid_t=hid_t, n_t=n_t)
        tried = replace(settings, network=network)
        cost = training_cost(tried.run, network_config(tried, grid), build_method)
        wanted = 16 if device.type == "cuda" else 4
        batch = min(wanted, windows, cost.batch_that_fits(int(room)))
        if batch < 1 and best is not None:
            break
        tried = replace(tried, run=replace(tried.run, batch=max(1, batch)))
        if best is not None and _hopeless(best, tried, grid, windows, budget_seconds):
            break
        seconds = seconds_per_step(tried, grid, device)
        steps = _steps(windows, max(1, batch))
        affordable = int(_FOR_STEPS * budget_seconds / seconds)
        if best is not None and affordable < steps:
            break
        best = Sized(_with_steps(tried, max(1, min(steps, affordable))), seconds)
    assert best is not None
    return best


def _steps(windows: int, batch: int) -> int:
    return max(_LEAST_STEPS, min(_MOST_STEPS, _EPOCHS * windows // batch))


def _hopeless(
    before: Sized, tried: TrainingSettings, grid: LatLonGrid, windows: int, budget: float
) -> bool:
    """Whether the arithmetic alone says that a larger network takes too long: no need to try."""
    costs = [
        training_cost(one.run, network_config(one, grid), build_method)
        for one in (before.settings, tried)
    ]
    times = costs[1].step_flops * costs[1].batch / (costs[0].step_flops * costs[0].batch)
    estimate = 0.3 * times * before.step_seconds  # larger products run at a better rate
    return estimate * _steps(windows, tried.run.batch) > _FOR_STEPS * budget


def _with_steps(settings: TrainingSettings, steps: int) -> TrainingSettings:
    run = replace(
        settings.run, steps=steps, warmup_steps=max(1, steps // 20),
        validate_steps=max(1, steps // _VALIDATIONS),
        # An average over a tenth of the run at most: a short one would ship its first weights.
        ema_decay=min(settings.run.ema_decay, 1 - 10 / max(11, steps)),
    )  # fmt: skip
    return replace(settings, run=run)
