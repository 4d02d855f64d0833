"""Preparing a run: its data, checked and split before any time is spent on training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.errors import ArchiveError, ModelError
from met2net_ops.grids import NAMED_GRIDS
from met2net_ops.models.linear import LEAST_DAYS, frames_per_day
from met2net_ops.models.met2net.config import NetworkConfig
from met2net_ops.models.training.linear_bases import LinearBases
from met2net_ops.models.training.samples import Samples
from met2net_ops.models.training.statistics import (
    Statistics,
    field_statistics,
    with_daily_memory,
    with_linear_errors,
)
from met2net_ops.models.training.windows import check_split, window_starts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from met2net_ops.grids import LatLonGrid
    from met2net_ops.models.training.frames import FlatFrames
    from met2net_ops.models.training.settings import TrainingSettings


@dataclass(frozen=True)
class Prepared:
    """Data ready to train on; making it finds every fault of the data before time is spent.

    Attributes:
        samples: batches.
        statistics: of the training period.
        train: (n,) first frames of training windows of one block.
        train_long: the same for the rollout phase's windows; empty without that phase.
        validation: first frames of the windows that are scored along the way.
        attributions: what the sources of the frames ask to be shown, with their licences.
    """

    samples: Samples
    statistics: Statistics
    train: NDArray[np.int64]
    train_long: NDArray[np.int64]
    validation: NDArray[np.int64]
    attributions: tuple[str, ...] = ()

    def fingerprint(self) -> dict[str, list[float]]:
        """A fingerprint of the data, as a checkpoint keeps it."""
        frames, statistics = self.samples.frames, self.statistics
        first, last = (frames.time(int(self.train[place])) for place in (0, -1))
        return {
            "windows": [len(self.train), len(self.train_long), first.timestamp(), last.timestamp()],
            "mean": statistics.mean.tolist(),
            "std": statistics.std.tolist(),
            "increment_std": statistics.increment_std.ravel().tolist(),
        }


def same_data(one: Mapping[str, list[float]], other: Mapping[str, list[float]]) -> bool:
    """Whether two fingerprints are of the same data, rounding on different machines aside."""
    return one["windows"] == other["windows"] and all(
        np.allclose(one[key], other[key], rtol=1e-5, atol=0)
        for key in ("mean", "std", "increment_std")
    )


def prepare(
    settings: TrainingSettings, series: FlatFrames, static: Mapping[str, NDArray[np.float32]]
) -> Prepared:
    """Split, find windows, compute statistics.

    Raises:
        ArchiveError: a missing variable, too short a series, gaps everywhere, a constant field, or
            periods too close to each other.
        ModelError: the network does not fit the grid, or a static forcing is missing.
    """
    network, run = settings.network, settings.run
    frames = series.select(settings.data.variables)
    split = settings.data.split()
    check_split(split, settings.data.guard_hours)
    network_config(settings, frames.grid)
    for name, field in static.items():
        if field.shape != frames.grid.shape:
            own = " by ".join(map(str, field.shape))
            raise ModelError(
                f"{settings.name} is for a grid of {own} points, as its {name} shows, but the "
                f"frames are on {frames.grid}. `met2net-ops train` without --preset makes settings "
                "for a workspace's own grid"
            )
    t = network.frames
    train = window_starts(frames, split.train, 2 * t)
    long = np.empty(0, dtype=np.int64)
    if run.rollout_steps:
        long = window_starts(frames, split.train, t * (1 + run.rollout_blocks))
    leads = run.validation_leads or t
    validation = window_starts(frames, split.validation, t + leads)
    chosen = np.linspace(0, len(validation) - 1, run.validation_windows).round().astype(int)
    validation = validation[np.unique(chosen)]
    if network.predict == "linear":
        train, long, validation = with_linear(frames, t, (train, long, validation))
    statistics = field_statistics(frames, train, t, t)
    _check_reference(frames, validation, t, leads)
    if network.predict == "daily":
        statistics = with_daily_memory(statistics, frames, train)
    if network.predict == "linear":
        statistics = with_linear_errors(statistics, frames, train)
    samples = Samples(frames, network, statistics, static, settings.data.normalise)
    samples.batch(train[:1])  # a static forcing that is missing shows here
    return Prepared(samples, statistics, train, long, validation)


def with_linear(
    frames: FlatFrames, frames_in: int, windows: tuple[NDArray[np.int64], ...]
) -> tuple[NDArray[np.int64], ...]:
    """Those windows that have the days before their last frame that the linear form needs.

    Raises:
        ArchiveError: none has, or the step leaves no daily cycle.
    """
    if frames_per_day(frames.step) is None:
        raise ArchiveError(
            f'predict = "linear" needs several frames a day at the same hours, not one every '
            f"{frames.step}; predict increments"
        )
    bases = LinearBases(frames, frames_in)
    kept = tuple(starts[bases.known(starts)] if len(starts) else starts for starts in windows)
    if any(len(before) and not len(after) for before, after in zip(windows, kept, strict=True)):
        raise ArchiveError(
            f'predict = "linear" needs {LEAST_DAYS} days of complete frames up to the last one of '
            f"a window; no such window at {frames.folder} has them. Fill the "
            "gaps, begin the series earlier, or predict increments"
        )
    return kept


def _check_reference(
    frames: FlatFrames, starts: NDArray[np.int64], frames_in: int, leads: int
) -> None:
    """Refuse validation windows in which persistence makes no error: nothing can be chosen by it.

    Raises:
        ArchiveError: a variable that stands still; it is named.
    """
    moves = np.zeros((leads, len(frames.variables)), dtype=bool)
    for start in starts:
        series = frames.read(int(start) + frames_in - 1, leads + 1)
        moves |= (series[1:] != series[:1]).any(axis=(2, 3))
    still = [name for name, moved in zip(frames.variables, moves.T, strict=True) if not moved.all()]
    if still:
        raise ArchiveError(
            f"{', '.join(still)} does not change in the {len(starts)} validation windows at "
            f"{frames.folder}, so nothing can be better than persistence there. Check the feed, "
            "take another validation period, or leave the variable out"
        )


def network_config(settings: TrainingSettings, grid: LatLonGrid) -> NetworkConfig:
    """The shape of the network for a grid.

    Raises:
        ModelError: the settings are for another grid, or their sizes make no network on this one.
    """
    network, wanted = settings.network, settings.data.grid
    if wanted and wanted != grid.name and NAMED_GRIDS.get(wanted) != grid:
        raise ModelError(
            f"{settings.name} is for the grid {wanted}, but the frames are on {grid.name or grid}. "
            'Choose another preset, or set data.grid="" to use its sizes on this grid'
        )
    return NetworkConfig(
        input_frames=network.frames,
        variables=len(settings.data.variables),
        height=grid.nlat,
        width=grid.nlon,
        hid_s=network.hid_s,
        hid_t=network.hid_t,
        n_t=network.n_t,
        n_s=network.n_s,
        drop_path=network.drop_path,
        forcings=len(network.forcings),
        periodic_longitude=network.periodic_longitude,
    )
