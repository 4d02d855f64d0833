"""The archive against plain Zarr and xarray, a dictionary, concurrent readers and real kills."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from met2net_ops.archive.frames import FrameArchive
from met2net_ops.errors import ArchiveError
from met2net_ops.grids import LatLonGrid
from met2net_ops.times import HOUR, parse_time, time_range, to_datetime64

GRID = LatLonGrid(50.0, 10.0, 2.0, 3.0, 4, 5, "small")
START = parse_time("2026-03-10T05")


def frame(number: float) -> np.ndarray:
    values = np.arange(20, dtype=np.float32).reshape(GRID.shape) + np.float32(number) * 100
    values[0, 0] = np.nan
    return values


@pytest.fixture
def archive(tmp_path: Path) -> FrameArchive:
    return FrameArchive.create(tmp_path / "archive.zarr", GRID, ("t2m", "u10"), HOUR)


def opened(archive: FrameArchive) -> xr.Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return xr.open_zarr(archive.url, chunks=None)


def snapshot(archive: FrameArchive) -> dict[str, tuple[bytes, int]]:
    root = Path(archive.url)
    return {
        str(path.relative_to(root)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_xarray_sees_times_attributes_and_missing_frames(archive):
    archive.write("t2m", START, frame(1))
    archive.write("u10", START + 2 * HOUR, frame(2))
    dataset = opened(archive)
    assert dict(dataset.sizes)["latitude"] == 4
    times = dataset["time"].to_numpy()
    assert times[-1] == to_datetime64(START + 2 * HOUR)
    assert times[0] == to_datetime64(parse_time("2026-03-01"))
    assert (np.diff(times) == np.timedelta64(1, "h")).all()
    assert np.array_equal(dataset["latitude"], GRID.latitudes)
    assert np.array_equal(dataset["longitude"], GRID.longitudes)
    assert dataset["t2m"].attrs["standard_name"] == "air_temperature"
    assert dataset["t2m"].attrs["units"] == "K"
    assert dataset["t2m"].dims == ("time", "latitude", "longitude")
    assert dataset["t2m"].dtype == np.float32
    there = dataset["t2m"].sel(time=to_datetime64(START)).to_numpy()
    assert np.array_equal(there, frame(1), equal_nan=True)
    assert np.isnan(dataset["u10"].sel(time=to_datetime64(START))).all()


def test_other_zarr_readers_need_no_consolidated_metadata(archive):
    archive.write("t2m", START, frame(1))
    array = zarr.open_array(f"{archive.url}/t2m", mode="r")
    assert array.chunks == (1, *GRID.shape)
    assert np.array_equal(array[-1], frame(1), equal_nan=True)


def test_an_empty_archive_opens_and_has_no_span(archive):
    assert opened(archive).sizes["time"] == 0
    assert archive.span() is None
    assert not archive.present(["t2m"], [START]).any()


def test_identical_content_changes_nothing(archive):
    assert archive.write("t2m", START, frame(1))
    before = snapshot(archive)
    assert not archive.write("t2m", START, frame(1))
    assert snapshot(archive) == before
    assert archive.write("t2m", START, frame(2))


def test_present_and_span_agree_however_many_are_asked_for(archive):
    for hour in (0, 3, 4):
        archive.write("t2m", START + hour * HOUR, frame(hour))
    archive.write("u10", START - 24 * HOUR, frame(0))
    assert archive.span() == (START - 24 * HOUR, START + 4 * HOUR)
    few = time_range(START, START + 5 * HOUR)
    assert archive.present(["t2m"], few).tolist() == [[True, False, False, True, True, False]]
    many = time_range(START - 100 * HOUR, START + 100 * HOUR)
    one_by_one = [archive.present(["t2m", "u10"], [time])[:, 0].tolist() for time in many]
    assert archive.present(["t2m", "u10"], many).T.tolist() == one_by_one


@given(
    st.lists(
        st.tuples(st.sampled_from(["t2m", "u10"]), st.integers(-1500, 300), st.integers(0, 9)),
        min_size=1, max_size=6,
    )
)  # fmt: skip
@settings(max_examples=10, deadline=None)
def test_any_order_of_writes_reads_back_like_a_dictionary(writes):
    with tempfile.TemporaryDirectory() as folder:
        archive = FrameArchive.create(Path(folder) / "a.zarr", GRID, ("t2m", "u10"), HOUR)
        model = {}
        for name, hour, number in writes:
            archive.write(name, START + hour * HOUR, frame(number))
            model[name, hour] = frame(number)
        dataset = opened(archive)
        hours = sorted({hour for _, hour in model})
        assert archive.span() == (START + hours[0] * HOUR, START + hours[-1] * HOUR)
        first = (START + hours[0] * HOUR).replace(day=1, hour=0)
        assert dataset["time"].to_numpy()[0] == to_datetime64(first)
        assert dataset["time"].to_numpy()[-1] == to_datetime64(START + hours[-1] * HOUR)
        values = archive.read(["t2m", "u10"], [START + hour * HOUR for hour in hours])
        for row, hour in enumerate(hours):
            for column, name in enumerate(("t2m", "u10")):
                expected = model.get((name, hour), np.full(GRID.shape, np.nan))
                plain = dataset[name].sel(time=to_datetime64(START + hour * HOUR)).to_numpy()
                assert np.array_equal(values[row, column], expected, equal_nan=True)
                assert np.array_equal(plain, expected, equal_nan=True)
        total = sum(int(dataset[name].notnull().any(("latitude", "longitude")).sum()) for name in
                    ("t2m", "u10"))  # fmt: skip
        assert total == len(model)


def test_a_dataset_opened_before_the_archive_grows_backward_keeps_its_view(archive):
    archive.write("t2m", START, frame(1))
    before = opened(archive)
    archive.write("t2m", parse_time("2025-12-24T12"), frame(2))
    archive.write("t2m", START + HOUR, frame(3))
    assert np.array_equal(before["t2m"].sel(time=to_datetime64(START)), frame(1), equal_nan=True)
    assert int(before["t2m"].notnull().any(("latitude", "longitude")).sum()) == 1
    after = opened(archive)
    assert int(after["t2m"].notnull().any(("latitude", "longitude")).sum()) == 3


def test_two_archives_objects_see_each_others_growth(archive):
    other = FrameArchive.open(archive.url)
    archive.write("t2m", START, frame(1))
    other.write("u10", parse_time("2024-02-29T00"), frame(2))
    archive.write("t2m", START + HOUR, frame(3))
    times = [parse_time("2024-02-29T00"), START, START + HOUR]
    for reader in (archive, other):
        assert reader.present(["t2m", "u10"], times).tolist() == [
            [False, True, True], [True, False, False],
        ]  # fmt: skip


def test_damage_on_disk_is_noticed_by_us_and_by_zarr(archive):
    archive.write("t2m", START, frame(1))
    (chunk,) = Path(archive.url, "t2m").glob("c.*")
    data = bytearray(chunk.read_bytes())
    data[len(data) // 2] ^= 4
    chunk.write_bytes(data)
    with pytest.raises(ArchiveError, match=r"t2m 2026-03-10T05:00Z is damaged on disk"):
        archive.read(["t2m"], [START])
    with pytest.raises(ValueError, match="checksum"):
        opened(archive)["t2m"].isel(time=-1).load()
    assert archive.write("t2m", START, frame(1))
    assert np.array_equal(archive.read(["t2m"], [START])[0, 0], frame(1), equal_nan=True)


def test_another_grid_or_step_is_refused_and_a_new_variable_added(archive):
    archive.write("t2m", START, frame(1))
    with pytest.raises(ArchiveError, match="holds frames on grid"):
        FrameArchive.create(archive.url, LatLonGrid(50, 10, 1, 1, 4, 5), ("t2m",), HOUR)
    with pytest.raises(ArchiveError, match="frames every"):
        FrameArchive.create(archive.url, GRID, ("t2m",), 3 * HOUR)
    wider = FrameArchive.create(archive.url, GRID, ("msl", "t2m"), HOUR)
    assert wider.variables == ("t2m", "u10", "msl")
    assert np.isnan(opened(archive)["msl"]).all()
    assert archive.present(["t2m", "msl"], [START]).tolist() == [[True], [False]]


def test_what_makes_no_frame_is_refused(archive):
    with pytest.raises(ArchiveError, match="no value at all"):
        archive.write("t2m", START, np.full(GRID.shape, np.nan, np.float32))
    with pytest.raises(ArchiveError, match="shape"):
        archive.write("t2m", START, np.zeros((3, 3), np.float32))
    with pytest.raises(ArchiveError, match="not on the time axis"):
        archive.write("t2m", START + timedelta(minutes=30), frame(1))
    with pytest.raises(ArchiveError, match="no array for msl"):
        archive.write("msl", START, frame(1))
    with pytest.raises(ArchiveError, match="years"):
        archive.write("t2m", parse_time("9999-01-01"), frame(1))
    with pytest.raises(ArchiveError, match="divisor"):
        FrameArchive.create(f"{archive.url}2", GRID, ("t2m",), 5 * HOUR)
    assert archive.span() is None


def test_what_is_no_archive_is_not_opened(tmp_path):
    with pytest.raises(ArchiveError, match="there is no archive"):
        FrameArchive.open(tmp_path / "none.zarr")
    zarr.create_group(str(tmp_path / "other.zarr"))
    with pytest.raises(ArchiveError, match="not a frame archive"):
        FrameArchive.open(tmp_path / "other.zarr")


def test_an_archive_may_lie_behind_an_fsspec_url():
    url = f"memory://archive-{os.getpid()}"
    archive = FrameArchive.create(url, GRID, ("t2m",), HOUR)
    archive.write("t2m", START, frame(1))
    archive.write("t2m", parse_time("2025-11-30T23"), frame(2))
    assert not archive.write("t2m", START, frame(1))
    assert archive.span() == (parse_time("2025-11-30T23"), START)
    assert np.array_equal(archive.read(["t2m"], [START])[0, 0], frame(1), equal_nan=True)


CHILD = """
import sys
from datetime import timedelta
import numpy as np
from met2net_ops.archive.frames import FrameArchive
from met2net_ops.times import HOUR, parse_time
archive = FrameArchive.open(sys.argv[1])
print("ready", flush=True)
for hour in map(int, sys.argv[3:]):
    values = np.full(archive.grid.shape, hour, np.float32)
    archive.write(sys.argv[2], parse_time("2026-03-10T05") + hour * HOUR, values)
