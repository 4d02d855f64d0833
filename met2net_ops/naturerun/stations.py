"""A synthetic network of weather stations, and what its instruments report.

Reports are the synthetic truth at the station's own height, plus an error that differs from report
to report, a bias that belongs to the station, gaps where nothing came, and blunders as people and
wires make them. Which reports are blunders is known (`Report.blunder`) so that quality control can
be judged, but never written into the reports' file.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.derive import wind_direction, wind_speed
from met2net_ops.durable import replacing
from met2net_ops.naturerun import planet
from met2net_ops.naturerun.dynamics import GRAVITY
from met2net_ops.naturerun.fields import LAPSE_RATE, Sampler
from met2net_ops.progress import Track, silent
from met2net_ops.times import HOUR, format_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from numpy.typing import NDArray

    from met2net_ops.naturerun.run import AtmosphereState, NatureRun

    Real = NDArray[np.float64]

COLUMNS = (
    "station", "name", "latitude", "longitude", "height_m", "time", "t2m_k", "d2m_k",
    "wind_speed_ms", "wind_from_degrees", "msl_pa",
)  # fmt: skip
_MEASURED = ("t2m", "d2m", "u10", "v10", "msl")
_SYLLABLES = ("ka", "lo", "mer", "ti", "san", "vel", "or", "den", "u", "bra", "fi", "nor")


@dataclass(frozen=True, slots=True)
class SyntheticStation:
    """A station.

    Attributes:
        identifier: unique, `S0001` on; never a WMO number.
        name: invented.
        latitude: degrees north.
        longitude: degrees east, -180 to 180.
        height: m above sea level.
        temperature_bias: K.
        pressure_bias: Pa.
        wind_factor: what its anemometer multiplies the wind with.
    """

    identifier: str
    name: str
    latitude: float
    longitude: float
    height: float
    temperature_bias: float
    pressure_bias: float
    wind_factor: float


@dataclass(frozen=True, slots=True)
class Errors:
    """How good the instruments are: standard deviations, and shares of all reports."""

    temperature: float = 0.4  # K
    wind: float = 0.6  # m/s, of each component
    pressure: float = 40.0  # Pa
    temperature_bias: float = 0.3  # K, between stations
    pressure_bias: float = 30.0  # Pa, between stations
    wind_bias: float = 0.08  # share of the wind, between stations
    gaps: float = 0.05
    blunders: float = 0.01


@dataclass(frozen=True, slots=True)
class SyntheticReport:
    """What a station reported for one hour; None where a value is missing.

    Attributes:
        station: who.
        time: valid time.
        t2m: K.
        d2m: K.
        wind_speed: m/s.
        wind_from: degrees, 360 for north, 0 for calm.
        msl: Pa, reduced by the station.
        blunder: the truth about this report, "" if it is honest.
    """

    station: SyntheticStation
    time: datetime
    t2m: float | None
    d2m: float | None
    wind_speed: float | None
    wind_from: float | None
    msl: float | None
    blunder: str = ""


def make_network(count: int, seed: int, errors: Errors | None = None) -> list[SyntheticStation]:
    """Stations spread over the land between 60° S and 75° N, four fifths of them in the north.

    >>> a, b = make_network(2, seed=1)
    >>> a.identifier, a == make_network(2, seed=1)[0]
    ('S0001', True)
    """
    errors = errors or Errors()
    rng = np.random.default_rng([seed, 7])
    stations: list[SyntheticStation] = []
    while len(stations) < count:
        north = rng.random() < 0.8
        sine = rng.uniform(0.0, np.sin(np.deg2rad(75.0 if north else 60.0)))
        latitude = float(np.rad2deg(np.arcsin(sine))) * (1 if north else -1)
        longitude = float(rng.uniform(-180.0, 180.0))
        at = np.array([latitude]), np.array([longitude])
        if rng.random() > planet.land_fraction(*at)[0, 0]:
            continue
        ground = float(planet.height(*at)[0, 0])
        name = "".join(_SYLLABLES[i] for i in rng.integers(0, len(_SYLLABLES), 3))
        stations.append(
            SyntheticStation(
                f"S{len(stations) + 1:04d}",
                name.capitalize(),
                round(latitude, 4),
                round(longitude, 4),
                round(max(ground + float(rng.normal(0.0, 90.0)), 1.0), 1),
                float(rng.normal(0.0, errors.temperature_bias)),
                float(rng.normal(0.0, errors.pressure_bias)),
                float(np.exp(rng.normal(0.0, errors.wind_bias))),
            )
        )
    return stations


class Network:
    """Reads the synthetic truth at the stations of one network.

    Args:
        run: the atmosphere.
        stations: where.
        errors: how good the instruments are.
    """

    def __init__(
        self, run: NatureRun, stations: Sequence[SyntheticStation], errors: Errors | None = None
    ) -> None:
        self.stations = list(stations)
        self.errors = errors or Errors()
        self._seed = run.seed
        self._epoch = run.epoch
        # the same rows and columns as the stations: the diagonal are the stations themselves
        latitudes = np.array([station.latitude for station in stations])
        longitudes = np.array([station.longitude for station in stations])
        blocks = range(0, len(self.stations), 50)
        self._samplers = [
            Sampler(run, latitudes[i : i + 50], longitudes[i : i + 50]) for i in blocks
        ]
        ground = [np.diagonal(sampler.geopotential) / GRAVITY for sampler in self._samplers]
        heights = np.array([station.height for station in stations])
        self._cooling = LAPSE_RATE * (heights - np.concatenate(ground))

    def truth(self, state: AtmosphereState) -> Real:
        """(variable, station) of t2m, d2m, u10, v10, msl; temperature at the station's height."""
        parts = [
            np.diagonal(sampler.fields(state, _MEASURED), axis1=1, axis2=2)
            for sampler in self._samplers
        ]
        values = np.concatenate(parts, axis=1).astype(np.float64)
        values[0] -= self._cooling
        values[1] = np.minimum(values[1], values[0])
        return values

    def reports(self, state: AtmosphereState) -> Iterator[SyntheticReport]:
        """What came in for that hour; the same for the same run and time."""
        hour = (state.time - self._epoch) // HOUR
        rng = np.random.default_rng([self._seed, 11, hour])
        truth = self.truth(state)
        noise = rng.standard_normal(truth.shape)
        chance = rng.random((2, len(self.stations)))
        kinds = rng.integers(0, 4, len(self.stations))
        for i, station in enumerate(self.stations):
            if chance[0, i] < self.errors.gaps:
                continue
            report = self._honest(station, state.time, truth[:, i], noise[:, i])
            if chance[1, i] < self.errors.blunders:
                report = _blunder(report, int(kinds[i]))
            yield report

    def _honest(
        self, station: SyntheticStation, time: datetime, truth: Real, noise: Real
    ) -> SyntheticReport:
        errors = self.errors
        t2m = truth[0] + station.temperature_bias + errors.temperature * noise[0]
        d2m = min(truth[1] + errors.temperature * noise[1], t2m)
        u = station.wind_factor * truth[2] + errors.wind * noise[2]
        v = station.wind_factor * truth[3] + errors.wind * noise[3]
        speed = round(float(wind_speed(u, v)), 1)
        bearing = round(float(wind_direction(u, v)) / 10.0) * 10.0
        direction = 0.0 if speed == 0 else bearing or 360.0
        msl = truth[4] + station.pressure_bias + errors.pressure * noise[4]
        return SyntheticReport(
            station, time, round(float(t2m), 2), round(float(d2m), 2), speed, direction,
            round(float(msl) / 10.0) * 10.0,
        )  # fmt: skip


