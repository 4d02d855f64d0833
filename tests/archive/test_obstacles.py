"""What stands in an archive's way is named, with what to do: no OSError goes through."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from nobody import NOBODY, as_nobody
from small_disk import small_disk

from met2net_ops.archive.frames import FrameArchive
from met2net_ops.archive.store import FolderStore
from met2net_ops.errors import ArchiveError
from met2net_ops.grids import LatLonGrid
from met2net_ops.times import HOUR, parse_time

GRID = LatLonGrid(50.0, 10.0, 2.0, 3.0, 4, 5, "small")
START = parse_time("2026-03-10T05")


def create(path: Path) -> FrameArchive:
    return FrameArchive.create(path, GRID, ("t2m",), HOUR)


def frame(number: float) -> np.ndarray:
    return np.full(GRID.shape, number, dtype=np.float32)


def test_a_file_where_the_archive_should_be(tmp_path):
    path = tmp_path / "archive.zarr"
    path.write_bytes(b"no folder")
    for use in (create, FrameArchive.open):
        with pytest.raises(ArchiveError, match=r"archive\.zarr.*(Not a directory|File exists)"):
            use(path)
    with pytest.raises(ArchiveError, match=r"cannot make .*(Not a directory|File exists)"):
        create(path / "deeper.zarr")


def test_a_folder_where_a_file_should_be(tmp_path):
    archive = create(tmp_path / "archive.zarr")
    archive.write("t2m", START, frame(1))
    (chunk,) = (tmp_path / "archive.zarr" / "t2m").glob("c.*")
    chunk.unlink()
    chunk.mkdir()
    with pytest.raises(ArchiveError, match=f"cannot read {chunk}: Is a directory"):
        archive.read(["t2m"], [START])


def test_a_place_that_cannot_be_written(tmp_path):
    with small_disk(tmp_path / "disk", "2m") as disk:
        if disk is None:
            pytest.skip("mounting a file system needs rights this process does not have")
        archive = create(disk / "archive.zarr")
        archive.write("t2m", START, frame(1))
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        assert (archive.read(["t2m"], [START]) == 1).all()
        for place in (disk / "archive.zarr", disk / "new" / "archive.zarr"):
            with pytest.raises(ArchiveError, match="Read-only file system"):
                create(place)


def test_a_writer_that_never_ends_is_not_waited_for_without_end(tmp_path):
    create(tmp_path / "archive.zarr")
    holder, waiting = (FolderStore(tmp_path / "archive.zarr", patience=0.2) for _ in range(2))
    with holder.lock, holder.lock:  # again inside is fine
        refused = pytest.raises(ArchiveError, match=r"\.archive\.zarr\.lock.*another process")
        with refused, waiting.lock:
            pass
    with waiting.lock:
        pass


def test_frames_that_cannot_be_linked_are_copied(tmp_path):
    """Linux forbids links to files of others that one may not write."""
    protected = Path("/proc/sys/fs/protected_hardlinks")
    if os.geteuid() or not protected.exists() or protected.read_text().strip() != "1":
        pytest.skip("needs root, and a system that protects links")
    archive = create(tmp_path / "archive.zarr")
    archive.write("t2m", START, frame(1))
    for path in (tmp_path, *tmp_path.rglob("*")):
        if path.parent.name != "t2m":
            os.chown(path, NOBODY, NOBODY)
    with as_nobody(tmp_path):
        archive.write("t2m", parse_time("2026-02-10T05"), frame(2))
    times = [parse_time("2026-02-10T05"), START]
    assert archive.read(["t2m"], times)[:, 0, 0, 0].tolist() == [2.0, 1.0]


def test_what_an_object_store_refuses_is_named(tmp_path):
    url = f"local://{tmp_path}/archive.zarr"  # fsspec, as for an object store
    archive = FrameArchive.create(url, GRID, ("t2m",), HOUR)
    archive.write("t2m", START, frame(1))
    assert (archive.read(["t2m"], [START]) == 1).all()
    (chunk,) = (tmp_path / "archive.zarr" / "t2m").glob("c.*")
    chunk.unlink()
    chunk.mkdir()
    with pytest.raises(ArchiveError, match=f"cannot read .*{chunk}: Is a directory"):
        archive.read(["t2m"], [START])
    with pytest.raises(ArchiveError, match=r"cannot (read|write) .*Is a directory"):
        archive.write("t2m", START, frame(2))
    (tmp_path / "file").touch()
    with pytest.raises(ArchiveError, match=r"cannot .*file/archive\.zarr.*Not a directory"):
        FrameArchive.create(f"local://{tmp_path}/file/archive.zarr", GRID, ("t2m",), HOUR)
