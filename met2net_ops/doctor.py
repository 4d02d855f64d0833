"""Checks of a deployment: what is right, what will trouble soon, what keeps it from working.

Every check only looks, apart from temporary files that prove a folder can be written. Checks that
need torch are in `met2net_ops.models.doctor`.
"""

from __future__ import annotations

import ctypes
import os
import shlex
import shutil
import sqlite3
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from met2net_ops.errors import ArchiveError, ServiceError, SettingsError
from met2net_ops.settings import Settings, load_settings
from met2net_ops.times import format_time, time_range

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from met2net_ops.forecast.forecaster import ForecasterSpec
    from met2net_ops.paths import WorkspacePaths
    from met2net_ops.workspace import Workspace

_MEGABYTE = 1_000_000
_RESERVE = 200 * _MEGABYTE  # less free than that and logs and databases stop as well
_PRODUCTS_AHEAD = 100  # warn when fewer forecasts than that fit
_STALE = timedelta(hours=6)
_CLOCK_TOLERANCE_S = 5.0
_NOT_OURS = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}
_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised


class CheckState(StrEnum):
    """How serious a finding is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """One line of the doctor's table.

    Attributes:
        name: what was looked at.
        state: whether it is as it should be.
        finding: what was found.
        advice: what to do about it; "" if nothing.
    """

    name: str
    state: CheckState
    finding: str
    advice: str = ""


def check_configuration(workspace: WorkspacePaths) -> tuple[HealthCheck, Settings | None]:
    """Whether `met2net.toml` and the environment hold; and the settings, if so."""
    try:
        settings = load_settings(workspace.settings_file)
    except SettingsError as error:
        advice = "correct the file; `met2net-ops init` in an empty folder writes a fresh one"
        return HealthCheck("configuration", CheckState.FAIL, str(error), advice), None
    return HealthCheck("configuration", CheckState.OK, str(workspace.settings_file)), settings


def check_workspace(
    workspace: Workspace, spec: ForecasterSpec | None, now: datetime
) -> list[HealthCheck]:
    """Everything about a deployment that does not need torch.

    Args:
        workspace: where it lies.
        settings: what it wants.
        spec: what the model needs, if it could be read.
        now: the current time, UTC.
    """
    return [
        check_eccodes(),
        *check_feeds(workspace),
        check_archive(workspace, spec, now),
        check_catalog(workspace),
        check_schedules(workspace, now),
        check_disk(workspace),
        check_permissions(workspace.paths),
        check_clock(workspace.paths),
    ]


def check_eccodes() -> HealthCheck:
    """Whether ecCodes loads and finds its definitions."""
    try:
        import eccodes

        version = eccodes.codes_get_api_version()
        handle = eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib2")
        eccodes.codes_release(handle)
    except Exception as error:  # a broken library raises whatever it likes; the finding says what
        return HealthCheck(
            "ecCodes",
            CheckState.FAIL,
            f"does not work: {error}",
            "reinstall eccodes, and unset ECCODES_DEFINITION_PATH and ECCODES_SAMPLES_PATH",
        )
    return HealthCheck("ecCodes", CheckState.OK, f"{version}")


def check_feeds(workspace: Workspace) -> Iterator[HealthCheck]:
    """Whether the folders that GRIB arrives in can be read."""
    if not workspace.settings.feeds:
        yield HealthCheck(
            "feeds", CheckState.WARN, "none configured", "add [[feeds]] to met2net.toml"
        )
    for feed in workspace.settings.feeds:
        folder = workspace.root / feed.path
        name = f"feed {feed.name}"
        if not folder.is_dir():
            advice = "make the folder, or correct its path under [[feeds]] in met2net.toml"
            yield HealthCheck(name, CheckState.FAIL, f"{folder} is no folder", advice)
        elif not os.access(folder, os.R_OK | os.X_OK):
            yield HealthCheck(
                name,
                CheckState.FAIL,
                f"{folder} cannot be read",
                f"chmod u+rx {shlex.quote(str(folder))}",
            )
        else:
            yield HealthCheck(name, CheckState.OK, str(folder))


def check_archive(workspace: Workspace, spec: ForecasterSpec | None, now: datetime) -> HealthCheck:
    """Whether the newest window a forecast could start from is complete and recent."""
    names = spec.variables if spec else workspace.settings.archive.variables
    frames = spec.input_frames if spec else 1
    advice = "`met2net-ops ingest` reads the feeds, `met2net-ops coverage` shows what is missing"
    url = workspace.archive_url
    try:
        if "://" not in url and not Path(url).exists():
            return HealthCheck("archive", CheckState.WARN, "nothing archived yet", advice)
        archive = workspace.analyses
        span = archive.span()
        if span is None:
            return HealthCheck("archive", CheckState.WARN, "no frames yet", advice)
        newest = span[1]
        window = time_range(newest - archive.step * (frames - 1), newest, archive.step)
        there = archive.present(names, window)
    except ArchiveError as error:
        return HealthCheck("archive", CheckState.FAIL, str(error), "see the message")
    lacking = [
        f"{name} ({(~row).sum()})" for name, row in zip(names, there, strict=True) if not row.all()
    ]
    finding = (
        f"newest frame {format_time(newest)}; next cycle's window has {int(there.sum())} "
        f"of {there.size} frames"
    )
    if lacking:
        return HealthCheck(
            "archive", CheckState.WARN, f"{finding}, missing {', '.join(lacking)}", advice
        )
    if now - newest > _STALE:
        age = f"{(now - newest) / timedelta(hours=1):.0f} h old"
        return HealthCheck(
            "archive", CheckState.WARN, f"{finding}, but is {age}", "check the feeds deliver"
        )
    return HealthCheck("archive", CheckState.OK, finding)


def check_catalog(workspace: Workspace) -> HealthCheck:
    """Whether the catalog, where it is SQLite and there, is sound."""
    if workspace.settings.catalog.url is not None:
        return HealthCheck("catalog", CheckState.OK, "on a database server, not looked at")
    if not workspace.paths.catalog.exists():
        return HealthCheck("catalog", CheckState.OK, "not there yet; the first ingest makes it")
    try:
        with closing(
            sqlite3.connect(f"{workspace.paths.catalog.as_uri()}?mode=ro", uri=True)
        ) as catalog:
            (verdict,) = catalog.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        # Its low byte is the primary result code. SQLite writes beside a database even to read it.
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _NOT_OURS:
            finding = (
                f"{workspace.paths.catalog} is not damaged as far as one can see, but: {error}"
            )
            return HealthCheck(
                "catalog", CheckState.FAIL, finding, _ownership_advice(workspace.paths)
            )
        verdict = str(error)
    if verdict == "ok":
        return HealthCheck("catalog", CheckState.OK, str(workspace.paths.catalog))
    advice = "move it away and ingest again: the archive stays, origins are found anew"
    return HealthCheck("catalog", CheckState.FAIL, f"{workspace.paths.catalog}: {verdict}", advice)


def check_schedules(workspace: Workspace, now: datetime) -> HealthCheck:
    """Whether the schedules and the ledger hold."""
    from met2net_ops.service.ledger.reader import open_ledger_reader
    from met2net_ops.service.scheduler.schedule import read_schedules

    if not workspace.settings.schedules:
        return HealthCheck(
            "schedules", CheckState.OK, "none; `met2net-ops serve` needs [[schedules]]"
        )
    try:
        schedules = read_schedules(workspace.settings, now)
        open_ledger_reader(workspace.paths).heartbeat()
    except (SettingsError, ServiceError) as error:
        return HealthCheck("schedules", CheckState.FAIL, str(error), "see docs/serve.md")
    ahead = [(one.model, one.following(now)) for one in schedules]
    finding = ", ".join(f"{model} next {format_time(time)}" for model, time in ahead if time)
    return HealthCheck("schedules", CheckState.OK, finding)


def check_disk(workspace: Workspace) -> HealthCheck:
    """Whether forecasts will fit for some time."""
    rows, columns = workspace.settings.grid.grid().shape
    product = (
        rows
        * columns
        * len(workspace.settings.archive.variables)
        * workspace.settings.forecast.leads
        * 4
    )
    free = shutil.disk_usage(workspace.root).free
    finding = f"{free / 1e9:.1f} GB free, a forecast takes at most {product / 1e6:.1f} MB"
    advice = "remove old products, or move the workspace to a larger disk"
    if free < _RESERVE + 2 * product:
        return HealthCheck("disk", CheckState.FAIL, finding, advice)
    if free < _RESERVE + _PRODUCTS_AHEAD * product:
        return HealthCheck("disk", CheckState.WARN, finding, advice)
    return HealthCheck("disk", CheckState.OK, finding)


def check_permissions(workspace: WorkspacePaths) -> HealthCheck:
    """Whether everything that is written to can be written to."""
    refused = [error for folder in _written_folders(workspace) if (error := _try_write(folder))]
    if refused:
        finding, advice = "; ".join(refused), _ownership_advice(workspace)
        return HealthCheck("permissions", CheckState.FAIL, finding, advice)
    return HealthCheck("permissions", CheckState.OK, "every folder can be written")


def check_clock(workspace: WorkspacePaths) -> HealthCheck:
    """Whether time is kept, and the disk agrees: ages of files decide when a file is complete."""
    now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
    advice = "run an NTP client such as chrony"
    offset = _disk_clock_offset(workspace.root)
    if offset is not None and abs(offset) > _CLOCK_TOLERANCE_S:
        finding = f"{now}, but the disk's clock differs by {offset:+.0f} s"
        return HealthCheck(
            "clock", CheckState.WARN, finding, f"{advice} here and on the file server"
        )
    if _unsynchronised():
        return HealthCheck("clock", CheckState.WARN, f"{now}, not synchronised", advice)
    return HealthCheck("clock", CheckState.OK, now)


def worst(checks: Sequence[HealthCheck]) -> CheckState:
    """The most serious state among them.

    >>> worst([HealthCheck("a", CheckState.OK, ""), HealthCheck("b", CheckState.WARN, "")])
    <CheckState.WARN: 'warn'>
    """
    order = list(CheckState)
    return max((check.state for check in checks), key=order.index, default=CheckState.OK)


def _ownership_advice(workspace: WorkspacePaths) -> str:
    return f"give this user the folder: chown -R $USER {shlex.quote(str(workspace.root))}"


def _written_folders(workspace: WorkspacePaths) -> list[Path]:
    folders = [workspace.root, *workspace.folders, workspace.archive]
    return [folder for folder in folders if folder.exists()]


def _try_write(folder: Path) -> str:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return f"{folder}: {error.strerror or error}"


def _disk_clock_offset(folder: Path) -> float | None:
    """Seconds by which the file system's clock is ahead; None where nothing can be written."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            before = time.time()
            file.write(b"x")
            file.flush()
            return os.fstat(file.fileno()).st_mtime - before
    except OSError:
        return None


def _unsynchronised() -> bool:
    """What the kernel says (Linux adjtimex(2), reading only); False where it cannot be asked."""
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512))
    except (OSError, AttributeError):
        return False
    return bool(state == _TIME_ERROR)
