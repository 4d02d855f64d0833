"""Stay and read what is delivered."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from watchfiles import watch

from met2net_ops.ingest.files import Completeness, feed_folders, find_files
from met2net_ops.ingest.pipeline import open_session
from met2net_ops.ingest.report import FileState, unreadable_folder

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from met2net_ops.ingest.fork_server import ForkServer
    from met2net_ops.ingest.report import FileReport
    from met2net_ops.workspace import Workspace

_POLL_MS = 500

_log = logging.getLogger(__name__)


def watch_files(
    workspace: Workspace,
    paths: Sequence[Path],
    stop: threading.Event,
    *,
    fork_server: ForkServer | None = None,
) -> Iterator[FileReport]:
    """Read files as they become complete, until `stop` is set; known files are not reported.

    The operating system reports changes, but not on every file system: all folders are searched as
    well, every `ingest.relook_seconds`. Decoders are forked from `fork_server`, if one is given.

    Raises:
        IngestError: a path does not exist.
        ArchiveError: the archive or the catalog cannot be written.
    """
    folders = [path for path in paths if path.is_dir()] or list(feed_folders(workspace))
    looks = Completeness()
    tried: dict[Path, tuple[int, ...] | None] = {}
    shut: dict[Path, str] = {}
    with open_session(workspace, fork_server=fork_server) as session:
        for _ in _wake_ups(folders, workspace.settings.ingest.relook_seconds, looks, stop):
            found = find_files(workspace, paths)
            for folder in found.unreadable.keys() - shut.keys():
                yield unreadable_folder(folder, found.unreadable[folder])
            shut = found.unreadable
            looks.keep_only(found.offers)
            # Only what is still offered: a feed may see millions of names in a year.
            tried = {offer.path: tried[offer.path] for offer in found.offers if offer.path in tried}
            ready = {
                offer.path: identity
                for offer in found.offers
                if (identity := _identity(offer.path)) != tried.get(offer.path)
                and not looks.why_not(offer)
            }
            tried.update(ready)
            for report in session.read(list(ready), stop.is_set):
                if report.state is not FileState.KNOWN:
                    yield report


def _wake_ups(
    folders: Sequence[Path], relook: float, looks: Completeness, stop: threading.Event
) -> Iterator[None]:
    """When to look: at once, on changes, while a file is still settling, and now and then."""
    yield
    last = time.monotonic()
    there = [folder for folder in folders if folder.is_dir()]
    if there:
        changes = watch(
            *there,
            stop_event=stop,
            rust_timeout=_POLL_MS,
            yield_on_timeout=True,
            raise_interrupt=False,
        )
        while (changed := _next(changes, relook)) is not None:
            if stop.is_set():
                return
            if changed or looks.unsettled or time.monotonic() - last >= relook:
                last = time.monotonic()
                yield
    else:
        _log.warning("none of the folders to watch exists yet: %s", ", ".join(map(str, folders)))
    while not stop.wait(_POLL_MS / 1000 if looks.unsettled else relook):
        yield


def _next(changes: Iterator[set[Any]], relook: float) -> set[Any] | None:
    """The next changes, maybe none; None if there is no telling of any more."""
    try:
        return next(changes, None)
    except OSError as error:  # a folder that may not be read, or too many that are watched
        _log.warning(
            "the system does not tell of changes (%s); folders are looked through every %g s",
            error, relook,
        )  # fmt: skip
        return None


def _identity(path: Path) -> tuple[int, ...] | None:
    """What changes when a file or the right to read it does; None if it has gone."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns
