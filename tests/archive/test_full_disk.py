"""A disk that really is full."""

from __future__ import annotations

import numpy as np
import pytest
from small_disk import small_disk

from met2net_ops.archive.frames import FrameArchive
from met2net_ops.errors import ArchiveError
from met2net_ops.grids import LatLonGrid
from met2net_ops.paths import WorkspacePaths
from met2net_ops.settings import Settings
from met2net_ops.times import HOUR, parse_time
from met2net_ops.workspace import Workspace

GRID = LatLonGrid(60.0, 0.0, 1.0, 1.0, 40, 40)
START = parse_time("2026-03-10")


@pytest.fixture
def disk(tmp_path):
    with small_disk(tmp_path / "disk", "256k") as disk:
        if disk is None:
            pytest.skip("mounting a file system needs rights this process does not have")
        yield disk


def frame(hour: int) -> np.ndarray:
    return np.random.default_rng(hour).normal(280, 10, GRID.shape).astype(np.float32)


def test_frames_written_before_stay_whole_and_nothing_half_written_stays(disk):
    archive = FrameArchive.create(disk / "a.zarr", GRID, ("t2m",), HOUR)
    (disk / "filler").write_bytes(bytes(40_000))

    def fill() -> None:
        for hour in range(1000):
            archive.write("t2m", START + hour * HOUR, frame(hour))

    with pytest.raises(ArchiveError, match=r"No space left.*free space") as caught:
        fill()
    assert str(disk) in str(caught.value)
    span = archive.span()
    assert span is not None
    last = (span[1] - START) // HOUR
    assert last > 3
    for hour in range(last + 1):
        values = archive.read(["t2m"], [START + hour * HOUR])[0, 0]
        assert np.array_equal(values, frame(hour))
    assert not list(disk.glob(".a.zarr.partial/*"))
    (disk / "filler").unlink()
    archive.write("t2m", START + (last + 1) * HOUR, frame(last + 1))
    assert archive.span() == (START, START + (last + 1) * HOUR)


def test_a_catalog_that_cannot_grow_says_so(disk):
    (disk / "filler").write_bytes(bytes(250_000))
    with pytest.raises(ArchiveError, match=r"cannot write the catalog .*free space"):
        Workspace(WorkspacePaths(disk), Settings()).create_catalog()
