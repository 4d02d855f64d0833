"""What the Operations page draws from: ledger, products, feeds, observations, disk."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pages_desk import NOW

from met2net_ops.app.data.operations import (
    CycleMark,
    cycle_marks,
    disk_use,
    feed_states,
    newest_time,
    observation_counts,
    stage_timings,
)
from met2net_ops.app.figures.operations import (
    FRAME_LOOKS,
    STATE_LOOKS,
    coverage_figure,
    cycles_figure,
    disk_figure,
    legend_of_cycles,
    meanings,
    observations_figure,
    timings_figure,
)
from met2net_ops.archive.coverage import Coverage, FrameState
from met2net_ops.errors import Met2NetOpsError, ProductError
from met2net_ops.paths import WorkspacePaths
from met2net_ops.products.index import list_products
from met2net_ops.products.read import read_header
from met2net_ops.service.ledger.states import CycleState
from met2net_ops.settings import load_settings
from met2net_ops.times import HOUR
from met2net_ops.workspace import Workspace, create_workspace

START = datetime(2026, 11, 20, tzinfo=UTC)


def _mark(hours: int, state: CycleState = CycleState.PUBLISHED, model: str = "desk") -> CycleMark:
    return CycleMark(model, START + HOUR * hours, state, "a reason")


def test_every_state_has_a_look_and_a_meaning() -> None:
    assert set(STATE_LOOKS) == set(CycleState)
    assert set(FRAME_LOOKS) == set(FrameState)
    assert len({colour for colour, _ in STATE_LOOKS.values()}) == len(CycleState)
    for state in CycleState:
        assert f"**{state}**" in meanings()


def test_cycles_come_from_the_ledger_with_states_and_reasons(ledgered: WorkspacePaths) -> None:
    marks = cycle_marks(ledgered, NOW - timedelta(days=2))
    assert [mark.time for mark in marks] == sorted((m.time for m in marks), reverse=True)
    assert {mark.state for mark in marks} == set(CycleState)
    late = next(mark for mark in marks if mark.state is CycleState.LATE)
    assert late.reason.startswith("t2m 2026-11-22T05:00Z is missing")
    assert late.cycle is not None
    published = next(mark for mark in marks if mark.state is CycleState.PUBLISHED)
    assert published.seconds == {"window": 0.1, "rollout": 0.5, "write": 0.2}
    assert len(cycle_marks(ledgered, NOW - timedelta(hours=5))) < len(marks)


def test_without_a_ledger_products_tell(shown_desk: WorkspacePaths) -> None:
    marks = cycle_marks(shown_desk, datetime(2020, 1, 1, tzinfo=UTC))
    assert [mark.state for mark in marks] == [CycleState.PUBLISHED] * 2
    assert all(mark.cycle is None and "by hand" in mark.reason for mark in marks)
    assert not shown_desk.ledger.exists()


def test_a_rejected_product_has_failed(desk: WorkspacePaths) -> None:
    (entry, _) = list_products(desk)
    entry.path.rename(entry.path.with_suffix(".rejected.nc"))
    marks = cycle_marks(desk, datetime(2020, 1, 1, tzinfo=UTC))
    assert [mark.state for mark in marks] == [CycleState.PUBLISHED, CycleState.FAILED]
    assert "gate refused" in marks[1].reason


def test_the_last_days_end_where_the_cycles_do(
    shown_desk: WorkspacePaths, ledgered: WorkspacePaths
) -> None:
    newest = list_products(shown_desk)[-1].reference_time
    assert newest_time(shown_desk, newest + timedelta(days=9), 7) == newest
    now = newest + timedelta(days=2)
    assert newest_time(shown_desk, now, 7) == now
    assert newest_time(ledgered, NOW, 1) == NOW


def test_timings_of_products_the_ledger_does_not_know(shown_desk: WorkspacePaths) -> None:
    marks = cycle_marks(shown_desk, datetime(2020, 1, 1, tzinfo=UTC))
    table = stage_timings(marks, shown_desk, read_header)
    assert list(table["cycle"]) == [entry.reference_time for entry in list_products(shown_desk)]
    assert {"window", "rollout", "write"} <= set(table.columns)
    assert (table[["window", "rollout", "write"]] > 0).all(axis=None)

    def damaged(path: Path) -> None:
        raise ProductError("damaged")

    assert stage_timings(marks, shown_desk, damaged).empty  # type: ignore[arg-type]


@settings(deadline=None)
@given(st.sets(st.integers(0, 24 * 40), min_size=1, max_size=30))
def test_cycles_at_any_hours_are_on_the_strip(hours: set[int]) -> None:
    marks = [_mark(hour, CycleState.FAILED) for hour in hours]
    (strip,) = [trace for trace in cycles_figure(marks).data if trace.type == "heatmap"]
    edges = np.array(strip.x, "M8[s]")
    for mark in marks:
        time = np.datetime64(mark.time.replace(tzinfo=None), "s")
        column = np.searchsorted(edges, time, side="right") - 1
        assert strip.z[0, column] == list(STATE_LOOKS).index(CycleState.FAILED)


def test_the_strip_keeps_gaps_in_time_open() -> None:
    marks = [
        _mark(0),
        _mark(6, CycleState.FAILED),
        _mark(24, CycleState.LATE),
        _mark(0, model="other"),
    ]
    figure = cycles_figure(marks)
    names = figure.layout.yaxis.ticktext
    strips = {
        names[round(np.mean(trace.y))]: trace for trace in figure.data if trace.type == "heatmap"
    }
    states = list(STATE_LOOKS)
    expected = [states.index(CycleState.PUBLISHED), states.index(CycleState.FAILED), None, None]
    row = strips["desk"].z[0]
    assert len(row) == 5
    np.testing.assert_array_equal(row[:2], expected[:2])
    assert np.isnan(row[2:4]).all()
    assert row[4] == states.index(CycleState.LATE)
    assert len(strips["desk"].x) == 6  # edges
    assert strips["desk"].text[0, 1] == STATE_LOOKS[CycleState.FAILED][1]
    assert len(strips["other"].x) == 2
    clicks = figure.data[-1]
    assert clicks.customdata[1][0] == "desk@202611200600"
    legend = legend_of_cycles(marks)
    assert "published (2)" in legend
    assert "held" not in legend


def test_one_odd_cycle_does_not_make_a_million_cells() -> None:
    odd = CycleMark("desk", START + timedelta(seconds=1), CycleState.HELD)
    figure = cycles_figure([_mark(0), odd, _mark(24 * 30)])
    assert figure.data[0].z.shape[1] <= 2000


def test_coverage_in_colours_and_words() -> None:
    states = ((FrameState.THERE, FrameState.LATE), (FrameState.MISSING, FrameState.DUE))
    figure = coverage_figure(Coverage(("t2m", "msl"), (START, START + HOUR), states))
    trace = figure.data[0]
    assert list(trace.y) == ["msl", "t2m"]
    order = list(FRAME_LOOKS)
    assert trace.z.tolist() == [
        [order.index(FrameState.MISSING), order.index(FrameState.DUE)],
        [order.index(FrameState.THERE), order.index(FrameState.LATE)],
    ]
    assert list(trace.customdata[1]) == ["there", "late"]
    # Each colour holds the place of its state between zmin and zmax.
    for index, state in enumerate(order):
        place = (index - trace.zmin) / (trace.zmax - trace.zmin)
        colours = [colour for at, colour in trace.colorscale if abs(at - place) < 0.126]
        assert FRAME_LOOKS[state][0] in colours


def test_timings_are_stacked_by_stage() -> None:
    table = pd.DataFrame(
        {"model": ["desk", "desk"], "cycle": [START, START + HOUR], "window": [0.1, 0.2],
         "rollout": [1.0, np.nan]}
    )  # fmt: skip
    figure = timings_figure(table)
    assert figure.layout.barmode == "stack"
    assert [trace.name for trace in figure.data] == ["window", "rollout"]
    np.testing.assert_array_equal(figure.data[1].y, [1.0, 0.0])


def test_observations_by_hour(shown_desk: WorkspacePaths) -> None:
    since = datetime(2020, 11, 22, 0, tzinfo=UTC)
    table = observation_counts(shown_desk, since, since + timedelta(days=1))
    at_six = table[table["hour"] == pd.Timestamp("2020-11-22T06")]
    counts = dict(zip(at_six["quantity"], at_six["stations"], strict=True))
    assert counts["t2m"] == 2
    gap = pd.DataFrame(
        {"hour": pd.to_datetime(["2026-11-20T00", "2026-11-20T03"]), "quantity": "t2m",
         "stations": [4, 5]}
    )  # fmt: skip
    assert observations_figure(gap).data[0].z.tolist() == [[4, 0, 0, 5]]
    assert observation_counts(shown_desk, START, START + HOUR).empty


def test_a_damaged_file_of_reports_is_named(desk: WorkspacePaths) -> None:
    (path,) = desk.observations.glob("reports/*/*/*/*.parquet")
    path.write_bytes(b"PAR1 nothing of the sort")
    since = datetime(2020, 11, 22, tzinfo=UTC)
    with pytest.raises(Met2NetOpsError, match=path.name):
        observation_counts(desk, since, since + timedelta(days=1))


def test_feeds_tell_when_they_last_received_something(tmp_path: Path) -> None:
    feeds = [
        {"name": "there", "path": "there", "pattern": "*.grib2"},
        {"name": "gone", "path": "gone"},
    ]
    workspace = create_workspace(tmp_path / "desk", {"feeds": feeds}).paths
    folder = workspace.root / "there"
    (workspace.root / "gone").rmdir()
    for name in ("a.grib2", "b.grib2", "c.txt", ".hidden.grib2", "d.grib2.idx"):
        (folder / name).write_bytes(b"x")
    states = {
        feed.name: feed
        for feed in feed_states(Workspace(workspace, load_settings(workspace.settings_file)))
    }
    assert states["there"].files == 2
    assert states["there"].newest is not None
    assert abs(states["there"].newest - datetime.now(UTC)) < timedelta(minutes=1)
    assert "is no folder" in states["gone"].problem
    assert states["gone"].newest is None
    assert "observations" in states


def test_disk_use_adds_up(tmp_path: Path) -> None:
    workspace = create_workspace(tmp_path / "desk").paths
    (workspace.products / "a" / "b").mkdir(parents=True)
    (workspace.products / "a" / "b" / "c.nc").write_bytes(bytes(100_000))
    (workspace.products / "link").symlink_to(workspace.products)
    (workspace.root / "incoming" / "d.grib2").write_bytes(bytes(500))
    found = disk_use(Workspace(workspace, load_settings(workspace.settings_file)))
    assert found.parts["products"] - (workspace.products / "link").lstat().st_size == 100_000
    assert found.parts["feed incoming"] == 500
    assert found.parts["archive"] == 0
    assert found.parts["other"] == workspace.settings_file.stat().st_size
    assert 0 < found.free <= found.total
    figure = disk_figure(found.parts)
    assert list(figure.data[0].y)[-1] == "products"
    assert "archive" not in figure.data[0].y
