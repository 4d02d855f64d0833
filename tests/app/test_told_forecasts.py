"""The forecast page against closed forms: every number says when it is valid and whose it is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from charts import chart, numbers
from dashboard import open_page
from numpy.typing import NDArray

from met2net_ops.app.data.places import run_at_place
from met2net_ops.forecast.forecaster import ForecasterSpec, LeadBlock, Runtime
from met2net_ops.forecast.run import run_cycle
from met2net_ops.grids import LatLonGrid
from met2net_ops.observations.store import import_files
from met2net_ops.paths import WorkspacePaths
from met2net_ops.products.index import list_products
from met2net_ops.settings import load_settings
from met2net_ops.times import HOUR, format_time
from met2net_ops.workspace import Workspace, create_workspace

# More than 40 rows: only then are isobars drawn from every second point.
GRID = LatLonGrid(88.0, 0.0, 4.0, 4.0, 45, 90, "told")
NAMES = ("t2m", "u10", "v10", "msl", "wd10")
FIRST = datetime(2020, 11, 22, tzinfo=UTC)
RUNS = (FIRST, FIRST + 3 * HOUR)
BEFORE, LATEST, ANALYSIS = 0.25, 0.5, 0.0  # what each of them adds
LEADS = 8
ANALYSED = 6  # hours from `FIRST` on
SPEED = 10.0  # m/s
BETWEEN = 0.03  # K: a wave is no plane between points of a grid of 4 degrees; hPa are twice that
PLACE = (48.0, 12.0)  # a point of the grid


def told(name: str, hours: float, whose: float, lat: Any, lon: Any) -> NDArray[np.float64]:
    """A value, from hours after `FIRST`, who says so, and the place; wind turns through north."""
    lat, lon = np.deg2rad(lat), np.deg2rad(lon)
    wave = np.cos(lat) * np.sin(lon) + np.sin(lat)  # -√2 to √2
    direction = (345 + 5 * hours + 40 * whose + 20 * wave) % 360
    match name:
        case "t2m":
            return 270 + hours + whose + 10 * wave
        case "msl":
            return 100_000 + 100 * (hours + whose) + 2000 * wave
        case "u10":
            return -SPEED * np.sin(np.deg2rad(direction))
        case "v10":
            return -SPEED * np.cos(np.deg2rad(direction))
        case _:
            return direction


def _field(name: str, hours: float, whose: float) -> NDArray[np.float32]:
    lon, lat = np.meshgrid(GRID.longitudes, GRID.latitudes)
    return told(name, hours, whose, lat, lon).astype(np.float32)


@dataclass(frozen=True)
class Teller:
    """Forecasts what `told` says."""

    spec: ForecasterSpec

    @property
    def runtime(self) -> Runtime:
        return Runtime("cpu", "exact")

    def rollout(
        self, window: NDArray[np.float32], reference_times: Sequence[datetime], leads: int
    ) -> Iterator[LeadBlock]:
        for lead in range(1, leads + 1):
            fields = [
                [_field(name, (time - FIRST) / HOUR + lead, _whose(time)) for name in NAMES]
                for time in reference_times
            ]
            yield LeadBlock(lead, np.array(fields)[:, None])


def _whose(run: datetime) -> float:
    return dict(zip(RUNS, (BEFORE, LATEST), strict=True))[run]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> WorkspacePaths:
    """Two runs, six hours of analyses, and a station with wind from the west and then none."""
    root = tmp_path_factory.mktemp("told") / "desk"
    keys = ("name", "north", "west", "dlat", "dlon", "nlat", "nlon")
    grid = {key: getattr(GRID, key) for key in keys}
    settings = {
        "grid": grid,
        "archive": {"variables": list(NAMES)},
        "forecast": {"leads": LEADS, "model": "told"},
        "gate": {"min_spread_ratio": 0.001},  # north is at both ends of the scale of directions
    }
    workspace = create_workspace(root, settings).paths
    loaded = load_settings(workspace.settings_file)
    archive = Workspace(workspace, loaded).create_archive()
    archive.write_frames(
        [
            archive.encode(name, FIRST + hour * HOUR, _field(name, hour, ANALYSIS))
            for name in NAMES
            for hour in range(ANALYSED + 1)
        ]
    )
    teller = Teller(ForecasterSpec("told", "", NAMES, archive.grid, 1))
    for run in RUNS:
        run_cycle(teller, archive, Workspace(workspace, loaded), run)
    lines = ["station,latitude,longitude,time,speed,from"]
    for hour, wind in ((4, "5,270"), (5, "5,270"), (6, "0,0")):
        lines.append(f"WEST,{PLACE[0]},{PLACE[1]},{format_time(FIRST + hour * HOUR)},{wind}")
    reports = root / "reports.csv"
    reports.write_text("\n".join(lines) + "\n")
    columns = ("station = station", "latitude = latitude", "longitude = longitude", "time = time",
               "wind_speed = speed m/s", "wind_from = from degree")  # fmt: skip
    import_files(workspace.observations, [reports], columns)
    return workspace


def _places(figure: dict[str, Any], trace: int = 0) -> tuple[Any, Any]:
    """Latitudes and longitudes of a trace's field, by its own axes."""
    drawn = figure["data"][trace]
    lon, lat = np.meshgrid(numbers(drawn["x"]), numbers(drawn["y"]))
    return np.clip(lat, -88, 88), lon  # fields reach beyond their outermost rows as they are there


