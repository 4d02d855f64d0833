"""NetCDF as the CDS delivers it: real months, in the forms of 2018 and of today."""

from __future__ import annotations

import zipfile
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from met2net_ops.datasets.fetch import Fetched, fetch
from met2net_ops.datasets.names import conversion
from met2net_ops.datasets.opening import opened
from met2net_ops.datasets.request import make_request
from met2net_ops.datasets.source import Dataset, find_datasets, read_dataset
from met2net_ops.datasets.statics import write_statics
from met2net_ops.errors import DatasetError
from met2net_ops.times import parse_time
from met2net_ops.variables import variable
from met2net_ops.verification.inputs.surface import read_surface
from met2net_ops.workspace import Workspace, create_workspace

BOX = {"name": "box", "north": 50.75, "west": -6.0, "dlat": 0.25, "dlon": 0.25, "nlat": 5,
       "nlon": 7}  # fmt: skip
NAMES = ["t2m", "d2m", "u10", "v10", "sp", "tcc", "tp", "ws10"]
DAY = parse_time("2018-05-03T00"), parse_time("2018-05-04T23")
OLD, NEW = "era5_-7_-3_49.5_51.5_may_2018.nc", "data_stream-*.nc"


@pytest.fixture
def cornwall(corpus: Path) -> Path:
    folder = corpus / "gridded" / "01_mesoclim_cornwall_hourly"
    if not folder.is_dir():
        pytest.skip("gridded/ is not in the corpus beside this checkout")
    return folder


def filled(root: Path, places: list[str], names: list[str], grid: dict[str, object],
           dataset: Dataset | None = None, period: tuple = DAY) -> Workspace:  # fmt: skip
    desk = create_workspace(root, {"grid": grid, "archive": {"variables": names}})
    with opened(places) as parts:
        request = make_request(
            parts, dataset or Dataset(name="files"), desk.settings.grid.grid(), names,
            timedelta(hours=1), *period,
        )  # fmt: skip
        result = Fetched()
        for _ in fetch(request, desk.create_archive(), desk.create_catalog(), result):
            pass
        write_statics(request, desk.paths.statics)
    assert result.frames == request.frames
    return desk


def series(desk: Workspace) -> np.ndarray:
    archive = desk.archive
    return archive.read(archive.variables, archive.times(archive.variables[0]))


def test_both_forms_of_one_month_agree(cornwall: Path, tmp_path: Path) -> None:
    new = sorted(map(str, cornwall.glob(NEW)))
    packed = filled(tmp_path / "old", [str(cornwall / OLD)], NAMES, BOX)
    today = filled(tmp_path / "new", new, NAMES, BOX)
    with zipfile.ZipFile(tmp_path / "cds.zip", "w") as archive:
        for path in new:
            archive.write(path, Path(path).name)
    zipped = filled(tmp_path / "zip", [str(tmp_path / "cds.zip")], NAMES, BOX)
    one, two = series(packed), series(today)
    assert one.shape == (48, len(NAMES), 5, 7)
    assert np.array_equal(two, series(zipped))
    # Half a step of the packed integers, in our units.
    steps = {"t2m": 3.5e-4, "d2m": 3e-4, "u10": 4e-4, "v10": 5e-4, "sp": 0.09, "tcc": 2e-5,
             "tp": 1e-4, "ws10": 5e-4}  # fmt: skip
    for number, name in enumerate(packed.archive.variables):
        assert np.abs(one[:, number] - two[:, number]).max() < steps[name], name
    land = [read_surface(d.paths.statics, d.settings.grid.grid()).land for d in (packed, today)]
    np.testing.assert_allclose(land[0], land[1], atol=2e-5)


def test_rain_is_the_amount_of_the_hour_in_millimetres(cornwall: Path, tmp_path: Path) -> None:
    desk = filled(tmp_path / "d", [str(cornwall / OLD)], ["tp"], BOX)
    with xr.open_dataset(cornwall / OLD) as data:
        part = data.tp.sel(
            latitude=slice(50.75, 49.75), longitude=slice(-6, -4.5),
            time=slice("2018-05-03", "2018-05-04"),
        )  # fmt: skip
        np.testing.assert_allclose(series(desk)[:, 0], np.maximum(1000 * part.values, 0), rtol=1e-5)


