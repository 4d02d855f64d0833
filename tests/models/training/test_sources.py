"""WeatherBench, from small files of its layout, and archives longer than memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from toy_world import GRID, hours_after_start

from met2net_ops.archive.frames import FrameArchive
from met2net_ops.errors import ArchiveError
from met2net_ops.grids import named_grid
from met2net_ops.models.training.frames import FlatFrames, flatten
from met2net_ops.models.training.preparation import prepare
from met2net_ops.models.training.settings import DataSettings, NetworkSettings, TrainingSettings
from met2net_ops.models.training.settings_file import load_preset
from met2net_ops.models.training.sources import find_source
from met2net_ops.models.training.weatherbench import WeatherBench
from met2net_ops.models.training.windows import window_starts

HOUR = timedelta(hours=1)
# Folder, name in the file, unit, and what turns the file's unit into ours.
WEATHERBENCH = {
    "t2m": ("2m_temperature", "t2m", "K", 1.0),
    "tp": ("total_precipitation", "tp", "m", 1000.0),
    "tisr": ("toa_incident_solar_radiation", "tisr", "J m**-2", 1 / 3600),
    "r1000": ("relative_humidity", "r", "%", 1.0),
    "q850": ("specific_humidity", "q", "kg kg**-1", 1.0),
    "z500": ("geopotential_500", "z", "m**2 s**-2", 1.0),
}
LEVELS = {"r1000": 1000, "q850": 850}


def settings_for(variables: tuple[str, ...], *periods: str, **data: Any) -> TrainingSettings:
    train, validation, test = ((period,) for period in periods)
    return TrainingSettings(
        "x", "x", DataSettings(variables, train, validation, test, guard_hours=0, **data)
    )


def write_weatherbench(
    root: Path, degrees: float, variables: tuple[str, ...], hours: int, first: str = "2015-12-31"
) -> dict[str, np.ndarray]:
    """Files cut at the turn of the year, as WeatherBench cuts them; returns what lies in them."""
    side = round(180 / degrees)
    latitudes = -90 + degrees * (np.arange(side) + 0.5)
    longitudes = degrees * np.arange(2 * side)
    times = np.datetime64(first, "ns") + np.arange(hours) * np.timedelta64(1, "h")
    random = np.random.default_rng(0)
    truth = {}
    for name in variables:
        folder, inside, unit, _ = WEATHERBENCH[name]
        values = random.normal(size=(hours, side, 2 * side)).astype(np.float32)
        truth[name] = values
        dims: tuple[str, ...] = ("time", "lat", "lon")
        coords: dict[str, Any] = {"time": times, "lat": latitudes, "lon": longitudes}
        if name in LEVELS:
            levels = np.array([500, 850, 1000], dtype=np.int32)
            dims, coords = ("time", "level", "lat", "lon"), {**coords, "level": levels}
            stacked = np.zeros((hours, 3, side, 2 * side), dtype=np.float32)
            stacked[:, levels.tolist().index(LEVELS[name])] = values
            values = stacked
        field = xr.DataArray(values, coords, dims, inside, {"units": unit})
        (root / folder).mkdir(parents=True, exist_ok=True)
        for year, part in field.groupby("time.year"):
            name_of_file = f"{folder}_{year}_{degrees:g}deg.nc"
            part.to_dataset().to_netcdf(root / folder / name_of_file)
    return truth


@pytest.mark.parametrize("degrees", [5.625, 2.8125, 1.40625])
def test_weatherbench_comes_north_first_in_our_units(tmp_path: Path, degrees: float) -> None:
    variables = ("tp", "t2m") if degrees < 5 else tuple(WEATHERBENCH)
    truth = write_weatherbench(tmp_path, degrees, variables, 30)
    periods = ("2015-12-31T02..2016-01-01T01", "2016-01-01T02..2016-01-01T03")
    settings = settings_for(variables, *periods, "2016-01-01T04..2016-01-01T05")
    source = find_source(settings, None, [tmp_path], tmp_path / "out")
    assert source.grid is named_grid(f"global-{degrees:g}".replace(".", "p"))
    frames = source.frames()
    assert (frames.variables, frames.time(0)) == (variables, datetime(2015, 12, 31, 2, tzinfo=UTC))
    assert len(frames) == 28
    for column, name in enumerate(variables):
        wanted = truth[name][2:, ::-1] * WEATHERBENCH[name][3]
        np.testing.assert_allclose(frames.read(0, 28)[:, column], wanted, rtol=1e-6)
    # Files end with the year; windows do not.
    assert window_starts(frames, settings.data.split().train, 24).tolist() == [0]


def test_hours_that_weatherbench_lacks_are_gaps(tmp_path: Path) -> None:
    truth = write_weatherbench(tmp_path, 5.625, ("t2m",), 20)
    path = tmp_path / "2m_temperature" / "2m_temperature_2015_5.625deg.nc"
    with xr.open_dataset(path) as file:
        short = file.load().isel(time=[*range(7), *range(9, 20)])
    path.unlink()
    short.to_netcdf(path)
    reader = WeatherBench(tmp_path, ("t2m",))
    times = [datetime(2015, 12, 31, tzinfo=UTC) + HOUR * number for number in range(-1, 21)]
    found = reader.read(("t2m",), times)[:, 0]
    present = [bool(np.isfinite(frame).all()) for frame in found]
    assert present == [False, *[True] * 7, False, False, *[True] * 11, False]
    np.testing.assert_array_equal(found[10], truth["t2m"][9, ::-1])


def _other_unit(root: Path) -> None:
    rewrite(root, lambda file: file.t2m.attrs.update(units="degC"))


def _no_coordinate(root: Path) -> None:
    rewrite(root, lambda file: file.rename(lat="y"))


def _irregular(root: Path) -> None:
    rewrite(root, lambda file: file.assign_coords(lat=np.sort(file.lat.to_numpy() ** 3 / 8000)))


def _westwards(root: Path) -> None:
    rewrite(root, lambda file: file.isel(lon=slice(None, None, -1)))


def _cut_short(root: Path) -> None:
    path = next((root / "2m_temperature").glob("*.nc"))
    path.write_bytes(path.read_bytes()[:2000])


def _twice(root: Path) -> None:
    path = next((root / "2m_temperature").glob("*.nc"))
    (path.parent / "copy.nc").write_bytes(path.read_bytes())


def rewrite(root: Path, change: Callable[[xr.Dataset], xr.Dataset | None]) -> None:
    path = next((root / "2m_temperature").glob("*.nc"))
    with xr.open_dataset(path) as file:
        loaded = file.load()
    changed = change(loaded)
    path.unlink()
    (loaded if changed is None else changed).to_netcdf(path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_other_unit, r"2015_5.625deg.nc: t2m is in 'degC'; t2m is read from K"),
        (_no_coordinate, r"2015_5.625deg.nc has no .*lat"),
        (_irregular, r"2015_5.625deg.nc is not on a regular"),
        (_westwards, r"2015_5.625deg.nc: its longitudes go westwards"),
        (_cut_short, r"cannot read .*2015_5.625deg.nc"),
        (_twice, r"copy.nc both hold 2015-12-31T00"),
    ],
)
def test_damaged_weatherbench_files_are_named(
    tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    write_weatherbench(tmp_path, 5.625, ("t2m",), 5)
    damage(tmp_path)
    with pytest.raises(ArchiveError, match=message):
        WeatherBench(tmp_path, ("t2m",))


def test_what_weatherbench_lacks_is_named(tmp_path: Path) -> None:
    write_weatherbench(tmp_path, 5.625, ("t2m", "r1000"), 5)
    with pytest.raises(ArchiveError, match=r"has no tcc: it would lie in .*total_cloud_cover"):
        WeatherBench(tmp_path, ("t2m", "tcc"))
    with pytest.raises(ArchiveError, match="no folder of WeatherBench"):
        WeatherBench(tmp_path, ("msl",))
    other = tmp_path / "relative_humidity"
    for path in other.glob("*.nc"):
        with xr.open_dataset(path) as file:
            upper = file.load().isel(level=[0, 1])
        path.unlink()
        upper.to_netcdf(path)
    with pytest.raises(ArchiveError, match="has r at 500, 850 hPa, but not r1000"):
        WeatherBench(tmp_path, ("t2m", "r1000"))


def test_an_unknown_folder_says_what_is_known(tmp_path: Path) -> None:
    settings = load_preset("weatherbench-mv4")
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(ArchiveError, match=r"holds neither flat frames .* nor WeatherBench"):
        find_source(settings, None, [tmp_path], tmp_path / "out")


def test_a_variable_that_the_archive_lacks_is_named_before_copying(tmp_path: Path) -> None:
    url = str(tmp_path / "archive.zarr")
    FrameArchive.create(url, GRID, ("t2m",), HOUR)
    settings = settings_for(
        ("t2m", "u10"), "2020-01-01..2020-01-02", "2020-01-03..2020-01-04", "2020-01-05..2020-01-06"
    )
    with pytest.raises(ArchiveError, match="has no u10; it has t2m"):
        find_source(settings, url, [], tmp_path / "out")
    only = replace(settings, data=replace(settings.data, variables=("t2m",)))
    with pytest.raises(ArchiveError, match="holds no frame yet"):
        find_source(only, url, [], tmp_path / "out")
    assert not (tmp_path / "out").exists()


class _Endless:
    """An archive as long as one likes, that costs nothing to keep."""

    grid, step = GRID, HOUR

    def read(self, variables: Any, times: Any) -> np.ndarray:
        hours = np.array([(time - hours_after_start(0)) / HOUR for time in times])
        wave = np.sin(hours / 7)[:, None, None, None] + np.arange(GRID.nlon) / 10
        shape = (len(times), len(variables), *GRID.shape)
        return np.broadcast_to(wave, shape).astype(np.float32)


def _peak(hours: int, folder: Path) -> int:
    """Bytes of NumPy and Python at the peak of copying and preparing."""
    tracemalloc.start()
    last = hours_after_start(hours - 1)
    frames: FlatFrames = flatten(_Endless(), ("t2m", "msl"), hours_after_start(0), last, folder)
    third = [hours_after_start(hours * part / 3) for part in range(4)]
    periods = [f"{a:%Y-%m-%dT%H}..{b - HOUR:%Y-%m-%dT%H}" for a, b in pairwise(third)]
    settings = settings_for(("t2m", "msl"), *periods)
    network = NetworkSettings(frames=6, hid_s=4, hid_t=16, n_t=1)
    prepare(replace(settings, network=network), frames, {})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_memory_does_not_grow_with_the_archive(tmp_path: Path) -> None:
    short, long = _peak(600, tmp_path / "short"), _peak(6000, tmp_path / "long")
    frame = 2 * 8 * 20 * 4
    # 5400 more frames; all that may grow is a few numbers per time.
    assert long - short < 5400 * 0.2 * frame
