from __future__ import annotations

import base64
import json
from dataclasses import replace

import numpy as np
import plotly.colors
import pytest
from hypothesis import given
from hypothesis import strategies as st

from met2net_ops.app.data.cuts import PRESETS, WHOLE, cut_out, regions_on
from met2net_ops.app.data.derived import inputs_of, made_of, with_derived
from met2net_ops.app.data.forecasts import frames_every, shares
from met2net_ops.app.data.rasters import Extent, MapView, extent_of, raster_of
from met2net_ops.app.figures.barbs import wind_barbs
from met2net_ops.app.figures.basemap import coasts, graticule, north_at
from met2net_ops.app.figures.coastlines import coastline
from met2net_ops.app.figures.isobars import INTERVAL, isobar_labels, pressure_centres
from met2net_ops.app.figures.map_layout import MapLayout
from met2net_ops.app.figures.maps import MapFrame, Overlays, Panel, Pressure, Wind, map_figure
from met2net_ops.app.figures.projections import Conic, PlateCarree, possible, projection_of, suited
from met2net_ops.app.theme import CASING, LINE
from met2net_ops.app.units import Units, shown
from met2net_ops.derive import wind_speed
from met2net_ops.grids import LatLonGrid, named_grid
from met2net_ops.settings import RegionSettings
from met2net_ops.variables import VARIABLES, variable
from met2net_ops.verification.inputs.regions import Region

GRID = named_grid("global-5p625")
WORLD = Extent(-180.0, 180.0, -90.0, 90.0)
VIEW = MapView(PlateCarree(), WORLD)
HOURS = tuple(f"+{hour} h" for hour in range(1, 13))
ONE, TWO = MapLayout(1), MapLayout(2)


def _values(leads: int = 12) -> np.ndarray:
    random = np.random.default_rng(0)
    return random.uniform(250, 300, (leads, *GRID.shape)).astype(np.float32)


def _frame(leads: int = 12) -> MapFrame:
    times = tuple(f"valid {hour}" for hour in HOURS[:leads])
    return MapFrame(
        VIEW, WORLD, GRID.longitudes, GRID.latitudes[::-1], "title", HOURS[:leads], times
    )


def _panel(values: np.ndarray, name: str = "t2m", heading: str = "this run") -> Panel:
    display = Units().display(variable(name))
    return Panel(heading, shown(values, display), display)


def test_each_lead_is_a_frame_with_its_field_in_display_units() -> None:
    values = _values()
    figure = map_figure([_panel(values)], _frame(), Overlays(), ONE, active=3)
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
    figure = map_figure([_panel(_values(2) * 0, name)], _frame(2), Overlays(), ONE)
    heat = figure.data[0]
    assert (heat.zmin, heat.zmax) == row.display.colour_range
    assert heat.zauto is None
    assert heat.colorbar.ticksuffix.strip() == Units().display(row).units


def test_the_slider_reaches_every_lead_without_leaving_the_figure() -> None:
    figure = map_figure([_panel(_values())], _frame(), Overlays(), ONE)
    (slider,) = figure.layout.sliders
    reached = [list(step.args[0]) for step in slider.steps]
    assert reached == [[frame.name] for frame in figure.frames]
    assert {step.method for step in slider.steps} == {"animate"}


def test_every_frame_changes_the_same_traces_and_only_those_that_move() -> None:
    values = _values()
    winds = (values - 275).reshape(len(values), -1)
    x, y = np.meshgrid(GRID.longitudes, GRID.latitudes)
    overlays = Overlays(
        isobars=Pressure(GRID.longitudes, GRID.latitudes[::-1], values + 730),
        wind=Wind(x.ravel(), y.ravel(), y.ravel(), winds, winds, 5.625),
        stations=(("A", 10.0, 50.0),),
    )
    figure = map_figure([_panel(values), _panel(values)], _frame(), overlays, TWO)
    # What lies higher is drawn later: nothing hides the values of isobars but stations.
    names = [trace.name for trace in figure.data if trace.type == "scatter"]
    land = ["graticule", "coast casing", "coast"]
    assert names == [*land, *land, "wind casing", "wind", "hPa", "stations"]
    moving = [trace.name for trace in figure.data if trace.type != "scatter"]
    assert moving == ["this run"] * 2 + ["isobars' casing", "isobars", "heavy isobars"]
    moved = {"wind casing", "wind", "hPa", *moving}
    for frame in figure.frames:
        assert {figure.data[at].name for at in frame.traces} == moved
        assert [figure.data[at].type for at in frame.traces] == [one.type for one in frame.data]
    assert figure.data[1].xaxis == "x2"
    assert figure.layout.xaxis2.matches == "x"
    assert figure.layout.yaxis2.matches == "y"
    heavy = next(trace for trace in figure.data if trace.name == "heavy isobars")
    assert heavy.contours.size == 20
    assert heavy.contours.start % 20 == 0
    assert heavy.line.width > 2 * figure.data[3].line.width


