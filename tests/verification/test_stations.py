"""Forecasts against stations: where, when, at what height, and what is left out."""

from __future__ import annotations

import math
from datetime import timedelta

import numpy as np
import pytest
from scipy.interpolate import RegularGridInterpolator
from verification_desk import GRID, HOUR, START, Desk, nature

from met2net_ops.errors import VerificationError
from met2net_ops.grids import LatLonGrid, global_cell_centred
from met2net_ops.observations.store import import_files
from met2net_ops.settings import Settings
from met2net_ops.verification.inputs.interpolation import bilinear, height_correction
from met2net_ops.verification.inputs.regions import Region
from met2net_ops.verification.inputs.surface import Surface, write_surface
from met2net_ops.verification.results.export import wmo_records
from met2net_ops.verification.results.query import Selection, grouped_sums
from met2net_ops.verification.results.summary import ScoreLine, summary
from met2net_ops.verification.run_stations import verify_stations
from met2net_ops.workspace import Workspace

DAY = timedelta(days=1)
PLACES = {"A": (40.0, 50.0, 100.0), "B": (-20.0, 200.0, 900.0), "C": (10.0, 300.5, 0.0)}
HEADER = "station,latitude,longitude,height_m,time,t2m_k,wind_speed_ms,wind_from_degrees,msl_pa\n"


def at(place: str, name: str, time: object) -> float:
    lat, lon, _ = PLACES[place]
    return float(bilinear(GRID, [lat], [lon])(nature(name, time))[0])  # type: ignore[arg-type]


