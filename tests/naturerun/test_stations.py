"""Station reports err as much as they were asked to."""

from __future__ import annotations

import csv
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from met2net_ops.naturerun import planet
from met2net_ops.naturerun.fields import Sampler
from met2net_ops.naturerun.stations import (
    COLUMNS,
    Errors,
    Network,
    SyntheticReport,
    make_network,
    reports,
    write_reports,
)

if TYPE_CHECKING:
    from pathlib import Path

    from met2net_ops.naturerun.run import AtmosphereState, NatureRun

EXACT = Errors(0, 0, 0, 0, 0, 0, gaps=0, blunders=0)


@pytest.fixture(scope="module")
def many(young: tuple[NatureRun, AtmosphereState]) -> tuple[Network, list[SyntheticReport]]:
    run, state = young
    network = Network(run, make_network(120, 1, Errors()), Errors(gaps=0.1, blunders=0.05))
    return network, list(reports(network, run, state, 48))


def test_stations_stand_on_land_and_have_names_of_their_own() -> None:
    stations = make_network(300, 4)
    assert len({s.identifier for s in stations}) == 300
    assert stations[:20] == make_network(20, 4)
    north = sum(s.latitude > 0 for s in stations)
    assert 210 < north < 270
    for s in stations:
        assert planet.land_fraction(np.array([s.latitude]), np.array([s.longitude]))[0, 0] > 0
        assert s.height >= 1.0


def test_perfect_instruments_report_the_truth_at_their_height(
    young: tuple[NatureRun, AtmosphereState],
) -> None:
    run, state = young
    stations = make_network(60, 2, EXACT)
    found = list(Network(run, stations, EXACT).reports(state))
    assert [report.station for report in found] == stations
    for report in found[::7]:
        s = report.station
        point = Sampler(run, np.array([s.latitude]), np.array([s.longitude]))
        t2m, u, v, msl = point.fields(state, ("t2m", "u10", "v10", "msl"))[:, 0, 0]
        above = s.height - point.geopotential[0, 0] / 9.80665
        assert report.t2m == pytest.approx(t2m - 0.0065 * above, abs=0.02)
        assert report.msl == pytest.approx(msl, abs=6.0)
        assert report.wind_speed == pytest.approx(np.hypot(u, v), abs=0.06)
        assert report.wind_from is not None
        assert report.wind_speed is not None
        if report.wind_speed > 1.0:
            blowing_from = np.rad2deg(np.arctan2(-u, -v))
            apart = (report.wind_from - blowing_from + 180.0) % 360.0 - 180.0
            assert abs(apart) <= 5.1


def test_gaps_and_blunders_are_as_frequent_as_asked(
    many: tuple[Network, list[SyntheticReport]],
) -> None:
    network, found = many
    total = 48 * len(network.stations)
    assert len(found) / total == pytest.approx(0.9, abs=0.02)
    blunders = [report.blunder for report in found if report.blunder]
    assert len(blunders) / len(found) == pytest.approx(0.05, abs=0.015)
    assert set(blunders) == {"celsius", "pressure", "wind", "stuck"}


def test_errors_and_biases_have_the_size_asked_for(
    many: tuple[Network, list[SyntheticReport]], young: tuple[NatureRun, AtmosphereState]
) -> None:
    run, state = young
    network, found = many
    perfect = Network(run, [replace(s, temperature_bias=0, pressure_bias=0, wind_factor=1)
                            for s in network.stations], EXACT)  # fmt: skip
    truth = {
        (report.station.identifier, report.time): report
        for report in reports(perfect, run, state, 48)
    }
    errors: dict[str, list[float]] = {}
    pressure = []
    for report in found:
        honest = truth[report.station.identifier, report.time]
        if not report.blunder:
            assert report.t2m is not None
            assert honest.t2m is not None
            errors.setdefault(report.station.identifier, []).append(report.t2m - honest.t2m)
            assert report.msl is not None
            assert honest.msl is not None
            pressure.append(report.msl - honest.msl)
            assert report.d2m is not None
            assert report.d2m <= report.t2m + 0.01
    biases = np.array([np.mean(series) for series in errors.values()])
    within = np.mean([np.std(series) for series in errors.values()])
    assert within == pytest.approx(0.4, rel=0.1)
    assert biases.std() == pytest.approx(0.3, rel=0.25)
    assert np.std(pressure) == pytest.approx(np.hypot(40.0, 30.0), rel=0.15)


def test_the_table_holds_what_was_reported(
    many: tuple[Network, list[SyntheticReport]], tmp_path: Path
) -> None:
    _, found = many
    path = tmp_path / "sub" / "reports.csv"
    assert write_reports(path, found) == len(found)
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == len(found)
    for row, report in zip(rows[::97], found[::97], strict=True):
        assert row["station"] == report.station.identifier
        assert row["t2m_k"] == ("" if report.t2m is None else str(report.t2m))
        assert float(row["latitude"]) == report.station.latitude
        assert row["time"] == report.time.strftime("%Y-%m-%dT%H:%MZ")
    assert [path.name] == [p.name for p in path.parent.iterdir()]


def test_a_report_does_not_depend_on_where_reading_began(
    young: tuple[NatureRun, AtmosphereState],
) -> None:
    run, state = young
    network = Network(run, make_network(10, 1))
    alone = list(network.reports(list(run.states(state, 3))[2]))
    assert alone == list(reports(network, run, state, 3))[-len(alone) :]
