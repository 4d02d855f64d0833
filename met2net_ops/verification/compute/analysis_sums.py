"""One product against the archive's analyses: fields in, sums per lead and region out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.variables import variable
from met2net_ops.verification.compute.baseline_cache import BaselineCache
from met2net_ops.verification.compute.event_sums import contingency_sums, fractions_of_systems
from met2net_ops.verification.compute.kernels import Subsets, continuous_of_systems, ensemble_sums
from met2net_ops.verification.compute.match import Pairs, baselines_for, nothing_missing, pair
from met2net_ops.verification.compute.wind_sums import polar, vector_of_systems
from met2net_ops.verification.inputs.baselines import CLIMATOLOGY, PERSISTENCE_24H, baseline_times
from met2net_ops.verification.store.files import FORECAST
from met2net_ops.verification.store.rows import Part
from met2net_ops.verification.store.sums import KINDS, Sums, without_anomalies

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime, timedelta

    from numpy.typing import NDArray

    from met2net_ops.grids import LatLonGrid
    from met2net_ops.settings import VerificationSettings
    from met2net_ops.verification.compute.match import FrameCache
    from met2net_ops.verification.inputs.climatology import Climatology
    from met2net_ops.verification.inputs.forecast_file import ForecastFile
    from met2net_ops.verification.inputs.regions import Weighting

_TRUTH = "truth"


@dataclass(frozen=True)
class AnalysisSums:
    """What one product gave.

    Attributes:
        parts: sums of shape (lead, region).
        matched: (variable, lead) whether there was any pair.
        points: points that had both forecast and truth, summed over variables and leads.
        lost: those left out because a baseline has a gap there.
    """

    parts: list[Part]
    matched: NDArray[np.bool_]
    points: int
    lost: int


class _Collector:
    """Arrays of sums, (lead, region), made when first needed."""

    def __init__(self, leads: int, regions: int) -> None:
        self._shape = (leads, regions)
        self._arrays: dict[tuple[str, str, str, float | None, int | None], NDArray[np.float64]] = {}

    def put(
        self,
        lead: int,
        system: str,
        name: str,
        sums: Sums,
        threshold: float | None = None,
        neighbourhood: int | None = None,
    ) -> None:
        key = (sums.kind, system, name, threshold, neighbourhood)
        if key not in self._arrays:
            self._arrays[key] = np.zeros((*self._shape, len(KINDS[sums.kind])))
        self._arrays[key][lead] = sums.values

    def parts(self) -> list[Part]:
        return [
            Part(system, name, Sums(kind, values), threshold, neighbourhood)
            for (kind, system, name, threshold, neighbourhood), values in self._arrays.items()
        ]


@dataclass(frozen=True, slots=True)
class _Lead:
    """What the comparisons of one lead share.

    Attributes:
        number: position of the lead, from 0.
        collector: takes the sums.
        subsets: regions and their weights.
        settings: thresholds, neighbourhoods, what counts as calm.
        grid: of forecast and analyses.
        cache: analyses, and their winds in polar form.
        baselines: sums that are the same for several cycles.
        keys: which fields other cycles have as well, and what tells them apart.
    """

    number: int
    collector: _Collector
    subsets: Subsets
    settings: VerificationSettings
    grid: LatLonGrid
    cache: FrameCache
    baselines: BaselineCache
    keys: Mapping[str, object]

    def put(
        self,
        system: str,
        name: str,
        sums: Sums,
        threshold: float | None = None,
        neighbourhood: int | None = None,
    ) -> None:
        """Keep sums of this lead."""
        self.collector.put(self.number, system, name, sums, threshold, neighbourhood)


def analysis_sums(
    forecast: ForecastFile,
    cache: FrameCache,
    climatology: Climatology | None,
    weighting: Weighting,
    settings: VerificationSettings,
    repeated: BaselineCache | None = None,
) -> AnalysisSums:
    """Compare every lead and variable of a product with the analyses there are.

    Args:
        forecast: an opened product.
        cache: analyses on the same grid.
        climatology: for anomaly correlation and as a baseline; or None.
        weighting: areas per region.
        settings: thresholds, neighbourhoods, what counts as calm.
        repeated: sums of earlier products, compared with the same cache, climatology, weighting
            and settings.

    Raises:
        VerificationError: the product is damaged.
        ArchiveError: a frame is.
    """
    header = forecast.header
    names, leads = header.variables, header.leads
    known = tuple(name for name in names if name in cache.archive.variables)
    collector = _Collector(leads, len(weighting.names))
    matched = np.zeros((len(names), leads), dtype=np.bool_)
    subsets = Subsets.of(weighting.weights)
    repeated = BaselineCache() if repeated is None else repeated
    points = lost = 0
    for first, values, members in forecast.blocks():
        for lead in range(first, first + len(values)):
            step = header.lead_times[lead]
            truth = cache.read(known, header.reference_time + step)
            if not np.isfinite(truth).any():
                continue
            lot = (cache, climatology, known, header.reference_time, step)
            baselines = baselines_for(*lot)
            complete = nothing_missing(*lot) and bool(np.isfinite(values[lead - first]).all())
            context = _Lead(
                lead, collector, subsets, settings, header.grid, cache, repeated,
                _frame_keys(header.reference_time, step),
            )  # fmt: skip
            pairs: dict[str, Pairs] = {}
            for index, name in enumerate(known):
                column = names.index(name)
                field = values[lead - first, column]
                found = pair(field, truth[index], baselines[index], complete=complete)
                if found is None:
                    continue
                pairs[name] = found
                there = found.truth.size if complete else np.isfinite(found.truth).sum()
                matched[column, lead] = there > 0
                points += int(there) + found.lost
                lost += found.lost
                _scalar(context, name, found)
                if members is not None:
                    each = ensemble_sums(members[:, lead - first, column], found.truth, subsets)
                    context.put(FORECAST, name, each)
            _winds(context, pairs)
    return AnalysisSums(collector.parts(), matched, points, lost)


def _scalar(lead: _Lead, name: str, pairs: Pairs) -> None:
    def make(some: Sequence[str]) -> list[Sums]:
        fields = [pairs.systems[system] for system in some]
        return continuous_of_systems(
            fields, pairs.truth, lead.subsets, pairs.climatology, complete=pairs.complete
        )

    again = _that_come_again(name, pairs, lead.keys) if pairs.complete else {}
    for system, sums in _all_sums(list(pairs.systems), again, lead.baselines, make).items():
        # The anomaly of climatology itself is zero everywhere: no correlation to speak of.
        kept = without_anomalies(sums) if system == CLIMATOLOGY else sums
        lead.put(system, name, kept)
    _events(lead, name, pairs.systems, pairs.truth)


def _that_come_again(
    name: str, pairs: Pairs, keys: Mapping[str, object]
) -> dict[str, tuple[object, ...]]:
    """System → what tells its sums from others, for those that other cycles have as well.

    Where nothing is missing they do not depend on the forecast; anomalies are among them where
    there is a climatology.
    """
    anomalies = pairs.climatology is not None
    return {
        system: (name, system, keys[_TRUTH], keys[system], anomalies)
        for system in (PERSISTENCE_24H, CLIMATOLOGY)
        if system in pairs.systems
    }


def _all_sums(
    systems: Sequence[str],
    again: Mapping[str, tuple[object, ...]],
    repeated: BaselineCache,
    make: Callable[[Sequence[str]], list[Sums]],
) -> dict[str, Sums]:
    """Sums of every system; each that comes up again by itself, so that they are always the same.

    Rounding depends on what is summed in one go.
    """
    once = [system for system in systems if system not in again]
    found = dict(zip(once, make(once), strict=True))
    for system, key in again.items():
        found[system] = repeated.get(key, partial(_alone, make, system))
    return found


def _alone(make: Callable[[Sequence[str]], list[Sums]], system: str) -> Sums:
    (sums,) = make([system])
    return sums


def _events(
    lead: _Lead,
    name: str,
    systems: Mapping[str, NDArray[np.floating]],
    truth: NDArray[np.floating],
) -> None:
    """Tables and neighbourhoods of every system, at every threshold of that variable."""
    grid = lead.grid
    for threshold in lead.settings.thresholds_of(name):
        for system, field in systems.items():
            table = contingency_sums(field, truth, lead.subsets, threshold)
            lead.put(system, name, table, threshold)
        for size in _fitting(lead.settings.neighbourhoods, grid):
            fields = [field.reshape(grid.shape) for field in systems.values()]
            found = fractions_of_systems(
                fields, truth.reshape(grid.shape), lead.subsets, threshold, size,
                periodic=grid.periodic,
            )  # fmt: skip
            for system, fractions in zip(systems, found, strict=True):
                lead.put(system, name, fractions, threshold, size)


def _frame_keys(reference_time: datetime, lead: timedelta) -> dict[str, object]:
    """Which fields of a lead come up again, and what tells them apart: times, month and hour."""
    valid = reference_time + lead
    return {
        _TRUTH: valid,
        CLIMATOLOGY: (valid.month, valid.hour),
        **baseline_times(reference_time, lead),
    }


def _fitting(sizes: Sequence[int], grid: LatLonGrid) -> list[int]:
    return [size for size in sizes if size <= min(grid.shape)]


def wind_name(eastward: str) -> str:
    """What a pair of components is called together.

    >>> wind_name("u10")
    'wind10'
    """
    return f"wind{eastward.removeprefix('u')}"


def _winds(lead: _Lead, pairs: Mapping[str, Pairs]) -> None:
    for name, u in pairs.items():
        partner = variable(name).vector_partner
        if partner is not None and name.startswith("u") and partner in pairs:
            _wind(lead, wind_name(name), u, pairs[partner])


def _wind(lead: _Lead, wind: str, u: Pairs, v: Pairs) -> None:
    cache, keys = lead.cache, lead.keys
    truth = u.truth, v.truth
    fields = {
        system: (field, v.systems[system])
        for system, field in u.systems.items()
        if system in v.systems
    }
    complete = u.complete and v.complete

    def make(some: Sequence[str]) -> list[Sums]:
        polars = [
            cache.wind(wind, keys[system], *fields[system])
            if system in keys
            else polar(*fields[system])
            for system in some
        ]
        # The truth as the archive has it; where it lacks a value no pair counts.
        polars.append(cache.wind(wind, keys[_TRUTH], *truth) if complete else polar(*truth))
        return vector_of_systems(
            [fields[system] for system in some], truth, lead.subsets, lead.settings.calm_wind,
            complete=complete, polars=polars,
        )  # fmt: skip

    again = _that_come_again(wind, u, keys) if complete else {}
    again = {system: key for system, key in again.items() if system in fields}
    for system, sums in _all_sums(list(fields), again, lead.baselines, make).items():
        lead.put(system, wind, sums)
    if lead.settings.thresholds_of(wind):
        speeds = {system: np.hypot(*field) for system, field in fields.items()}
        _events(lead, wind, speeds, np.hypot(*truth))
