"""What an ingest did, file by file."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from met2net_ops.grib.records import VerdictKind

if TYPE_CHECKING:
    from pathlib import Path

    from met2net_ops.ingest.commit import Fate


def shown(path: Path) -> str:
    """A path as it can be printed: bytes that are not UTF-8 as escapes."""
    return os.fsencode(path).decode(errors="backslashreplace")


class FileState(StrEnum):
    """How a file ended."""

    READ = "read"
    KNOWN = "known"  # the same content was read before: its verdicts are those of then
    REFUSED = "refused"  # it could not be read to its end
    INCOMPLETE = "incomplete"  # it is still being written, or its done-marker is missing


@dataclass(frozen=True, slots=True)
class FileReport:
    """One file.

    Attributes:
        path: absolute.
        state: how it ended.
        fields: GRIB fields in it, sub-messages included.
        damaged: damaged byte ranges in it.
        verdicts: how many of both ended how and why; adds up to their number.
        frames: how many frames had which fate.
        missing_points: most points without a value in any of its frames.
        warnings: values outside the usual limits.
        problem: why it was refused or is incomplete, else "".
    """

    path: str
    state: FileState
    fields: int = 0
    damaged: int = 0
    verdicts: Counter[tuple[VerdictKind, str]] = field(default_factory=Counter)
    frames: Counter[Fate] = field(default_factory=Counter)
    missing_points: int = 0
    warnings: tuple[str, ...] = ()
    problem: str = ""

    def count(self, outcome: VerdictKind) -> int:
        """Fields and damaged ranges that ended so."""
        return sum(number for (ended, _), number in self.verdicts.items() if ended is outcome)

    def reasons(self, outcome: VerdictKind) -> Counter[str]:
        """Why, and how often."""
        reasons: Counter[str] = Counter()
        for (ended, reason), number in self.verdicts.items():
            if ended is outcome:
                reasons[reason] += number
        return reasons

    @property
    def refused_something(self) -> bool:
        """Whether it, or anything in it, was refused."""
        return self.state in _NOT_READ or self.count(VerdictKind.REFUSED) > 0

    def as_json(self) -> dict[str, Any]:
        """Plain data for scripts and the catalog."""
        return {
            "path": self.path,
            "state": self.state.value,
            "fields": self.fields,
            "damaged": self.damaged,
            "verdicts": [
                {"outcome": outcome.value, "reason": reason, "count": number}
                for (outcome, reason), number in self.verdicts.most_common()
            ],
            "frames": {fate.value: number for fate, number in self.frames.items()},
            "missing_points": self.missing_points,
            "warnings": list(self.warnings),
            "problem": self.problem,
        }


def known_report(path: str, remembered: dict[str, Any]) -> FileReport:
    """The report on a content that was read before.

    Its verdicts still hold, so that a refusal is not forgotten; nothing became of frames this time.

    Args:
        path: of the file now.
        remembered: `FileReport.as_json` of when it was read.
    """
    verdicts = Counter(
        {
            (VerdictKind(row["outcome"]), row["reason"]): row["count"]
            for row in remembered["verdicts"]
        }
    )
    return FileReport(path, FileState.KNOWN, remembered["fields"], remembered["damaged"], verdicts)


def unreadable_folder(path: Path, reason: str) -> FileReport:
    """The report on a folder that cannot be read."""
    problem = f"{shown(path)} cannot be read: {reason}; grant this user read permission"
    return FileReport(shown(path), FileState.REFUSED, problem=problem)


_NOT_READ = (FileState.REFUSED, FileState.INCOMPLETE)


@dataclass(frozen=True, slots=True)
class IngestReport:
    """All files of one ingest; `stopped` if it was asked to end before it was through."""

    files: tuple[FileReport, ...]
    stopped: bool = False

    @property
    def refused_something(self) -> bool:
        """Whether anything in any file was refused."""
        return any(file.refused_something for file in self.files)
