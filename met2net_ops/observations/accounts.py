"""The account of every imported file of station reports: what was taken, refused and lost."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from met2net_ops.observations.report import ObservationError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from met2net_ops.observations.report import LostValue, Reading, RecordRefusal


@dataclass(frozen=True)
class Import:
    """The account of one file.

    Attributes:
        name: the file's name.
        digest: of its bytes (hexadecimal).
        form: "bufr", "metar" or "csv".
        records: in the file.
        taken: how many of them became reports.
        values: in those reports.
        refused: reason → how many records.
        refusals: every refused record, "record 3 (station 06260): reason".
        first: earliest valid time, ISO 8601; "" without any.
        last: latest valid time.
        new: whether it was imported now; False if it had been already.
        error: why the file cannot be read at all; then nothing of it is kept.
        lost: reason → how many values, in reports that were taken without them.
        lost_values: each of them, "record 3 (station 06260): reason".
        notes: what had to be assumed to read the file.
    """

    name: str
    digest: str
    form: str
    records: int
    taken: int
    values: int
    refused: dict[str, int]
    first: str = ""
    last: str = ""
    new: bool = True
    refusals: tuple[str, ...] = ()
    error: str = ""
    lost: dict[str, int] = field(default_factory=dict)
    lost_values: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def account_of(reading: Reading, digest: str) -> Import:
    """The account of a file that was read and kept."""
    times = sorted(report.time for report in reading.reports)
    return Import(
        name=reading.path.name,
        digest=digest,
        form=reading.form,
        records=reading.records,
        taken=len(reading.reports),
        values=sum(len(report.values) for report in reading.reports),
        refused=dict(Counter(refusal.reason for refusal in reading.refusals)),
        first=times[0].isoformat() if times else "",
        last=times[-1].isoformat() if times else "",
        refusals=tuple(_described(refusal) for refusal in reading.refusals),
        lost=dict(Counter(value.reason for value in reading.lost)),
        lost_values=tuple(_described(value) for value in reading.lost),
        notes=reading.notes,
    )


def raise_unreadable(found: Sequence[Import]) -> None:
    """Raise one ObservationError that names all files that could not be read, if any."""
    errors = [item.error for item in found if item.error]
    if errors:
        others = len(found) - len(errors)
        kept = f"; {others} other files are imported" if others else ""
        raise ObservationError("\n".join(errors) + kept)


def unreadable_file(path: Path, error: str) -> Import:
    """The account of a file that cannot be read at all."""
    return Import(path.name, "", "unreadable", 0, 0, 0, {error: 1}, new=False, error=error)


def account_path(folder: Path, digest: str) -> Path:
    """Where the account of a file lies."""
    return folder / "imports" / f"{digest}.json"


def read_account(folder: Path, digest: str) -> Import | None:
    """The account of a file that was imported before; None if it was not.

    Raises:
        ObservationError: the account is damaged.
    """
    path = account_path(folder, digest)
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        for name in ("refusals", "lost_values", "notes"):
            values[name] = tuple(values.get(name, ()))
        return Import(**{**values, "new": False})
    except (ValueError, TypeError) as error:
        raise ObservationError(
            f"the account {path} is damaged ({error}); remove it and import the file again"
        ) from error


def _described(item: RecordRefusal | LostValue) -> str:
    station = f" (station {item.station})" if item.station else ""
    return f"record {item.record}{station}: {item.reason}"
