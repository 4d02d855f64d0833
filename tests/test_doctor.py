from __future__ import annotations

import os
import shlex
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from met2net_ops.doctor import (
    check_clock,
    check_configuration,
    check_eccodes,
    check_feeds,
    check_schedules,
    check_workspace,
)
from met2net_ops.doctor_storage import (
    check_archive,
    check_catalog,
    check_disk,
    check_frames,
    check_permissions,
    check_secrets,
)
from met2net_ops.forecast.persistence import persistence
from met2net_ops.health import CheckState, HealthCheck, worst
from met2net_ops.models.doctor import check_device, check_model
from met2net_ops.paths import WorkspacePaths
from met2net_ops.settings import Settings, load_settings
from met2net_ops.times import HOUR, time_range
from met2net_ops.workspace import Workspace, create_workspace

NOW = datetime(2026, 11, 22, 6, 30, tzinfo=UTC)
NEWEST = datetime(2026, 11, 22, 6, tzinfo=UTC)


@pytest.fixture
def workspace(tmp_path: Path) -> WorkspacePaths:
    return create_workspace(tmp_path / "desk", {"forecast": {"model": "persistence-24h"}}).paths


@pytest.fixture
def settings(workspace: WorkspacePaths) -> Settings:
    return load_settings(workspace.settings_file)


def _fill(
    workspace: WorkspacePaths, settings: Settings, hours: int, skip: tuple[int, ...] = ()
) -> None:
    archive = Workspace(workspace, settings).create_archive()
    field = np.ones(archive.grid.shape, np.float32)
    times = time_range(NEWEST - HOUR * (hours - 1), NEWEST)
    archive.write_frames(
        [
            archive.encode(name, time, field)
            for name in settings.archive.variables
            for index, time in enumerate(times)
            if not (name == "u10" and index in skip)
        ]
    )


def _archive(workspace: WorkspacePaths, settings: Settings, now: datetime = NOW) -> HealthCheck:
    spec = persistence("persistence-24h", ("t2m", "u10"), settings.grid.grid()).spec
    return check_archive(Workspace(workspace, settings), spec, now)


def test_a_sound_deployment_is_well(workspace: WorkspacePaths, settings: Settings) -> None:
    _fill(workspace, settings, 24)
    configuration, _ = check_configuration(workspace)
    model, spec = check_model(Workspace(workspace, settings))
    checks = [configuration, model, *check_workspace(Workspace(workspace, settings), spec, NOW)]
    assert spec is not None
    assert spec.input_frames == 24
    # Whether the machine that runs this keeps time is not ours to say.
    assert [
        check for check in checks if check.name != "clock" and check.state != CheckState.OK
    ] == []
    assert len(checks) == 12


def test_bad_settings_fail(workspace: WorkspacePaths) -> None:
    workspace.settings_file.write_text("[forecast]\nleeds = 1\n")
    check, settings = check_configuration(workspace)
    assert (check.state, settings) == (CheckState.FAIL, None)
    assert "did you mean leads?" in check.finding


def test_a_missing_model_fails(workspace: WorkspacePaths, settings: Settings) -> None:
    other = settings.model_copy(
        update={"forecast": settings.forecast.model_copy(update={"model": "nobody"})}
    )
    check, spec = check_model(Workspace(workspace, other))
    assert (check.state, spec) == (CheckState.FAIL, None)
    assert "nobody" in check.finding


def test_a_device_that_is_not_there_fails(settings: Settings) -> None:
    forecast = settings.forecast.model_copy(update={"device": "cuda:99"})
    assert check_device(settings.model_copy(update={"forecast": forecast})).state is CheckState.FAIL
    forecast = settings.forecast.model_copy(update={"device": "cpu"})
    assert check_device(settings.model_copy(update={"forecast": forecast})).state is CheckState.OK


def test_eccodes_tells_its_version() -> None:
    check = check_eccodes()
    assert check.state is CheckState.OK
    assert check.finding[0].isdigit()


def test_an_empty_archive_warns(workspace: WorkspacePaths, settings: Settings) -> None:
    assert _archive(workspace, settings).finding == "nothing archived yet"
    Workspace(workspace, settings).create_archive()
    check = _archive(workspace, settings)
    assert (check.state, check.finding) == (CheckState.WARN, "no frames yet")


