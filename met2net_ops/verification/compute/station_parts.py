"""Sums of every system at the stations, each station by itself, on the same reports for all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.variables import variable
from met2net_ops.verification.compute.analysis_sums import wind_name
from met2net_ops.verification.compute.event_sums import cloud_class_sums, contingency_sums
from met2net_ops.verification.compute.kernels import continuous_of_systems, ensemble_sums
from met2net_ops.verification.compute.wind_sums import vector_of_systems
from met2net_ops.verification.inputs.accumulations import HOURLY, PERIODS, THRESHOLDS
from met2net_ops.verification.inputs.baselines import CLIMATOLOGY
from met2net_ops.verification.store.files import FORECAST
from met2net_ops.verification.store.rows import Part
from met2net_ops.verification.store.sums import KINDS, Sums, without_anomalies

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from met2net_ops.settings import VerificationSettings
    from met2net_ops.verification.compute.station_values import AtStations

    Floats = NDArray[np.float64]
    Fields = dict[str, Floats]  # variable or system → (lead, station)


@dataclass(frozen=True)
class StationParts:
    """Sums of one product, and which reports they are of.

    Attributes:
        parts: sums of shape (lead, station).
        matched: (variable, lead) whether any station had a value; of precipitation any amount.
        pairs: reports compared, of all variables.
        without_forecast: those the forecast has no value for.
        without_baseline: those left out because a baseline has a gap there.
    """

    parts: list[Part]
    matched: NDArray[np.bool_]
    pairs: int
    without_forecast: int
    without_baseline: int


def sums_at_stations(
    variables: Sequence[str],
    observed: Fields,
    found: AtStations,
    inside: NDArray[np.bool_],
    settings: VerificationSettings,
) -> StationParts:
    """Compare everything at the stations.

    Args:
        variables: of the product.
        observed: variable, or key of `accumulations.PERIODS` → (lead, station) reports.
        found: forecast and baselines there.
        inside: (station,) whether the grid reaches there.
        settings: thresholds, and what counts as calm.
    """
    parts: list[Part] = []
    common: Fields = {}
    present: dict[str, list[str]] = {}
    leads = len(next(iter(observed.values()))) if observed else 0
    matched = np.zeros((len(variables), leads), dtype=np.bool_)
    pairs = without_forecast = without_baseline = 0
    for name, values in observed.items():
        fields = {system: by_name[name] for system, by_name in found.systems.items()}
        truth, there = _common_sample(values, fields)
        common[name], present[name] = truth, there
        systems = {system: fields[system] for system in there}
        has = np.isfinite(truth)
        matched[variables.index(HOURLY if name in PERIODS else name)] |= has.any(axis=1)
        if name in PERIODS:
            pairs += int(has.sum())
            parts += _tables(name, systems, truth, THRESHOLDS[name])
            continue
        reported = np.isfinite(values) & inside
        forecast = reported & np.isfinite(fields[FORECAST])
        pairs += int(has.sum())
        without_forecast += int(reported.sum() - forecast.sum())
        without_baseline += int(forecast.sum() - has.sum())
        parts += _continuous(name, systems, truth)
        parts += _tables(name, systems, truth, settings.thresholds_of(name))
        if name == "tcc":
            parts += [
                Part(system, name, _shaped(cloud_class_sums(field, truth, None), truth.shape))
                for system, field in systems.items()
            ]
        if name in found.members:
            sums = ensemble_sums(found.members[name], truth, None)
            parts.append(Part(FORECAST, name, _shaped(sums, truth.shape)))
    parts += _winds(common, present, found, settings)
    return StationParts(parts, matched, pairs, without_forecast, without_baseline)


def _winds(
    common: Fields, present: dict[str, list[str]], found: AtStations, settings: VerificationSettings
) -> list[Part]:
    parts: list[Part] = []
    for name in (name for name in common if name not in PERIODS):
        partner = variable(name).vector_partner
        if partner is None or partner not in common or not name.startswith("u"):
            continue
        truths, wind = (common[name], common[partner]), wind_name(name)
        both = [system for system in present[name] if system in present[partner]]
        winds = {s: (found.systems[s][name], found.systems[s][partner]) for s in both}
        for system, pair in winds.items():
            (sums,) = vector_of_systems([pair], truths, None, settings.calm_wind)
            parts.append(Part(system, wind, _shaped(sums, truths[0].shape)))
        speeds = {system: np.hypot(*pair) for system, pair in winds.items()}
        parts += _tables(wind, speeds, np.hypot(*truths), settings.thresholds_of(wind))
    return parts


def _continuous(name: str, fields: Fields, truth: Floats) -> list[Part]:
    """Sums of every system on the values it has; a baseline may lack whole leads."""
    parts = []
    for system, values in fields.items():
        (sums,) = continuous_of_systems([values], truth, None, fields.get(CLIMATOLOGY))
        # The anomaly of climatology itself is zero everywhere: no correlation to speak of.
        kept = without_anomalies(sums) if system == CLIMATOLOGY else sums
        parts.append(Part(system, name, _shaped(kept, truth.shape)))
    return parts


def _tables(name: str, fields: Fields, truth: Floats, thresholds: Sequence[float]) -> list[Part]:
    return [
        Part(
            system, name, _shaped(contingency_sums(values, truth, None, threshold), truth.shape),
            threshold,
        )
        for threshold in thresholds
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
