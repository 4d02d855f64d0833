"""The ingest: files in, frames in the archive, an account of everything."""

from __future__ import annotations

import logging
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from met2net_ops.archive.frames import create_archive
from met2net_ops.catalog.files import content_of, remember_file, was_read
from met2net_ops.catalog.origins import open_catalog
from met2net_ops.ingest.commit import Fate, commit, lost_frames
from met2net_ops.ingest.files import Completeness, find_files
from met2net_ops.ingest.messages import DecodedFrame, Done, Failed, FileStamp, Refusal, Tally
from met2net_ops.ingest.pool import DecoderPool
from met2net_ops.ingest.quarantine import quarantine
from met2net_ops.ingest.recipe import Recipe
from met2net_ops.ingest.report import FileReport, FileState, IngestReport
from met2net_ops.progress import Track, silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from met2net_ops.ingest.files import Offer
    from met2net_ops.ingest.pool import Event
    from met2net_ops.settings import Settings
    from met2net_ops.workspace import Workspace

_FRAMES_PER_COMMIT = 64
_WARNINGS_KEPT = 5
_LOOKS = 3

_log = logging.getLogger(__name__)


def ingest(
    workspace: Workspace,
    settings: Settings,
    paths: Sequence[Path],
    *,
    track: Track = silent,
    should_stop: Callable[[], bool] = lambda: False,
) -> IngestReport:
    """Read files and folders into the archive; without any, all configured feeds.

    Files still being written are waited for briefly, then reported as incomplete. Interrupted at
    any moment, the same call brings the archive to the same content.

    Raises:
        IngestError: a path does not exist.
        ArchiveError: the archive or the catalog cannot be written.
    """
    offers = find_files(workspace, settings, paths)
    complete, waiting = _wait_until_complete(offers, should_stop)
    incomplete = [
        FileReport(str(offer.path), FileState.INCOMPLETE, problem=reason)
        for offer, reason in waiting.items()
    ]
    with Session(workspace, settings) as session:
        reports = session.read([offer.path for offer in complete], should_stop)
        files = list(track(reports, "Reading files", total=len(complete)))
    ordered = sorted([*files, *incomplete], key=lambda report: report.path)
    return IngestReport(tuple(ordered), stopped=len(files) < len(complete))


@dataclass
class _Account:
    """A file while it is being read."""

    file: FileStamp | None = None
    known: bool = False
    tally: Tally | None = None
    pending: list[DecodedFrame] = field(default_factory=list)
    fates: dict[tuple[str, object, int], Fate] = field(default_factory=dict)
    missing: int = 0
    warnings: dict[str, None] = field(default_factory=dict)


class Session:
    """An open archive and catalog, and warm decoders; reads any number of files."""

    def __init__(self, workspace: Workspace, settings: Settings) -> None:
        self._workspace = workspace
        self._archive = create_archive(workspace, settings)
        self._catalog = open_catalog(workspace, settings)
        self._recipe = Recipe(
            settings.grid.grid(),
            settings.archive.variables,
            timedelta(hours=settings.archive.step_hours),
            workspace.root / "cache" / "weights",
        )
        self._pool = DecoderPool(
            self._recipe, settings.ingest.workers, settings.ingest.timeout_seconds
        )
        self._accounts: dict[str, _Account] = {}

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.__exit__()
        self._catalog.dispose()

    def read(
        self, paths: Sequence[Path], should_stop: Callable[[], bool] = lambda: False
    ) -> Iterator[FileReport]:
        """Read files and yield a report as each ends; stops early if told to."""
        unread = []
        for path in paths:
            if self._untouched(path):
                yield FileReport(str(path), FileState.KNOWN)
            else:
                unread.append(str(path))
        self._accounts = {path: _Account() for path in unread}
        for event in self._pool.run(unread, self._go_on):
            report = self._note(event)
            if report is not None:
                _log.info(
                    "%s %s", report.state.value, report.path, extra={"report": report.as_json()}
                )
                yield report
            if should_stop():
                return

    def _untouched(self, path: Path) -> bool:
        try:
            status = path.stat()
        except OSError:
            return False
        content = content_of(
            self._catalog, str(path), status.st_size, status.st_mtime_ns, self._recipe.checksum
        )
        return content is not None and not lost_frames(self._archive, self._catalog, content)

    def _go_on(self, file: FileStamp) -> bool:
        account = self._accounts[file.path]
        account.file = file
        account.known = was_read(
            self._catalog, file.sha256, self._recipe.checksum
        ) and not lost_frames(self._archive, self._catalog, file.sha256)
        return not account.known

    def _note(self, event: Event) -> FileReport | None:
        account = self._accounts[event.path]
        match event.item:
            case DecodedFrame():
                account.pending.append(event.item)
                if len(account.pending) >= _FRAMES_PER_COMMIT:
                    self._commit(account)
            case Tally():
                account.tally = event.item
            case Done():
                self._commit(account)
                return self._finished(event.path, account)
            case Failed():
                self._commit(account)
                return self._failed(event.path, account, event.item)
        return None

    def _commit(self, account: _Account) -> None:
        if not account.pending:
            return
        for item, fate in commit(self._archive, self._catalog, account.pending):
            origin = item.origin
            key = (origin.variable, origin.valid_time, origin.field)
            # Decoded again after a crash, a file meets its own frames: the first fate counts.
            account.fates.setdefault(key, fate)
            account.missing = max(account.missing, origin.missing_points)
            account.warnings.update(dict.fromkeys(item.warnings))
        account.pending.clear()

    def _finished(self, path: str, account: _Account) -> FileReport:
        assert account.file is not None
        if account.known:
            report = FileReport(path, FileState.KNOWN)
        else:
            assert account.tally is not None
            quarantine(self._workspace.quarantine, account.file, account.tally.refusals)
            report = _report(path, FileState.READ, account)
        remember_file(
            self._catalog,
            path=path,
            size=account.file.size,
            mtime_ns=account.file.mtime_ns,
            sha256=account.file.sha256,
            recipe=self._recipe.checksum,
            messages=report.fields,
            report=report.as_json(),
        )
        return report

    def _failed(self, path: str, account: _Account, failed: Failed) -> FileReport:
        if account.file is not None and failed.crashed:
            whole = Refusal(0, account.file.size, failed.reason)
            quarantine(self._workspace.quarantine, account.file, [whole])
        return _report(path, FileState.REFUSED, account, failed.reason)


def _report(path: str, state: FileState, account: _Account, problem: str = "") -> FileReport:
    tally = account.tally or Tally(0, 0, Counter(), ())
    return FileReport(
        path=path,
        state=state,
        fields=tally.fields,
        damaged=tally.damaged,
        verdicts=tally.verdicts,
        frames=Counter(account.fates.values()),
        missing_points=account.missing,
        warnings=tuple(account.warnings)[:_WARNINGS_KEPT],
        problem=problem,
    )


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
        time.sleep(max(pauses) + 0.05)
    return [offer for offer in offers if offer not in waiting], waiting
