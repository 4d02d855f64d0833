"""Frames, windows, splits and statistics: what is taken, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_world import GRID, START, hours_after_start, write_flat

from met2net_ops.archive.frames import FrameArchive
from met2net_ops.errors import ArchiveError
from met2net_ops.grids import LatLonGrid
from met2net_ops.models.training.climatology import SmoothClimatology
from met2net_ops.models.training.frames import FlatFrames, flat_file, flatten, join_flat, open_flat
from met2net_ops.models.training.settings import DataSettings, TrainingSettings
from met2net_ops.models.training.sources import series_for
from met2net_ops.models.training.statistics import field_statistics
from met2net_ops.models.training.windows import (
    Period,
    Split,
    batch_order,
    check_split,
    window_starts,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HOUR = timedelta(hours=1)
Toy = "Callable[..., FlatFrames]"


def period(first: float, last: float) -> Period:
    return Period(hours_after_start(first), hours_after_start(last))


@settings(max_examples=60, deadline=None)
@given(
    present=st.lists(st.booleans(), min_size=6, max_size=60),
    length=st.integers(1, 8),
    first=st.integers(-5, 20),
    last=st.integers(0, 70),
)
def test_windows_are_exactly_the_complete_ones(
    present: list[bool], length: int, first: int, last: int
) -> None:
    values = np.zeros((len(present), 1, *GRID.shape), dtype=np.float32)
    values[~np.array(present), 0, 3, 5] = np.nan
    series = FlatFrames(None, ("t2m",), GRID, START, HOUR, ((0, values),), (0,))  # type: ignore[arg-type]
    wanted = [
        start
        for start in range(len(present))
        if start >= first and start + length - 1 <= last and start + length <= len(present)
        if all(present[start : start + length])
    ]
    if wanted:
        assert window_starts(series, [period(first, last)], length).tolist() == wanted
    else:
        with pytest.raises(ArchiveError, match="longest run"):
            window_starts(series, [period(first, last)], length)


def test_windows_stay_inside_one_period(toy: Callable[..., FlatFrames]) -> None:
    found = window_starts(toy(48), [period(0, 9), period(10, 19)], 6)
    assert found.tolist() == [0, 1, 2, 3, 4, 10, 11, 12, 13, 14]


def test_a_split_needs_its_guard_gap() -> None:
    split = Split((period(0, 100),), (period(120, 200),), (period(240, 300),))
    check_split(split, 20)
    with pytest.raises(ArchiveError, match=r"validation period .* begins 20 h after the train"):
        check_split(split, 24)


def test_a_period_inside_another_hides_no_overlap() -> None:
    long, inside = period(0, 1000), period(100, 200)
    split = Split((long, inside), (period(1100, 1200),), (period(500, 600),))
    with pytest.raises(ArchiveError, match=r"the test period .* overlaps the train period"):
        check_split(split, 20)


def test_a_period_that_ends_between_frames_ends_with_the_last_one_inside() -> None:
    values = np.zeros((20, 1, *GRID.shape), dtype=np.float32)
    six = 6 * HOUR
    series = FlatFrames(None, ("t2m",), GRID, START, six, ((0, values),), (0,))  # type: ignore[arg-type]
    # 00, 06, 12 and 18 UTC; 00 UTC of the next day lies outside.
    assert window_starts(series, [period(0, 23)], 3).tolist() == [0, 1]
    assert window_starts(series, [period(1, 24)], 3).tolist() == [1, 2]


def test_statistics_agree_with_numpy_over_all_frames(toy: Callable[..., FlatFrames]) -> None:
    series = toy(700, ("t2m", "msl"))
    starts = window_starts(series, [period(100, 650)], 8)
    found = field_statistics(series, starts, 4, 4, samples=10**6)
    used = series.read(100, 547).astype(np.float64)  # the last input frame of the last window
    np.testing.assert_allclose(found.mean, used.mean(axis=(0, 2, 3)), rtol=1e-9)
    np.testing.assert_allclose(found.std, used.std(axis=(0, 2, 3)), rtol=1e-7)
    values = series.read(0, 700).astype(np.float64)
    change = values[starts + 3 + 4] - values[starts + 3]
    wanted = np.sqrt(np.square(change).mean(axis=(0, 2, 3)))
    np.testing.assert_allclose(found.increment_std[3], wanted, rtol=1e-9)


def test_a_constant_field_is_refused(toy: Callable[..., FlatFrames]) -> None:
    def freeze(values: np.ndarray) -> None:
        values[:, 1] = 101_325.0

    series = toy(200, change=freeze)
    starts = window_starts(series, [period(0, 199)], 8)
    with pytest.raises(ArchiveError, match="msl is constant"):
        field_statistics(series, starts, 4, 4)


def test_a_feed_that_is_stuck_is_refused(toy: Callable[..., FlatFrames]) -> None:
    def stick(values: np.ndarray) -> None:
        values[:, 1] = values[7, 1]  # differs from place to place, but never changes

    series = toy(200, change=stick)
    starts = window_starts(series, [period(0, 199)], 8)
    with pytest.raises(ArchiveError, match="msl never changes over the training period"):
        field_statistics(series, starts, 4, 4)


def test_a_missing_variable_is_named(toy: Callable[..., FlatFrames]) -> None:
    with pytest.raises(ArchiveError, match="has no u10; it has t2m, msl"):
        toy(10).select(("t2m", "u10"))


def test_select_reorders(toy: Callable[..., FlatFrames]) -> None:
    series = toy(10)
    swapped = series.select(("msl", "t2m"))
    np.testing.assert_array_equal(swapped.read(2, 3), series.read(2, 3)[:, ::-1])


def test_an_archive_is_copied_with_its_gaps(tmp_path: Path, toy: Callable[..., FlatFrames]) -> None:
    series = toy(60)
    names = series.variables
    archive = FrameArchive.create(tmp_path / "archive.zarr", GRID, names, HOUR)
    for hour in range(60):
        for column, name in enumerate(names):
            if (hour, name) != (30, "msl"):
                archive.write(name, series.time(hour), series.read(hour, 1)[0, column])
    copy = flatten(archive, names, series.time(5), series.time(59), tmp_path / "flat")
    assert len(copy) == 55
    assert copy.time(0) == series.time(5)
    wanted = series.read(5, 55)
    wanted[25, 1] = np.nan
    np.testing.assert_array_equal(copy.read(0, 55), wanted)
    starts = window_starts(copy, [period(0, 100)], 10)
    assert starts.tolist() == [*range(16), *range(26, 46)]  # frame 25 is the gap


def test_a_run_copies_only_the_time_it_needs_and_only_once(
    tmp_path: Path, toy: Callable[..., FlatFrames]
) -> None:
    series = toy(24 * 5)
    archive = FrameArchive.create(tmp_path / "archive.zarr", GRID, series.variables, HOUR)
    frames = [
        archive.encode(name, series.time(hour), series.read(hour, 1)[0, column])
        for hour in range(len(series))
        for column, name in enumerate(series.variables)
    ]
    archive.write_frames(frames)
    settings = TrainingSettings(
        "x",
        "x",
        DataSettings(("msl",), ("2020-01-02..2020-01-02T23",), ("2020-01-03..2020-01-03T23",), ()),
    )
    url, out = str(tmp_path / "archive.zarr"), tmp_path / "out"
    copy = series_for(settings, url, [], out)
    assert (copy.time(0), len(copy)) == (hours_after_start(24), 48)
    np.testing.assert_array_equal(copy.read(0, 48), series.read(24, 48)[:, 1:])
    written = (out / "frames" / "values.npy").stat().st_mtime_ns
    again = series_for(settings, url, [], out)
    assert (out / "frames" / "values.npy").stat().st_mtime_ns == written
    np.testing.assert_array_equal(again.read(0, 48), copy.read(0, 48))
    later = replace(settings.data, train=("2031-01-01..2031-02-01",))
    later = replace(later, validation=("2031-03-01..2031-04-01",))
    with pytest.raises(ArchiveError, match="ends at 2020-01-05T23:00Z, before the first period"):
        series_for(replace(settings, data=later), url, [], out)


def test_frames_of_another_archive_are_not_taken_for_this_one_s(
    tmp_path: Path, toy: Callable[..., FlatFrames]
) -> None:
    series = toy(48)
    for url, added in (("one.zarr", 0.0), ("other.zarr", 9.0)):
        archive = FrameArchive.create(tmp_path / url, GRID, ("t2m",), HOUR)
        archive.write_frames(
            [
                archive.encode("t2m", series.time(hour), series.read(hour, 1)[0, 0] + added)
                for hour in range(48)
            ]
        )
    days = ("2020-01-01..2020-01-01T23",), ("2020-01-02..2020-01-02T23",), ()
    settings = TrainingSettings("x", "x", DataSettings(("t2m",), *days))
    one, other = (
        series_for(settings, str(tmp_path / url), [], tmp_path / url.removesuffix(".zarr"))
        for url in ("one.zarr", "other.zarr")
    )
    shared = tmp_path / "out"
    series_for(settings, str(tmp_path / "one.zarr"), [], shared)
    again = series_for(settings, str(tmp_path / "other.zarr"), [], shared)
    np.testing.assert_array_equal(again.read(0, 48), other.read(0, 48))
    assert not np.array_equal(again.read(0, 48), one.read(0, 48))


def test_room_for_a_copy_is_taken_before_it_begins(tmp_path: Path) -> None:
    with flat_file(tmp_path / "flat", ("t2m",), GRID, START, HOUR, 5000):
        taken = (tmp_path / "flat" / "values.npy").stat().st_blocks * 512
        assert taken >= 5000 * GRID.nlat * GRID.nlon * 4


def test_a_copy_that_was_interrupted_is_not_taken_for_a_whole_one(
    toy: Callable[..., FlatFrames],
) -> None:
    folder = toy(10).folder
    (folder / "about.json").unlink()
    with pytest.raises(ArchiveError, match="has no valid flat frames"):
        open_flat(folder)


def test_years_join_and_gaps_between_them_are_missing(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(30, 1, *GRID.shape)).astype(np.float32)
    first = write_flat(tmp_path / "a", values[:10], ("t2m",))
    later = write_flat(tmp_path / "b", values[12:], ("t2m",))
    object.__setattr__(later, "start", first.time(12))
    joined = join_flat([later, first])
    assert len(joined) == 30
    values[10:12] = np.nan
    np.testing.assert_array_equal(joined.read(3, 30), values[3:])
    with pytest.raises(ArchiveError, match="overlaps"):
        join_flat([first, first])


def test_every_epoch_sees_every_window_once() -> None:
    seen = np.concatenate([batch_order(20, 5, 7, step) for step in range(8)])
    assert sorted(seen[:20]) == sorted(seen[20:]) == list(range(20))
    assert seen[:20].tolist() != seen[20:].tolist()
    np.testing.assert_array_equal(batch_order(20, 5, 7, 3), seen[15:20])


def test_winters_alone_make_no_annual_waves(tmp_path: Path) -> None:
    days = np.arange(366 * 13)
    winter = days % 366 < 30  # 390 days, all of one season
    line = 280 + 0.2 * np.random.default_rng(0).normal(size=len(days))
    values = np.broadcast_to(line[:, None, None, None], (len(days), 1, 2, 3)).astype(np.float32)
    grid = LatLonGrid(45.0, 0.0, 1.0, 1.0, 2, 3)
    series = FlatFrames(tmp_path, ("t2m",), grid, START, 24 * HOUR, ((0, values),), (0,))
    summer = SmoothClimatology(series, winter).at([datetime(2025, 7, 1, tzinfo=UTC)])
    assert np.abs(summer - 280).max() < 1


def test_climatology_recovers_hour_and_season(tmp_path: Path) -> None:
    hours = np.arange(24 * 400)
    day = 2 * np.pi * hours / 24
    year = 2 * np.pi * (hours / 24 % 366) / 365.2425
    line = 280 + 5 * np.sin(day) + 9 * np.cos(year) + 2 * np.sin(2 * year)
    values = np.broadcast_to(line[:, None, None, None], (len(hours), 1, *GRID.shape))
    series = write_flat(tmp_path / "flat", values.astype(np.float32), ("t2m",))
    fitted = SmoothClimatology(series, np.arange(len(hours)) < 24 * 366)
    times = [datetime(2020, 5, 17, hour, tzinfo=UTC) for hour in (0, 9, 23)]
    found = fitted.at(times)[:, 0, 0, 0]
    wanted = [line[(time - START) // HOUR] for time in times]
    np.testing.assert_allclose(found, wanted, atol=0.02)
