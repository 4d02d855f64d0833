from __future__ import annotations

import base64
import json

import numpy as np
import pytest

from met2net_ops.app.data.cuts import PRESETS, WHOLE, cut_out, regions_on
from met2net_ops.app.data.forecasts import frames_every, points_per_layer
from met2net_ops.app.figures import arrows as arrows_module
from met2net_ops.app.figures import isobars as isobars_module
from met2net_ops.app.figures.arrows import MOST_ARROWS, arrow_step, arrows
from met2net_ops.app.figures.coastlines import coastline
from met2net_ops.app.figures.isobars import INTERVAL, isobar_labels
from met2net_ops.app.figures.maps import MapFrame, Overlays, Panel, map_figure
from met2net_ops.app.units import Units, shown
from met2net_ops.derive import wind_direction
from met2net_ops.grids import named_grid
from met2net_ops.settings import RegionSettings
from met2net_ops.variables import VARIABLES, variable

GRID = named_grid("global-5p625")
CUT = cut_out(GRID, regions_on(GRID, [])[WHOLE], 10_000)
HOURS = tuple(f"+{hour} h" for hour in range(1, 13))


def _values(leads: int = 12) -> np.ndarray:
    random = np.random.default_rng(0)
    return random.uniform(250, 300, (leads, *GRID.shape)).astype(np.float32)


def _frame(leads: int = 12) -> MapFrame:
    assert CUT is not None
    times = tuple(f"valid {hour}" for hour in HOURS[:leads])
    return MapFrame(CUT.latitudes, CUT.longitudes, CUT.bounds, "title", HOURS[:leads], times)


def _panel(values: np.ndarray, name: str = "t2m", heading: str = "this run") -> Panel:
    display = Units().display(variable(name))
    return Panel(heading, shown(values, display), display)


def test_each_lead_is_a_frame_with_its_field_in_display_units() -> None:
    values = _values()
    figure = map_figure([_panel(values)], _frame(), Overlays(), active=3)
    assert [frame.name for frame in figure.frames] == list(HOURS)
    for frame, times, field in zip(figure.frames, _frame().times, values, strict=True):
        np.testing.assert_allclose(frame.data[0].z, field - 273.15, atol=1e-4)
        assert frame.layout.annotations[0].text == times
    np.testing.assert_allclose(figure.data[0].z, values[3] - 273.15, atol=1e-4)
    assert figure.layout.title.text == "title"
    assert figure.layout.annotations[0].text == "valid +4 h"
    assert figure.layout.sliders[0].active == 3


@pytest.mark.parametrize("name", sorted(VARIABLES))
def test_colours_span_the_tables_range_whatever_the_field(name: str) -> None:
    row = variable(name)
    figure = map_figure([_panel(_values(2) * 0, name)], _frame(2), Overlays())
    heat = figure.data[0]
    assert (heat.zmin, heat.zmax) == row.display.colour_range
    assert heat.zauto is None
    assert heat.colorbar.ticksuffix.strip() == Units().display(row).units


def test_the_slider_reaches_every_lead_without_leaving_the_figure() -> None:
    figure = map_figure([_panel(_values())], _frame(), Overlays())
    (slider,) = figure.layout.sliders
    reached = [list(step.args[0]) for step in slider.steps]
    assert reached == [[frame.name] for frame in figure.frames]
    assert {step.method for step in slider.steps} == {"animate"}


def test_every_frame_changes_the_same_traces_and_only_those_that_move() -> None:
    values = _values()
    overlays = Overlays(
        isobars=values, wind=(values - 275, values - 275), stations=(("A", 10.0, 50.0),)
    )
    figure = map_figure([_panel(values), _panel(values)], _frame(), overlays)
    assert [trace.type for trace in figure.data] == [
        *("heatmap", "heatmap", "contour", "scatter"),  # they move, the wind among them
        *("scatter", "scatter", "scatter", "scatter"),
    ]
    # What lies higher is drawn later: nothing hides the values of isobars but stations.
    names = [trace.name for trace in figure.data[3:]]
    assert names == ["wind", "coast", "coast", "hPa", "stations"]
    assert all(list(frame.traces) == [0, 1, 2, 3, 6] for frame in figure.frames)
    for frame in figure.frames:
        moving = [trace.type for trace in frame.data]
        assert moving == ["heatmap", "heatmap", "contour", "scatter", "scatter"]
    assert figure.data[1].xaxis == "x2"
    assert figure.layout.xaxis2.matches == "x"
    assert figure.layout.yaxis2.matches == "y"


