"""Imports are idempotent by content; reports stay as they came; flags stand beside them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from renames import watch_renames

from met2net_ops.observations.loading import day_folder, load_reports
from met2net_ops.observations.quality import (
    Flag,
    buddy_flags,
    duplicate_flags,
    range_flags,
    station_names,
)
from met2net_ops.observations.report import ObservationError
from met2net_ops.observations.store import import_files
from met2net_ops.observations.watch import watch_folder
from met2net_ops.paths import WorkspacePaths
from met2net_ops.products.publish import claim
from met2net_ops.settings import ObservationSettings
from met2net_ops.workspace import create_workspace

COLUMNS = ObservationSettings().columns
HEADER = "station,latitude,longitude,height_m,time,t2m_k\n"
FIRST, LAST = datetime(2026, 1, 4, tzinfo=UTC), datetime(2026, 1, 8, tzinfo=UTC)


@pytest.fixture
def workspace(tmp_path: Path) -> WorkspacePaths:
    return create_workspace(tmp_path / "desk").paths


def deliver(folder: Path, name: str, *lines: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(HEADER + "".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def files(workspace: WorkspacePaths) -> dict[Path, int]:
    return {p: p.stat().st_mtime_ns for p in workspace.observations.rglob("*") if p.is_file()}


def test_importing_twice_changes_nothing(workspace: WorkspacePaths, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    path = deliver(folder, "a.csv", "A,50,10,5,2026-01-05T23:50Z,270", "A,50,10,,2026-01-06T00,888",
                   ",50,10,5,2026-01-06,270")  # fmt: skip
    (done,) = import_files(workspace.observations, [folder], COLUMNS)
    assert (done.records, done.taken, done.values, done.new) == (3, 2, 2, True)
    assert sum(done.refused.values()) == 1
    before = files(workspace)
    (again,) = import_files(workspace.observations, [path], COLUMNS)
    assert again.new is False
    assert again.refused == done.refused
    assert files(workspace) == before
    reports = load_reports(workspace.observations, FIRST, LAST)
    assert reports.value.tolist() == [270.0, 888.0]  # impossible, and kept
    assert np.isnan(reports.height[1])
    assert range_flags(reports.quantity, reports.value).tolist() == [0, Flag.RANGE]
    assert len(load_reports(workspace.observations, datetime(2026, 1, 6, tzinfo=UTC), LAST)) == 1
    assert len(load_reports(workspace.observations, LAST, LAST)) == 0


def test_an_import_killed_half_way_is_done_again(workspace: WorkspacePaths, tmp_path: Path) -> None:
    path = deliver(tmp_path, "a.csv", "A,50,10,5,2026-01-05T06,270", "A,50,10,5,2026-01-06T06,271")
    import_files(workspace.observations, [path], COLUMNS)
    for account in (workspace.observations / "imports").iterdir():
        account.unlink()  # what a kill before the last step leaves
    (done,) = import_files(workspace.observations, [path], COLUMNS)
    assert done.new
    assert load_reports(workspace.observations, FIRST, LAST).value.tolist() == [270.0, 271.0]


def test_the_last_import_wins_over_what_it_corrects(
    workspace: WorkspacePaths, tmp_path: Path
) -> None:
    wrong = deliver(tmp_path, "a.csv", "A,50,10,5,2026-01-05T06,200")
    right = deliver(tmp_path, "b.csv", "A,50,10,5,2026-01-05T06,270")
    for path in (wrong, right):
        import_files(workspace.observations, [path], COLUMNS)
    reports = load_reports(workspace.observations, FIRST, LAST)
    assert reports.value.tolist() == [200.0, 270.0]
    assert duplicate_flags(reports).tolist() == [Flag.DUPLICATE, 0]


@pytest.mark.parametrize("correction_first", [False, True])
def test_a_correction_wins_whichever_file_came_first(
    workspace: WorkspacePaths, tmp_path: Path, *, correction_first: bool
) -> None:
    """It replaces the whole report: also the wind, which it leaves out."""
    first, corrected = tmp_path / "a.txt", tmp_path / "b.txt"
    first.write_text("METAR LFBD 050600Z 36006KT 25/14=\n", encoding="utf-8")
    corrected.write_text("METAR COR LFBD 050600Z 15/14=\n", encoding="utf-8")
    for path in (corrected, first) if correction_first else (first, corrected):
        import_files(
            workspace.observations, [path], COLUMNS, received=datetime(2026, 1, 6, tzinfo=UTC)
        )
    reports = load_reports(workspace.observations, FIRST, LAST)
    good = duplicate_flags(reports) == 0
    found = dict(zip(reports.quantity[good].tolist(), reports.value[good].tolist(), strict=True))
    assert found == {"t2m": 288.15, "d2m": 287.15}


def test_accounts_written_before_values_were_lost_are_read(
    workspace: WorkspacePaths, tmp_path: Path
) -> None:
    path = deliver(tmp_path, "a.csv", "A,50,10,5,2026-01-05T06,270")
    (done,) = import_files(workspace.observations, [path], COLUMNS)
    (account,) = (workspace.observations / "imports").iterdir()
    values = json.loads(account.read_text(encoding="utf-8"))
    for name in ("lost", "lost_values", "notes"):
        del values[name]
    account.write_text(json.dumps(values), encoding="utf-8")
    (again,) = import_files(workspace.observations, [path], COLUMNS)
    assert again == dataclasses.replace(done, new=False)


def test_files_written_before_corrections_are_read(
    workspace: WorkspacePaths, tmp_path: Path
) -> None:
    path = deliver(tmp_path, "a.csv", "A,50,10,5,2026-01-05T06,270")
    import_files(workspace.observations, [path], COLUMNS)
    (stored,) = (file for file in files(workspace) if file.suffix == ".parquet")
    table = pq.read_table(stored)
    pq.write_table(table.drop_columns(["at_sea", "correction"]), stored)
    other = deliver(tmp_path, "b.csv", "B,50,10,5,2026-01-05T06,271")
    import_files(workspace.observations, [other], COLUMNS)
    reports = load_reports(workspace.observations, FIRST, LAST)
    assert reports.value.tolist() == [270.0, 271.0]
    assert reports.correction.tolist() == [0, 0]


def test_a_stranger_is_left_alone_and_a_lone_station_is_not_judged() -> None:
    latitude, longitude = np.array([50, 50.5, 51, 50.2, 10]), np.array([10, 10.5, 10, 9.5, 10])
    value = np.array([270.0, 271.0, 269.0, 310.0, 310.0])
    flags = buddy_flags("t2m", latitude, longitude, value)
    assert flags.tolist() == [0, 0, 0, Flag.BUDDY, 0]
    assert buddy_flags("tcc", latitude, longitude, value).sum() == 0


def test_a_file_of_no_known_form(workspace: WorkspacePaths, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(b"\x89PNG\r\n")
    with pytest.raises(ObservationError, match="neither like BUFR nor CSV nor METAR"):
        import_files(workspace.observations, [path], COLUMNS)
    with pytest.raises(ObservationError, match="cannot read"):
        import_files(workspace.observations, [tmp_path / "none.csv"], COLUMNS)


def test_a_watched_folder(workspace: WorkspacePaths, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    deliver(folder, "a.csv", "A,50,10,5,2026-01-05T06,270")
    (folder / ".hidden.csv").write_text("x", encoding="utf-8")
    (folder / "bad.bin").write_bytes(b"\0\0")
    stop = threading.Event()
    seen = []
    for done in watch_folder(workspace.observations, [folder], COLUMNS, stop=stop, interval=0.05):
        seen.append((done.name, done.form, done.taken))
        if len(seen) == 2:
            deliver(folder, "b.csv", "B,50,10,5,2026-01-05T06,270")
        if len(seen) == 3:
            stop.set()
    assert seen == [("a.csv", "csv", 1), ("bad.bin", "unreadable", 0), ("b.csv", "csv", 1)]


def test_what_is_put_in_place_has_reached_the_disk(
    workspace: WorkspacePaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An account that outlives the reports it counts, after a power cut, would lose them."""
    unsynced = watch_renames(monkeypatch)
    import_files(
        workspace.observations, [deliver(tmp_path, "a.csv", "A,50,10,5,2026-01-05T06,270")], COLUMNS
    )
    assert len(files(workspace)) == 2
    assert unsynced == []