def _blunder(report: SyntheticReport, kind: int) -> SyntheticReport:
    """One of four that happen: degrees Celsius, hectopascals off, wind turned, stuck at zero."""
    assert report.t2m is not None
    assert report.msl is not None
    station, time = report.station, report.time
    t2m, d2m, speed, direction, msl = (
        report.t2m, report.d2m, report.wind_speed, report.wind_from, report.msl
    )  # fmt: skip
    match kind:
        case 0:
            return SyntheticReport(
                station, time, round(t2m - 273.15, 2), d2m, speed, direction, msl, "celsius"
            )
        case 1:
            return SyntheticReport(
                station, time, t2m, d2m, speed, direction, msl + 10_000.0, "pressure"
            )
        case 2:
            turned = ((direction or 0.0) + 180.0) % 360.0 or 360.0
            return SyntheticReport(
                station, time, t2m, d2m, (speed or 0.0) * 10, turned, msl, "wind"
            )
        case _:
            return SyntheticReport(station, time, None, None, 0.0, 0.0, msl, "stuck")


def reports(
    network: Network,
    run: NatureRun,
    start: datetime | AtmosphereState,
    hours: int,
    *,
    track: Track = silent,
) -> Iterator[SyntheticReport]:
    """Reports of `hours` hours from start (a time, or the state then) on."""
    states = run.states(start, hours)
    for state in track(states, "reading the stations", total=hours):
        yield from network.reports(state)


def write_reports(path: Path, rows: Iterable[SyntheticReport]) -> int:
    """Write reports as CSV with the header `COLUMNS`; empty cells are missing values.

    Returns:
        How many reports were written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with replacing(path, text=True) as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for row in rows:
            count += 1
            station = row.station
            writer.writerow(
                [
                    station.identifier, station.name, station.latitude, station.longitude,
                    station.height, format_time(row.time), row.t2m, row.d2m, row.wind_speed,
                    row.wind_from, row.msl,
                ]
            )  # fmt: skip
    return count
