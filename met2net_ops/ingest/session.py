"""An open archive and catalog, fed by the decoders: what each file comes to."""

from __future__ import annotations

import logging
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from met2net_ops.catalog.files import (
    FileRow,
    holds_other_content,
    known_content,
    known_file,
    remember_files,
)
from met2net_ops.ingest.commit import Fate, commit, lost_frames
from met2net_ops.ingest.messages import DecodedFrame, Done, Failed, FieldRefusal, FileStamp, Tally
from met2net_ops.ingest.quarantine import quarantine
from met2net_ops.ingest.report import FileReport, FileState, known_report, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from met2net_ops.catalog.files import KnownFile
    from met2net_ops.ingest.pool import DecoderPool, PoolEvent
    from met2net_ops.workspace import Workspace

_FRAMES_PER_COMMIT = 64
_SECONDS_PER_COMMIT = 1.0
_WARNINGS_KEPT = 5

_log = logging.getLogger(__name__)


@dataclass
class _Account:
    """A file while it is being read."""

    path: str
    file: FileStamp | None = None
    known: KnownFile | None = None  # its content was read before
    tally: Tally | None = None
    end: Done | Failed | None = None
    fates: dict[tuple[str, object, int], Fate] = field(default_factory=dict)
    missing: int = 0
    warnings: dict[str, None] = field(default_factory=dict)

    def note(self, item: DecodedFrame, fate: Fate) -> None:
        """What became of one of its frames."""
        origin = item.origin
        # Decoded again after a crash, a file meets its own frames: the first fate counts.
        self.fates.setdefault((origin.variable, origin.valid_time, origin.field), fate)
        self.missing = max(self.missing, origin.missing_points)
        self.warnings.update(dict.fromkeys(item.warnings))

    def report(self) -> FileReport:
        """The account, closed."""
        if self.known is not None:
            return known_report(self.path, self.known.report)
        tally = self.tally or Tally(0, 0, Counter(), ())
        failed = self.end if isinstance(self.end, Failed) else None
        return FileReport(
            path=self.path,
            state=FileState.REFUSED if failed else FileState.READ,
            fields=tally.fields,
            damaged=tally.damaged,
            verdicts=tally.verdicts,
            frames=Counter(self.fates.values()),
            missing_points=self.missing,
            warnings=tuple(self.warnings)[:_WARNINGS_KEPT],
            problem=failed.reason if failed else "",
        )


class Session:
    """Reads any number of files into one workspace.

    Frames of several files are written together: what costs time is making each write durable.
    """

    def __init__(self, workspace: Workspace, pool: DecoderPool) -> None:
        self._workspace = workspace
        self._archive = workspace.create_archive()
        self._catalog = workspace.create_catalog()
        self._pool = pool
        self._recipe = pool.recipe.checksum
        self._accounts: dict[str, _Account] = {}
        self._pending: list[DecodedFrame] = []
        self._flushed = time.monotonic()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self._catalog.dispose()

    def read(
        self, paths: Sequence[Path], should_stop: Callable[[], bool] = lambda: False
    ) -> Iterator[FileReport]:
        """Read files and yield a report for each; stops early if told to.

        Raises:
            ArchiveError: the archive or the catalog cannot be written.
            IngestError: refused bytes cannot be put into quarantine.
        """
        unread = []
        for path in paths:
            if refused := _unspeakable(path):
                yield refused
                continue
            known = self._untouched(path)
            if known is None:
                unread.append(str(path))
            else:
                yield known_report(str(path), known.report)
        self._accounts = {path: _Account(path) for path in unread}
        self._pending = []
        self._flushed = time.monotonic()
        for event in self._pool.run(unread, self._go_on, should_stop):
            self._note(event)
            if self._due():
                yield from self._flush()
        yield from self._flush()

    def _untouched(self, path: Path) -> KnownFile | None:
        try:
            status = path.stat()
        except OSError:
            return None
        known = known_file(
            self._catalog, str(path), status.st_size, status.st_mtime_ns, self._recipe
        )
        return self._unless_lost(known)

    def _go_on(self, file: FileStamp) -> bool:
        account = self._accounts[file.path]
        account.file = file
        known = None
        if not holds_other_content(self._catalog, file.path, file.sha256, self._recipe):
            known = known_content(self._catalog, file.sha256, self._recipe)
        account.known = self._unless_lost(known)
        return account.known is None

    def _unless_lost(self, known: KnownFile | None) -> KnownFile | None:
        """What is known of a file, unless frames it gave are gone and it has to be read again."""
        if known is None or lost_frames(self._archive, self._catalog, known.sha256):
            return None
        return known

    def _note(self, event: PoolEvent) -> None:
        account = self._accounts[event.path]
        match event.item:
            case DecodedFrame():
                self._pending.append(event.item)
            case Tally():
                account.tally = event.item
            case Done() | Failed():
                account.end = event.item

    def _due(self) -> bool:
        if len(self._pending) >= _FRAMES_PER_COMMIT:
            return True
        ended = any(account.end for account in self._accounts.values())
        return ended and time.monotonic() - self._flushed >= _SECONDS_PER_COMMIT

    def _flush(self) -> Iterator[FileReport]:
        """Write the frames so far, then close the accounts of the files that have ended."""
        if self._pending:
            for item, fate in commit(self._archive, self._catalog, self._pending):
                self._accounts[item.origin.path].note(item, fate)
            self._pending = []
        ended = [account for account in self._accounts.values() if account.end]
        reports = [(account, account.report()) for account in ended]
        for account, report in reports:
            self._quarantine(account)
            _log.debug("%s %s", report.state, report.path, extra={"report": report.as_json()})
            del self._accounts[account.path]
        rows = [
            FileRow(
                path=report.path,
                size=account.file.size,
                mtime_ns=account.file.mtime_ns,
                sha256=account.file.sha256,
                recipe=self._recipe,
                messages=report.fields,
                report=report.as_json(),
            )
            for account, report in reports
            if account.file is not None and isinstance(account.end, Done)
        ]
        if rows:
            remember_files(self._catalog, rows)
        self._flushed = time.monotonic()
        yield from (report for _, report in reports)

    def _quarantine(self, account: _Account) -> None:
        if account.file is None:
            return
        refusals = list(account.tally.refusals) if account.tally else []
        if isinstance(account.end, Failed) and account.end.crashed:
            refusals.append(FieldRefusal(0, account.file.size, account.end.reason))
        if refusals:
            quarantine(self._workspace.paths.quarantine, account.file, refusals)


def _unspeakable(path: Path) -> FileReport | None:
    """The refusal of a file whose name no database and no terminal takes; None for all others."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        problem = "its name is not UTF-8, so that it cannot be remembered; rename it"
        return FileReport(shown(path), FileState.REFUSED, problem=problem)
    return None