def test_fields_travel_as_binary() -> None:
    sent = map_figure([_panel(_values())], _frame(), Overlays(), ONE).to_dict()
    field = sent["frames"][3]["data"][0]["z"]
    assert field["dtype"] == "f4"
    assert len(base64.b64decode(field["bdata"])) == 4 * 32 * 64


POLAR = LatLonGrid(90.0, -180.0, 1.0, 1.0, 31, 360, "31x360")


@pytest.mark.parametrize(
    ("leads", "grid"),
    [
        (48, named_grid("global-0p25")),
        (240, named_grid("global-0p25")),
        (48, named_grid("global-5p625")),
        (12, named_grid("era5-cropped-128")),
        (48, POLAR),
        (240, POLAR),
    ],
)
def test_the_fullest_figure_stays_below_three_megabytes(leads: int, grid: LatLonGrid) -> None:
    """Two maps of 50 knots with isobars, every lead drawn."""
    share = shares(leads, 2, isobars=True, barbs=True)
    region = regions_on(grid, [])[WHOLE]
    projection = projection_of(region, suited(region))
    view = MapView(projection, extent_of(projection, region))
    rasters = [raster_of(grid, view, most) for most in (share.cells, share.pressures, share.barbs)]
    cells, pressures, winds = (np.zeros((leads, *one.shape), np.float32) for one in rasters)
    hours = tuple(f"+{hour} h" for hour in range(leads))
    frame = MapFrame(
        view, view.extent, rasters[0].x, rasters[0].y, "title" * 10, hours, ("times" * 20,) * leads
    )
    pressures += np.linspace(900, 1060, pressures.size, dtype="f4").reshape(pressures.shape)
    x, y = np.meshgrid(rasters[2].x, rasters[2].y)
    blowing = winds.reshape(leads, -1) + np.float32(18)
    overlays = Overlays(
        Pressure(rasters[1].x, rasters[1].y, pressures),
        Wind(x.ravel(), y.ravel(), rasters[2].latitudes.ravel(), blowing, blowing, 5.0),
    )
    figure = map_figure([_panel(cells), _panel(cells)], frame, overlays, TWO)
    assert len(json.dumps(figure.to_plotly_json(), default=_sent)) < 3e6
    assert frames_every(leads, grid.nlat * grid.nlon, 1, isobars=True, barbs=True) <= 12


def _sent(value: object) -> object:
    """What Plotly's own encoder makes of arrays."""
    if isinstance(value, np.ndarray):
        return {"dtype": "f4", "bdata": base64.b64encode(value.tobytes()).decode()}
    return value.item() if isinstance(value, np.generic) else str(value)


def test_a_remark_stands_above_its_map_for_its_lead_alone() -> None:
    display = Units().display(variable("t2m"))
    remarks = ("", "no analysis yet")
    panel = Panel("minus analysis", _values(2), display, remarks)
    figure = map_figure([_panel(_values(2)), panel], _frame(2), Overlays(), TWO)
    texts = [[note.text for note in frame.layout.annotations[1:]] for frame in figure.frames]
    assert texts == [
        ["this run", "minus analysis"],
        ["this run", "minus analysis, no analysis yet"],
    ]


@pytest.mark.parametrize("kind", ["plate", "lambert", "polar", "robinson", "globe"])
def test_a_linear_field_is_where_it_is_in_every_projection(kind: str) -> None:
    grid = named_grid("global-1p40625")
    region = Region("north", 80.0, 45.0, -40.0, 50.0)
    assert kind in possible(region)
    projection = projection_of(region, kind)
    view = MapView(projection, extent_of(projection, region))
    raster = raster_of(grid, view, 3_000)
    known = np.isfinite(raster.latitudes)
    assert known.mean() > 0.5
    assert raster.shape[0] * raster.shape[1] <= 3_000
    latitudes = np.broadcast_to(grid.latitudes[:, None], grid.shape).astype(np.float32)
    np.testing.assert_allclose(raster(latitudes)[known], raster.latitudes[known], atol=1e-3)
    # Where its points are said to be, the projection has them.
    x, y = projection.forward(raster.latitudes[known], raster.longitudes[known])
    at_x, at_y = (part[known] for part in np.meshgrid(raster.x, raster.y))
    np.testing.assert_allclose([x, y], [at_x, at_y], atol=1e-4)
    assert np.isnan(raster(latitudes)[~known]).all()


