"""Imports are idempotent by content; reports stay as they came; flags stand beside them."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from met2net_ops.observations.loading import load_reports
from met2net_ops.observations.quality import Flag, buddy_flags, duplicate_flags, range_flags
from met2net_ops.observations.report import ObservationError
from met2net_ops.observations.store import import_files
from met2net_ops.observations.watch import watch_folder
from met2net_ops.settings import ObservationSettings
from met2net_ops.workspace import Workspace, create_workspace

COLUMNS = ObservationSettings().columns
HEADER = "station,latitude,longitude,height_m,time,t2m_k\n"
FIRST, LAST = datetime(2026, 1, 4, tzinfo=UTC), datetime(2026, 1, 8, tzinfo=UTC)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return create_workspace(tmp_path / "desk")


def deliver(folder: Path, name: str, *lines: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(HEADER + "".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def files(workspace: Workspace) -> dict[Path, int]:
    return {p: p.stat().st_mtime_ns for p in workspace.observations.rglob("*") if p.is_file()}


def test_importing_twice_changes_nothing(workspace: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    path = deliver(folder, "a.csv", "A,50,10,5,2026-01-05T23:50Z,270", "A,50,10,,2026-01-06T00,999",
                   "?,50,10,5,2026-01-06,270")  # fmt: skip
    (done,) = import_files(workspace, [folder], COLUMNS)
    assert (done.records, done.taken, done.values, done.new) == (3, 2, 2, True)
    assert sum(done.refused.values()) == 1
    before = files(workspace)
    (again,) = import_files(workspace, [path], COLUMNS)
    assert again.new is False
    assert again.refused == done.refused
    assert files(workspace) == before
    reports = load_reports(workspace, FIRST, LAST)
    assert reports.value.tolist() == [270.0, 999.0]  # impossible, and kept
    assert np.isnan(reports.height[1])
    assert range_flags(reports.quantity, reports.value).tolist() == [0, Flag.RANGE]
    assert len(load_reports(workspace, datetime(2026, 1, 6, tzinfo=UTC), LAST)) == 1
    assert len(load_reports(workspace, LAST, LAST)) == 0


def test_an_import_killed_half_way_is_done_again(workspace: Workspace, tmp_path: Path) -> None:
    path = deliver(tmp_path, "a.csv", "A,50,10,5,2026-01-05T06,270", "A,50,10,5,2026-01-06T06,271")
    import_files(workspace, [path], COLUMNS)
    for account in (workspace.observations / "imports").iterdir():
        account.unlink()  # what a kill before the last step leaves
    (done,) = import_files(workspace, [path], COLUMNS)
    assert done.new
    assert load_reports(workspace, FIRST, LAST).value.tolist() == [270.0, 271.0]


def test_the_last_import_wins_over_what_it_corrects(workspace: Workspace, tmp_path: Path) -> None:
    wrong = deliver(tmp_path, "a.csv", "A,50,10,5,2026-01-05T06,200")
    right = deliver(tmp_path, "b.csv", "A,50,10,5,2026-01-05T06,270")
    for path in (wrong, right):
        import_files(workspace, [path], COLUMNS)
    reports = load_reports(workspace, FIRST, LAST)
    assert reports.value.tolist() == [200.0, 270.0]
    assert duplicate_flags(reports).tolist() == [Flag.DUPLICATE, 0]


def test_a_stranger_is_left_alone_and_a_lone_station_is_not_judged() -> None:
    latitude, longitude = np.array([50, 50.5, 51, 50.2, 10]), np.array([10, 10.5, 10, 9.5, 10])
    value = np.array([270.0, 271.0, 269.0, 310.0, 310.0])
    flags = buddy_flags("t2m", latitude, longitude, value)
    assert flags.tolist() == [0, 0, 0, Flag.BUDDY, 0]
    assert buddy_flags("tcc", latitude, longitude, value).sum() == 0


def test_a_file_of_no_known_form(workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(b"\x89PNG\r\n")
    with pytest.raises(ObservationError, match="neither like BUFR nor CSV nor METAR"):
        import_files(workspace, [path], COLUMNS)
    with pytest.raises(ObservationError, match="cannot read"):
        import_files(workspace, [tmp_path / "none.csv"], COLUMNS)


def test_a_watched_folder(workspace: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    deliver(folder, "a.csv", "A,50,10,5,2026-01-05T06,270")
    (folder / ".hidden.csv").write_text("x", encoding="utf-8")
    (folder / "bad.bin").write_bytes(b"\0\0")
    stop = threading.Event()
    seen = []
    for done in watch_folder(workspace, [folder], COLUMNS, stop=stop, interval=0.05):
        seen.append((done.name, done.form, done.taken))
        if len(seen) == 2:
            deliver(folder, "b.csv", "B,50,10,5,2026-01-05T06,270")
        if len(seen) == 3:
            stop.set()
    assert seen == [("a.csv", "csv", 1), ("bad.bin", "unreadable", 0), ("b.csv", "csv", 1)]
