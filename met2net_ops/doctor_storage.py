"""Checks of what a deployment keeps: archive, catalog, disk, permissions, secrets."""

from __future__ import annotations

import random
import re
import shlex
import shutil
import sqlite3
import tempfile
import tomllib
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from met2net_ops.errors import ArchiveError
from met2net_ops.health import CheckState, HealthCheck
from met2net_ops.permissions import readers
from met2net_ops.service.storage import product_bytes
from met2net_ops.times import format_time, time_range

if TYPE_CHECKING:
    from collections.abc import Iterator

    from met2net_ops.archive.frames import FrameArchive
    from met2net_ops.forecast.forecaster import ForecasterSpec
    from met2net_ops.paths import WorkspacePaths
    from met2net_ops.workspace import Workspace

_MEGABYTE = 1_000_000
_RESERVE = 200 * _MEGABYTE  # less free than that and logs and databases stop as well
_PRODUCTS_AHEAD = 100  # warn when fewer forecasts than that fit
_STALE = timedelta(hours=6)
_NOT_OURS = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}
_SAMPLED = 8  # frames of each variable that are read, besides the oldest and the newest
_NAMED = 4  # damaged ones
_PASSWORD = re.compile(r"://[^/@\s]*:[^/@\s]+@")
_TOKEN = re.compile(r"(?i)authorization|bearer|passw|secret|token|api[-_]?key")


def check_archive(workspace: Workspace, spec: ForecasterSpec | None, now: datetime) -> HealthCheck:
    """Whether the newest window a forecast could start from is complete and recent."""
    names = spec.variables if spec else workspace.settings.archive.variables
    frames = spec.input_frames if spec else 1
    advice = "`met2net-ops ingest` reads the feeds, `met2net-ops coverage` shows what is missing"
    url = workspace.archive_url
    try:
        if "://" not in url and not Path(url).exists():
            return HealthCheck("archive", CheckState.WARN, "nothing archived yet", advice)
        archive = workspace.usable_frames
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


def check_frames(workspace: Workspace) -> HealthCheck:
    """Whether frames can be read: the oldest and the newest of each variable, and a sample."""
    try:
        if not workspace.archive_identity:
            return HealthCheck("frames", CheckState.OK, "nothing archived yet")
        archive = workspace.archive
        sample = list(_sample(archive))
    except ArchiveError as error:
        return HealthCheck("frames", CheckState.FAIL, str(error), "see the message")
    read, damaged = 0, []
    for name, time in sample:
        try:
            archive.read([name], [time])
        except ArchiveError as error:
            damaged.append(str(error))
        read += 1
    if not damaged:
        return HealthCheck("frames", CheckState.OK, f"{read} of them read, none is damaged")
    shown = "\n".join(damaged[:_NAMED])
    finding = f"{len(damaged)} of {read} that were read are damaged:\n{shown}"
    advice = (
        "remove the damaged files named and run `met2net-ops ingest`: it reads their sources again "
        "where these are still in the feeds; check the disk"
    )
    return HealthCheck("frames", CheckState.FAIL, finding, advice)


def _sample(archive: FrameArchive) -> Iterator[tuple[str, datetime]]:
    for name in archive.variables:
        times = list(archive.times(name))
        inner = times[1:-1]
        chosen = {*times[:1], *times[-1:], *random.sample(inner, min(_SAMPLED, len(inner)))}
        yield from ((name, time) for time in sorted(chosen))


def check_catalog(workspace: Workspace) -> HealthCheck:
    """Whether the catalog, where it is SQLite and there, is sound."""
    if workspace.settings.catalog.url is not None:
        return HealthCheck("catalog", CheckState.OK, "on a database server, not checked")
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
    advice = (
        f"stop the service, move the file away (mv {shlex.quote(str(workspace.paths.catalog))} "
        "…), run `met2net-ops ingest`, and start the service: the archive stays, and origins are "
        "recorded again for all files that are still in the feeds"
    )
    return HealthCheck("catalog", CheckState.FAIL, f"{workspace.paths.catalog}: {verdict}", advice)


def check_disk(workspace: Workspace) -> HealthCheck:
    """Whether forecasts will fit for some time."""
    product = product_bytes(workspace.settings)
    free = shutil.disk_usage(workspace.root).free
    finding = f"{free / 1e9:.1f} GB free, a forecast takes at most {product / 1e6:.1f} MB"
    advice = "remove old products, or move the workspace to a larger disk"
    if free < _RESERVE + 2 * product:
        return HealthCheck("disk", CheckState.FAIL, finding, advice)
    if free < _RESERVE + _PRODUCTS_AHEAD * product:
        return HealthCheck("disk", CheckState.WARN, finding, advice)
    return HealthCheck("disk", CheckState.OK, finding)


def check_permissions(paths: WorkspacePaths) -> HealthCheck:
    """Whether everything that is written to can be written to."""
    refused = [error for folder in _written_folders(paths) if (error := _try_write(folder))]
    if refused:
        finding, advice = "; ".join(refused), _ownership_advice(paths)
        return HealthCheck("permissions", CheckState.FAIL, finding, advice)
    return HealthCheck("permissions", CheckState.OK, "every folder can be written")


def check_secrets(paths: WorkspacePaths) -> HealthCheck:
    """Whether others may read passwords and tokens in `met2net.toml`."""
    file = paths.settings_file
    try:
        found = sorted(set(_secrets(tomllib.loads(file.read_text(encoding="utf-8")))))
        others = readers(file)
    except (OSError, ValueError):
        return HealthCheck("secrets", CheckState.OK, "the settings cannot be read")
    if not found or not others:
        return HealthCheck("secrets", CheckState.OK, "none that others may read")
    finding = f"{file} holds secrets ({', '.join(found)}) and can be read by {others}"
    return HealthCheck("secrets", CheckState.WARN, finding, f"chmod 600 {shlex.quote(str(file))}")


def _secrets(value: Any, key: str = "") -> Iterator[str]:
    """Where a settings file holds secrets: keys, without the values."""
    match value:
        case dict():
            for name, inner in value.items():
                yield from _secrets(inner, f"{key}.{name}".lstrip("."))
        case list():
            for inner in value:
                yield from _secrets(inner, key)
        case str() if value:
            # The address of a webhook is its password.
            hook = key == "hooks.url"
            if hook or _PASSWORD.search(value) or _TOKEN.search(f"{key} {value}"):
                yield key


def _ownership_advice(paths: WorkspacePaths) -> str:
    return f"give this user the folder: chown -R $USER {shlex.quote(str(paths.root))}"


def _written_folders(paths: WorkspacePaths) -> list[Path]:
    folders = [paths.root, *paths.folders, paths.archive]
    return [folder for folder in folders if folder.exists()]


def _try_write(folder: Path) -> str:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return f"{folder}: {error.strerror or error}"
