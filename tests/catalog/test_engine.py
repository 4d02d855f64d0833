"""Opening the catalog: readers need no rights and wait for no one; bad URLs are named."""

from __future__ import annotations

import sqlite3
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from small_disk import small_disk

from met2net_ops.archive.frames import FrameArchive
from met2net_ops.catalog.files import FileRow, known_content, remember_files
from met2net_ops.catalog.origins import history, origins
from met2net_ops.errors import ArchiveError, SettingsError
from met2net_ops.grids import LatLonGrid
from met2net_ops.paths import WorkspacePaths
from met2net_ops.settings import Settings
from met2net_ops.times import HOUR
from met2net_ops.workspace import Workspace

GRID = LatLonGrid(50.0, 10.0, 2.0, 3.0, 2, 3)
ROW = FileRow("/feed/a.grib2", 10, 1, "ab" * 32, "recipe", 3, {"problem": ""})
TIME = datetime(2026, 3, 10, tzinfo=UTC)


def fill(folder: Path) -> WorkspacePaths:
    """A workspace in which a file was read."""
    workspace = WorkspacePaths(folder)
    FrameArchive.create(workspace.archive, GRID, ("t2m",), HOUR)
    catalog = Workspace(workspace, Settings()).create_catalog()
    remember_files(catalog, [ROW])
    catalog.dispose()
    return workspace


def read_back(workspace: WorkspacePaths) -> dict | None:
    catalog = Workspace(workspace, Settings()).catalog
    known = known_content(catalog, ROW.sha256, ROW.recipe)
    assert history(catalog, "t2m", TIME) == []
    catalog.dispose()
    return known and known.report


def test_reading_makes_nothing_and_a_catalog_not_made_yet_knows_nothing(tmp_path):
    assert read_back(WorkspacePaths(tmp_path)) is None
    assert not list(tmp_path.iterdir())
    (tmp_path / "catalog.sqlite").touch()
    assert read_back(WorkspacePaths(tmp_path)) is None


def test_readers_do_not_wait_for_a_writer(tmp_path):
    workspace = fill(tmp_path / "place with ? and #")
    writer = sqlite3.connect(workspace.catalog, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("DELETE FROM ingested_files")
    assert read_back(workspace) == ROW.report
    writer.execute("ROLLBACK")
    writer.close()


def test_a_workspace_that_cannot_be_written_is_read(tmp_path):
    with small_disk(tmp_path / "disk", "2m") as disk:
        if disk is None:
            pytest.skip("mounting a file system needs rights this process does not have")
        workspace = fill(disk)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        assert read_back(workspace) == ROW.report


def test_a_catalog_of_an_older_layout_is_refused(tmp_path):
    workspace = fill(tmp_path)
    with sqlite3.connect(workspace.catalog) as connection:
        connection.execute("ALTER TABLE frame_origins RENAME COLUMN archive TO place")
    connection.close()
    catalog = Workspace(workspace, Settings()).catalog
    with pytest.raises(ArchiveError, match=r"frame_origins has no column archive.*move it away"):
        origins(catalog, ["t2m"], [TIME])
    with pytest.raises(ArchiveError, match=r"frame_origins has no column archive.*move it away"):
        Workspace(workspace, Settings()).create_catalog()


def test_a_catalog_that_is_no_database_is_refused(tmp_path):
    workspace = WorkspacePaths(tmp_path / "a desk #1")
    workspace.root.mkdir()
    workspace.catalog.write_bytes(b"no database at all, but long enough to look" * 9)
    with pytest.raises(ArchiveError, match=r"cannot read the catalog .*not a database") as caught:
        read_back(workspace)
    assert str(workspace.catalog) in str(caught.value)


@pytest.mark.parametrize("open_it", [lambda workspace: workspace.catalog, Workspace.create_catalog])
@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("nonsense", "Could not parse"),
        ("foo://host/name", "foo"),
        ("mysql+pymysql://user:secret@host/name", "No module named 'pymysql'.*install"),
    ],
)
def test_a_catalog_url_that_cannot_be_used_is_named(tmp_path, url, why, open_it):
    settings = Settings(catalog={"url": url})
    with pytest.raises(SettingsError, match=f"catalog.url.*{why}") as caught:
        open_it(Workspace(WorkspacePaths(tmp_path), settings))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "why"), [("s3://bucket/a.zarr", "s3fs"), ("foo://place/a.zarr", "foo")]
)
def test_an_archive_url_that_cannot_be_used_is_named(tmp_path, url, why):
    settings = Settings(archive={"url": url})
    with pytest.raises(ArchiveError, match=f"archive.url.*{why}.*install"):
        _ = Workspace(WorkspacePaths(tmp_path), settings).catalog
    with pytest.raises(ArchiveError, match=f"archive.url.*{why}.*install"):
        FrameArchive.open(url)
