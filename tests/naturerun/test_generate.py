"""What is there already when synthetic weather is to be written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from met2net_ops.archive.frames import FrameArchive
from met2net_ops.errors import ArchiveError
from met2net_ops.grids import LatLonGrid
from met2net_ops.naturerun.generate import fill_archive, run_for, write_arrays
from met2net_ops.naturerun.run import SPIN_UP
from met2net_ops.times import HOUR

EPOCH = datetime(2025, 1, 1, tzinfo=UTC)
START = EPOCH + SPIN_UP
GRID = LatLonGrid(60.0, 0.0, 20.0, 20.0, 4, 18, "coarse")


@pytest.mark.timeout(300)  # spins up
def test_an_archive_with_other_frames_at_those_times_is_left_as_it_is(tmp_path: Path) -> None:
    run = run_for(3, START, EPOCH, truncation=10)
    *_, state = run.states(START, 1)
    archive = FrameArchive.create(tmp_path / "a.zarr", GRID, ("t2m", "msl"), timedelta(hours=1))
    assert fill_archive(archive, run, state, 2) == 4
    assert fill_archive(archive, run, state, 3) == 2  # what is the same may be there
    real = np.full(GRID.shape, 273, np.float32)
    archive.write("t2m", START + HOUR, real)
    before = archive.read(["t2m", "msl"], [START + hour * HOUR for hour in range(4)])
    with pytest.raises(ArchiveError, match=r"other frames.*t2m 2025-.*T01.*another workspace"):
        fill_archive(archive, run, state, 4)
    after = archive.read(["t2m", "msl"], [START + hour * HOUR for hour in range(4)])
    np.testing.assert_array_equal(after, before)


def test_arrays_being_written_anew_do_not_claim_to_be_complete(tmp_path: Path) -> None:
    (tmp_path / "about.json").write_text("{}")
    (tmp_path / "values.npy").write_bytes(b"of an earlier run")

    def stop(items, description, total=None):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_arrays(tmp_path, START, START, GRID, ("t2m",), 3, epoch=EPOCH, track=stop)
    assert not (tmp_path / "about.json").exists()