def test_a_complete_and_recent_window_is_well(
    workspace: WorkspacePaths, settings: Settings
) -> None:
    _fill(workspace, settings, 24)
    check = _archive(workspace, settings)
    assert check.state is CheckState.OK
    assert "2026-11-22T06:00Z" in check.finding
    assert "48 of 48 frames" in check.finding


def test_a_window_with_holes_names_them(workspace: WorkspacePaths, settings: Settings) -> None:
    _fill(workspace, settings, 24, skip=(3, 4))
    check = _archive(workspace, settings)
    assert check.state is CheckState.WARN
    assert "46 of 48 frames, missing u10 (2)" in check.finding
    assert "t2m" not in check.finding


def test_an_old_archive_warns(workspace: WorkspacePaths, settings: Settings) -> None:
    _fill(workspace, settings, 24)
    check = _archive(workspace, settings, NOW + timedelta(days=2))
    assert check.state is CheckState.WARN
    assert "48 h old" in check.finding


def test_an_archive_for_another_grid_fails(workspace: WorkspacePaths, settings: Settings) -> None:
    _fill(workspace, settings, 1)
    other = Settings(grid={"name": "era5-cropped-128"})
    assert check_archive(Workspace(workspace, other), None, NOW).state is CheckState.FAIL


def test_feeds_that_are_not_there_fail(workspace: WorkspacePaths, settings: Settings) -> None:
    (workspace.root / "incoming").rmdir()
    (check,) = check_feeds(Workspace(workspace, settings), NOW)
    assert check.state is CheckState.FAIL
    assert str(workspace.root / "incoming") in check.finding
    (none,) = check_feeds(Workspace(workspace, settings.model_copy(update={"feeds": ()})), NOW)
    assert none.state is CheckState.WARN


def test_a_damaged_catalog_fails(workspace: WorkspacePaths, settings: Settings) -> None:
    workspace.catalog.write_bytes(b"not a database at all" * 100)
    check = check_catalog(Workspace(workspace, settings))
    assert check.state is CheckState.FAIL
    assert str(workspace.catalog) in check.finding


@contextmanager
def _another_user(folder: Path) -> Iterator[None]:
    """Someone who may read that folder, but not write there."""
    root = os.geteuid() == 0  # for whom permissions do not count
    if root:
        os.seteuid(65534)
    else:
        folder.chmod(0o555)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        else:
            folder.chmod(0o755)


def test_a_sound_catalog_that_cannot_be_opened_is_not_called_damaged(settings: Settings) -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own is closed to other users
        Path(name).chmod(0o755)
        workspace = WorkspacePaths(Path(name))
        with closing(sqlite3.connect(workspace.catalog)) as catalog:
            catalog.execute("PRAGMA journal_mode=WAL")
            catalog.execute("CREATE TABLE files (path TEXT)")
            catalog.commit()
        with _another_user(workspace.root):
            check = check_catalog(Workspace(workspace, settings))
        assert check.state is CheckState.FAIL
        assert "not damaged" in check.finding
        assert f"chown -R $USER {workspace.root}" in check.advice
        assert "move it away" not in check.advice
        assert check_catalog(Workspace(workspace, settings)).state is CheckState.OK


@pytest.mark.parametrize("name", ["50%20 done", "desk #2", "what?", "Büro [alt]"])
def test_a_catalog_is_found_whatever_its_folder_is_called(
    tmp_path: Path, settings: Settings, name: str
) -> None:
    workspace = WorkspacePaths(tmp_path / "desks" / name)
    workspace.root.mkdir(parents=True)
    with closing(sqlite3.connect(workspace.catalog)) as catalog:
        catalog.execute("CREATE TABLE files (path TEXT)")
    check = check_catalog(Workspace(workspace, settings))
    assert (check.state, check.finding) == (CheckState.OK, str(workspace.catalog))
    assert [path.name for path in workspace.root.parent.iterdir()] == [
        name
    ]  # no other database was made


