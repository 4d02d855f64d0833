"""Which products there are, by model and cycle, from their names alone."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from met2net_ops.paths import WorkspacePaths

_FOLDERS = 4  # model, year, month, day
_NAME = re.compile(r"(?P<model>.+)_(?P<cycle>\d{10})(?P<rejected>\.rejected)?\.nc")


@dataclass(frozen=True, slots=True)
class ProductEntry:
    """A product on disk.

    Attributes:
        model: name of the forecaster.
        reference_time: its cycle.
        path: the file.
        rejected: whether the gate kept it from being published.
    """

    model: str
    reference_time: datetime
    path: Path
    rejected: bool = False


def list_products(
    paths: WorkspacePaths,
    *,
    model: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    rejected: bool = False,
) -> list[ProductEntry]:
    """Products of a workspace, oldest cycle first, then by model.

    Args:
        paths: where to look.
        model: only of this model.
        since: earliest cycle.
        until: latest cycle, included.
        rejected: list those the gate refused instead of those published.
    """
    found = (_entry(path) for path in _files(paths.products, _FOLDERS, since, until))
    entries = [
        entry
        for entry in found
        if entry is not None
        and entry.rejected == rejected
        and (model is None or entry.model == model)
        and (since is None or entry.reference_time >= since)
        and (until is None or entry.reference_time <= until)
    ]
    return sorted(entries, key=lambda entry: (entry.reference_time, entry.model))


def newest_product(paths: WorkspacePaths, model: str | None = None) -> ProductEntry | None:
    """The published product of the newest cycle; None if there is none.

    Folders of older days are not read.

    Args:
        paths: where to look.
        model: only of this model.
    """
    models = [model] if model is not None else _names(paths.products)
    found = (_newest_of(paths.products / name, _FOLDERS - 1) for name in models)
    entries = [entry for entry in found if entry is not None]
    return max(entries, key=lambda entry: (entry.reference_time, entry.model), default=None)


def _newest_of(folder: Path, depth: int) -> ProductEntry | None:
    if depth:
        below = (_newest_of(folder / name, depth - 1) for name in reversed(_names(folder)))
        return next((entry for entry in below if entry is not None), None)
    entries = (_entry(folder / name) for name in _names(folder))
    published = [entry for entry in entries if entry is not None and not entry.rejected]
    return max(published, key=lambda entry: entry.reference_time, default=None)


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _files(
    root: Path, depth: int, since: datetime | None, until: datetime | None
) -> Iterator[Path]:
    """Files so many folders below, of days in a period; folders removed meanwhile have none.

    Folders of other years, months and days are not read: a short period costs the same in a
    workspace of any age.
    """
    for folder, inner, names in os.walk(root, followlinks=True):
        below = Path(folder).relative_to(root).parts
        if len(below) == depth:
            inner.clear()
            yield from (Path(folder) / name for name in names)
        elif below:  # [model, year, month]
            inner[:] = [name for name in inner if _overlaps((*below[1:], name), since, until)]


def _overlaps(date: tuple[str, ...], since: datetime | None, until: datetime | None) -> bool:
    """Whether a year, month or day, as in `("2026", "11")`, has something of a period."""
    first = () if since is None else tuple(f"{since:%Y/%m/%d}".split("/")[: len(date)])
    last = date if until is None else tuple(f"{until:%Y/%m/%d}".split("/")[: len(date)])
    return first <= date <= last


def cycle_in(digits: str) -> datetime | None:
    """The reference time in a file's name; None if there is no such time.

    >>> cycle_in("2026112006")
    datetime.datetime(2026, 11, 20, 6, 0, tzinfo=datetime.timezone.utc)
    >>> cycle_in("2026133006")
    """
    year, month, day, hour = digits[:4], digits[4:6], digits[6:8], digits[8:]
    try:  # far quicker than strptime, which matters with years of names
        return datetime(int(year), int(month), int(day), int(hour), tzinfo=UTC)
    except ValueError:
        return None


def _entry(path: Path) -> ProductEntry | None:
    match = _NAME.fullmatch(path.name)
    cycle = None if match is None or path.name[0] == "." else cycle_in(match["cycle"])
    if match is None or cycle is None:
        return None
    return ProductEntry(match["model"], cycle, path, rejected=match["rejected"] is not None)
