"""There, late, missing, due."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from met2net_ops.archive.coverage import FrameState, coverage, default_end
from met2net_ops.archive.frames import FrameArchive
from met2net_ops.grids import LatLonGrid
from met2net_ops.times import HOUR, parse_time

GRID = LatLonGrid(50.0, 10.0, 2.0, 3.0, 2, 3)
NOW = parse_time("2026-03-10T12:20")


def test_every_state(tmp_path):
    archive = FrameArchive.create(tmp_path / "a.zarr", GRID, ("t2m", "msl"), HOUR)
    for hour in (4, 6, 11):
        archive.write("t2m", parse_time("2026-03-10") + hour * HOUR, np.ones((2, 3), np.float32))
    found = coverage(
        archive, archive, ("t2m", "msl"), parse_time("2026-03-10T04:40"), NOW + 2 * HOUR,
        now=NOW, late_after=timedelta(hours=6),
    )  # fmt: skip
    there, _, late, missing, due = FrameState
    assert [time.hour for time in found.times] == list(range(4, 15))
    assert found.states == (
        (there, missing, there, late, late, late, late, there, late, due, due),
        (missing, missing, missing, late, late, late, late, late, late, due, due),
    )
    assert found.counts() == {there: 3, late: 11, missing: 4, due: 4}
    assert found.lacking()[0] == ("msl", parse_time("2026-03-10T04"), missing)
    assert len(found.lacking()) == 15


def test_an_old_archive_is_shown_up_to_its_end(tmp_path):
    archive = FrameArchive.create(tmp_path / "a.zarr", GRID, ("t2m",), HOUR)
    assert default_end(archive, NOW) == NOW
    archive.write("t2m", NOW.replace(minute=0) - 90 * HOUR, np.ones((2, 3), np.float32))
    assert default_end(archive, NOW) == NOW
    assert default_end(archive, NOW + 60 * HOUR) == NOW.replace(minute=0) - 90 * HOUR
