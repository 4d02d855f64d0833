from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from met2net_ops.app.data.places import analyses_at_place, place_table, run_at_place, with_wind
from met2net_ops.app.data.stations import list_stations, station_reports
from met2net_ops.app.figures.daylight import nights
from met2net_ops.app.figures.meteogram import MeteogramCurve, meteogram
from met2net_ops.app.figures.projections import PlateCarree
from met2net_ops.app.map_link import read_click
from met2net_ops.app.units import Units
from met2net_ops.observations.report import ObservationError
from met2net_ops.paths import WorkspacePaths
from met2net_ops.products.index import list_products
from met2net_ops.products.read import open_product
from met2net_ops.settings import load_settings
from met2net_ops.times import HOUR, naive_utc, time_range
from met2net_ops.workspace import Workspace

RUN = datetime(2020, 11, 22, 6, tzinfo=UTC)
TIMES = tuple(time_range(RUN + HOUR, RUN + HOUR * 6))


def test_a_run_at_a_place_is_what_xarray_interpolates(shown_desk: WorkspacePaths) -> None:
    path = list_products(shown_desk)[-1].path
    run = run_at_place(path, 40.0, 100.0)
    assert run.times == TIMES
    there = open_product(path).dataset.interp(latitude=40.0, longitude=100.0)
    for name in ("t2m", "u10", "v10", "msl"):
        np.testing.assert_allclose(run.values[name], there[name].values, rtol=1e-5)
    speed = np.hypot(there["u10"].values, there["v10"].values)
    np.testing.assert_allclose(run.values["ws10"], speed, rtol=1e-5)


def test_analyses_at_a_place_are_missing_where_the_archive_lacks_them(
    shown_desk: WorkspacePaths,
) -> None:
    settings = load_settings(shown_desk.settings_file)
    found = analyses_at_place(Workspace(shown_desk, settings), ["t2m", "msl"], TIMES, 40.0, 100.0)
    archive = Workspace(shown_desk, settings).archive
    rows = archive.grid.latitudes
    assert abs(rows[8] - 40) < archive.grid.dlat  # the place lies between known rows
    np.testing.assert_array_equal(np.isfinite(found["t2m"]), [True] * 3 + [False] * 3)
    np.testing.assert_array_equal(np.isfinite(found["msl"]), [True, False, True] + [False] * 3)


def test_no_archive_is_no_analysis(tmp_path: object, shown_desk: WorkspacePaths) -> None:
    nowhere = WorkspacePaths(shown_desk.root / "nowhere")
    assert (
        analyses_at_place(
            Workspace(nowhere, load_settings(shown_desk.settings_file)), ["t2m"], TIMES, 0.0, 0.0
        )
        == {}
    )


def test_reports_of_a_station_without_impossible_values(shown_desk: WorkspacePaths) -> None:
    stations = {station.name: station for station in list_stations(shown_desk, RUN, TIMES[-1])}
    assert set(stations) == {"HIGH", "LOW"}
    assert (stations["LOW"].latitude, stations["LOW"].longitude) == (-33.9, 151.2)
    found = station_reports(shown_desk, "HIGH", RUN, TIMES[-1])
    assert found["t2m"].values.tolist() == [280.0, 281.0, 283.0, 284.0]
    assert found["t2m"].times == (RUN, RUN + HOUR, RUN + HOUR * 3, RUN + HOUR * 4)
    np.testing.assert_allclose(found["u10"].values, 5.0)  # from the west
    np.testing.assert_allclose(found["v10"].values, 0.0, atol=1e-12)
    np.testing.assert_allclose(found["wd10"].values, 270.0)
    assert station_reports(shown_desk, "NOBODY'; DROP", RUN, TIMES[-1]) == {}


def test_damaged_reports_are_an_error_that_names_the_file(desk: WorkspacePaths) -> None:
    (file,) = (desk.observations / "reports").rglob("*.parquet")
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(ObservationError, match=file.name):
        list_stations(desk, RUN, TIMES[-1])


def _curve(*names: str) -> MeteogramCurve:
    return MeteogramCurve(
        TIMES, {name: np.linspace(270, 280, 6).astype(np.float32) for name in names}
    )


def test_every_variable_has_a_row_and_directions_are_dots() -> None:
    forecast = _curve("u10", "t2m", "wd10")
    observed = {"t2m": _curve("t2m")}
    figure = meteogram(
        forecast, [("run before", _curve("t2m"))], _curve("t2m"), observed, Units(), title="here"
    )
    titles = [note.text for note in figure.layout.annotations]
    assert titles == ["2 metre temperature, °C", "10 metre wind direction, °",
                      "10 metre eastward wind, m/s"]  # fmt: skip
    by_row: dict[str, list[str]] = {}
    for trace in figure.data:
        by_row.setdefault(trace.yaxis, []).append(trace.name)
    assert by_row == {
        "y": ["run before", "analysis", "forecast", "observed"],
        "y2": ["forecast"],
        "y3": ["forecast"],
    }
    (direction,) = (trace for trace in figure.data if trace.yaxis == "y2")
    assert direction.mode == "markers"
    named = [trace.name for trace in figure.data if trace.showlegend]
    assert sorted(named) == sorted(set(named))


