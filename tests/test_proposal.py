"""Grids and settings proposed from files and areas."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from met2net_ops.cli.main import build
from met2net_ops.errors import DatasetError, GridError
from met2net_ops.proposal import area_grid, propose, propose_region
from met2net_ops.workspace import find_workspace


def run(*arguments: str) -> Result:
    return CliRunner().invoke(build(list(arguments)), list(arguments))


@given(
    north=st.integers(-80, 90), height=st.integers(2, 60), west=st.integers(-180, 179),
    width=st.integers(2, 179), spacing=st.sampled_from([0.1, 0.25, 0.5, 1.0]),
)  # fmt: skip
def test_a_grid_fills_its_area_on_the_points_of_the_globe(
    north: int, height: int, west: int, width: int, spacing: float
) -> None:
    south, east = max(-90, north - height), west + width
    east -= 360 if east > 180 else 0
    grid = area_grid((north, west, south, east), spacing, spacing, "x")
    assert grid.latitudes[0] == pytest.approx(north, abs=1e-3)
    assert grid.latitudes[-1] == pytest.approx(south, abs=1e-3)
    assert grid.longitudes[0] == pytest.approx(west, abs=1e-3)
    assert (grid.longitudes[-1] - east) % 360 == pytest.approx(0, abs=1e-3)


def test_no_area_is_refused() -> None:
    with pytest.raises(GridError, match="write N,W,S,E"):
        area_grid((40, 0, 50, 10), 1, 1, "x")
    with pytest.raises(GridError, match="take a larger one"):
        area_grid((50, 0, 49.9, 10), 1, 1, "x")


def test_a_region_pairs_dataset_and_feed_and_says_what_is_small() -> None:
    made = propose_region("isles", (61, -12, 49, 4), "gfs")
    assert made.values["dataset"] == {"source": "gfs-analysis"}
    assert made.values["feeds"] == [{"name": "gfs", "source": "gfs"}]
    assert not made.notes
    few = propose_region("dot", (61, -12, 60, -11), "arco-era5")
    assert any("5 by 5 points are few" in note for note in few.notes)
    assert any("No feed continues arco-era5" in note for note in few.notes)
    with pytest.raises(DatasetError, match="gfs-analysis"):
        propose_region("isles", (61, -12, 49, 4), "nope")


def test_region_makes_a_valid_workspace(tmp_path: Path) -> None:
    result = run("region", "isles", "--area", "61,-12,49,4", "--source", "gfs", "--into",
                 str(tmp_path), "--variables", "t2m,u10,v10")  # fmt: skip
    assert result.exit_code == 0, result.output
    settings = find_workspace(tmp_path / "isles").settings
    assert settings.grid.grid().shape == (49, 65)
    assert settings.forecast.model == settings.schedules[0].model == "isles"
    assert "--area 'x' is not" in run(
        "region", "isles", "--area", "x", "--source", "gfs"
    ).output.replace("\n", " ")


def test_a_netcdf_file_gives_grid_variables_and_step(tmp_path: Path) -> None:
    times = np.datetime64("2021-01-01", "ns") + np.arange(8) * np.timedelta64(3, "h")
    field = np.ones((8, 10, 12), dtype="f4")
    xr.Dataset(
        {"t2m": (("time", "lat", "lon"), field * 280, {"units": "K"}),
         "sp": (("time", "lat", "lon"), field * 1e5, {"units": "Pa"}),
         "odd": (("time", "lat", "lon"), field)},
        {"time": times, "lat": np.linspace(40, 44.5, 10), "lon": np.linspace(350, 355.5, 12)},
    ).to_netcdf(tmp_path / "a.nc")  # fmt: skip
    result = run("init", str(tmp_path / "desk"), "--from", str(tmp_path / "a.nc"))
    assert result.exit_code == 0, result.output
    settings = find_workspace(tmp_path / "desk").settings
    grid = settings.grid.grid()
    assert (grid.north, grid.west, grid.dlat, grid.shape) == (44.5, -10.0, 0.5, (10, 12))
    assert settings.archive.variables == ("t2m", "sp")
    assert settings.archive.step_hours == 3
    assert "It has no u10, v10, msl" in result.output
    assert f"dataset fetch -w {tmp_path}/desk" in result.output
    assert (
        run("dataset", "fetch", "-w", str(tmp_path / "desk"), str(tmp_path / "a.nc")).exit_code == 0
    )


def test_real_grib_gives_its_grid(corpus: Path) -> None:
    file = corpus / "grib" / "xarray-data" / "era5-2mt-2019-03-uk.grib"
    if not file.is_file():
        pytest.skip("xarray-data is not in the corpus beside this checkout")
    made = propose([file], "uk")
    grid = made.values["grid"]
    assert (grid["north"], grid["west"], grid["nlat"], grid["nlon"]) == (58.0, -10.0, 33, 49)
    assert made.values["archive"] == {"variables": ["t2m"], "step_hours": 1}
    assert made.values["feeds"][0]["pattern"] == "*.grib"


def test_a_mesh_gives_a_regular_grid_inside_it(corpus: Path) -> None:
    files = sorted((corpus / "grib" / "harpData").glob("*+000grib_fp"))
    if not files:
        pytest.skip("harpData is not in the corpus beside this checkout")
    made = propose(files[:1], "north")
    assert any("not evenly spaced" in note for note in made.notes)
    grid = made.values["grid"]
    assert grid["nlat"] > 2
    assert grid["nlon"] > 2
