"""Which field wins a frame, whatever the order they come in."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from met2net_ops.archive.frames import FrameArchive
from met2net_ops.catalog.origin import Origin, beats
from met2net_ops.catalog.origins import history, origins
from met2net_ops.fields import FieldKind
from met2net_ops.grids import LatLonGrid
from met2net_ops.ingest.commit import Fate, commit
from met2net_ops.ingest.messages import DecodedFrame
from met2net_ops.paths import WorkspacePaths
from met2net_ops.settings import Settings
from met2net_ops.times import HOUR
from met2net_ops.workspace import Workspace

GRID = LatLonGrid(50.0, 10.0, 2.0, 3.0, 2, 3)
VALID = datetime(2026, 3, 10, 12, tzinfo=UTC)


def origin(
    kind=FieldKind.FORECAST, lead=6, expver="", mtime=1, path="/a", field=0, value=0
) -> Origin:
    values = np.full(GRID.shape, value, "<f4")
    return Origin(
        variable="t2m", valid_time=VALID, path=path,
        file_sha256=hashlib.sha256(f"{path}{mtime}{value}".encode()).hexdigest(),
        file_mtime_ns=mtime, message=field, field=field,
        message_sha256=hashlib.sha256(f"{value}{field}".encode()).hexdigest(), inputs=(field,),
        method="", kind=kind, reference_time=VALID - lead * HOUR, lead=lead * HOUR, expver=expver,
        missing_points=0, frame_sha256=hashlib.sha256(values.tobytes()).hexdigest(),
        recorded_at=datetime.now(UTC),
    )  # fmt: skip


def decoded(archive: FrameArchive, source: Origin, value: float) -> DecodedFrame:
    values = np.full(GRID.shape, value, np.float32)
    return DecodedFrame(archive.encode("t2m", VALID, values), source, ())


class Place:
    """An archive and a catalog in a folder."""

    def __init__(self, folder: str) -> None:
        self.archive = FrameArchive.create(Path(folder) / "archive.zarr", GRID, ("t2m",), HOUR)
        self.catalog = Workspace(WorkspacePaths(Path(folder)), Settings()).create_catalog()

    def value(self) -> float:
        return float(self.archive.read(["t2m"], [VALID])[0, 0, 0, 0])

    def origin(self) -> Origin:
        return origins(self.catalog, ["t2m"], [VALID])["t2m", VALID]

    def offer(self, *sources: tuple[Origin, float]) -> list[Fate]:
        items = [decoded(self.archive, source, value) for source, value in sources]
        return [fate for _, fate in commit(self.archive, self.catalog, items)]


@pytest.fixture
def place(tmp_path):
    made = Place(str(tmp_path))
    yield made
    made.catalog.dispose()


LADDER = [
    ("", origin(lead=12, value=1)),
    ("the shorter lead wins", origin(lead=6, value=2)),
    ("preliminary analysis beats forecast", origin(FieldKind.ANALYSIS, 0, "0005", value=3)),
    ("final beats preliminary", origin(FieldKind.ANALYSIS, 0, "0001", value=4)),
    ("the newer file wins between equals", origin(FieldKind.ANALYSIS, 0, "0001", 2, "/b", value=5)),
]  # fmt: skip


@pytest.mark.parametrize("step", range(1, len(LADDER)), ids=lambda step: LADDER[step][0])
def test_the_rules_one_by_one(step):
    lower, higher = LADDER[step - 1][1], LADDER[step][1]
    assert beats(higher, lower)
    assert not beats(lower, higher)


@given(st.permutations(range(len(LADDER))), st.integers(1, len(LADDER)))
@settings(max_examples=8, deadline=None)
def test_the_order_of_arrival_does_not_matter(order, at_once):
    with tempfile.TemporaryDirectory() as folder:
        place = Place(folder)
        offers = [(LADDER[number][1], float(number)) for number in order]
        for begin in range(0, len(offers), at_once):
            place.offer(*offers[begin : begin + at_once])
        assert place.value() == len(LADDER) - 1
        assert place.origin() == LADDER[-1][1]
        past = history(place.catalog, "t2m", VALID)
        assert past[0] == LADDER[-1][1]
        assert all(beats(newer, older) for newer, older in itertools.pairwise(past))
        place.catalog.dispose()


def test_fates_and_what_replaced_what(place):
    forecast, analysis = origin(lead=6, value=1), origin(FieldKind.ANALYSIS, 0, value=2)
    assert place.offer((forecast, 1.0)) == [Fate.WRITTEN]
    assert place.offer((forecast, 1.0)) == [Fate.UNCHANGED]
    assert place.offer((analysis, 2.0)) == [Fate.REPLACED]
    assert place.offer((forecast, 1.0)) == [Fate.OUTRANKED]
    assert place.value() == 2
    assert [past.kind for past in history(place.catalog, "t2m", VALID)] == [
        FieldKind.ANALYSIS, FieldKind.FORECAST,
    ]  # fmt: skip


def test_new_content_under_the_same_name_wins_even_with_an_older_time_stamp(place):
    place.offer((origin(mtime=9, value=1), 1.0))
    assert place.offer((origin(mtime=3, value=2), 2.0)) == [Fate.REPLACED]
    assert place.value() == 2


def test_within_one_file_the_later_field_wins(place):
    first, second = origin(field=3, value=1), origin(field=8, value=1)
    assert place.offer((second, 8.0), (first, 3.0)) == [Fate.WRITTEN, Fate.OUTRANKED]
    assert place.value() == 8


def test_an_origin_whose_frame_is_gone_holds_no_place(place):
    place.offer((origin(FieldKind.ANALYSIS, 0, value=1), 1.0))
    (chunk,) = Path(place.archive.url, "t2m").glob("c.*")
    chunk.unlink()
    assert place.offer((origin(lead=6, value=2), 2.0)) == [Fate.WRITTEN]
    assert place.value() == 2
    assert place.origin().lead == timedelta(hours=6)


def test_archives_that_share_a_catalog_are_kept_apart(tmp_path):
    def offer(name: str, lat: float, source: Origin, value: float) -> tuple[list[Fate], float]:
        grid = dataclasses.replace(GRID, north=lat)
        archive = FrameArchive.create(tmp_path / name, grid, ("t2m",), HOUR)
        config = Settings(archive={"url": archive.url})
        catalog = Workspace(WorkspacePaths(tmp_path), config).create_catalog()
        fates = [fate for _, fate in commit(archive, catalog, [decoded(archive, source, value)])]
        assert len(history(catalog, "t2m", VALID)) == 1
        catalog.dispose()
        return fates, float(archive.read(["t2m"], [VALID])[0, 0, 0, 0])

    assert offer("a", 50, origin(FieldKind.ANALYSIS, 0, value=1), 1) == ([Fate.WRITTEN], 1)
    assert offer("b", 40, origin(lead=6, value=2), 2) == ([Fate.WRITTEN], 2)
    assert offer("a", 50, origin(lead=6, value=3, path="/b"), 3) == ([Fate.OUTRANKED], 1)
    (tmp_path / "a").rename(tmp_path / "moved")
    assert offer("moved", 50, origin(lead=6, value=3, path="/b"), 3) == ([Fate.OUTRANKED], 1)
    assert offer("a", 50, origin(lead=6, value=3, path="/b"), 3) == ([Fate.WRITTEN], 3)


def tile(field: int, columns: slice, value: float, **facts) -> tuple[Origin, np.ndarray]:
    """A part of a field: the values lie in some columns of the grid."""
    values = np.full(GRID.shape, np.nan, np.float32)
    values[:, columns] = value
    missing = int(np.isnan(values).sum())
    return dataclasses.replace(origin(field=field, **facts), missing_points=missing), values


def offer(place: Place, *parts: tuple[Origin, np.ndarray]) -> list[Fate]:
    items = [
        DecodedFrame(place.archive.encode("t2m", VALID, values), source, ())
        for source, values in parts
    ]
    return [fate for _, fate in commit(place.archive, place.catalog, items)]


def frame(place: Place) -> np.ndarray:
    return place.archive.read(["t2m"], [VALID])[0, 0]


@given(st.permutations(range(3)), st.integers(1, 3))
@settings(max_examples=12, deadline=None)
def test_tiles_of_one_field_are_joined_in_any_order(order, at_once):
    parts = [tile(at, slice(at, at + 1), float(at)) for at in range(3)]
    with tempfile.TemporaryDirectory() as folder:
        place = Place(folder)
        for begin in range(0, 3, at_once):
            offer(place, *(parts[at] for at in order[begin : begin + at_once]))
        np.testing.assert_array_equal(frame(place), np.tile([0.0, 1.0, 2.0], (2, 1)))
        assert place.origin().missing_points == 0
        assert offer(place, parts[order[0]]) == [Fate.OUTRANKED]
        place.catalog.dispose()


@given(st.permutations(range(3)))
@settings(max_examples=6, deadline=None)
def test_a_whole_forecast_is_not_replaced_by_a_corner_of_an_analysis(order):
    whole = (origin(lead=6, field=9), np.full(GRID.shape, 9.0, np.float32))
    corner = tile(1, slice(0, 1), 1.0, kind=FieldKind.ANALYSIS, lead=0)
    other_run = tile(2, slice(1, 3), 2.0, lead=12)
    with tempfile.TemporaryDirectory() as folder:
        place = Place(folder)
        for number in order:
            offer(place, (whole, corner, other_run)[number])
        np.testing.assert_array_equal(frame(place), 9.0)
        assert place.origin().field == 9
        place.catalog.dispose()


def test_parts_of_different_runs_are_not_mixed(place):
    assert offer(place, tile(1, slice(0, 2), 1.0, lead=6)) == [Fate.WRITTEN]
    assert offer(place, tile(2, slice(2, 3), 2.0, lead=12)) == [Fate.OUTRANKED]
    np.testing.assert_array_equal(frame(place), [[1.0, 1.0, np.nan]] * 2)


def test_where_tiles_overlap_the_one_that_ranks_higher_counts(place):
    old, new = tile(1, slice(0, 2), 1.0, mtime=1), tile(2, slice(1, 3), 2.0, mtime=2, path="/b")
    assert offer(place, new) == [Fate.WRITTEN]
    assert offer(place, old) == [Fate.JOINED]
    np.testing.assert_array_equal(frame(place), [[1.0, 2.0, 2.0]] * 2)