def test_wind_has_one_row_with_barbs_and_nights_are_dark() -> None:
    forecast = MeteogramCurve(
        TIMES,
        {
            "u10": np.zeros(6, np.float32),
            "v10": np.full(6, -5.0, np.float32),  # 10 kt from the north
            "ws10": np.full(6, 5.0, np.float32),
        },
    )
    none = MeteogramCurve(TIMES, {})
    figure = meteogram(forecast, [], none, {}, Units(), title="here", place=(52.5, 13.4))
    assert [note.text for note in figure.layout.annotations] == ["10 metre wind speed, m/s"]
    barbs = [shape for shape in figure.layout.shapes if shape.type == "path"]
    assert [np.datetime64(shape.xanchor) for shape in barbs] == [
        np.datetime64(naive_utc(time)) for time in TIMES
    ]
    staff, mark = barbs[0].path.lstrip("M").split("M")
    (foot, top), (_, end) = ([point.split(",") for point in stroke.split("L")]
                             for stroke in (staff, mark))  # fmt: skip
    assert float(foot[0]) == float(foot[1]) == float(top[0]) == 0
    assert float(top[1]) > 10  # upwards, where it comes from
    assert float(end[0]) > 5  # on the side of low pressure, in the north


def test_the_sun_rises_and_sets_when_almanacs_say() -> None:
    """Berlin, 22 November 2020: 07:40 and 16:04 CET; Tromsø has no day in December."""
    day = datetime(2020, 11, 22, tzinfo=UTC), datetime(2020, 11, 23, tzinfo=UTC)
    (_, sunrise), (sunset, _) = nights(52.52, 13.40, *day)
    minutes = np.timedelta64(3, "m")
    assert abs(sunrise - np.datetime64("2020-11-22T06:40")) < minutes
    assert abs(sunset - np.datetime64("2020-11-22T15:04")) < minutes
    winter = datetime(2020, 12, 21, tzinfo=UTC), datetime(2020, 12, 22, tzinfo=UTC)
    assert len(nights(69.65, 18.96, *winter)) == 1
    assert nights(69.65, 18.96, datetime(2020, 6, 21, tzinfo=UTC), day[0])[0][0] > np.datetime64(
        "2020-07-20"
    )


def test_a_meteogram_shows_the_units_asked_for() -> None:
    figure = meteogram(
        _curve("t2m", "ws10"), [], MeteogramCurve(TIMES, {}), {}, Units("K", "kt"), title="here"
    )
    np.testing.assert_allclose(figure.data[0].y, np.linspace(270, 280, 6), rtol=1e-6)
    np.testing.assert_allclose(figure.data[1].y, np.linspace(270, 280, 6) / 0.514444, rtol=1e-5)


def test_the_table_of_a_place_has_forecast_analysis_and_observation(
    shown_desk: WorkspacePaths,
) -> None:
    run = run_at_place(list_products(shown_desk)[-1].path, 52.5, 13.4)
    observed = station_reports(shown_desk, "HIGH", RUN, TIMES[-1])
    analyses = {"t2m": np.full(6, 273.15, np.float32)}
    table = place_table(run, analyses, observed, Units())
    assert table["t2m analysis, °C"].tolist() == [0.0] * 6
    np.testing.assert_allclose(
        table["t2m observed, °C"], [7.85, np.nan, 9.85, 10.85, np.nan, np.nan]
    )
    assert table["lead, h"].tolist() == [1, 2, 3, 4, 5, 6]
    np.testing.assert_allclose(table["t2m, °C"], run.values["t2m"] - 273.15, atol=0.006)


def test_wind_needs_both_components() -> None:
    alone = {"u10": np.ones(2, np.float32)}
    assert with_wind(alone) == alone


def test_wind_comes_from_where_it_comes() -> None:
    u, v = np.float32([[0, -3, 0, 3, -4], [-3, 0, 3, 0, 4]])  # north, east, south, west, southeast
    found = with_wind({"u10": u, "v10": v})
    np.testing.assert_allclose(found["wd10"], [0, 90, 180, 270, 135])
    np.testing.assert_allclose(found["ws10"], [3, 3, 3, 3, np.sqrt(32)], rtol=1e-6)


@pytest.mark.parametrize(
    "sent",
    [None, "x", [], {}, {"x": "1", "y": 2}, {"x": 0, "y": 91}, {"x": float("nan"), "y": 0},
     {"x": 1e9, "y": 0}],
)  # fmt: skip
def test_what_is_no_click_is_none(sent: object) -> None:
    assert read_click(sent, PlateCarree()) is None