def test_fields_travel_as_binary() -> None:
    sent = map_figure([_panel(_values())], _frame(), Overlays()).to_dict()
    field = sent["frames"][3]["data"][0]["z"]
    assert field["dtype"] == "f4"
    assert len(base64.b64decode(field["bdata"])) == 4 * 32 * 64


@pytest.mark.parametrize(
    ("leads", "grid"),
    [
        (48, "global-0p25"),
        (240, "global-0p25"),
        (48, "global-5p625"),
        (12, "era5-cropped-128"),
    ],
)
def test_the_fullest_figure_stays_below_three_megabytes(leads: int, grid: str) -> None:
    points = named_grid(grid).nlat * named_grid(grid).nlon
    # Two maps and isobars; wind and the values of isobars.
    layers, others = 2.25, arrows_module.MOST_NUMBERS + isobars_module.MOST_NUMBERS
    every = frames_every(leads, points, layers, others)
    frames = leads // every
    most = points_per_layer(frames, layers, others)
    region = regions_on(named_grid(grid), [])[WHOLE]
    cut = cut_out(named_grid(grid), region, most)
    assert cut is not None
    values = np.zeros((frames, *cut.shape), np.float32)
    hours = tuple(f"+{hour} h" for hour in range(frames))
    frame = MapFrame(
        cut.latitudes,
        cut.longitudes,
        cut.bounds,
        "title" * 10,
        hours,
        ("times" * 20,) * frames,
    )
    pressure = np.linspace(900, 1060, values.size, dtype=np.float32).reshape(values.shape)
    overlays = Overlays(pressure[:, ::2, ::2], 2, (values, values))
    figure = map_figure([_panel(values), _panel(values)], frame, overlays)
    assert len(json.dumps(figure.to_plotly_json(), default=_sent)) < 3e6


def _sent(value: object) -> object:
    """What Plotly's own encoder makes of arrays."""
    if isinstance(value, np.ndarray):
        return {"dtype": "f4", "bdata": base64.b64encode(value.tobytes()).decode()}
    return value.item() if isinstance(value, np.generic) else str(value)


def test_a_remark_stands_above_its_map_for_its_lead_alone() -> None:
    display = Units().display(variable("t2m"))
    remarks = ("", "no analysis yet")
    panel = Panel("minus analysis", _values(2), display, remarks)
    figure = map_figure([_panel(_values(2)), panel], _frame(2), Overlays())
    texts = [[note.text for note in frame.layout.annotations[1:]] for frame in figure.frames]
    assert texts == [
        ["this run", "minus analysis"],
        ["this run", "minus analysis, no analysis yet"],
    ]


def test_arrows_point_where_the_wind_blows_and_are_as_long_as_it_is_fast() -> None:
    u = np.array([[[3.0, 0.0], [-3.0, 8.0]]], np.float32)
    v = np.array([[[4.0, -5.0], [0.0, 6.0]]], np.float32)
    x, y = arrows(u, v, np.array([10.0, 12.0]), np.array([1.0, -1.0]), 1)
    x, y = x.reshape(4, 6), y.reshape(4, 6)
    assert np.isnan(x[:, 5]).all()
    assert np.isnan(y[:, 5]).all()
    du, dv = x[:, 1] - x[:, 0], y[:, 1] - y[:, 0]
    np.testing.assert_allclose(np.hypot(du, dv) * 10, np.hypot(u, v).ravel(), rtol=1e-5)
    came_from = wind_direction(du.astype(np.float32), dv.astype(np.float32))
    np.testing.assert_allclose(came_from, wind_direction(u, v).ravel(), atol=1e-3)
    np.testing.assert_allclose(x[:, :2].mean(axis=1), [10, 12, 10, 12], rtol=1e-6)
    assert np.isnan(arrows(u * np.nan, v, np.array([0.0, 1]), np.array([1.0, 0]), 1)[0]).all()


