"""The published data sets, from small files of their layout, and archives longer than memory."""

from __future__ import annotations

import gzip
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

from met2net_ops.archive.frames import FrameArchive
from met2net_ops.errors import ArchiveError
from met2net_ops.grids import named_grid
from met2net_ops.models.training import moving_fashion
from met2net_ops.models.training.frames import FlatFrames, flatten
from met2net_ops.models.training.loop import prepare
from met2net_ops.models.training.settings import (
    DataSettings,
    NetworkSettings,
    TrainingSettings,
    load_preset,
)
from met2net_ops.models.training.sources import find_source, series_for
from met2net_ops.models.training.weatherbench import WeatherBench
from met2net_ops.models.training.windows import Period, window_starts

from .conftest import GRID, hours_after_start

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


def write_era5_cropped(root: Path, hours: int = 30, *, compressed: bool = False) -> np.ndarray:
    random = np.random.default_rng(1)
    data = random.integers(0, 9, size=(4, hours, 128, 128)).astype(np.float32)
    stats = {name: {"min": 0.0, "max": 1.0} for name in ("msl", "u10", "v10", "t2m")}
    save = np.savez_compressed if compressed else np.savez
    save(root / "train_128_128.npz", data=data, stats=np.array(stats, dtype=object))
    save(root / "vail_128_128.npz", data=data[:, :10] + 1, stats=np.array(stats, dtype=object))
    return data


@pytest.mark.parametrize("compressed", [False, True])
def test_era5_cropped_files_lie_on_their_years(tmp_path: Path, compressed: bool) -> None:
    data = write_era5_cropped(tmp_path, compressed=compressed)
    settings = load_preset("era5-cropped-128")
    source = find_source(settings, None, [tmp_path], tmp_path / "out")
    assert source.grid == named_grid("era5-cropped-128")
    frames = source.frames()
    assert frames.variables == ("msl", "u10", "v10", "t2m")
    np.testing.assert_array_equal(frames.read(0, 30), data.transpose(1, 0, 2, 3))
    year = frames.index(datetime(2022, 1, 1, tzinfo=UTC))
    np.testing.assert_array_equal(frames.read(year, 10), data[:, :10].transpose(1, 0, 2, 3) + 1)
    # Every hour begins a window; the published reader sees each sixth only in number.
    january = Period(datetime(2017, 1, 1, tzinfo=UTC), datetime(2017, 1, 31, tzinfo=UTC))
    assert window_starts(frames, [january], 24).tolist() == list(range(7))
    written = (tmp_path / "out" / "frames" / "train_128_128" / "values.npy").stat().st_mtime_ns
    series_for(settings, None, [tmp_path], tmp_path / "out")
    again = (tmp_path / "out" / "frames" / "train_128_128" / "values.npy").stat().st_mtime_ns
    assert written == again


def test_a_pickle_in_era5_cropped_is_never_run(tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "harmed",)

    data = np.ones((4, 2, 128, 128), dtype=np.float32)
    np.savez(tmp_path / "train_128_128.npz", data=data, stats=np.array(Harm(), dtype=object))
    (tmp_path / "harmed").unlink(missing_ok=True)
    settings = load_preset("era5-cropped-128")
    assert len(series_for(settings, None, [tmp_path], tmp_path / "out")) == 2
    assert not (tmp_path / "harmed").exists()


def test_other_shapes_than_era5_cropped_are_refused(tmp_path: Path) -> None:
    settings = load_preset("era5-cropped-128")
    path = tmp_path / "train_128_128.npz"
    np.savez(path, data=np.zeros((3, 5, 128, 128), dtype=np.float32))
    with pytest.raises(ArchiveError, match=r"data is float32 \(3, 5, 128, 128\)"):
        series_for(settings, None, [tmp_path], tmp_path / "out")
    np.savez(path, values=np.zeros(3))
    with pytest.raises(ArchiveError, match=r"is not a file of ERA5-Cropped: .*data.npy"):
        series_for(settings, None, [tmp_path], tmp_path / "out")
    path.write_bytes(b"PK nonsense")
    with pytest.raises(ArchiveError, match="is not a file of ERA5-Cropped"):
        series_for(settings, None, [tmp_path], tmp_path / "out")
    np.savez(path, data=np.zeros((4, 5, 128, 128), dtype=np.float32))
    path.write_bytes(path.read_bytes()[:70_000])
    with pytest.raises(ArchiveError, match="is not a file of ERA5-Cropped"):
        series_for(settings, None, [tmp_path], tmp_path / "out")
    assert not list((tmp_path / "out").rglob("about.json"))


