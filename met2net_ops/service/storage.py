"""Where a service keeps things: room on the disks, and files that disappear or are replaced."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import make_url

from met2net_ops.archive.store import is_url
from met2net_ops.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from met2net_ops.settings import Settings
    from met2net_ops.workspace import Workspace

_RESERVE_BYTES = 1_000_000  # for logs, ledger and catalog
_CHECK_S = 3.0  # between two checks of a running service

Identity = tuple[int, int]  # device and inode


def product_bytes(settings: Settings) -> int:
    """The most that one forecast takes on the disk, before compression."""
    rows, columns = settings.grid.grid().shape
    return rows * columns * len(settings.archive.variables) * settings.forecast.leads * 4


def disk_problem(folders: Iterable[Path], needed: int) -> str:
    """Why nothing can be written below some folders: read-only or full disks; "" if all is well.

    It only asks the file system, and needs no right to write. Folders that do not exist are left
    out.

    Args:
        folders: to look at.
        needed: bytes that have to fit besides a reserve for logs and databases.
    """
    for folder in folders:
        try:
            disk = os.statvfs(folder)
        except FileNotFoundError:
            continue
        except OSError as error:
            return f"{folder} cannot be reached: {error.strerror}; check that it is mounted"
        if disk.f_flag & os.ST_RDONLY:
            return (
                f"{folder} is on a read-only file system; look for the reason in the system's log "
                "and mount it writable"
            )
        free = disk.f_bavail * disk.f_frsize
        if free < needed + _RESERVE_BYTES:
            return (
                f"the disk of {folder} is full: {free / 1e6:.1f} MB are free, "
                f"{(needed + _RESERVE_BYTES) / 1e6:.1f} MB are needed; free space, for instance "
                "with [retention] in met2net.toml and `met2net-ops prune`"
            )
        if disk.f_files and not disk.f_favail:
            return f"the disk of {folder} has no room for another file (inodes); remove old files"
    return ""


def write_problem(folders: Iterable[Path]) -> str:
    """Why this process cannot make files in some folders; "" if it can in all that exist."""
    for folder in folders:
        try:
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"x" * 4096)
                file.flush()
        except FileNotFoundError:
            continue
        except OSError as error:
            return (
                f"cannot write in {folder}: {error.strerror}; give the user of the service the "
                "right to write there, and check quotas"
            )
    return ""


def written_folders(workspace: Workspace) -> tuple[Path, ...]:
    """The folders a service writes to, as far as they are on local disks."""
    paths = workspace.paths
    folders = (paths.root, paths.products, paths.logs, paths.quarantine)
    archive = archive_path(workspace)
    return folders if archive is None else (*folders, archive)


def archive_path(workspace: Workspace) -> Path | None:
    """The folder of the archive; None where it lies in an object store."""
    url = workspace.archive_url
    return None if is_url(url) else Path(url)


def catalog_path(workspace: Workspace) -> Path | None:
    """The file of the catalog; None where it lies on a database server."""
    url = make_url(workspace.catalog_url)
    return Path(url.database) if url.drivername.startswith("sqlite") and url.database else None


def identity(path: Path) -> Identity | None:
    """What tells a file from another one that takes its place; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


@dataclass(frozen=True, slots=True)
class StoreChanges:
    """What has become of files since they were opened.

    Attributes:
        missing: name → what to do; they have been moved away or deleted.
        replaced: names of those that are there again, or are other files now.
    """

    missing: Mapping[str, str]
    replaced: tuple[str, ...]


class StoreWatch:
    """Notices when the archive or the catalog is moved away or replaced under a running service.

    What is missing is not made anew: an empty archive, or a catalog without the origins of frames
    that are there, would be taken for the truth.
    """

    def __init__(self, workspace: Workspace) -> None:
        stores = {"archive": archive_path(workspace), "catalog": catalog_path(workspace)}
        self._paths = {name: path for name, path in stores.items() if path is not None}
        self._known: dict[str, Identity | None] = {}
        self._missing: set[str] = set()
        self.poll()

    def require(self) -> None:
        """Refuse to go on with an archive or a catalog that is not there any more; for threads.

        Raises:
            ServiceError: one was moved away or deleted.
        """
        for name, path in self._paths.items():
            if self._known.get(name) is not None and identity(path) is None:
                raise ServiceError(_advice(name, path))

    def poll(self) -> StoreChanges:
        """Compare with the last call."""
        replaced = []
        for name, path in self._paths.items():
            before, now = self._known.get(name), identity(path)
            if now is None:
                if before is not None:
                    self._missing.add(name)
                continue
            if name in self._missing or before not in (None, now):
                replaced.append(name)
            self._missing.discard(name)
            self._known[name] = now
        missing = {name: _advice(name, self._paths[name]) for name in sorted(self._missing)}
        return StoreChanges(missing, tuple(replaced))


@dataclass(frozen=True, slots=True)
class StorageState:
    """What a check found.

    Attributes:
        problems: "disk", "archive" and "catalog" → what is wrong, or "".
        changes: see `StoreWatch`.
    """

    problems: Mapping[str, str]
    changes: StoreChanges


class StorageCheck:
    """Checks disks and files of a running service every few seconds.

    Attributes:
        stores: archive and catalog as they were opened.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.stores = StoreWatch(workspace)
        self._next = 0.0

    def check(self, workspace: Workspace, now: float) -> StorageState | None:
        """What it finds; None where it is not time yet.

        Args:
            workspace: that is served, with its present settings.
            now: monotonic time.
        """
        if now < self._next:
            return None
        self._next = now + _CHECK_S
        folders = written_folders(workspace)
        full = disk_problem(folders, product_bytes(workspace.settings))
        changes = self.stores.poll()
        missing = {name: changes.missing.get(name, "") for name in ("archive", "catalog")}
        return StorageState({"disk": full or write_problem(folders), **missing}, changes)


def _advice(name: str, path: Path) -> str:
    return (
        f"{path} was moved away or deleted while the service runs; nothing is ingested until it "
        f"is back. Put the {name} back, or restart the service and run `met2net-ops ingest` to "
        "begin a new one"
    )
