"""The service's log: stderr, and a file of JSON lines for each day."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from met2net_ops.logs import JsonFormatter, LogFile, configure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from met2net_ops.paths import WorkspacePaths

_NAME = "serve-{:%Y-%m-%d}.jsonl"


@contextmanager
def log_daily(
    paths: WorkspacePaths, *, json_lines: bool = False, quiet: bool = False
) -> Iterator[None]:
    """Log from INFO on to stderr and to `logs/serve-YYYY-MM-DD.jsonl`, by the day in UTC.

    Args:
        paths: whose `logs/`.
        json_lines: JSON on stderr too.
        quiet: only warnings and worse on stderr.
    """
    logger = configure(logging.INFO, json_lines=json_lines)
    if quiet:
        for screen in logger.handlers:
            screen.setLevel(logging.WARNING)
    handler = _DailyFile(paths.logs)
    handler.setFormatter(JsonFormatter())
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()


class _DailyFile(logging.Handler):
    """Appends to the file of the day a record was made on."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._name = ""
        self._file: LogFile | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line; an error of the disk is reported on stderr."""
        name = _NAME.format(datetime.fromtimestamp(record.created, UTC))
        try:
            if self._file is None or name != self._name:
                self.close_file()
                self._folder.mkdir(parents=True, exist_ok=True)
                self._file = LogFile(self._folder / name)
                self._file.setFormatter(self.formatter)
                self._name = name
        except OSError:
            self.handleError(record)
            return
        self._file.emit(record)

    def close_file(self) -> None:
        """Close the file of the day."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def close(self) -> None:
        """Close for good."""
        self.close_file()
        super().close()
