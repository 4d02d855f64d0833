"""Logging through the standard library: lines for people on a terminal, JSON lines in service.

Modules log with `logging.getLogger(__name__)` and pass facts as `extra={"cycle": …}`; only a
program's entry point calls `configure`, never an import.
"""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

from met2net_ops.permissions import owner_and_group
from met2net_ops.visible import json_text, visible

if TYPE_CHECKING:
    from collections.abc import Mapping
    from io import TextIOWrapper
    from pathlib import Path

_ROOT = "met2net_ops"
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def configure(
    level: int = logging.WARNING, *, json_lines: bool = False, file: Path | None = None
) -> logging.Logger:
    """Send this package's log to stderr, and to a file of JSON lines where one is given.

    Calling it again replaces what was configured before; other libraries' logs are left alone.

    Args:
        level: what is worth a line: commands print their results themselves and log only
            warnings, a service logs from INFO on.
        json_lines: JSON on stderr too, as a service manager wants it.
        file: where to append JSON lines as well; its folder is created.

    Returns:
        The package's logger.
    """
    logger = logging.getLogger(_ROOT)
    for old in logger.handlers[:]:
        logger.removeHandler(old)
        old.close()
    logger.setLevel(level)
    logger.propagate = False
    screen = _StderrHandler()
    screen.setFormatter(JsonFormatter() if json_lines else HumanFormatter())
    logger.addHandler(screen)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        kept = LogFile(file)
        kept.setFormatter(JsonFormatter())
        logger.addHandler(kept)
    return logger


class JsonFormatter(logging.Formatter):
    """One JSON object per record: time, level, logger, event, then the facts."""

    def format(self, record: logging.LogRecord) -> str:
        """The record on one line, whatever it carries."""
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **_facts(record),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json_text(entry)


class HumanFormatter(logging.Formatter):
    """`12:03:04 warning  message  key=value`, UTC."""

    def format(self, record: logging.LogRecord) -> str:
        """The record on one line, control characters escaped; a traceback follows on its own."""
        clock = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%SZ")
        facts = "".join(f"  {key}={value}" for key, value in _facts(record).items())
        line = visible(f"{clock} {record.levelname.lower():8}{record.getMessage()}{facts}")
        if record.exc_info:
            line += "\n" + visible(self.formatException(record.exc_info), keep="\n")
        return line


def _facts(record: logging.LogRecord) -> Mapping[str, object]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


class LogFile(logging.FileHandler):
    """Appends to a file that its owner and group may read."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, encoding="utf-8")

    def _open(self) -> TextIOWrapper:
        return open(self.baseFilename, "a", encoding=self.encoding, opener=owner_and_group)


class _StderrHandler(logging.StreamHandler[TextIO]):
    """Writes to whatever stderr is now: progress bars put themselves in front of it."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr
