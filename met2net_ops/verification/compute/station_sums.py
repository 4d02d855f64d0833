"""One product against station reports: fields in, sums per lead and station out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.observations.quality import LAPSE
from met2net_ops.verification.compute.station_parts import sums_at_stations
from met2net_ops.verification.compute.station_values import interpolate
from met2net_ops.verification.inputs.accumulations import PERIODS
from met2net_ops.verification.inputs.interpolation import bilinear, height_correction
from met2net_ops.verification.inputs.regions import COAST
from met2net_ops.verification.inputs.station_reports import drop_departures
from met2net_ops.verification.store.rows import Part, Subset

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from met2net_ops.settings import VerificationSettings
    from met2net_ops.verification.compute.match import FrameCache
    from met2net_ops.verification.inputs.climatology import Climatology
    from met2net_ops.verification.inputs.forecast_file import ForecastFile
    from met2net_ops.verification.inputs.interpolation import BilinearWeights
    from met2net_ops.verification.inputs.station_reports import MatchedReports
    from met2net_ops.verification.inputs.surface import Surface

    Floats = NDArray[np.float64]
    Fields = dict[str, Floats]  # variable → (lead, station)

_NAMED = 5  # stations a note names


@dataclass(frozen=True)
class StationSums:
    """What one product gave.

    Attributes:
        parts: sums of shape (lead, station).
        subsets: the stations.
        matched: (variable, lead) whether any station had a value.
        notes: what was left out and corrected, counted.
    """

    parts: list[Part]
    subsets: list[Subset]
    matched: NDArray[np.bool_]
    notes: tuple[str, ...] = field(default_factory=tuple)


def station_sums(
    forecast: ForecastFile,
    truth: MatchedReports,
    cache: FrameCache,
    climatology: Climatology | None,
    settings: VerificationSettings,
    surface: Surface,
) -> StationSums:
    """Compare every lead and variable of a product with the reports chosen for it.

    All systems are interpolated to the stations in the same way: the forecast, and persistence
    and climatology from the archive's analyses. Temperature reports are brought to the model's
    height where that is known; the reports themselves (`truth`) lose the values that are far from
    the analysis of their time.

    Raises:
        VerificationError: the product is damaged.
        ArchiveError: a frame is.
    """
    header = forecast.header
    place = bilinear(header.grid, truth.latitude, truth.longitude)
    names = tuple(name for name in header.variables if name in truth.values)
    sums = tuple(name for name in PERIODS if name in truth.values)
    at_stations = interpolate(forecast, (*names, *sums), place, cache, climatology)
    left_out = {f"flagged {flag}": count for flag, count in truth.flagged.items()}
    left_out["outside the grid"] = sum(
        int(np.isfinite(truth.values[name][:, ~place.inside]).sum()) for name in names
    )
    model_height, model_land = (
        None if values is None else place(values) for values in (surface.height, surface.land)
    )
    corrections, corrected = _corrections(truth, model_height, settings)
    left_out["flagged departure"] = _departures(
        truth, names, header.valid_times, place, cache, model_height
    )
    observed = {name: truth.values[name] + corrections.get(name, 0.0) for name in (*names, *sums)}
    found = sums_at_stations(header.variables, observed, at_stations, place.inside, settings)
    left_out["without a forecast"] = found.without_forecast
    left_out["where a baseline is missing"] = found.without_baseline
    left_out = {reason: count for reason, count in left_out.items() if count}
    notes = [f"{found.pairs} values of {len(truth.names)} stations compared"]
    if left_out:
        notes.append("left out: " + ", ".join(f"{n} {why}" for why, n in left_out.items()))
    if truth.moved:
        more = f" and {len(truth.moved) - _NAMED} more" if len(truth.moved) > _NAMED else ""
        notes.append(
            f"{len(truth.moved)} stations report from several places and count at the first: "
            f"{', '.join(truth.moved[:_NAMED])}{more}"
        )
    if "t2m" in observed:
        notes.append(corrected)
    if model_land is not None:
        notes += _mismatches(truth, model_land)
    subsets = _subsets(truth, model_height, model_land)
    return StationSums(found.parts, subsets, found.matched, tuple(notes))


def _corrections(
    truth: MatchedReports, model_height: Floats | None, settings: VerificationSettings
) -> tuple[Fields, str]:
    """What is added to reports, variable → (station,), and what to say about it."""
    if model_height is None:
        return {}, "T2m without height correction: the height of the model's surface is not known"
    known = np.isfinite(truth.height - model_height)
    far = known & (np.abs(truth.height - model_height) > settings.max_height_difference)
    correction = height_correction(
        truth.height, model_height, settings.lapse_rate, settings.max_height_difference
    )
    said = f"T2m corrected for height at {int((known & ~far).sum())} stations"
    if far.any():
        said += f", not at {int(far.sum())} more than {settings.max_height_difference:g} m off"
    if not known.all():
        said += f", not at {int((~known).sum())} outside the grid or of unknown height"
    return {"t2m": correction}, said


def _mismatches(truth: MatchedReports, model_land: Floats) -> list[str]:
    """Stations that stand on land where the model has sea, or the other way round."""
    notes = []
    inside = np.isfinite(model_land)
    for at_sea, there, other in ((False, "on land", "at sea"), (True, "at sea", "on land")):
        wrong = inside & (truth.at_sea == at_sea) & ((model_land < COAST) != at_sea)
        if wrong.any():
            names = [truth.names[i] for i in np.flatnonzero(wrong)]
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            notes.append(
                f"land-sea mismatch: {len(names)} stations {there} lie {other} in the model "
                f"({', '.join(names[:_NAMED])}{more})"
            )
    return notes


def _subsets(
    truth: MatchedReports, model_height: Floats | None, model_land: Floats | None
) -> list[Subset]:
    nothing = np.full(len(truth.names), np.nan)
    columns = (
        truth.latitude, truth.longitude, truth.height,
        nothing if model_height is None else model_height,
        nothing if model_land is None else model_land,
    )  # fmt: skip
    return [
        Subset(name, *(None if np.isnan(value) else float(value) for value in values))
        for name, *values in zip(truth.names, *columns, strict=True)
    ]


def _departures(
    truth: MatchedReports,
    names: tuple[str, ...],
    times: Sequence[datetime],
    place: BilinearWeights,
    cache: FrameCache,
    model_height: Floats | None,
) -> int:
    """Take out what is far from the analysis, height for height; says how many values.

    Heights are allowed for however far they are apart: a summit whose temperature is not corrected
    for scores is not wrong for standing above the model's surface.
    """
    known = tuple(name for name in names if name in cache.archive.variables)
    above = np.zeros(len(truth.names))
    if model_height is not None:
        above = np.nan_to_num(truth.height - model_height, nan=0.0)
    background = {name: np.full(truth.values[name].shape, np.nan) for name in known}
    for lead, time in enumerate(times):
        frames = cache.read(known, time)
        for index, name in enumerate(known):
            background[name][lead] = place(frames[index]) - LAPSE.get(name, 0.0) * above
    return sum(drop_departures(truth, name, background[name]) for name in known)
