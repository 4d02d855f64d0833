"""Checks of a deployment: what is right, what will trouble soon, what keeps it from working.

No check changes anything, apart from temporary files that prove a folder can be written. Checks
that need torch are in `met2net_ops.models.doctor`.
"""

from __future__ import annotations

import ctypes
import os
import shlex
import tempfile
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from met2net_ops.doctor_storage import (
    check_archive,
    check_catalog,
    check_disk,
    check_frames,
    check_permissions,
    check_secrets,
)
from met2net_ops.errors import FeedError, ServiceError, SettingsError
from met2net_ops.health import CheckState, HealthCheck
from met2net_ops.ingest.unwanted import ADVICE, unwanted_feeds
from met2net_ops.settings import Settings, load_settings
from met2net_ops.times import format_time

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from met2net_ops.forecast.forecaster import ForecasterSpec
    from met2net_ops.paths import WorkspacePaths
    from met2net_ops.workspace import Workspace

_CLOCK_TOLERANCE_S = 5.0
_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised


def check_configuration(paths: WorkspacePaths) -> tuple[HealthCheck, Settings | None]:
    """Whether `met2net.toml` and the environment are valid; and the settings, if so."""
    try:
        settings = load_settings(paths.settings_file)
    except SettingsError as error:
        advice = "correct the file; `met2net-ops init` in an empty folder writes a fresh one"
        return HealthCheck("configuration", CheckState.FAIL, str(error), advice), None
    return HealthCheck("configuration", CheckState.OK, str(paths.settings_file)), settings


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
        *check_feeds(workspace, now),
        check_archive(workspace, spec, now),
        check_frames(workspace),
        check_catalog(workspace),
        check_schedules(workspace, now),
        check_disk(workspace),
        check_permissions(workspace.paths),
        check_secrets(workspace.paths),
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


def check_feeds(workspace: Workspace, now: datetime) -> Iterator[HealthCheck]:
    """Whether feeds bring what is wanted, their folders can be read, and remote sources answer."""
    if not workspace.settings.feeds:
        yield HealthCheck(
            "feeds", CheckState.WARN, "none configured", "add [[feeds]] to met2net.toml"
        )
    unwanted = {feed.name: feed for feed in unwanted_feeds(workspace, now)}
    for feed in workspace.settings.feeds:
        folder = workspace.root / feed.path
        name = f"feed {feed.name}"
        if feed.name in unwanted:
            yield HealthCheck(name, CheckState.WARN, str(unwanted[feed.name]), ADVICE)
        elif feed.source is not None:
            yield check_source(workspace, feed.name, now)
        elif not folder.is_dir():
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
    for name in workspace.settings.observations.sources:
        yield check_source(workspace, name, now)


def check_source(workspace: Workspace, name: str, now: datetime) -> HealthCheck:
    """Whether a feed's remote source answers, by one small request."""
    from met2net_ops.feeds.check import ask_source
    from met2net_ops.feeds.run import remote_feeds

    label = f"feed {name}"
    try:
        (feed,) = [one for one in remote_feeds(workspace, [name]) if one.name == name]
    except FeedError as error:
        advice = "correct [[feeds]] in met2net.toml; `met2net-ops sources` lists what is known"
        return HealthCheck(label, CheckState.FAIL, str(error), advice)
    answer = ask_source(feed, now)
    if answer.reachable:
        lacking = f"; it has no {', '.join(feed.lacking)}" if feed.lacking else ""
        state = CheckState.WARN if feed.lacking else CheckState.OK
        return HealthCheck(label, state, answer.finding + lacking)
    advice = "check network, proxy and clock, or choose other mirrors; see docs/feeds.md"
    return HealthCheck(label, CheckState.FAIL, answer.finding, advice)


def check_schedules(workspace: Workspace, now: datetime) -> HealthCheck:
    """Whether the schedules are valid and the ledger can be read."""
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


def check_clock(paths: WorkspacePaths) -> HealthCheck:
    """Whether time is kept, and the disk agrees: ages of files decide when a file is complete."""
    now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
    advice = "run an NTP client such as chrony"
    offset = _disk_clock_offset(paths.root)
    if offset is not None and abs(offset) > _CLOCK_TOLERANCE_S:
        finding = f"{now}, but the disk's clock differs by {offset:+.0f} s"
        return HealthCheck(
            "clock", CheckState.WARN, finding, f"{advice} here and on the file server"
        )
    if _unsynchronised():
        return HealthCheck("clock", CheckState.WARN, f"{now}, not synchronised", advice)
    return HealthCheck("clock", CheckState.OK, now)


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
