"""A forecast and its baselines at the stations, all interpolated in the same way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.verification.inputs.accumulations import HOURLY, PERIODS, accumulate_systems
from met2net_ops.verification.inputs.baselines import (
    CLIMATOLOGY,
    PERSISTENCE,
    PERSISTENCE_24H,
    baseline_times,
)
from met2net_ops.verification.store.files import FORECAST

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from met2net_ops.verification.compute.match import FrameCache
    from met2net_ops.verification.inputs.climatology import Climatology
    from met2net_ops.verification.inputs.forecast_file import ForecastFile
    from met2net_ops.verification.inputs.interpolation import BilinearWeights

    Floats = NDArray[np.float64]
    Fields = dict[str, Floats]  # variable → (lead, station)


@dataclass(frozen=True)
class AtStations:
    """Everything at the stations; NaN where a system has no value.

    Attributes:
        systems: system → variable, or key of `accumulations.PERIODS` → (lead, station).
        members: variable → (member, lead, station), empty without an ensemble.
    """

    systems: dict[str, Fields]
    members: Fields


def interpolate(
    forecast: ForecastFile,
    wanted: Sequence[str],
    place: BilinearWeights,
    cache: FrameCache,
    climatology: Climatology | None,
) -> AtStations:
    """All systems at the stations.

    Args:
        forecast: a product.
        wanted: its variables that stations report, and keys of `accumulations.PERIODS`.
        place: where the stations are.
        cache: analyses, for the baselines.
        climatology: or None.

    Raises:
        VerificationError: the product is damaged.
        ArchiveError: a frame is.
    """
    header = forecast.header
    names = tuple(name for name in wanted if name not in PERIODS)
    columns = [header.variables.index(name) for name in names]
    shape = (header.leads, len(place.corners))
    systems = {
        system: {name: np.full(shape, np.nan) for name in names}
        for system in (FORECAST, PERSISTENCE, PERSISTENCE_24H, CLIMATOLOGY)
    }
    each = {name: np.full((forecast.members, *shape), np.nan) for name in names if forecast.members}
    known = tuple(name for name in names if name in cache.archive.variables)
    for first, values, members in forecast.blocks():
        for offset, fields in enumerate(values):
            lead = first + offset
            for name, column in zip(names, columns, strict=True):
                systems[FORECAST][name][lead] = place(fields[column])
                if members is not None:
                    each[name][:, lead] = place(members[:, offset, column])
            step = header.lead_times[lead]
            for system, time in baseline_times(header.reference_time, step).items():
                frames = cache.read(known, time)
                for index, name in enumerate(known):
                    systems[system][name][lead] = place(frames[index])
            for name in known if climatology is not None else ():
                mean = climatology.field(name, header.valid_times[lead]) if climatology else None
                if mean is not None:
                    systems[CLIMATOLOGY][name][lead] = place(mean)

    def amounts_at(time: datetime) -> Floats:
        if HOURLY not in known:
            return np.full(shape[1], np.nan)
        return place(cache.read(known, time)[known.index(HOURLY)])

    sums = [name for name in wanted if name in PERIODS]
    accumulate_systems(systems, sums, header.reference_time, header.lead_times, amounts_at)
    return AtStations(systems, each)