def test_speed_and_direction_give_the_components(corpus: Path, tmp_path: Path) -> None:
    folder = corpus / "gridded" / "04_reskit_era5like_hourly"
    if not folder.is_dir():
        pytest.skip("gridded/ is not in the corpus beside this checkout")
    grid = {**BOX, "north": 52.0, "west": 5.0, "nlat": 13, "nlon": 11}
    period = parse_time("2015-01-01T00"), parse_time("2015-01-02T00")
    desk = filled(tmp_path / "d", [str(folder)], ["u10", "v10"], grid, period=period)
    with (
        xr.open_dataset(folder / "10m_wind_speed.processed.nc") as speed,
        xr.open_dataset(folder / "10m_wind_direction.processed.nc") as direction,
    ):
        angle = np.deg2rad(direction.wd10.values[:25])
        np.testing.assert_allclose(
            series(desk)[:, 0], -speed.ws10.values[:25] * np.sin(angle), atol=1e-4
        )


def test_months_in_files_of_their_own_make_one_series(corpus: Path, tmp_path: Path) -> None:
    folder = corpus / "gridded" / "03_topopyscale_norway_davos_hourly"
    if not folder.is_dir():
        pytest.skip("gridded/ is not in the corpus beside this checkout")
    files = [str(folder / f"SURF_2018{month}.nc") for month in (10, 11)]
    with xr.open_dataset(files[0]) as data:
        north, west = float(data.latitude.max()), float(data.longitude.min())
    grid = {**BOX, "north": north, "west": west, "nlat": 7, "nlon": 10}
    period = parse_time("2018-10-31T00"), parse_time("2018-11-01T05")
    desk = filled(tmp_path / "d", files, ["t2m", "sp"], grid, period=period)
    assert len(desk.archive.times("t2m")) == 30
    surface = read_surface(desk.paths.statics, desk.settings.grid.grid())
    assert surface.height is not None
    assert surface.height.max() > 500


def test_other_names_come_by_a_mapping(tmp_path: Path) -> None:
    times = np.datetime64("2018-05-03", "ns") + np.arange(48) * np.timedelta64(1, "h")
    field = np.random.default_rng(0).normal(10, 3, (48, 9, 9)).astype("f4")
    xr.Dataset(
        {"Tair": (("time", "y", "x"), field, {"units": "degC"})},
        {"time": times, "lat": ("y", np.linspace(49.5, 51.5, 9)),
         "lon": ("x", np.linspace(353, 355, 9))},
    ).to_netcdf(tmp_path / "a.nc")  # fmt: skip
    grid = {**BOX, "north": 51.0, "nlat": 4, "nlon": 5}
    mapping = read_dataset('name = "mine"\n[fields.t2m]\nname = "Tair"', "mapping")
    desk = filled(tmp_path / "d", [str(tmp_path / "a.nc")], ["t2m"], grid, mapping)
    wanted = field[:, ::-1][:, 2:6, 4:9] + np.float32(273.15)
    np.testing.assert_allclose(series(desk)[:, 0], wanted, rtol=1e-6)


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("no data")
    (tmp_path / "a.grib").write_bytes(b"GRIB....")
    (tmp_path / "empty.zip").write_bytes(b"PK\x03\x04")
    for name, why in (("a.txt", "neither NetCDF"), ("a.grib", "ingest"), ("empty.zip", "damaged"),
                      ("none.nc", "cannot read")):  # fmt: skip
        with pytest.raises(DatasetError, match=why), opened([str(tmp_path / name)]):
            pass
    with pytest.raises(DatasetError, match=r"fields: nope is no variable of ours"):
        read_dataset('name = "a"\n[fields.nope]\nname = "x"', "mapping")


def test_shipped_datasets_are_valid_and_their_units_known() -> None:
    for dataset in find_datasets().values():
        assert dataset.licence
        assert dataset.url
        for name, field in dataset.fields.items():
            assert field.units is None or conversion(variable(name), field.units), name


@given(st.sampled_from(["m s**-1", "m/s", "m s-1", "m s^-1"]))
def test_spellings_of_a_unit_mean_the_same(text: str) -> None:
    assert conversion(variable("u10"), text) == (1.0, 0.0)


def test_an_unknown_unit_is_no_unit() -> None:
    assert conversion(variable("t2m"), "furlong") is None
