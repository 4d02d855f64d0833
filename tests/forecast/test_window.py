from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from met2net_ops.errors import GridError, MissingInputError
from met2net_ops.forecast.forecaster import ForecasterSpec
from met2net_ops.forecast.remapped import on_model_grid
from met2net_ops.forecast.window import (
    FrameSource,
    check_source,
    fillable,
    frame_table,
    latest_reference_time,
    read_windows,
    window_times,
)
from met2net_ops.grids import LatLonGrid, named_grid
from met2net_ops.times import HOUR

GRID = LatLonGrid(40.0, 0.0, 10.0, 10.0, 2, 3)
FIRST = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass
class Frames:
    """A frame source held in memory: values[time, variable, lat, lon], NaN frames are absent."""

    values: NDArray[np.float32]
    variables: tuple[str, ...] = ("t2m", "msl")
    grid: LatLonGrid = GRID
    step: timedelta = HOUR

    def span(self) -> tuple[datetime, datetime] | None:
        there = np.flatnonzero(self._there().any(axis=1))
        if not there.size:
            return None
        return FIRST + self.step * int(there[0]), FIRST + self.step * int(there[-1])

    def present(self, variables: Sequence[str], times: Sequence[datetime]) -> NDArray[np.bool_]:
        values = ~np.isnan(self.read(variables, times)).all(axis=(-2, -1))
        return values.T

    def read(self, variables: Sequence[str], times: Sequence[datetime]) -> NDArray[np.float32]:
        result = np.full((len(times), len(variables), *self.grid.shape), np.nan, dtype=np.float32)
        for row, time in enumerate(times):
            index = (time - FIRST) // self.step
            if 0 <= index < len(self.values):
                result[row] = self.values[index, [self.variables.index(name) for name in variables]]
        return result

    def _there(self) -> NDArray[np.bool_]:
        return ~np.isnan(self.values).all(axis=(-2, -1))


def frames_with(present: NDArray[np.bool_]) -> Frames:
    """Frames whose every value is 10 + hour, or 100 + hour for the second variable."""
    hours = np.arange(present.shape[1], dtype=np.float32)
    values = np.stack([10 + hours, 100 + hours], axis=1)[:, :, None, None]
    values = np.broadcast_to(values, (*values.shape[:2], *GRID.shape)).copy()
    values[~present.T] = np.nan
    return Frames(values)


def spec(frames: int, step: timedelta = HOUR, grid: LatLonGrid = GRID) -> ForecasterSpec:
    return ForecasterSpec("model", "", ("t2m", "msl"), grid, frames, step)


def all_present(hours: int) -> NDArray[np.bool_]:
    return np.ones((2, hours), dtype=bool)


def test_memory_source_and_archive_are_frame_sources(desk) -> None:
    sources: list[FrameSource] = [frames_with(all_present(3)), desk.archive]
    for source in sources:
        assert source.present(source.variables, [FIRST]).shape == (len(source.variables), 1)


def test_a_window_holds_the_frames_up_to_the_reference_time() -> None:
    source, reference = frames_with(all_present(10)), FIRST + 8 * HOUR
    (window,) = read_windows(source, spec(3), [frame_table(source, spec(3), reference)])
    assert window.reference_time == reference
    assert window.values.shape == (3, 2, 2, 3)
    np.testing.assert_array_equal(window.values[:, 0, 0, 0], [16, 17, 18])
    np.testing.assert_array_equal(window.values[:, 1, 0, 0], [106, 107, 108])


def test_a_model_may_step_over_frames_of_a_finer_archive() -> None:
    wanted = spec(3, 2 * HOUR)
    source, reference = frames_with(all_present(10)), FIRST + 8 * HOUR
    (window,) = read_windows(source, wanted, [frame_table(source, wanted, reference)])
    np.testing.assert_array_equal(window.values[:, 0, 0, 0], [14, 16, 18])


def test_missing_frames_are_named_in_a_table() -> None:
    present = all_present(10)
    present[0, 6] = present[1, 8] = False
    source, reference = frames_with(present), FIRST + 8 * HOUR
    table = frame_table(source, spec(4), reference, max_gap_frames=1)
    assert table.marks() == [["✓", "~", "✓", "✓"], ["✓", "✓", "✓", "✗"]]
    assert table.gaps == (("t2m", FIRST + 6 * HOUR),)
    assert table.missing == (("msl", reference),)
    with pytest.raises(MissingInputError) as raised:
        read_windows(source, spec(4), [table])
    message = str(raised.value)
    assert str(table) in message
    assert "2026-11-01T08:00Z lacks 1 of 8 frames" in message
    assert raised.value.exit_code == 5
    assert str(table).splitlines() == [
        " day  01 01 01 01",
        "hour  05 06 07 08",
        " t2m   ✓  ~  ✓  ✓",
        " msl   ✓  ✓  ✓  ✗",
    ]