def test_a_polar_domain_fills_the_screen_and_nothing_lies_beyond_its_edge() -> None:
    region = regions_on(POLAR, [])[WHOLE]
    projection = projection_of(region, suited(region))
    extent = extent_of(projection, region)
    assert extent.width == pytest.approx(extent.height, rel=1e-3)
    raster = raster_of(POLAR, MapView(projection, extent), 10_000)
    there = np.isfinite(raster(np.ones(POLAR.shape, np.float32)))
    assert there.mean() == pytest.approx(np.pi / 4, abs=0.05)  # a disc in its square
    np.testing.assert_array_equal(there, np.nan_to_num(raster.latitudes) >= 59.5)


def test_directions_are_never_averaged() -> None:
    grid = LatLonGrid(1.0, 0.0, 1.0, 1.0, 2, 2)
    north = np.float32([[350, 10], [350, 10]])
    view = MapView(PlateCarree(), Extent(0.0, 1.0, 0.0, 1.0))
    found = raster_of(grid, view, 9, nearest=True)(north)
    assert set(found.ravel().tolist()) <= {350.0, 10.0}


def test_wind_speed_is_chosen_like_a_variable() -> None:
    names = ("t2m", "u10", "v10")
    assert "ws10" in with_derived(names)
    east, north = np.float32([3.0, -6.0]), np.float32([4.0, 8.0])
    values = {"u10": east, "v10": north}
    assert inputs_of("ws10", names) == ("u10", "v10")
    np.testing.assert_array_equal(made_of("ws10", values), wind_speed(east, north))
    assert inputs_of("ws10", (*names, "ws10")) == ("ws10",)  # the product's own


@given(
    knots=st.integers(3, 180), degrees=st.floats(0, 360), latitude=st.sampled_from([-40.0, 40.0])
)
def test_a_barb_says_speed_direction_and_hemisphere(
    knots: int, degrees: float, latitude: float
) -> None:
    speed, angle = knots / 1.943844, np.deg2rad(degrees)
    blows = -speed * np.exp(1j * (np.pi / 2 - angle))  # from where it comes, clockwise of north
    x, y = wind_barbs(
        np.zeros(1), np.zeros(1), blows.real[None], blows.imag[None], np.array([latitude]), 1.0
    )
    strokes = np.split(x + 1j * y, np.flatnonzero(np.isnan(x)))
    strokes = [stroke[~np.isnan(stroke)] for stroke in strokes]
    # Turned so that the staff points up.
    staff, *marks = [stroke * np.exp(1j * angle) for stroke in strokes if (~np.isnan(stroke)).any()]
    assert staff[0] == 0
    assert abs(staff[1].real) < 1e-6
    assert staff[1].imag > 0
    side = 1 if latitude > 0 else -1
    reach = [side * mark.real.max() if side > 0 else -mark.real.min() for mark in marks]
    assert all(out > 0 for out in reach)
    longest = max(reach)
    total = sum(
        50 if len(mark) == 3 else 10 if out > 0.75 * 0.26 else 5
        for mark, out in zip(marks, reach, strict=True)
    )
    assert total == 5 * round(knots / 5)
    assert longest < 0.3


def test_calm_is_a_circle_and_no_wind_is_nothing() -> None:
    at = np.zeros(2)
    x, y = wind_barbs(at, at, np.array([0.5, np.nan]), at, at, 1.0)
    radius = np.hypot(x, y)
    assert np.isfinite(x).sum() == 7
    np.testing.assert_allclose(radius[np.isfinite(x)], 0.09, rtol=1e-5)


def test_barbs_are_turned_with_the_map() -> None:
    view = MapView(Conic.polar(0.0, 90.0), Extent(-60, 60, -60, 60))
    latitudes, longitudes = np.array([60.0, 60.0, 60.0]), np.array([0.0, 90.0, 180.0])
    # North of a place on the map's right edge lies to its left.
    np.testing.assert_allclose(
        north_at(view, latitudes, longitudes) % (2 * np.pi), [0, np.pi / 2, np.pi], atol=1e-6
    )


