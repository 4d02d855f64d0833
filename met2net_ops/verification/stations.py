"""One product against station reports: fields in, sums per lead and station out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.variables import variable
from met2net_ops.verification.analysis import wind_name
from met2net_ops.verification.events import contingency_sums
from met2net_ops.verification.kernels import continuous_of_systems, ensemble_sums
from met2net_ops.verification.match import CLIMATOLOGY, PERSISTENCE, PERSISTENCE_24H, baseline_times
from met2net_ops.verification.points import bilinear, height_correction
from met2net_ops.verification.regions import COAST
from met2net_ops.verification.reports import drop_departures
from met2net_ops.verification.store import FORECAST
from met2net_ops.verification.sums import KINDS, Sums, without_anomalies
from met2net_ops.verification.tables import Part, Subset
from met2net_ops.verification.winds import vector_of_systems

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from met2net_ops.settings import VerificationSettings
    from met2net_ops.verification.climatology import Climatology
    from met2net_ops.verification.forecast_file import ForecastFile
    from met2net_ops.verification.match import FrameCache
    from met2net_ops.verification.points import Bilinear
    from met2net_ops.verification.reports import StationTruth
    from met2net_ops.verification.surface import Surface

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


@dataclass(frozen=True)
class _Interpolated:
    """Everything at the stations.

    Attributes:
        systems: system → variable → (lead, station).
        members: variable → (member, lead, station), empty without an ensemble.
    """

    systems: dict[str, Fields]
    members: Fields


def station_sums(
    forecast: ForecastFile,
    truth: StationTruth,
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
    found = _interpolate(forecast, names, place, cache, climatology)
    notes = [f"{truth.used} values of {len(truth.names)} stations"]
    left_out = {f"flagged {flag}": count for flag, count in truth.flagged.items()}
    left_out["outside the grid"] = sum(
        int(np.isfinite(truth.values[name][:, ~place.inside]).sum()) for name in names
    )
    model_height, model_land = (
        None if values is None else place(values) for values in (surface.height, surface.land)
    )
    corrections, corrected = _corrections(truth, model_height, settings)
    left_out["flagged departure"] = _departures(
        truth, names, header.valid_times, place, cache, corrections
    )
    left_out = {reason: count for reason, count in left_out.items() if count}
    if left_out:
        notes.append("left out: " + ", ".join(f"{n} {why}" for why, n in left_out.items()))
    observed = {name: truth.values[name] + corrections.get(name, 0.0) for name in names}
    if "t2m" in observed:
        notes.append(corrected)
    if model_land is not None:
        notes += _mismatches(truth, model_land)
    parts, matched = _sums(header.variables, observed, found, settings)
    return StationSums(parts, _subsets(truth, model_height, model_land), matched, tuple(notes))


def _corrections(
    truth: StationTruth, model_height: Floats | None, settings: VerificationSettings
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


def _mismatches(truth: StationTruth, model_land: Floats) -> list[str]:
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
    truth: StationTruth, model_height: Floats | None, model_land: Floats | None
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


def _interpolate(
    forecast: ForecastFile,
    names: tuple[str, ...],
    place: Bilinear,
    cache: FrameCache,
    climatology: Climatology | None,
) -> _Interpolated:
    """All systems at the stations; NaN where a system has no value."""
    header = forecast.header
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
    return _Interpolated(systems, each)


def _departures(
    truth: StationTruth,
    names: tuple[str, ...],
    times: Sequence[datetime],
    place: Bilinear,
    cache: FrameCache,
    corrections: Fields,
) -> int:
    """Take out what is far from the analysis, height for height; says how many values."""
    known = tuple(name for name in names if name in cache.archive.variables)
    background = {name: np.full(truth.values[name].shape, np.nan) for name in known}
    for lead, time in enumerate(times):
        frames = cache.read(known, time)
        for index, name in enumerate(known):
            background[name][lead] = place(frames[index]) - corrections.get(name, 0.0)
    return sum(drop_departures(truth, name, background[name]) for name in known)


def _sums(
    variables: tuple[str, ...],
    observed: Fields,
    found: _Interpolated,
    settings: VerificationSettings,
) -> tuple[list[Part], NDArray[np.bool_]]:
    parts: list[Part] = []
    common: Fields = {}
    present: dict[str, list[str]] = {}
    leads = len(next(iter(observed.values()))) if observed else 0
    matched = np.zeros((len(variables), leads), dtype=np.bool_)
    for name, values in observed.items():
        fields = {system: by_name[name] for system, by_name in found.systems.items()}
        truth, there = _common_sample(values, fields)
        common[name], present[name] = truth, there
        matched[variables.index(name)] = np.isfinite(truth).any(axis=1)
        shape = truth.shape
        climatology = fields[CLIMATOLOGY] if CLIMATOLOGY in there else None
        parts += _continuous(name, {s: fields[s] for s in there}, truth, climatology)
        parts += _tables(name, {s: fields[s] for s in there}, truth, settings)
        if name in found.members:
            sums = ensemble_sums(found.members[name], truth, None)
            parts.append(Part(FORECAST, name, _shaped(sums, shape)))
    for name in observed:
        partner = variable(name).vector_partner
        if partner is None or partner not in observed or not name.startswith("u"):
            continue
        truths, wind = (common[name], common[partner]), wind_name(name)
        both = [system for system in present[name] if system in present[partner]]
        winds = {s: (found.systems[s][name], found.systems[s][partner]) for s in both}
        for system, pair in winds.items():
            (sums,) = vector_of_systems([pair], truths, None, settings.calm_wind)
            parts.append(Part(system, wind, _shaped(sums, truths[0].shape)))
        if settings.thresholds_of(wind):
            speeds = {system: np.hypot(*pair) for system, pair in winds.items()}
            parts += _tables(wind, speeds, np.hypot(*truths), settings)
    return parts, matched


def _continuous(name: str, fields: Fields, truth: Floats, climatology: Floats | None) -> list[Part]:
    """Sums of every system on the values it has; a baseline may lack whole leads."""
    parts = []
    for system, values in fields.items():
        (sums,) = continuous_of_systems([values], truth, None, climatology)
        # The anomaly of climatology itself is zero everywhere: no correlation to speak of.
        kept = without_anomalies(sums) if system == CLIMATOLOGY else sums
        parts.append(Part(system, name, _shaped(kept, truth.shape)))
    return parts


def _tables(name: str, fields: Fields, truth: Floats, settings: VerificationSettings) -> list[Part]:
    return [
        Part(
            system, name, _shaped(contingency_sums(values, truth, None, threshold), truth.shape),
            threshold,
        )
        for threshold in settings.thresholds_of(name)
        for system, values in fields.items()
    ]  # fmt: skip


def _common_sample(values: Floats, fields: Fields) -> tuple[Floats, list[str]]:
    """Reports where every system has a value, and which systems there are.

    A baseline is judged lead by lead: where it has no value at any station it costs no pair.
    """
    keep = np.isfinite(values) & np.isfinite(fields[FORECAST])
    there = [FORECAST]
    for system, field_ in fields.items():
        if system == FORECAST or not np.isfinite(field_).any():
            continue
        there.append(system)
        has = np.isfinite(field_)
        keep &= has | ~has.any(axis=1, keepdims=True)
    return np.where(keep, values, np.nan), there


def _shaped(sums: Sums, shape: tuple[int, ...]) -> Sums:
    return Sums(sums.kind, sums.values.reshape(*shape, len(KINDS[sums.kind])))