@given(arrays(bool, st.tuples(st.integers(1, 3), st.integers(1, 12))), st.integers(0, 4))
def test_gaps_are_fillable_exactly_when_interior_and_short(
    present: NDArray[np.bool_], longest: int
) -> None:
    may = fillable(present, longest)
    for row, there in enumerate(present):
        text = "".join("x" if flag else "." for flag in there)
        for column, flag in enumerate(may[row]):
            left, right = text[:column], text[column + 1 :]
            gap = 1 + len(left) - len(left.rstrip(".")) + len(right) - len(right.lstrip("."))
            interior = "x" in left and "x" in right
            assert flag == (text[column] == "." and interior and gap <= longest)


def test_filled_gaps_are_linear_in_time_and_the_rest_is_untouched() -> None:
    present = all_present(8)
    present[0, 3:5] = present[1, 5] = False
    source, reference = frames_with(present), FIRST + 7 * HOUR
    table = frame_table(source, spec(8), reference, max_gap_frames=2)
    (window,) = read_windows(source, spec(8), [table])
    complete = frames_with(all_present(8)).values
    np.testing.assert_allclose(window.values, complete, rtol=1e-6)
    known = present.T
    np.testing.assert_array_equal(window.values[known], complete[known])


def test_points_without_a_value_are_an_error_that_counts_them() -> None:
    source = frames_with(all_present(6))
    source.values[4, 1, 0, :2] = np.nan
    reference = FIRST + 5 * HOUR
    with pytest.raises(MissingInputError, match=r"of 6 per frame: msl 2026-11-01T04:00Z: 2\."):
        read_windows(source, spec(3), [frame_table(source, spec(3), reference)])


@settings(max_examples=60)
@given(
    arrays(bool, st.tuples(st.just(2), st.integers(1, 25))),
    st.integers(1, 4),
    st.integers(0, 2),
    st.integers(1, 2),
)
def test_latest_is_the_newest_time_with_a_usable_window(
    present: NDArray[np.bool_], frames: int, gap: int, stride: int
) -> None:
    source, wanted = frames_with(present), spec(frames, stride * HOUR)
    usable = [
        time
        for time in (FIRST + hour * HOUR for hour in range(present.shape[1]))
        if frame_table(source, wanted, time, gap).complete
    ]
    if usable:
        assert latest_reference_time(source, wanted, gap) == usable[-1]
    else:
        with pytest.raises(MissingInputError):
            latest_reference_time(source, wanted, gap)


def test_latest_looks_further_back_than_one_batch_of_times() -> None:
    present = all_present(1300)
    present[0, 40:] = False
    assert latest_reference_time(frames_with(present), spec(12)) == FIRST + 39 * HOUR


def test_without_a_usable_window_the_fullest_is_shown() -> None:
    """And not that of the newest frame, of which a long forecast may be the source."""
    present = ~all_present(30)
    present[:, 3:8] = True
    present[0, 28] = True
    with pytest.raises(MissingInputError, match=r"ending 2026-11-01T08:00Z lacks 2 of 12 frames"):
        latest_reference_time(frames_with(present), spec(6))


def test_window_times_end_at_the_reference_time() -> None:
    assert window_times(spec(3), FIRST) == (FIRST - 2 * HOUR, FIRST - HOUR, FIRST)


def test_an_archive_that_can_never_feed_the_model_is_refused() -> None:
    source = frames_with(all_present(3))
    lacking = ForecasterSpec("model", "", ("t2m", "tcc"), GRID, 1)
    with pytest.raises(MissingInputError, match="model needs tcc, which the archive does not keep"):
        check_source(source, lacking)
    with pytest.raises(MissingInputError, match="steps 0:30:00"):
        check_source(source, spec(1, timedelta(minutes=30)))


def test_a_coarser_model_gets_area_means() -> None:
    rng = np.random.default_rng(4)
    fine = LatLonGrid(87.1875, 0.0, 5.625, 5.625, 32, 64)
    coarse = LatLonGrid(84.375, 2.8125, 11.25, 11.25, 16, 32)
    values = rng.normal(size=(1, 2, *fine.shape)).astype(np.float32)
    remapped = on_model_grid(Frames(values, grid=fine), spec(1, grid=coarse))
    (window,) = read_windows(
        remapped, spec(1, grid=coarse), [frame_table(remapped, spec(1, grid=coarse), FIRST)]
    )
    areas = fine.cell_areas.reshape(16, 2, 32, 2)
    sums = (values[0].reshape(2, 16, 2, 32, 2) * areas).sum(axis=(2, 4))
    np.testing.assert_allclose(window.values[0], sums / areas.sum(axis=(1, 3)), atol=1e-6)


def test_a_model_on_a_finer_grid_is_refused_with_both_grids_named() -> None:
    source = Frames(np.zeros((1, 2, 32, 64), np.float32), grid=named_grid("global-5p625"))
    with pytest.raises(GridError, match=r"global-2p8125 \(64x128.*global-5p625 \(32x64"):
        on_model_grid(source, spec(1, grid=named_grid("global-2p8125")))
