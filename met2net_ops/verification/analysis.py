"""One product against the archive's analyses: fields in, sums per lead and region out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.variables import variable
from met2net_ops.verification.events import contingency_sums, fractions_sums
from met2net_ops.verification.kernels import Subsets, continuous_of_systems
from met2net_ops.verification.match import CLIMATOLOGY, Pairs, baselines_for, pair
from met2net_ops.verification.store import FORECAST, Part
from met2net_ops.verification.sums import KINDS, Sums, without_anomalies
from met2net_ops.verification.winds import vector_of_systems

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from met2net_ops.grids import LatLonGrid
    from met2net_ops.settings import VerificationSettings
    from met2net_ops.verification.climatology import Climatology
    from met2net_ops.verification.match import ForecastFile, FrameCache
    from met2net_ops.verification.regions import Weighting

_BLOCK_BYTES = 64_000_000  # of a product in memory at a time


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


def analysis_sums(
    forecast: ForecastFile,
    cache: FrameCache,
    climatology: Climatology | None,
    weighting: Weighting,
    settings: VerificationSettings,
) -> AnalysisSums:
    """Compare every lead and variable of a product with the analyses there are.

    Args:
        forecast: an opened product.
        cache: analyses on the same grid.
        climatology: for anomaly correlation and as a baseline; or None.
        weighting: areas per region.
        settings: thresholds, neighbourhoods, what counts as calm.

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
    points = lost = 0
    block = max(1, _BLOCK_BYTES // (4 * len(names) * header.grid.nlat * header.grid.nlon))
    for first in range(0, leads, block):
        values = forecast.read(first, min(first + block, leads))
        for lead in range(first, first + len(values)):
            step = header.lead_times[lead]
            truth = cache.read(known, header.reference_time + step)
            if not np.isfinite(truth).any():
                continue
            baselines = baselines_for(cache, climatology, known, header.reference_time, step)
            pairs: dict[str, Pairs] = {}
            for index, name in enumerate(known):
                column = names.index(name)
                found = pair(values[lead - first, column], truth[index], baselines[index])
                if found is None:
                    continue
                pairs[name] = found
                matched[column, lead] = True
                points += int(np.isfinite(found.truth).sum()) + found.lost
                lost += found.lost
                _scalar(collector, lead, name, found, subsets, settings, header.grid)
            _winds(collector, lead, pairs, subsets, settings)
    return AnalysisSums(collector.parts(), matched, points, lost)


def _scalar(
    collector: _Collector,
    lead: int,
    name: str,
    pairs: Pairs,
    subsets: Subsets,
    settings: VerificationSettings,
    grid: LatLonGrid,
) -> None:
    thresholds = settings.thresholds_of(name)
    found = continuous_of_systems(
        pairs.systems.values(),
        pairs.truth,
        subsets,
        pairs.climatology,
        complete=pairs.complete,
    )
    for system, sums in zip(pairs.systems, found, strict=True):
        # The anomaly of climatology itself is zero everywhere: no correlation to speak of.
        kept = without_anomalies(sums) if system == CLIMATOLOGY else sums
        collector.put(lead, system, name, kept)
        for threshold in thresholds:
            table = contingency_sums(pairs.systems[system], pairs.truth, subsets, threshold)
            collector.put(lead, system, name, table, threshold)
    if not thresholds:
        return
    field = pairs.systems[FORECAST].reshape(grid.shape).astype(np.float64)
    truth = pairs.truth.reshape(grid.shape).astype(np.float64)
    for threshold in thresholds:
        for size in _fitting(settings.neighbourhoods, grid):
            fractions = fractions_sums(
                field, truth, subsets.weights, threshold, size, periodic=grid.periodic
            )
            collector.put(lead, FORECAST, name, fractions, threshold, size)


def _fitting(sizes: Sequence[int], grid: LatLonGrid) -> list[int]:
    return [size for size in sizes if size <= min(grid.shape)]


def wind_name(eastward: str) -> str:
    """What a pair of components is called together.

    >>> wind_name("u10")
    'wind10'
    """
    return f"wind{eastward.removeprefix('u')}"


def _winds(
    collector: _Collector,
    lead: int,
    pairs: dict[str, Pairs],
    subsets: Subsets,
    settings: VerificationSettings,
) -> None:
    for name, u in pairs.items():
        partner = variable(name).vector_partner
        if partner is None or not name.startswith("u") or partner not in pairs:
            continue
        v, wind = pairs[partner], wind_name(name)
        truth = u.truth, v.truth
        # The forecast comes first: direction errors are kept of it alone.
        systems = [system for system in u.systems if system in v.systems]
        fields = [(u.systems[system], v.systems[system]) for system in systems]
        found = vector_of_systems(
            fields,
            truth,
            subsets,
            settings.calm_wind,
            directed=1,
            complete=u.complete and v.complete,
        )
        for system, sums in zip(systems, found, strict=True):
            collector.put(lead, system, wind, sums)
        thresholds = settings.thresholds_of(wind)
        true_speed = np.hypot(*truth) if thresholds else truth[0]
        for threshold in thresholds:
            for system, field in zip(systems, fields, strict=True):
                table = contingency_sums(np.hypot(*field), true_speed, subsets, threshold)
                collector.put(lead, system, wind, table, threshold)