def _leads(figure: dict[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    """Hours after `FIRST` that a frame says it is valid at, and the frame."""
    found = []
    for frame in figure["frames"]:
        text = frame["layout"]["annotations"][0]["text"]
        said = re.match(r"<b>valid \w{3} ([-0-9]+ [:0-9]+) UTC</b>", text)
        assert said
        hours = int((datetime.fromisoformat(f"{said[1]}+00:00") - FIRST) / HOUR)
        assert f"+{hours - 3} h" == frame["name"]  # of the later run
        found.append((hours, frame))
    return found


@pytest.mark.parametrize("every", [1, 2, 3])
def test_each_frame_holds_the_field_of_the_valid_time_it_names(
    desk: WorkspacePaths, every: int
) -> None:
    figure = chart(
        open_page(desk.root, variable="t2m", isobars="no", every=str(every), projection="plate")
    )
    leads = _leads(figure)
    assert [hours - 3 for hours, _ in leads] == list(range(every, LEADS + 1, every))
    places = _places(figure)
    for hours, frame in leads:
        expected = told("t2m", hours, LATEST, *places) - 273.15
        np.testing.assert_allclose(numbers(frame["data"][0]["z"]), expected, atol=BETWEEN)


@pytest.mark.parametrize("every", [1, 2])
def test_the_run_before_stands_beside_at_the_same_valid_times(
    desk: WorkspacePaths, every: int
) -> None:
    page = open_page(
        desk.root, variable="msl", isobars="no", beside="previous", every=str(every),
        projection="plate",
    )  # fmt: skip
    figure = chart(page)
    places = _places(figure, 1)
    for hours, frame in _leads(figure):
        here, beside = (numbers(trace["z"]) for trace in frame["data"])
        np.testing.assert_allclose(
            here, told("msl", hours, LATEST, *places) / 100, atol=2 * BETWEEN
        )
        if hours <= LEADS:  # it started at `FIRST`
            expected = told("msl", hours, BEFORE, *places) / 100
            np.testing.assert_allclose(beside, expected, atol=2 * BETWEEN)
        else:
            assert np.isnan(beside).all()


@pytest.mark.parametrize(
    ("beside", "name", "every", "apart", "last"),
    [
        ("change", "t2m", 1, LATEST - BEFORE, LEADS),
        ("change", "msl", 2, LATEST - BEFORE, LEADS),  # hPa
        ("change", "wd10", 2, 40 * (LATEST - BEFORE), LEADS),
        ("analysis", "t2m", 2, LATEST - ANALYSIS, ANALYSED),
        ("analysis", "wd10", 1, 40 * (LATEST - ANALYSIS), ANALYSED),
    ],
)
def test_a_difference_is_this_run_minus_the_other_the_short_way_round(
    desk: WorkspacePaths, beside: str, name: str, every: int, apart: float, last: int
) -> None:
    page = open_page(desk.root, variable=name, isobars="no", beside=beside, every=str(every))
    leads = _leads(chart(page))
    assert leads[0][0] <= last < leads[-1][0]
    for hours, frame in leads:
        found = numbers(frame["data"][1]["z"])
        there = np.isfinite(found)
        assert there.mean() > 0.7 if hours <= last else not there.any()  # a globe in its frame
        np.testing.assert_allclose(found[there], apart, atol=0.01)


def test_isobars_and_arrows_are_those_of_the_frames_valid_time(desk: WorkspacePaths) -> None:
    page = open_page(desk.root, variable="t2m", arrows="yes", every="2", projection="plate")
    figure = chart(page)
    coarse = _places(figure, 1)
    for hours, frame in _leads(figure):
        _, casing, isobars, heavy, halo, barbs, labels = frame["data"]
        pressure = told("msl", hours, LATEST, *coarse) / 100
        np.testing.assert_allclose(numbers(isobars["z"]), pressure, atol=2 * BETWEEN)
        assert casing["z"] == isobars["z"] == heavy["z"]
        assert halo["x"] == barbs["x"]
        texts = [re.sub("<b>[HL]</b> ", "", text) for text in labels["text"]]
        at = told("msl", hours, LATEST, numbers(labels["y"]), numbers(labels["x"])) / 100
        np.testing.assert_allclose(np.array(texts, float), at, atol=0.6)
        # 10 m/s are 19 kt: a staff, and two long marks.
        x, y = (numbers(barbs[axis]).reshape(-1, 9) for axis in "xy")
        staff = np.stack([x[:, 1] - x[:, 0], y[:, 1] - y[:, 0]])
        wind = np.stack([told(name, hours, LATEST, y[:, 0], x[:, 0]) for name in ("u10", "v10")])
        np.testing.assert_allclose(-staff / np.hypot(*staff), wind / SPEED, atol=0.02)


def test_stations_stand_on_the_map_where_they_are(desk: WorkspacePaths) -> None:
    stations = chart(open_page(desk.root, projection="plate"))["data"][-1]
    assert list(stations["customdata"]) == ["WEST"]
    np.testing.assert_allclose([stations["y"][0], stations["x"][0]], PLACE)


def test_a_meteogram_has_the_winds_of_everyone(desk: WorkspacePaths) -> None:
    figure = chart(open_page(desk.root, at="WEST", wind="kt"), 1)
    titles = [note["text"] for note in figure["layout"]["annotations"]]
    rows = {title.split(",")[0]: f"y{at}" for at, title in enumerate(titles, start=1)}
    direction, speed = (
        {trace["name"]: trace for trace in figure["data"] if trace["yaxis"] == rows[title]}
        for title in ("10 metre wind direction", "10 metre wind speed")
    )
    assert set(direction) == {"run 11-22 00 UTC", "analysis", "forecast", "observed"}
    told_hours = {
        "run 11-22 00 UTC": (range(1, LEADS + 1), BEFORE, LEADS),
        "analysis": (range(4, LEADS + 4), ANALYSIS, ANALYSED),
        "forecast": (range(4, LEADS + 4), LATEST, np.inf),
    }
    for who, (hours, whose, last) in told_hours.items():
        assert _hours(direction[who]) == list(hours)
        expected = [told("wd10", h, whose, *PLACE) if h <= last else np.nan for h in hours]
        np.testing.assert_allclose(numbers(direction[who]["y"]), expected, atol=1e-2)
    np.testing.assert_allclose(numbers(speed["forecast"]["y"]), SPEED * 3600 / 1852, rtol=1e-5)
    # A calm has no direction.
    assert _hours(direction["observed"]) == [4, 5]
    np.testing.assert_allclose(numbers(direction["observed"]["y"]), [270, 270])
    assert _hours(speed["observed"]) == [4, 5, 6]
    knots = np.array([5, 5, 0]) * 3600 / 1852
    np.testing.assert_allclose(numbers(speed["observed"]["y"]), knots, rtol=1e-5)


def _hours(trace: dict[str, Any]) -> list[float]:
    times = [datetime.fromisoformat(text).replace(tzinfo=UTC) for text in trace["x"]]
    return [(time - FIRST) / HOUR for time in times]


def test_a_runs_wind_at_a_place_comes_from_where_it_is_told_to(desk: WorkspacePaths) -> None:
    for entry, whose in zip(list_products(desk), (BEFORE, LATEST), strict=True):
        run = run_at_place(entry.path, *PLACE)
        hours = [(time - FIRST) / HOUR for time in run.times]
        expected = [told("wd10", hour, whose, *PLACE) for hour in hours]
        np.testing.assert_allclose(run.values["wd10"], expected, atol=1e-2)
        np.testing.assert_allclose(run.values["ws10"], SPEED, rtol=1e-5)
