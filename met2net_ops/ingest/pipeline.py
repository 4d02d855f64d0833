"""The ingest: files in, frames in the archive, an account of everything."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from met2net_ops.ingest.files import Completeness, find_files, missing_feeds
from met2net_ops.ingest.fingerprint import DecodeSettings
from met2net_ops.ingest.fork_server import ForkServer
from met2net_ops.ingest.pool import DecoderPool
from met2net_ops.ingest.report import FileReport, FileState, IngestReport, shown, unreadable_folder
from met2net_ops.progress import Track, silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from met2net_ops.ingest.files import Offer
    from met2net_ops.ingest.session import Session
    from met2net_ops.workspace import Workspace

_LOOKS = 3
_TICK_S = 0.25


def ingest(
    workspace: Workspace,
    paths: Sequence[Path],
    *,
    fork_server: ForkServer | None = None,
    track: Track = silent,
    should_stop: Callable[[], bool] = lambda: False,
) -> IngestReport:
    """Read files and folders into the archive; without any, all configured feeds.

    Files still being written are waited for briefly, then reported as incomplete; a feed whose
    folder is missing is reported as refused. Interrupted at any moment, the same call brings the
    archive to the same content.

    Raises:
        IngestError: a path does not exist.
        ArchiveError: the archive or the catalog cannot be written.
    """
    found = find_files(workspace, paths)
    complete, waiting = _wait_until_complete(found.offers, should_stop)
    incomplete = [
        FileReport(shown(offer.path), FileState.INCOMPLETE, problem=reason)
        for offer, reason in waiting.items()
    ]
    with open_session(workspace, len(complete), fork_server=fork_server) as session:
        reports = session.read([offer.path for offer in complete], should_stop)
        files = list(track(reports, "Reading files", total=len(complete)))
    absent = [] if paths else [
        FileReport(
            str(folder), FileState.REFUSED,
            problem=f"feed {feed.name}: {folder} does not exist; make the folder, or correct its "
            "path under [[feeds]] in met2net.toml",
        )
        for folder, feed in missing_feeds(workspace).items()
    ]  # fmt: skip
    shut = [unreadable_folder(path, reason) for path, reason in found.unreadable.items()]
    ordered = sorted([*files, *incomplete, *absent, *shut], key=lambda report: report.path)
    stopped = len(files) < len(complete) or (bool(waiting) and should_stop())
    return IngestReport(tuple(ordered), stopped=stopped)


@contextmanager
def open_session(
    workspace: Workspace,
    files: int | None = None,
    *,
    fork_server: ForkServer | None = None,
) -> Iterator[Session]:
    """Decoders, archive and catalog, ready to read files.

    Args:
        workspace: where to archive.
        settings: of that workspace.
        files: how many files there will be, if that is known: no more decoders than that.
        fork_server: where decoders come from, if one was started beforehand; it is left running.

    Raises:
        ArchiveError: the archive or the catalog cannot be opened.
    """
    recipe = DecodeSettings(
        workspace.settings.grid.grid(),
        workspace.settings.archive.variables,
        timedelta(hours=workspace.settings.archive.step_hours),
        workspace.paths.cache / "weights",
    )
    workers = workspace.settings.ingest.workers
    with ExitStack() as stack:
        source = fork_server or stack.enter_context(ForkServer())
        pool = DecoderPool(source, recipe, workers, workspace.settings.ingest.timeout_seconds)
        stack.enter_context(pool)
        pool.start(workers if files is None else min(files, workers))
        # The database layer takes as long to import as the decoders to start: at the same time.
        from met2net_ops.ingest.session import Session

        with Session(workspace, pool) as session:
            yield session


def _wait_until_complete(
    offers: Sequence[Offer], should_stop: Callable[[], bool]
) -> tuple[list[Offer], dict[Offer, str]]:
    """Files that are complete, in order, and those that are not, with the reason."""
    looks = Completeness()
    waiting: dict[Offer, str] = {}
    for attempt in range(_LOOKS):
        waiting = {
            offer: reason
            for offer in (waiting if attempt else offers)
            if (reason := looks.why_not(offer))
        }
        pauses = [offer.feed.settle_seconds for offer in waiting if not offer.feed.done_marker]
        if not pauses or attempt == _LOOKS - 1 or should_stop():
            break
        _pause(max(pauses) + 0.05, should_stop)
    return [offer for offer in offers if offer not in waiting], waiting


def _pause(seconds: float, should_stop: Callable[[], bool]) -> None:
    """Wait, unless told to stop meanwhile."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0 and not should_stop():
        time.sleep(min(left, _TICK_S))