def test_reading_again_with_another_map_replaces_the_reports(
    workspace: WorkspacePaths, tmp_path: Path
) -> None:
    path = deliver(tmp_path, "a.csv", "A,50,10,5,2026-01-05T06,3", "A,50,10,5,2026-01-06T06,4")
    import_files(workspace.observations, [path], COLUMNS)
    celsius = [*COLUMNS, "t2m = t2m_k degC"]
    (known,) = import_files(workspace.observations, [path], celsius)
    assert not known.new
    before = {file.name for file in files(workspace)}
    (done,) = import_files(workspace.observations, [path], celsius, again=True)
    assert done.new
    assert load_reports(workspace.observations, FIRST, LAST).value.tolist() == [276.15, 277.15]
    assert len(files(workspace)) == 3  # two days and the account
    assert {file.name for file in files(workspace)} != before  # verification sees it by the names
    (path_of_day,) = {file.name for file in files(workspace) if file.suffix == ".parquet"}
    import_files(workspace.observations, [path], celsius, again=True)
    assert {file.name for file in files(workspace) if file.suffix == ".parquet"} == {path_of_day}


def test_two_imports_of_one_file_at_once(workspace: WorkspacePaths, tmp_path: Path) -> None:
    """One waits for the other, as a service and a person may import the same file."""
    path = deliver(tmp_path, "a.csv", "A,50,10,5,2026-01-05T06,270")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    day = day_folder(workspace.observations, datetime(2026, 1, 5, tzinfo=UTC))
    with ThreadPoolExecutor(1) as other:
        with claim(day / f"{digest}.parquet"):
            waiting = other.submit(import_files, workspace.observations, [path], COLUMNS)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.3)
        assert waiting.result(timeout=30)[0].new
    assert len(load_reports(workspace.observations, FIRST, LAST)) == 1


