"""One product against station reports: fields in, sums per lead and station out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.variables import variable
from met2net_ops.verification.analysis import wind_name
from met2net_ops.verification.events import contingency_sums
from met2net_ops.verification.kernels import continuous_sums
from met2net_ops.verification.match import CLIMATOLOGY, PERSISTENCE, PERSISTENCE_24H, baseline_times
from met2net_ops.verification.points import bilinear, height_correction
from met2net_ops.verification.reports import drop_departures
from met2net_ops.verification.store import FORECAST, Part, Subset
from met2net_ops.verification.sums import KINDS, Sums
from met2net_ops.verification.winds import vector_sums

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from met2net_ops.settings import VerificationSettings
    from met2net_ops.verification.climatology import Climatology
    from met2net_ops.verification.match import ForecastFile, FrameCache
    from met2net_ops.verification.reports import StationTruth

    Floats = NDArray[np.float64]

_BLOCK_BYTES = 64_000_000


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
    truth: StationTruth,
    cache: FrameCache,
    climatology: Climatology | None,
    settings: VerificationSettings,
    orography: Floats | None = None,
) -> StationSums:
    """Compare every lead and variable of a product with the reports chosen for it.

    All systems are interpolated to the stations in the same way: the forecast, and persistence
    and climatology from the archive's analyses. Temperature reports are brought to the model's
    height where its orography is given; the reports themselves (`truth`) lose the values that
    are far from the analysis of their time.

    Raises:
        VerificationError: the product is damaged.
        ArchiveError: a frame is.
    """
    header = forecast.header
    place = bilinear(header.grid, truth.latitude, truth.longitude)
    names = tuple(name for name in header.variables if name in truth.values)
    systems = _systems(forecast, names, place, cache, climatology)
    notes = [f"{truth.used} values of {len(truth.names)} stations"]
    left_out = {f"flagged {flag}": count for flag, count in truth.flagged.items()}
    left_out["outside the grid"] = sum(
        int(np.isfinite(truth.values[name][:, ~place.inside]).sum()) for name in names
    )
    left_out["flagged departure"] = _departures(truth, names, header.valid_times, place, cache)
    left_out = {reason: count for reason, count in left_out.items() if count}
    if left_out:
        notes.append("left out: " + ", ".join(f"{n} {why}" for why, n in left_out.items()))
    observed = {name: truth.values[name] for name in names}
    if "t2m" in observed:
        if orography is None:
            notes.append("T2m without height correction: no orography")
        else:
            model = place(orography)
            known = np.isfinite(truth.height - model)
            far = known & (np.abs(truth.height - model) > settings.max_height_difference)
            observed["t2m"] = observed["t2m"] + height_correction(
                truth.height, model, settings.lapse_rate, settings.max_height_difference
            )
            notes.append(
                f"T2m corrected for height at {int((known & ~far).sum())} stations, not at "
                f"{int(far.sum())} more than {settings.max_height_difference:g} m off"
            )
    parts, matched = _sums(header.variables, observed, systems, settings)
    subsets = [
        Subset(name, float(lat), float(lon), None if np.isnan(height) else float(height))
        for name, lat, lon, height in zip(
            truth.names, truth.latitude, truth.longitude, truth.height, strict=True
        )
    ]
    return StationSums(parts, subsets, matched, tuple(notes))


def _systems(
    forecast: ForecastFile,
    names: tuple[str, ...],
    place: Callable[[NDArray[np.float32]], Floats],
    cache: FrameCache,
    climatology: Climatology | None,
) -> dict[str, dict[str, Floats]]:
    """System → variable → (lead, station); a baseline that is nowhere there is left out."""
    header = forecast.header
    columns = [header.variables.index(name) for name in names]
    stations = len(place(np.zeros(header.grid.shape, dtype=np.float32)))
    shape = (header.leads, stations)
    found = {
        system: {name: np.full(shape, np.nan) for name in names}
        for system in (FORECAST, PERSISTENCE, PERSISTENCE_24H, CLIMATOLOGY)
    }
    known = tuple(name for name in names if name in cache.archive.variables)
    block = max(1, _BLOCK_BYTES // (4 * len(header.variables) * int(np.prod(header.grid.shape))))
    for first in range(0, header.leads, block):
        values = forecast.read(first, min(first + block, header.leads))
        for offset, fields in enumerate(values):
            lead = first + offset
            for name, column in zip(names, columns, strict=True):
                found[FORECAST][name][lead] = place(fields[column])
            step = header.lead_times[lead]
            for system, time in baseline_times(header.reference_time, step).items():
                frames = cache.read(known, time)
                for index, name in enumerate(known):
                    found[system][name][lead] = place(frames[index])
            for name in known if climatology is not None else ():
                mean = climatology.field(name, header.valid_times[lead]) if climatology else None
                if mean is not None:
                    found[CLIMATOLOGY][name][lead] = place(mean)
    return found


def _departures(
    truth: StationTruth,
    names: tuple[str, ...],
    times: tuple[object, ...],
    place: Callable[[NDArray[np.float32]], Floats],
    cache: FrameCache,
) -> int:
    known = tuple(name for name in names if name in cache.archive.variables)
    background = {name: np.full(truth.values[name].shape, np.nan) for name in known}
    for lead, time in enumerate(times):
        frames = cache.read(known, time)  # type: ignore[arg-type]
        for index, name in enumerate(known):
            background[name][lead] = place(frames[index])
    return sum(drop_departures(truth, name, background[name]) for name in known)


def _sums(
    variables: tuple[str, ...],
    observed: dict[str, Floats],
    systems: dict[str, dict[str, Floats]],
    settings: VerificationSettings,
) -> tuple[list[Part], NDArray[np.bool_]]:
    parts: list[Part] = []
    common: dict[str, Floats] = {}
    present: dict[str, list[str]] = {}
    leads = len(next(iter(observed.values()))) if observed else 0
    matched = np.zeros((len(variables), leads), dtype=np.bool_)
    for name, values in observed.items():
        truth, there = _common_sample(values, {s: f[name] for s, f in systems.items()})
        common[name], present[name] = truth, there
        matched[variables.index(name)] = np.isfinite(truth).any(axis=1)
        climatology = systems[CLIMATOLOGY][name] if CLIMATOLOGY in there else None
        for system in there:
            field, clim = systems[system][name], climatology
            if system == CLIMATOLOGY:
                clim = None
            sums = continuous_sums(field, truth, None, clim)
            parts.append(Part(system, name, _shaped(sums, truth.shape)))
            for threshold in settings.thresholds_of(name):
                table = contingency_sums(field, truth, None, threshold)
                parts.append(Part(system, name, _shaped(table, truth.shape), threshold))
    for name in observed:
        partner = variable(name).vector_partner
        if partner is None or partner not in observed or not name.startswith("u"):
            continue
        truths = common[name], common[partner]
        for system in present[name]:
            if system in present[partner]:
                fields = systems[system][name], systems[system][partner]
                sums = vector_sums(fields, truths, None, settings.calm_wind)
                wind = wind_name(name)
                parts.append(Part(system, wind, _shaped(sums, truths[0].shape)))
                for threshold in settings.thresholds_of(wind):
                    table = contingency_sums(np.hypot(*fields), np.hypot(*truths), None, threshold)
                    parts.append(Part(system, wind, _shaped(table, truths[0].shape), threshold))
    return parts, matched


def _common_sample(values: Floats, fields: dict[str, Floats]) -> tuple[Floats, list[str]]:
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
