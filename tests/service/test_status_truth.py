"""`status` is right within seconds, whatever happens to the disk and the files under a service."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from nobody import as_nobody
from service_desk import MODEL, Desk, eventually, hour_of, make_desk, serving
from small_disk import small_disk
from troubled_model import LIGHT_OPENER
from typer.testing import CliRunner

from met2net_ops.cli.main import build
from met2net_ops.service import operator
from met2net_ops.service.clock import SystemClock
from met2net_ops.service.lock import lock_holder
from met2net_ops.service.scheduler.schedule import read_schedules
from met2net_ops.service.service import Service
from met2net_ops.service.storage import write_problem, written_folders
from met2net_ops.times import HOUR
from met2net_ops.workspace import Workspace

pytestmark = pytest.mark.timeout(400)
NOW = hour_of(SystemClock().now())
SOON_S = 10.0


@pytest.fixture(autouse=True)
def _support(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1] / "support"), prepend=":")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return prepared(tmp_path / "desk")


def prepared(folder: Path) -> Desk:
    desk = make_desk(folder)
    desk.fill(NOW - 3 * HOUR, 4)
    Workspace(desk.workspace, desk.settings).create_catalog().dispose()
    return desk


@contextmanager
def served(desk: Desk) -> Iterator[Service]:
    """A service on it that is fine."""
    with serving(desk.service(opener=LIGHT_OPENER)) as service:
        eventually(lambda: (one := lock_holder(desk.workspace)) and one.heartbeat)
        soon(desk.workspace.root, 0, "FINE")
        yield service


def status(root: Path) -> tuple[int, str]:
    given = ["status", "--workspace", str(root)]
    result = CliRunner().invoke(build(given), given)
    return result.exit_code, result.output


def soon(root: Path, code: int, said: str) -> None:
    seen: dict[str, float] = {}

    def right() -> bool:
        found, text = status(root)
        seen.setdefault(f"exit code {found}: {text.split('model  ')[0]}", time.monotonic())
        return (found, said in text) == (code, True)

    try:
        eventually(right, SOON_S)
    except AssertionError:
        raise AssertionError(seen) from None


def fill(file: Path) -> None:
    """Write until there is no room."""
    with suppress(OSError), file.open("wb", 0) as filler:
        while True:
            filler.write(b"x" * 4096)


def test_a_full_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "16m") as disk:
        if disk is None:
            pytest.skip("mounting is not allowed here")
        desk = prepared(disk / "desk")
        with served(desk):
            fill(disk / "filler")
            soon(desk.workspace.root, 2, "is full")
            (disk / "filler").unlink()
            soon(desk.workspace.root, 0, "FINE")


def test_a_read_only_disk(desk: Desk, tmp_path: Path) -> None:
    other = tmp_path / "read-only"
    other.mkdir()
    with served(desk):
        mount = ["mount", "--bind", str(desk.workspace.root), str(other)]
        if subprocess.run(mount, check=False, capture_output=True).returncode:
            pytest.skip("mounting is not allowed here")
        try:
            subprocess.run(["mount", "-o", "remount,ro,bind", str(other)], check=True)
            soon(other, 2, "read-only file system")
        finally:
            subprocess.run(["umount", "-l", str(other)], check=True)


def test_folders_its_user_may_not_write_to(desk: Desk) -> None:
    folders = written_folders(Workspace(desk.workspace, desk.settings))
    assert write_problem(folders) == ""
    with as_nobody(desk.workspace.root):
        assert f"cannot write in {desk.workspace.root}: Permission denied" in write_problem(folders)


def test_a_locked_ledger(desk: Desk) -> None:
    with served(desk), closing(sqlite3.connect(desk.workspace.ledger, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        soon(desk.workspace.root, 2, "database is locked")
        db.execute("ROLLBACK")
        soon(desk.workspace.root, 0, "FINE")


def settings_reloaded(desk: Desk, service: Service) -> None:
    desk.workspace.settings_file.write_text("[forecast]\nleeds = 1\n", encoding="utf-8")
    service.reload()


def settings_not_reloaded(desk: Desk, _: Service) -> None:
    desk.workspace.settings_file.write_bytes(b"\xff\xfe no TOML")


@pytest.mark.parametrize("spoil", [settings_reloaded, settings_not_reloaded])
def test_settings_that_cannot_be_read(desk: Desk, spoil: Callable[[Desk, Service], None]) -> None:
    text = desk.workspace.settings_file.read_text(encoding="utf-8")
    with served(desk) as service:
        spoil(desk, service)
        soon(desk.workspace.root, 2, "met2net.toml")
        assert MODEL in status(desk.workspace.root)[1]  # the table is shown all the same
        desk.workspace.settings_file.write_text(text, encoding="utf-8")
        service.reload()
        soon(desk.workspace.root, 0, "FINE")
    desk.workspace.settings_file.write_text("[forecast]\nleeds = 1\n", encoding="utf-8")
    assert status(desk.workspace.root)[0] == 3


@pytest.mark.parametrize("name", ["archive.zarr", "catalog.sqlite", "cycles.sqlite"])
def test_what_is_moved_away_is_missed_until_it_is_back(desk: Desk, name: str) -> None:
    place = desk.workspace.root / name
    with served(desk):
        place.rename(desk.workspace.root / "elsewhere")
        soon(desk.workspace.root, 2, f"{place} was moved away")
        assert not place.exists()  # nothing empty is made in its place
        (desk.workspace.root / "elsewhere").rename(place)
        soon(desk.workspace.root, 0, "FINE")
        works(desk)


@pytest.mark.parametrize("name", ["archive.zarr", "catalog.sqlite", "cycles.sqlite"])
def test_what_is_replaced_is_opened_again(desk: Desk, name: str) -> None:
    place = desk.workspace.root / name
    with served(desk):
        copied = desk.workspace.root / "copy"
        if place.is_dir():
            shutil.copytree(place, copied)
        else:
            with closing(sqlite3.connect(place)) as old, closing(sqlite3.connect(copied)) as new:
                old.backup(new)
        place.rename(desk.workspace.root / "old")
        copied.rename(place)
        for log in desk.workspace.root.glob(f"{name}-*"):
            log.unlink()
        eventually(lambda: status(desk.workspace.root)[0] == 0)
        works(desk)
        assert status(desk.workspace.root)[0] == 0


def works(desk: Desk) -> None:
    """The service takes a request from the ledger that lies there, and runs it."""
    (schedule,) = read_schedules(desk.settings, NOW)
    cycle = NOW - 2 * HOUR
    operator.run_now(desk.workspace, schedule, [cycle], SystemClock().now(), again=True)
    eventually(lambda: desk.cycle(cycle).state == "published")