def test_schedules_and_ledger_are_checked(workspace: WorkspacePaths) -> None:
    def checked(cron: str) -> HealthCheck:
        planned = Settings.model_validate({"schedules": [{"model": "m", "cron": cron}]})
        return check_schedules(Workspace(workspace, planned), NOW)

    assert checked("0 */6 * * *").finding == "m next 2026-11-22T12:00Z"
    assert checked("0 0 * * 0").state is CheckState.FAIL
    assert (
        check_schedules(Workspace(workspace, Settings()), datetime.now(UTC)).state is CheckState.OK
    )
    workspace.ledger.write_bytes(b"no database " * 100)
    assert "cycles.sqlite" in checked("0 */6 * * *").finding


@pytest.mark.parametrize(
    ("leads", "points", "state"), [(1, 4, CheckState.OK), (2400, 200_000, CheckState.FAIL)]
)
def test_disk_compares_what_is_free_with_what_is_needed(
    workspace: WorkspacePaths, leads: int, points: int, state: CheckState
) -> None:
    grid = {"name": "g", "north": 80, "west": 0, "dlat": 1e-4, "dlon": 1e-4, "nlat": points}
    settings = Settings(grid={**grid, "nlon": points}, forecast={"leads": leads})
    assert check_disk(Workspace(workspace, settings)).state is state


def test_a_folder_that_cannot_be_written_fails(workspace: WorkspacePaths) -> None:
    workspace.products.rmdir()
    workspace.products.write_text("a file is in the way")
    check = check_permissions(workspace)
    assert check.state is CheckState.FAIL
    assert str(workspace.products) in check.finding


def test_the_clock_is_shown_in_utc(workspace: WorkspacePaths) -> None:
    check = check_clock(workspace)
    assert check.state in (CheckState.OK, CheckState.WARN)
    shown = datetime.strptime(check.finding[:19], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    assert abs(shown.timestamp() - time.time()) < 60


def test_looking_leaves_no_files(workspace: WorkspacePaths, settings: Settings) -> None:
    before = sorted(os.walk(workspace.root))
    check_workspace(Workspace(workspace, settings), None, NOW)
    assert sorted(os.walk(workspace.root)) == before


def test_the_worst_of_nothing_is_well() -> None:
    assert worst([]) is CheckState.OK
    assert (
        worst([HealthCheck("a", CheckState.WARN, ""), HealthCheck("b", CheckState.FAIL, "")])
        is CheckState.FAIL
    )


def test_frames_are_read_not_listed(workspace: WorkspacePaths, settings: Settings) -> None:
    assert check_frames(Workspace(workspace, settings)).state is CheckState.OK
    _fill(workspace, settings, 24)
    check = check_frames(Workspace(workspace, settings))
    assert check.state is CheckState.OK
    newest = max(
        (workspace.archive / "t2m").glob("*.0.0"), key=lambda path: int(path.name.split(".")[-3])
    )
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(data)
    check = check_frames(Workspace(workspace, settings))
    assert check.state is CheckState.FAIL
    assert str(newest) in check.finding
    assert "t2m 2026-11-22T06:00Z" in check.finding


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[catalog]\nurl = "postgresql://desk:pw@db/weather"', "catalog.url"),
        ('[archive]\nurl = "https://key:secret@store/a"', "archive.url"),
        ('[[hooks]]\nname = "chat"\nurl = "https://chat.example/T0/B1/x"', "hooks.url"),
        (
            '[[hooks]]\nname = "c"\ncommand = ["curl", "-H", "Authorization: Bearer x"]',
            "hooks.command",
        ),
    ],
)
def test_secrets_that_others_may_read_are_a_warning(
    workspace: WorkspacePaths, text: str, named: str
) -> None:
    assert workspace.settings_file.stat().st_mode & 0o777 == 0o600
    assert check_secrets(workspace).state is CheckState.OK
    workspace.settings_file.write_text(text, encoding="utf-8")
    assert check_secrets(workspace).state is CheckState.OK
    for mode, who in ((0o640, "its group"), (0o644, "everyone")):
        workspace.settings_file.chmod(mode)
        check = check_secrets(workspace)
        assert check.state is CheckState.WARN
        assert f"({named}) and can be read by {who}" in check.finding
        assert "pw" not in check.finding
    subprocess.run(shlex.split(check.advice), check=True)
    assert check_secrets(workspace).state is CheckState.OK
