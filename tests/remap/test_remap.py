"""Remapping against closed forms: constants, linear fields, integrals, poles, the date line."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from met2net_ops.errors import GridError
from met2net_ops.grib.projections import Projection, lambert_cone
from met2net_ops.grids import (
    EARTH_RADIUS_M,
    LatLonGrid,
    SourceGrid,
    global_cell_centred,
    named_grid,
)
from met2net_ops.remap import axes
from met2net_ops.remap.remapper import Remapper, choose_method, compute_weights
from met2net_ops.remap.weights import Method
from met2net_ops.variables import VARIABLES

COARSE = global_cell_centred(11.25, "coarse")


def separable(latitudes, longitudes, *, periodic) -> SourceGrid:
    latitudes, longitudes = np.asarray(latitudes, float), np.asarray(longitudes, float)
    shape = (latitudes.size, longitudes.size)
    name = f"{latitudes.tobytes().hex()}{longitudes.tobytes().hex()}"
    return SourceGrid("regular_ll", latitudes, longitudes, True, periodic, shape, name[:64])


def mesh(latitudes, longitudes) -> SourceGrid:
    return SourceGrid(
        "lambert", latitudes, longitudes, False, False, latitudes.shape, str(latitudes.sum())
    )


def global_source(step: float, west: float = 0.0, *, poles: bool = True) -> SourceGrid:
    first = 90 if poles else 90 - step / 2
    latitudes = np.arange(first, -90 - 1e-9, -step)
    return separable(latitudes, np.arange(west, west + 360 - 1e-9, step), periodic=True)


def reduced(rows: int = 32) -> SourceGrid:
    """A reduced Gaussian grid with 20 points next to the poles and 4 more per row inwards."""
    half = np.degrees(np.arcsin(np.polynomial.legendre.leggauss(rows)[0]))[::-1]
    counts = 20 + 4 * np.minimum(np.arange(rows), np.arange(rows)[::-1])
    latitudes = np.repeat(half, counts)
    longitudes = np.concatenate([np.arange(n) * 360 / n for n in counts])
    return SourceGrid(
        "reduced_gg", latitudes, longitudes, False, False, latitudes.shape, f"N{rows}"
    )


def lambert(n: int = 60, step: float = 10_000.0, centre=(50.0, 5.0)) -> SourceGrid:
    lat0, lon0 = centre
    cone = lambert_cone(lat0, lat0)
    phi = np.deg2rad(lat0)
    scale = EARTH_RADIUS_M * np.cos(phi) * np.tan(np.pi / 4 + phi / 2) ** cone / cone
    projection = Projection("lambert", cone, scale, 0.0, lon0, step, step)
    steps = np.arange(n) - n // 2
    latitudes, longitudes = projection.coordinates(lat0, lon0, steps, steps)
    return mesh(latitudes, longitudes)


def source_areas(grid: SourceGrid) -> np.ndarray:
    north_south = axes.latitude_edges(grid.latitudes, reaches_poles=True)
    west_east = axes.longitude_edges(grid.longitudes, periodic=True)
    return np.outer(-np.diff(np.sin(np.deg2rad(north_south))), np.deg2rad(np.diff(west_east)))


def remap(grid: SourceGrid, target: LatLonGrid, values, method: Method) -> np.ndarray:
    return compute_weights(grid, target, method).apply(np.asarray(values, np.float32))


SOURCES = {
    "with poles": global_source(1.5),
    "cell centred": global_source(1.40625, poles=False),
    "from -180": global_source(2.0, west=-180.0),
    "reduced": reduced(),
}
TARGETS = {
    "coarse": COARSE,
    "5.625": named_grid("global-5p625"),
    "from -180": LatLonGrid(85.0, -180.0, 10.0, 10.0, 18, 36),
    "across the date line": LatLonGrid(60.0, 150.0, 5.0, 5.0, 10, 12),
    "across Greenwich": LatLonGrid(70.0, -20.0, 2.0, 2.5, 20, 16),
}


@pytest.mark.parametrize("method", [Method.CONSERVATIVE, Method.BILINEAR])
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("source", SOURCES)
def test_constants_are_exact_and_no_point_is_missing(source, target, method):
    grid = SOURCES[source]
    result = remap(grid, TARGETS[target], np.full(grid.shape, 288.15), method)
    assert (result == np.float32(288.15)).all()


@pytest.mark.parametrize("source", ["with poles", "cell centred", "from -180"])
@pytest.mark.parametrize("target", ["coarse", "5.625", "from -180"])
def test_conservative_keeps_the_global_integral(source, target):
    grid = SOURCES[source]
    values = np.random.default_rng(1).normal(101_325, 1500, grid.shape).astype(np.float32)
    result = remap(grid, TARGETS[target], values, Method.CONSERVATIVE).astype(float)
    areas = TARGETS[target].cell_areas
    before = (values.astype(float) * source_areas(grid)).sum() / source_areas(grid).sum()
    assert (result * areas).sum() / areas.sum() == pytest.approx(before, rel=1e-6)


def test_conservative_from_reduced_rows_keeps_the_global_integral():
    grid = SOURCES["reduced"]
    values = np.random.default_rng(1).normal(288, 10, grid.shape).astype(np.float32)
    rows, counts = np.unique(-grid.latitudes, return_counts=True)
    bands = -np.diff(np.sin(np.deg2rad(axes.latitude_edges(-rows, reaches_poles=True))))
    weights = np.repeat(bands / counts, counts)
    before = (values.astype(float) * weights).sum() / weights.sum()
    result = remap(grid, COARSE, values, Method.CONSERVATIVE).astype(float)
    areas = COARSE.cell_areas
    assert (result * areas).sum() / areas.sum() == pytest.approx(before, rel=1e-6)


def test_conservative_is_the_area_mean_of_a_known_function():
    # The mean of sin(latitude) over a band is (sin² n - sin² s) / 2 (sin n - sin s).
    grid = global_source(0.25)
    values = np.repeat(np.sin(np.deg2rad(grid.latitudes))[:, None], grid.shape[1], axis=1)
    result = remap(grid, COARSE, values, Method.CONSERVATIVE)
    edges = np.sin(np.deg2rad(COARSE.latitude_edges))
    exact = (edges[:-1] + edges[1:]) / 2
    # A point at the pole stands for half a row beside it: step² / 8.
    assert np.abs(result - exact[:, None]).max() < np.deg2rad(0.25) ** 2 / 7


@pytest.mark.parametrize("target", ["across the date line", "across Greenwich"])
def test_bilinear_is_exact_for_linear_fields(target):
    grid = separable(np.arange(80, -80.1, -4), np.arange(0, 360, 4), periodic=True)
    goal = TARGETS[target]
    # Linear along each axis and single-valued: |longitude - 0| folded at 180.
    ramp = np.abs((grid.longitudes + 180) % 360 - 180)
    values = 2 * grid.latitudes[:, None] + 3 * ramp[None, :] + 7
    expected_ramp = np.abs((goal.longitudes + 180) % 360 - 180)
    expected = 2 * goal.latitudes[:, None] + 3 * expected_ramp[None, :] + 7
    assert np.abs(remap(grid, goal, values, Method.BILINEAR) - expected).max() < 1e-4


@given(
    north=st.floats(-60, 85), west=st.floats(-180, 359), step=st.sampled_from([0.1, 0.3, 1.0]),
    start=st.floats(-180, 10),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_bilinear_follows_a_smooth_field_wherever_the_axes_begin(north, west, step, start):
    goal = LatLonGrid(north, west, step, step, 12, 13)
    grid = separable(np.arange(90, -90.1, -1), start + np.arange(360.0), periodic=True)
    lam, phi = np.deg2rad(grid.longitudes), np.deg2rad(grid.latitudes)
    values = np.sin(lam)[None, :] + np.cos(phi)[:, None]
    expected = (
        np.sin(np.deg2rad(goal.longitudes))[None, :] + np.cos(np.deg2rad(goal.latitudes))[:, None]
    )
    assert np.abs(remap(grid, goal, values, Method.BILINEAR) - expected).max() < 1e-4


def test_coinciding_points_are_copied_bit_for_bit():
    grid = global_source(0.25)
    goal = named_grid("era5-cropped-128")
    values = np.random.default_rng(2).normal(288, 10, grid.shape).astype(np.float32)
    values[190, 450] = np.nan
    row, column = 46 * 4, 110 * 4
    result = remap(grid, goal, values, choose_method(grid, goal))
    assert np.array_equal(result, values[row : row + 128, column : column + 128], equal_nan=True)
    assert np.isnan(result).sum() == 1


def test_outside_the_source_nothing_is_made_up():
    grid = separable(np.arange(60, 39.9, -0.5), np.arange(-10, 20.1, 0.5), periodic=False)
    goal = LatLonGrid(70.0, -20.0, 2.0, 2.0, 20, 25)
    for method in (Method.CONSERVATIVE, Method.BILINEAR, Method.NEAREST):
        result = remap(grid, goal, np.ones(grid.shape), method)
        # Conservative cells on the rim reach beyond the source; their corners are under half full.
        rim = 0.0 if method is Method.CONSERVATIVE else 1e-9
        inside = np.outer(
            np.abs(goal.latitudes - 50) < 10 + rim, np.abs(goal.longitudes - 5) < 15 + rim
        )
        assert (result[inside] == 1).all()
        outside = (np.abs(goal.latitudes - 50) > 11)[:, None] | (np.abs(goal.longitudes - 5) > 16)[
            None, :
        ]
        assert np.isnan(result[outside]).all()


@pytest.mark.parametrize("make", [global_source, lambda _: reduced(40)])
def test_missing_sources_are_left_out_and_thin_coverage_stays_missing(make):
    grid = make(1.0)
    latitudes = grid.latitudes[:, None] if grid.separable else grid.latitudes
    values = np.broadcast_to(np.where(latitudes > 0, 5.0, np.nan), grid.shape)
    result = remap(grid, COARSE, values, Method.CONSERVATIVE)
    assert (result[:7] == 5).all()
    assert np.isnan(result[-7:]).all()
    assert set(np.unique(result[np.isfinite(result)])) == {5.0}


def test_partial_coverage_takes_the_mean_of_what_is_there():
    grid = separable(np.arange(10, -10.1, -1), np.arange(0, 20.1, 1), periodic=False)
    values = np.tile(np.arange(21.0), (21, 1))
    values[:, 9:12] = np.nan
    goal = LatLonGrid(0.0, 10.0, 5.0, 5.0, 1, 1)  # 7.5 … 12.5 E: columns 8 to 12
    assert np.isnan(remap(grid, goal, values, Method.CONSERVATIVE)).all()
    values[:, 9] = 9
    result = remap(grid, goal, values, Method.CONSERVATIVE)  # columns 8, 9, 12: 3 of 5
    assert result.item() == pytest.approx((8 + 9 + 12) / 3, rel=1e-6)


def test_on_a_projected_mesh_bilinear_gives_the_position_back():
    grid = lambert()
    goal = LatLonGrid(51.5, 3.0, 0.05, 0.05, 61, 81)
    assert choose_method(grid, goal) is Method.BILINEAR
    assert (
        np.abs(remap(grid, goal, grid.latitudes, Method.BILINEAR) - goal.latitudes[:, None]).max()
        < 2e-4
    )
    assert (
        np.abs(remap(grid, goal, grid.longitudes, Method.BILINEAR) - goal.longitudes[None, :]).max()
        < 2e-4
    )


@pytest.mark.parametrize("turned", [np.flipud, np.fliplr, np.transpose])
def test_a_mesh_may_run_in_any_direction(turned):
    grid = lambert()
    goal = LatLonGrid(51.0, 4.0, 0.25, 0.25, 9, 9)
    field = np.cos(np.deg2rad(grid.latitudes * 7)) + grid.longitudes / 10
    other = mesh(turned(grid.latitudes), turned(grid.longitudes))
    for method in (Method.CONSERVATIVE, Method.BILINEAR):
        one = remap(grid, goal, field, method)
        two = remap(other, goal, turned(field), method)
        assert np.allclose(one, two, atol=1e-6)


def test_on_a_projected_mesh_coarsening_keeps_the_integral_and_its_cells_their_area():
    grid = lambert(n=80, step=10_000.0)
    goal = LatLonGrid(60.0, -10.0, 0.5, 0.5, 41, 61)  # holds all of the mesh
    assert choose_method(grid, goal) is Method.CONSERVATIVE
    weights = compute_weights(grid, goal, Method.CONSERVATIVE)
    covered = weights.matrix.sum(axis=1).reshape(goal.shape)
    # 800 km x 800 km on the plane; a conic is conformal and its scale 1 + (y / R)² / 2 at a
    # distance y from its standard parallel, so the mean of scale² is 1 + (400 km / R)² / 3.
    area = (covered * goal.cell_areas).sum()
    stretched = 1 + (400_000.0 / EARTH_RADIUS_M) ** 2 / 3
    assert area == pytest.approx(800_000.0**2 / stretched, rel=1e-4)
    assert covered.max() < 1.15
    values = np.random.default_rng(3).normal(0, 1, grid.shape) + 10
    spread = weights.matrix @ values.ravel()
    areas = (weights.matrix * goal.cell_areas.ravel()[:, None]).sum(axis=0)
    assert (spread * goal.cell_areas.ravel()).sum() == pytest.approx(
        (areas * values.ravel()).sum(), rel=1e-12
    )
    cells = np.asarray(areas).reshape(grid.shape)[10:-10, 10:-10]
    assert np.abs(cells / 10_000.0**2 - 1).max() < 3e-3


def test_coarsening_a_mesh_over_the_pole_and_the_date_line():
    lat, lon = np.meshgrid(np.arange(89.5, 60, -1.0), np.arange(-179.5, 180, 1.0), indexing="ij")
    rim = mesh(lat, lon)
    goal = LatLonGrid(88.0, 170.0, 4.0, 4.0, 5, 5)
    result = remap(rim, goal, np.cos(np.deg2rad(lon)), Method.CONSERVATIVE)
    edges = np.deg2rad(goal.longitude_edges)
    exact = np.diff(np.sin(edges)) / np.diff(edges)
    assert np.abs(result[1:] - exact).max() < 2e-3


def test_nearest_keeps_codes():
    grid = global_source(1.0)
    codes = np.arange(grid.shape[0] * grid.shape[1]).reshape(grid.shape) % 17
    goal = LatLonGrid(50.2, 359.6, 1.0, 1.0, 5, 5)
    result = remap(grid, goal, codes, Method.NEAREST)
    rows = 90 - np.round(goal.latitudes).astype(int)
    columns = np.round(goal.longitudes).astype(int) % 360
    assert np.array_equal(result, codes[np.ix_(rows, columns)])


def test_the_method_follows_the_spacing():
    quarter = global_source(0.25)
    row = VARIABLES["t2m"]
    assert choose_method(quarter, COARSE, row) is Method.CONSERVATIVE
    assert choose_method(quarter, named_grid("global-0p25"), row) is Method.BILINEAR
    assert choose_method(global_source(5.0), named_grid("global-1p40625")) is Method.BILINEAR
    assert choose_method(reduced(), COARSE) is Method.CONSERVATIVE
    assert choose_method(reduced(), named_grid("global-1p40625")) is Method.BILINEAR


def test_scattered_points_are_refused():
    scattered = SourceGrid(
        "unstructured_grid", np.array([10.0, 30.0, 20.0]), np.array([0.0, 1.0, 2.0]),
        False, False, (3,), "scattered",
    )  # fmt: skip
    with pytest.raises(GridError, match="unstructured_grid"):
        compute_weights(scattered, COARSE, Method.BILINEAR)


def test_weights_are_kept_on_disk_and_survive_damage(tmp_path):
    grid = lambert()
    goal = LatLonGrid(51.0, 4.0, 0.25, 0.25, 9, 9)
    first = Remapper(goal, tmp_path).weights(grid, Method.BILINEAR).apply(grid.latitudes)
    (kept,) = tmp_path.iterdir()
    stamp = kept.stat().st_mtime_ns
    again = Remapper(goal, tmp_path).weights(grid, Method.BILINEAR).apply(grid.latitudes)
    assert np.array_equal(first, again)
    assert kept.stat().st_mtime_ns == stamp
    kept.write_bytes(kept.read_bytes()[:500])
    mended = Remapper(goal, tmp_path).weights(grid, Method.BILINEAR).apply(grid.latitudes)
    assert np.array_equal(first, mended)
    assert len(list(tmp_path.iterdir())) == 1