def test_isobars_bear_their_value_where_the_pressure_has_it_and_never_crowd() -> None:
    longitudes, latitudes = np.arange(0.0, 72.0, 2), np.arange(70.0, 29.0, -2)
    x, y = np.meshgrid(longitudes, latitudes)
    planes = [990 + 0.9 * x + 0.4 * y, 1040 - 1.3 * y, np.full_like(x, 1013.0)]
    planes.append(planes[0].copy())
    planes[3][:, 12:] = np.nan
    found = isobar_labels(np.stack(planes).astype(np.float32), longitudes, latitudes)
    east, north, texts = found[0]
    assert len(texts) > 10
    np.testing.assert_allclose(990 + 0.9 * east + 0.4 * north, np.array(texts, float), atol=0.01)
    np.testing.assert_allclose(1040 - 1.3 * found[1][1], np.array(found[1][2], float), atol=0.01)
    for lons, lats, names in found:
        assert all(int(name) % INTERVAL == 0 for name in names)
        apart = np.hypot(np.subtract.outer(lons, lons), np.subtract.outer(lats, lats))
        assert apart[~np.eye(len(lons), dtype=bool)].min(initial=99) > 3  # squares of 8.75°
    assert found[2][2] == []  # the same pressure everywhere
    assert 0 < len(found[3][2]) < len(texts)
    assert found[3][0].max() <= longitudes[11]
    phone = isobar_labels(np.stack(planes).astype(np.float32), longitudes, latitudes, narrow=True)
    assert len(phone[0][2]) < len(texts) / 2


@pytest.mark.parametrize("shape", [(32, 64), (721, 1440), (4, 300), (2, 2)])
def test_there_are_never_too_many_arrows(shape: tuple[int, int]) -> None:
    step = arrow_step(*shape)
    start = step // 2
    assert (
        len(range(start, shape[0], step)) * len(range(start, shape[1], step)) <= MOST_ARROWS * 1.2
    )


def test_regions_show_the_points_inside_them_west_to_east() -> None:
    whole = regions_on(GRID, [])[WHOLE]
    for region in (*PRESETS, whole):
        cut = cut_out(GRID, region, 100_000)
        assert cut is not None, region
        latitudes, longitudes = GRID.latitudes[cut.rows], GRID.longitudes[cut.columns]
        inside = region.contains(*np.meshgrid(latitudes, longitudes, indexing="ij"))
        assert inside.all()
        assert inside.size == region.contains(*np.meshgrid(GRID.latitudes, GRID.longitudes)).sum()
        np.testing.assert_allclose(cut.longitudes % 360, longitudes % 360, atol=1e-9)
        assert (np.diff(cut.longitudes) > 0).all()
        assert cut.longitudes[0] >= region.west - 1e-6
        fields = np.arange(GRID.nlat * GRID.nlon, dtype=np.float32).reshape(GRID.shape)
        np.testing.assert_array_equal(cut(fields), fields[np.ix_(cut.rows, cut.columns)])


def test_a_desks_own_region_comes_first_and_one_off_the_grid_not_at_all() -> None:
    own = RegionSettings(name="alps", north=49, south=42, west=4, east=17)
    found = regions_on(named_grid("global-0p25"), [own])
    assert list(found)[:3] == ["whole", "alps", "europe"]
    assert "alps" not in regions_on(named_grid("era5-cropped-128"), [own])


def test_thinning_keeps_within_the_limit() -> None:
    grid = named_grid("global-0p25")
    for most in (1_000, 10_000, 300_000):
        cut = cut_out(grid, regions_on(grid, [])[WHOLE], most)
        assert cut is not None
        assert cut.shape[0] * cut.shape[1] <= most * 1.1


def test_coasts_are_where_they_are_on_any_longitudes() -> None:
    x, y = coastline(-10.0, 5.0, 48.0, 60.0)  # the British Isles; Land's End, 50.07° N 5.71° W
    assert np.nanmin(np.hypot((x + 5.71) * np.cos(np.deg2rad(50)), y - 50.07)) < 0.1
    shifted, again = coastline(350.0, 365.0, 48.0, 60.0)
    np.testing.assert_allclose(shifted - 360, x, atol=1e-3)
    np.testing.assert_array_equal(again, y)
    assert coastline(-150, -140, -40, -30)[0].size == 0  # nothing but the Pacific


def test_no_coast_runs_along_the_edge_of_the_map() -> None:
    x, y = coastline(-180.0, 180.0, -90.0, 90.0)
    steps = np.hypot(np.diff(x), np.diff(y))
    assert np.nanmax(steps) < 15
    assert not (np.abs(x[:-1] - x[1:])[np.abs(x[:-1]) > 179.9] == 0).any()