def report(place: str, time: object, t2m: float | None = None, minutes: int = 0) -> str:
    lat, lon, height = PLACES[place]
    u, v = at(place, "u10", time), at(place, "v10", time)
    temperature = at(place, "t2m", time) if t2m is None else t2m
    direction = math.degrees(math.atan2(-u, -v)) % 360
    when = (time + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%MZ")  # type: ignore[operator]
    return f"{place},{lat},{lon},{height},{when},{temperature},{math.hypot(u, v)},{direction},\n"


def bring(desk: Desk, name: str, *lines: str) -> None:
    path = desk.workspace.root / name
    path.write_text(HEADER + "".join(lines), encoding="utf-8")
    import_files(desk.workspace.observations, [path], desk.settings.observations.columns)


def line(desk: Desk, variable: str, lead: int, **selection: object) -> ScoreLine:
    found = summary(desk.workspace, Selection(truth="stations", **selection))  # type: ignore[arg-type]
    (one,) = [x for x in found if (x.variable, x.lead_hours) == (variable, lead)]
    return one


class TestBilinear:
    @pytest.mark.parametrize(
        "grid",
        [global_cell_centred(30.0, "g"), LatLonGrid(60.0, -20.0, 2.0, 3.0, 9, 11, "region")],
        ids=lambda grid: grid.name,
    )
    def test_against_scipy(self, grid: LatLonGrid) -> None:
        rng = np.random.default_rng(0)
        field = rng.random(grid.shape)
        lat = rng.uniform(grid.latitudes[-1], grid.latitudes[0], 200)
        lon = grid.west + rng.uniform(0, grid.dlon * (grid.nlon - (0 if grid.periodic else 1)), 200)
        lons, wide = grid.longitudes, field
        if grid.periodic:
            lons = np.append(lons, lons[0] + 360)
            wide = np.concatenate([field, field[:, :1]], axis=1)
        oracle = RegularGridInterpolator((grid.latitudes[::-1], lons), wide[::-1])
        expected = oracle(np.stack([lat, lon], axis=1))
        for turn in (0, 360, -360):
            np.testing.assert_allclose(bilinear(grid, lat, lon + turn)(field), expected, atol=1e-9)

    def test_grid_points_give_themselves_and_outside_nothing(self) -> None:
        grid = LatLonGrid(60.0, -20.0, 0.1, 0.1, 5, 7)
        field = np.arange(35.0).reshape(5, 7)
        field[0, 1] = np.nan
        lat, lon = np.meshgrid(grid.latitudes, grid.longitudes, indexing="ij")
        got = bilinear(grid, lat.reshape(-1), lon.reshape(-1))(field)
        np.testing.assert_allclose(got, field.reshape(-1))
        got = bilinear(grid, [60.05, 59.0, 59.95, 59.75], [-20.0, -20.0, -19.95, -21.0])(field)
        assert np.isnan(got).all()


class TestHeightCorrection:
    def test_once_and_only_below_the_limit(self) -> None:
        """MET corrected one observation repeatedly (#3270): here it is a pure function."""
        heights, model = np.array([300.0, 701.0]), np.array([100.0, 200.0])
        first = height_correction(heights, model)
        assert first.tolist() == [1.3, 0.0]
        assert height_correction(heights, model).tolist() == first.tolist()


def test_known_errors_at_known_places(desk: Desk) -> None:
    desk.observe(START, 40)
    cycle = START + DAY
    desk.forecast(cycle, error=lambda name, lead: 0.5 * lead if name == "t2m" else 1.0)
    bring(desk, "a.csv", *(report(p, cycle + HOUR * h) for p in PLACES for h in range(1, 7)))
    (outcome,) = verify_stations(Workspace(desk.workspace, desk.settings))
    assert (outcome.status, outcome.matched) == ("final", 18)
    assert "T2m without height correction" in outcome.reason
    found = line(desk, "t2m", 4)
    assert found.n == 3
    assert found.bias == pytest.approx(2.0, abs=1e-4)
    assert found.rmse == pytest.approx(2.0, abs=1e-4)
    assert line(desk, "wind10", 4).rmse == pytest.approx(math.sqrt(2), abs=1e-4)
    change = [at(p, "t2m", cycle) - at(p, "t2m", cycle + 4 * HOUR) for p in PLACES]
    assert found.skill_persistence == pytest.approx(1 - 4 / np.mean(np.square(change)), abs=1e-4)
    assert line(desk, "t2m", 4, region=Region("west", 90, -90, -170, -50)).n == 2
    groups = grouped_sums(
        desk.workspace, "continuous", ("height",), Selection("stations", variables=("t2m",))
    )
    assert [key[0] for key in groups.keys] == [0, 750]
    by_station = grouped_sums(desk.workspace, "continuous", ("subset",), Selection("stations"))
    assert [key[0] for key in by_station.keys] == ["A", "B", "C"]
    assert verify_stations(Workspace(desk.workspace, desk.settings))[0].computed is False
    records = [
        dict(pair.split("=") for pair in record.split(","))
        for record in wmo_records(desk.workspace, Selection("stations"), "none")
    ]
    (error,) = [
        x for x in records if (x["st"], x["par"], x["sc"], x["s"]) == ("B", "t2m", "me", "4")
    ]
    assert float(error["v"]) == pytest.approx(2.0, abs=1e-3)
    assert {k: error[k] for k in ("d", "t", "lat", "lon", "se", "me", "n")} == {
        "d": "202601", "t": "4", "lat": "-20.00", "lon": "-160.00", "se": "900", "me": "na",
        "n": "1",
    }  # fmt: skip
    assert {x["par"] for x in records} == {"t2m", "ff10m", "dd10m"}
    with pytest.raises(VerificationError, match="four letters"):
        wmo_records(desk.workspace, Selection("stations"), "desk one")


def test_analyses_that_come_after_the_reports_make_a_product_due_again(desk: Desk) -> None:
    cycle = START + DAY
    desk.observe(START, 25)  # to the cycle, no later
    desk.forecast(cycle, error=lambda name, lead: 1.0, leads=2)
    bad = report("A", cycle + HOUR, t2m=at("A", "t2m", cycle + HOUR) + 20)
    bring(desk, "a.csv", bad, *(report(p, cycle + HOUR * h) for p in "BC" for h in (1, 2)))
    (outcome,) = verify_stations(Workspace(desk.workspace, desk.settings))
    assert outcome.computed
    assert line(desk, "t2m", 1).n == 3
    desk.observe(cycle + HOUR, 2)
    (outcome,) = verify_stations(Workspace(desk.workspace, desk.settings))
    assert outcome.computed
    assert "1 flagged departure" in outcome.reason
    assert line(desk, "t2m", 1).n == 2
    assert not verify_stations(Workspace(desk.workspace, desk.settings))[0].computed


def test_stations_that_stand_elsewhere_in_the_model(desk: Desk) -> None:
    """A and B are on land by what they are; in the model the southern half is sea."""
    land = np.where(GRID.latitudes[:, None] > 0, 1.0, 0.0) * np.ones(GRID.shape)
    settings = with_surface(desk, 0.0, land)
    desk.observe(START, 40)
    cycle = START + DAY
    desk.forecast(cycle, error=lambda name, lead: 1.0, leads=1)
    bring(desk, "a.csv", *(report(p, cycle + HOUR) for p in PLACES))
    (outcome,) = verify_stations(Workspace(desk.workspace, settings))
    assert "land-sea mismatch: 1 stations on land lie at sea in the model (B)" in outcome.reason
    assert line(desk, "u10", 1, region="land").n == 2
    assert line(desk, "u10", 1, region="sea").n == 1
    by_surface = summary(desk.workspace, Selection("stations", variables=("u10",)), "surface")
    assert [(x.group, x.n) for x in by_surface] == [("land", 2), ("sea", 1)]
    by_height = summary(desk.workspace, Selection("stations", variables=("u10",)), "height")
    assert [(x.group, x.n) for x in by_height] == [("0 to 250 m", 2), ("750 to 1000 m", 1)]


def test_contingency_tables_and_the_models_height_are_exported(desk: Desk) -> None:
    settings = with_surface(desk, 120.0, np.ones(GRID.shape))
    desk.observe(START, 60)
    for i in range(2):  # two cycles of one month, hour and lead would be a day apart
        desk.forecast(START + DAY * (i + 1), error=lambda name, lead: 2.0, leads=2)
    bring(desk, "a.csv", *(report(p, START + DAY * i + HOUR) for p in PLACES for i in (1, 2)))
    verify_stations(Workspace(desk.workspace, settings))
    records = [
        dict(pair.split("=") for pair in record.split(","))
        for record in wmo_records(desk.workspace, Selection("stations"), "none")
    ]
    tables = {x["st"]: x for x in records if x["sc"] == "ct"}
    assert tables.keys() == PLACES.keys()
    for place, record in tables.items():
        times = [START + DAY * i + HOUR for i in (1, 2)]
        truth = [math.hypot(at(place, "u10", t), at(place, "v10", t)) for t in times]
        wind = [math.hypot(at(place, "u10", t) + 2, at(place, "v10", t) + 2) for t in times]
        pairs = [(f >= 5, o >= 5) for f, o in zip(wind, truth, strict=True)]
        cells = [
            pairs.count(x) for x in ((False, True), (True, True), (False, False), (True, False))
        ]
        assert record["v"] == "/".join(map(str, cells))
        assert (record["par"], record["th"], record["n"], record["me"], record["s"]) == (
            "ff10m", "5", "2", "120", "1",
        )  # fmt: skip


def test_windows_flags_and_late_reports(desk: Desk) -> None:
    desk.observe(START, 40)
    cycle = START + DAY
    desk.forecast(cycle, error=lambda name, lead: 1.0, leads=3)
    (outcome,) = verify_stations(Workspace(desk.workspace, desk.settings))
    assert outcome.status == "pending"
    assert "no station report between" in outcome.reason
    one, two = cycle + HOUR, cycle + 2 * HOUR
    bring(
        desk, "a.csv",
        report("A", one, minutes=-9), report("A", one, t2m=200.0, minutes=10),  # nearest wins
        report("B", one, minutes=11),  # too late
        report("C", one, t2m=20.0),  # Celsius: out of range
        report("A", two, t2m=at("A", "t2m", two) + 20),  # departure from the analysis
        report("B", two),
    )  # fmt: skip
    (outcome,) = verify_stations(Workspace(desk.workspace, desk.settings))
    assert outcome.status == "partial"
    assert line(desk, "t2m", 1).n == 1
    assert line(desk, "t2m", 1).bias == pytest.approx(1.0, abs=1e-4)
    assert line(desk, "u10", 1).n == 2
    assert line(desk, "t2m", 2).n == 1
    assert "1 flagged range" in outcome.reason
    assert "1 flagged departure" in outcome.reason
    assert "no report for 1 of 3 leads" in outcome.reason
    assert verify_stations(Workspace(desk.workspace, desk.settings))[0].computed is False
    bring(desk, "late.csv", report("C", cycle + 3 * HOUR))
    (outcome,) = verify_stations(Workspace(desk.workspace, desk.settings))
    assert (outcome.status, outcome.computed) == ("final", True)


def with_surface(desk: Desk, height: float, land: np.ndarray) -> Settings:
    path = desk.workspace.root / "surface.nc"
    write_surface(path, GRID, Surface(np.full(GRID.shape, height), land), "a test")
    changed = desk.settings.verification.model_copy(update={"surface": "surface.nc"})
    return desk.settings.model_copy(update={"verification": changed})


def test_height_correction_by_the_surface_named(desk: Desk) -> None:
    settings = with_surface(desk, 300.0, np.ones(GRID.shape))
    desk.observe(START, 40)
    cycle = START + DAY
    desk.forecast(cycle, error=lambda name, lead: 0.0, leads=1)
    bring(desk, "a.csv", *(report(p, cycle + HOUR) for p in PLACES))
    (outcome,) = verify_stations(Workspace(desk.workspace, settings))
    assert "corrected for height at 2 stations, not at 1 more than 500 m off" in outcome.reason
    errors = {}
    for name in PLACES:
        lat, lon, _ = PLACES[name]
        box = Region("x", lat + 0.1, lat - 0.1, lon - 0.1, lon + 0.1)
        errors[name] = line(desk, "t2m", 1, region=box).bias
    # A lies 200 m below the model's surface, C 300 m; B 600 m above it and is left as it is.
    assert errors == pytest.approx({"A": 1.3, "B": 0.0, "C": 1.95}, abs=1e-4)


def test_a_direction_belongs_to_the_speed_it_came_with(desk: Desk) -> None:
    """At the valid time a speed alone, as of a variable wind; nine minutes before, a whole wind."""
    desk.observe(START, 40)
    cycle = START + DAY
    desk.forecast(cycle, error=lambda name, lead: 0.0, leads=1)
    one = cycle + HOUR
    lat, lon, height = PLACES["A"]
    alone = f"A,{lat},{lon},{height},{one:%Y-%m-%dT%H:%MZ},,{30.0},,\n"
    bring(desk, "a.csv", report("A", one, minutes=-9), alone)
    verify_stations(Workspace(desk.workspace, desk.settings))
    assert line(desk, "wind10", 1).n == 1
    assert line(desk, "wind10", 1).rmse == pytest.approx(0.0, abs=1e-4)


def test_what_is_left_out_is_counted(desk: Desk) -> None:
    """A has everything, at B persistence is missing, at C the forecast; D is not in the grid."""
    desk.observe(START, 40)
    cycle = START + DAY
    holed = nature("t2m", cycle)
    holed[GRID.latitudes < 0] = np.nan
    desk.archive.write("t2m", cycle, holed)
    gap = np.zeros(GRID.shape)
    gap[:, GRID.longitudes >= 270] = np.nan
    desk.forecast(cycle, error=lambda name, lead: gap, leads=1)
    outside = f"D,-89,0,5,{cycle + HOUR:%Y-%m-%dT%H:%MZ},250,,,\n"
    moved = f"A,10,10,5,{cycle + HOUR + timedelta(minutes=5):%Y-%m-%dT%H:%MZ},280,,,\n"
    bring(desk, "a.csv", *(report(p, cycle + HOUR) for p in PLACES), outside, moved)
    (outcome,) = verify_stations(Workspace(desk.workspace, desk.settings))
    assert line(desk, "t2m", 1).n == 1
    # Of C neither temperature nor wind components have a forecast.
    assert (
        "left out: 1 outside the grid, 3 without a forecast, 1 where a baseline is missing"
        in outcome.reason
    )
    assert "5 values of 4 stations compared" in outcome.reason
    assert "1 stations report from several places and count at the first: A" in outcome.reason


def test_reports_from_elsewhere_are_no_failure(desk: Desk) -> None:
    desk.observe(START, 40)
    cycle = START + DAY
    desk.forecast(cycle, leads=1)
    bring(desk, "a.csv", f"D,-89,0,5,{cycle + HOUR:%Y-%m-%dT%H:%MZ},250,,,\n")
    (outcome,) = verify_stations(Workspace(desk.workspace, desk.settings))
    assert outcome.status == "pending"
    assert "none of the 1 stations (D) lies in the grid" in outcome.reason