def write_moving_fashion(root: Path, images: int = 6, sequences: int = 3) -> np.ndarray:
    random = np.random.default_rng(2)
    for folder in ("moving_mnist", "moving_fmnist"):
        (root / folder).mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 256, (images, 28, 28), dtype=np.uint8)
        header = np.array([2051, images, 28, 28], dtype=">u4").tobytes()
        with gzip.open(root / folder / "train-images-idx3-ubyte.gz", "wb") as file:
            file.write(header + pixels.tobytes())
    test = random.random((sequences, 20, 3, 64, 64)).astype(np.float32)
    np.save(root / "moving_mnist" / "mnist_fmnist_mv_test_seq.npy", test)
    return test


def test_moving_fashion_gives_whole_sequences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving_fashion, "TRAINING_SEQUENCES", 5)
    monkeypatch.setattr(moving_fashion, "VALIDATION_SEQUENCES", 2)
    test = write_moving_fashion(tmp_path)
    settings = load_preset(
        "mv-mfmnist",
        [
            'data.train=["1900-01-01..1900-02-01"]',
            'data.validation=["2000-01-01..2000-02-01"]',
            'data.test=["2100-01-01..2100-02-01"]',
        ],
    )
    frames = series_for(settings, None, [tmp_path], tmp_path / "out")
    split = settings.data.split()
    starts = window_starts(frames, split.train, 20)
    assert starts.tolist() == [0, 21, 42, 63, 84]
    judged = window_starts(frames, split.test, 20)
    for start, sequence in zip(judged, test, strict=True):
        np.testing.assert_array_equal(frames.read(int(start), 20), sequence)
    first = frames.read(0, 20)
    assert (first >= 0).all()
    assert (first <= 1).all()
    np.testing.assert_array_equal(frames.read(5, 3), first[5:8])  # made anew, and the same
    assert not np.array_equal(first, frames.read(int(starts[1]), 20))
    # Whatever moves, moves without changing: every frame holds the same pixels of one object or
    # both, and the negative is dark exactly where a digit is not black.
    digits, negative = first[:, 0] * 255, first[:, 2] * 255
    np.testing.assert_array_equal(negative < 128, digits > 1)
    # An object moves at most a tenth of its room, 3.6 pixels, from frame to frame.
    rows = (digits > 1).any(axis=2)
    tops = rows.argmax(axis=1)
    assert np.abs(np.diff(tops)).max() <= 4
    sizes = replace(settings, network=NetworkSettings(frames=10, hid_s=4, hid_t=16, n_t=1, n_s=4))
    data = prepare(sizes, frames, {})
    batch = data.samples.batch(data.train[:2])
    assert float(batch.frames.min()) >= 0
    assert float(batch.frames.max()) <= 1


def test_incomplete_moving_fashion_is_named(tmp_path: Path) -> None:
    write_moving_fashion(tmp_path)
    settings = load_preset("mv-mfmnist")

    def refused(message: str) -> None:
        with pytest.raises(ArchiveError, match=message):
            series_for(settings, None, [tmp_path], tmp_path / "out")

    fixed = tmp_path / "moving_mnist" / "mnist_fmnist_mv_test_seq.npy"
    np.save(fixed, np.zeros((2, 20, 64, 64, 3), dtype=np.float32))
    refused(r"is float32 \(2, 20, 64, 64, 3\), not floats")
    garments = tmp_path / "moving_fmnist" / "train-images-idx3-ubyte.gz"
    whole = garments.read_bytes()
    garments.write_bytes(whole[:300])
    refused("cannot read .*moving_fmnist")
    with gzip.open(garments, "wb") as file:
        file.write(gzip.decompress(whole)[:-1])
    refused("is cut short: 6 images promised")
    garments.unlink()
    refused("cannot read .*moving_fmnist")


def test_an_unknown_folder_says_what_is_known(tmp_path: Path) -> None:
    settings = load_preset("weatherbench-mv4")
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(ArchiveError, match=r"neither flat frames .* nor WeatherBench"):
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