"""


def start_writer(archive: FrameArchive, name: str, hours: list[int]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, archive.url, name, *map(str, hours)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def check_frames_are_whole(archive: FrameArchive, newest: int | None = None) -> int:
    """Every frame there (or the newest ones) holds its own hour; says how many there are."""
    span = archive.span()
    if span is None:
        return 0
    count = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dataset = xr.open_zarr(archive.url, chunks=None)
        dataset = dataset.isel(time=slice(-newest if newest else None, None)).load()
    for name in archive.variables:
        for time_, values in zip(dataset["time"].to_numpy(), dataset[name].to_numpy(), strict=True):
            if not np.isnan(values).all():
                hour = (time_ - to_datetime64(START)) / np.timedelta64(1, "h")
                assert (values == hour).all()
                count += 1
    return count


def test_two_writers_and_a_reader_at_once(archive):
    hours = [*range(40), -700]  # one growth backward: what a reader may sleep through
    looks = 0
    archive.write("t2m", START, np.zeros(GRID.shape, np.float32))
    check_frames_are_whole(archive, newest=10)  # the first look is slow
    with (
        start_writer(archive, "t2m", hours) as one,
        start_writer(archive, "u10", hours[::-1]) as two,
    ):
        while one.poll() is None or two.poll() is None:
            check_frames_are_whole(archive, newest=10)
            looks += 1
    assert (one.returncode, two.returncode) == (0, 0)
    assert looks
    assert check_frames_are_whole(archive) == 2 * len(hours)


def test_killed_at_any_moment_every_frame_is_whole_and_no_debris_stays(archive):
    chance = random.Random(11)
    hours = [*range(20), -700, *range(20, 40), -1500, *range(40, 50)]
    for _ in range(5):
        with start_writer(archive, "t2m", hours) as process:
            time.sleep(chance.uniform(0.0, 0.4))
            process.send_signal(signal.SIGKILL)
        check_frames_are_whole(archive)
    with start_writer(archive, "t2m", hours) as process:
        assert process.wait() == 0
    assert check_frames_are_whole(archive) == len(hours)
    archive.write("t2m", START, np.full(GRID.shape, 7, np.float32))
    assert not list(Path(archive.url).parent.glob(".*partial/*"))


@given(
    written=st.sets(st.tuples(st.sampled_from(["t2m", "u10"]), st.integers(-1500, 40)), max_size=8),
    removed=st.sets(st.tuples(st.sampled_from(["t2m", "u10"]), st.integers(-1500, 40)), max_size=8),
)
@settings(max_examples=10, deadline=None)
def test_removed_frames_read_like_frames_that_never_came(written, removed):
    with tempfile.TemporaryDirectory() as folder:
        archive = FrameArchive.create(Path(folder) / "a.zarr", GRID, ("t2m", "u10"), HOUR)
        for name, hour in sorted(written, key=str):  # in any order: the axis grows both ways
            archive.write(name, START + hour * HOUR, frame(hour))
        gone = removed | set(sorted(written)[::2])
        places = [(name, START + hour * HOUR) for name, hour in gone]
        assert archive.remove_frames(places) == len(gone & written)
        assert archive.remove_frames(places) == 0
        left = written - gone
        for name in ("t2m", "u10"):
            hours = sorted(hour for variable, hour in left if variable == name)
            assert archive.times(name) == [START + hour * HOUR for hour in hours]
        for name, hour in written | removed:
            (values,) = archive.read([name], [START + hour * HOUR])[:, 0]
            expected = frame(hour) if (name, hour) in left else np.full(GRID.shape, np.nan)
            assert np.array_equal(values, expected, equal_nan=True)
        if written:
            assert dict(opened(archive).sizes)["latitude"] == 4
        # no second name keeps the bytes of what was removed
        if gone & written:
            kept = [path for path in Path(archive.url).glob("*/*.0.0") if "time" not in path.parts]
            assert len(kept) == len(left)
        for name, hour in gone & written:
            assert archive.write(name, START + hour * HOUR, frame(hour))


def test_a_removal_that_is_killed_leaves_whole_frames_and_can_be_finished(archive):
    hours = range(100)
    for name in ("t2m", "u10"):
        values = [archive.encode(name, START + hour * HOUR, frame(hour)) for hour in hours]
        archive.write_frames(values)
    code = (
        "import sys; from met2net_ops.archive.frames import FrameArchive;"
        "a = FrameArchive.open(sys.argv[1]); print('on', flush=True);"
        "[a.remove_frames([(n, t)]) for n in a.variables for t in a.times(n)]"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, archive.url], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        while len(archive.times("t2m")) == len(hours):
            assert process.poll() is None
        process.kill()
    left = archive.times("t2m")
    assert left  # it was killed in the middle
    for time_ in left:
        number = (time_ - START) // HOUR
        (values,) = archive.read(["t2m"], [time_])[:, 0]
        assert np.array_equal(values, frame(number), equal_nan=True)
    archive.remove_frames(
        [(name, one) for name in archive.variables for one in archive.times(name)]
    )
    assert archive.span() is None