def test_hidden_folders_hold_files_on_their_way(workspace: WorkspacePaths, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    deliver(folder, "a.csv", "A,50,10,5,2026-01-05T06,270")
    deliver(folder / ".~tmp~", "b.csv", "B,50,10,5,2026-01-05T06,270")
    assert [done.name for done in import_files(workspace.observations, [folder], COLUMNS)] == [
        "a.csv"
    ]


def test_a_summit_is_not_unlike_its_valley() -> None:
    """2,000 m higher it is 13 K colder by height alone; a blunder up there still shows."""
    latitude, longitude = np.array([50, 50.2, 50.4, 50.1]), np.array([10, 10.2, 9.8, 9.9])
    height = np.array([500.0, 600.0, 550.0, 2962.0])
    value = np.array([290.0, 289.0, 290.5, 272.0])
    assert buddy_flags("t2m", latitude, longitude, value).tolist() == [0, 0, 0, Flag.BUDDY]
    assert buddy_flags("t2m", latitude, longitude, value, height).sum() == 0
    value[3] = 255.0
    flags = buddy_flags("t2m", latitude, longitude, value, height)
    assert flags.tolist() == [0, 0, 0, Flag.BUDDY]


def test_a_wmo_number_and_the_identifier_made_from_it_are_one_station(
    workspace: WorkspacePaths, tmp_path: Path
) -> None:
    path = deliver(
        tmp_path, "a.csv", "10384,50,10,5,2026-01-05T06,270",
        "0-20000-0-10384,50,10,5,2026-01-05T06,271", "0-705-0-1931,50,10,5,2026-01-05T06,272",
    )  # fmt: skip
    import_files(workspace.observations, [path], COLUMNS)
    reports = load_reports(workspace.observations, FIRST, LAST)
    assert sorted(set(station_names(reports))) == ["0-705-0-1931", "10384"]
    assert set(reports.station) == {"0-20000-0-10384", "0-705-0-1931", "10384"}  # kept as it came
    assert duplicate_flags(reports).sum() == Flag.DUPLICATE


def test_a_pipe_is_not_waited_for(workspace: WorkspacePaths, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    with pytest.raises(ObservationError, match=r"pipe\.csv: it is no ordinary file"):
        import_files(workspace.observations, [pipe], COLUMNS)


def test_noise_is_not_shown_whole(workspace: WorkspacePaths, tmp_path: Path) -> None:
    path = tmp_path / "noise.csv"
    path.write_bytes(bytes(range(1, 10)) * 1000)
    with pytest.raises(ObservationError, match=r"its header is '\\x01\\x02") as caught:
        import_files(workspace.observations, [path], COLUMNS)
    assert len(str(caught.value)) < 1500
    assert str(caught.value).isprintable()