def _luminance(colour: str) -> float:
    """Of an opaque colour (WCAG 2.2, relative luminance)."""
    parts = np.array(plotly.colors.unlabel_rgb(colour)) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("palette", sorted({row.display.palette for row in VARIABLES.values()}))
def test_lines_read_on_every_colour(palette: str) -> None:
    """The line or its casing stands out by 3:1, wherever it runs."""
    line = plotly.colors.convert_colors_to_same_type([LINE], "rgb")[0][0]
    opacity = float(CASING.rstrip(")").split(",")[-1])
    shades = plotly.colors.sample_colorscale(palette, np.linspace(0, 1, 101).tolist())
    for shade in shades:
        below = np.array(plotly.colors.unlabel_rgb(shade))
        over = opacity * 255 + (1 - opacity) * below
        casing = f"rgb({over[0]}, {over[1]}, {over[2]})"
        assert _contrast(line, casing) >= 3, shade
        assert max(_contrast(line, shade), _contrast(casing, shade)) >= 3, shade


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


def test_highs_and_lows_stand_where_they_are_with_their_values() -> None:
    x, y = np.arange(0.0, 60.0), np.arange(0.0, 40.0)
    across, up = np.meshgrid(x, y)
    low = -30 * np.exp(-((across - 15) ** 2 + (up - 20) ** 2) / 40)
    high = 20 * np.exp(-((across - 44) ** 2 + (up - 11) ** 2) / 60)
    field = (1010 + low + high).astype(np.float32)
    at_x, at_y, texts = pressure_centres(field, x, y)
    found = dict(zip(texts, zip(at_x.tolist(), at_y.tolist(), strict=True), strict=True))
    assert found == {"<b>L</b> 980": (15.0, 20.0), "<b>H</b> 1030": (44.0, 11.0)}
    assert pressure_centres(np.full_like(field, np.nan), x, y)[2] == []
    assert pressure_centres((1000 + across).astype(np.float32), x, y)[2] == []  # no centre


def test_the_graticule_is_named_where_it_leaves_the_map() -> None:
    region = Region("here", 60.0, 40.0, -10.0, 20.0)
    projection = projection_of(region, "plate")
    view = MapView(projection, extent_of(projection, region))
    lines = graticule(view, view.extent)
    assert lines.left == {45.0: "45° N", 50.0: "50° N", 55.0: "55° N"} | lines.left
    assert set(lines.below.values()) >= {"0°", "10° E"}
    for x, name in lines.below.items():
        degrees = float(name.split("°")[0]) * (-1 if name.endswith("W") else 1)
        assert x == pytest.approx((degrees - 5) * np.cos(np.radians(50)), abs=0.05)
    pole = Region("pole", -60.0, -90.0)
    projection = projection_of(pole, "polar")
    view = MapView(projection, extent_of(projection, pole))
    names = {text for _, _, text in graticule(view, view.extent).inside}
    assert "75° S" in names


@pytest.mark.parametrize("kind", ["lambert", "robinson", "plate", "globe"])
def test_no_line_runs_across_the_map_around_the_back_of_the_earth(kind: str) -> None:
    region = Region("fiji", -5.0, -40.0, 150.0, 210.0)  # across the dateline
    projection = projection_of(region, kind)
    view = MapView(projection, extent_of(projection, region).grown(0.5))
    for x, y in (coasts(view), graticule(view, view.extent).line):
        steps = np.hypot(np.diff(x), np.diff(y))
        assert np.isfinite(steps).sum() > 100
        assert np.nanmax(steps) < view.extent.width / 4
    # New Zealand's East Cape, 37.69° S 178.55° E.
    at_x, at_y = projection.forward(-37.69, 178.55)
    x, y = coasts(view)
    assert np.nanmin(np.hypot(x - at_x, y - at_y)) < 0.5


def test_a_panel_keeps_its_look_when_the_scale_is_fitted() -> None:
    display = replace(variable("t2m").display, colour_range=(3.0, 9.0))
    figure = map_figure([Panel("this run", _values(2), display)], _frame(2), Overlays(), ONE)
    assert (figure.data[0].zmin, figure.data[0].zmax) == (3.0, 9.0)


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
