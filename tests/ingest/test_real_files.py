"""Real files: AROME on its Lambert grid, a GFS file with sub-messages, ERA5 over the UK."""

from __future__ import annotations

from datetime import timedelta

import eccodes
import numpy as np
import pytest
from scipy.interpolate import LinearNDInterpolator

from met2net_ops.grib.records import VerdictKind
from met2net_ops.ingest.pipeline import ingest
from met2net_ops.ingest.report import FileState
from met2net_ops.times import parse_time, time_range
from met2net_ops.workspace import Workspace, create_workspace

AROME_GRID = """
[grid]
name = "svalbard-inner"
north = 78.9
west = 13.0
dlat = 0.05
dlon = 0.2
nlat = 25
nlon = 20
"""
SIX = ("t2m", "u10", "v10", "msl", "tcc", "r1000")


def raw(path, **keys) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Latitudes, longitudes, values of the one message with these keys, as ecCodes has them."""
    with path.open("rb") as stream:
        while (handle := eccodes.codes_grib_new_from_file(stream)) is not None:
            try:
                if all(eccodes.codes_get(handle, key) == value for key, value in keys.items()):
                    shape = (eccodes.codes_get(handle, "Nj"), eccodes.codes_get(handle, "Ni"))
                    return tuple(
                        eccodes.codes_get_array(handle, name).reshape(shape)
                        for name in ("latitudes", "longitudes", "values")
                    )
            finally:
                eccodes.codes_release(handle)
    raise AssertionError(f"no message with {keys}")


@pytest.fixture(scope="module")
def arome(corpus, grib, tmp_path_factory):
    text = AROME_GRID + f"[archive]\nstep_hours = 3\nvariables = {list(SIX)}\n"
    workspace, config = grib.workspace_in(tmp_path_factory.mktemp("arome"), "workspace", text)
    report = ingest(Workspace(workspace, config), [corpus / "grib" / "harpData"])
    return report, Workspace(workspace, config).archive


def test_the_twelve_arome_files_give_complete_frames(arome):
    report, archive = arome
    assert len(report.files) == 12
    assert all(file.state is FileState.READ for file in report.files)
    assert all(file.fields == 146 == sum(file.verdicts.values()) for file in report.files)
    assert not report.refused_something
    start = parse_time("2018-07-10")
    times = time_range(start, start + timedelta(hours=33), timedelta(hours=3))
    values = archive.read(SIX, times)
    assert np.isfinite(values).all()
    assert archive.span() == (times[0], times[-1])


def test_arome_values_agree_with_an_independent_interpolation(arome, corpus):
    _, archive = arome
    path = corpus / "grib" / "harpData" / "fc2018071000+006grib_fp"
    grid = archive.grid
    lat, lon, t2m = raw(path, shortName="t", typeOfLevel="heightAboveGround", level=2)
    _, _, u = raw(path, shortName="u", typeOfLevel="heightAboveGround", level=10)
    _, _, v = raw(path, shortName="v", typeOfLevel="heightAboveGround", level=10)
    # Direction of the grid's x axis, from neighbouring coordinates: no projection needed.
    east = np.gradient(np.deg2rad(lon), axis=1) * np.cos(np.deg2rad(lat))
    north = np.gradient(np.deg2rad(lat), axis=1)
    size = np.hypot(east, north)
    # The y axis is a quarter turn to the left of the x axis.
    eastward = (u * east - v * north) / size
    northward = (u * north + v * east) / size
    assert np.abs(eastward - u).max() > 0.5  # there is something to turn
    points = np.column_stack([lon.ravel(), lat.ravel()])
    target = np.meshgrid(grid.longitudes, grid.latitudes)
    values = archive.read(("t2m", "u10", "v10"), [parse_time("2018-07-10T06")])[0]
    for field, archived in zip((t2m, eastward, northward), values, strict=True):
        expected = LinearNDInterpolator(points, field.ravel())(*target)
        # Two ways to interpolate on cells of 2.5 km differ by what the field curves in one cell.
        steepest = max(np.abs(np.diff(field, axis=0)).max(), np.abs(np.diff(field, axis=1)).max())
        assert np.abs(archived - expected).mean() < 0.05 * steepest
        assert np.corrcoef(archived.ravel(), expected.ravel())[0, 1] > 0.98


def test_a_gfs_file_with_sub_messages_is_accounted_for(corpus, make_workspace):
    names = ["t2m", "u10", "v10", "msl", "r1000"]
    workspace, config = make_workspace(text=f"[archive]\nvariables = {names}\n")
    path = corpus / "grib" / "pygrib" / "gfs.grb"
    (report,) = ingest(Workspace(workspace, config), [path]).files
    assert report.fields == 344 == sum(report.verdicts.values())
    assert report.count(VerdictKind.REFUSED) == 0
    archive = Workspace(workspace, config).archive
    first, last = archive.span()
    assert first == last
    values = archive.read(names, [first])[0]
    assert np.isfinite(values).all()
    lat, _, t2m = raw(path, shortName="2t")
    weights = np.cos(np.deg2rad(lat))
    areas = archive.grid.cell_areas
    assert (values[0] * areas).sum() / areas.sum() == pytest.approx(
        (t2m * weights).sum() / weights.sum(), abs=0.02
    )


def test_a_month_of_hourly_era5(corpus, make_workspace):
    text = (
        '[archive]\nvariables = ["t2m"]\n'
        '[grid]\nname = "uk"\nnorth = 58.0\nwest = -10.0\ndlat = 0.25\ndlon = 0.25\n'
        "nlat = 33\nnlon = 49\n"
    )
    workspace, config = make_workspace(text=text)
    path = corpus / "grib" / "xarray-data" / "era5-2mt-2019-03-uk.grib"
    (report,) = ingest(Workspace(workspace, config), [path]).files
    assert sum(report.frames.values()) == 744
    archive = Workspace(workspace, config).archive
    times = time_range(parse_time("2019-03-01"), parse_time("2019-03-31T23"))
    assert archive.present(["t2m"], times).all()
    assert archive.span() == (times[0], times[-1])
    lat, lon, values = raw(path, validityDate=20190315, validityTime=1200)
    assert (lat[0, 0], lon[0, 0] % 360) == (archive.grid.north, archive.grid.west % 360)
    frame = archive.read(["t2m"], [parse_time("2019-03-15T12")])[0, 0]
    assert np.array_equal(frame, values.astype(np.float32))


@pytest.mark.parametrize("order", [("areaA", "areaB"), ("areaB", "areaA"), ("both",)])
def test_a_field_delivered_by_area_is_whole_in_the_archive(corpus, tmp_path, order):
    grid = {"north": 59.0, "west": 2.0, "dlat": 1.0, "dlon": 1.0, "nlat": 8, "nlon": 38}
    values = {"grid": {"name": "areas", **grid}, "archive": {"variables": ["t2m"]}}
    workspace = create_workspace(tmp_path / "areas", values)
    for name in order:
        ingest(workspace, [corpus / "cases/tiles" / f"{name}.grib2"])
    (time, _) = workspace.archive.span()
    values = workspace.archive.read(["t2m"], [time])
    assert values.size == 304
    assert not np.isnan(values).any()
