"""Which products there are, by model and cycle, from their names alone."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from met2net_ops.paths import WorkspacePaths

_FOLDERS = 4  # model, year, month, day
_REJECTED = ".rejected.nc"
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
    first = () if since is None else tuple(f"{since:%Y/%m/%d}".split("/"))
    last = ("9999",) if until is None else tuple(f"{until:%Y/%m/%d}".split("/"))
    models = _names(paths.products) if model is None else [model]
    entries = [
        entry
        for name in models
        for folder in _days(paths.products / name, (), first, last)
        for file in _names(folder)
        if file.endswith(_REJECTED) == rejected  # before anything that takes longer
        and (entry := _entry(folder, file)) is not None
        and (since is None or entry.reference_time >= since)
        and (until is None or entry.reference_time <= until)
    ]
    return sorted(entries, key=lambda entry: (entry.reference_time, entry.model))


def _days(
    folder: Path, date: tuple[str, ...], first: tuple[str, ...], last: tuple[str, ...]
) -> Iterator[Path]:
    """Folders of the days of a period, by year, month and day; others are not read."""
    if len(date) == _FOLDERS - 1:
        yield folder
        return
    for name in _names(folder):
        below = (*date, name)
        if first[: len(below)] <= below <= last[: len(below)]:
            yield from _days(folder / name, below, first, last)


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
    entries = (_entry(folder, name) for name in _names(folder))
    published = [entry for entry in entries if entry is not None and not entry.rejected]
    return max(published, key=lambda entry: entry.reference_time, default=None)


def _names(folder: Path) -> list[str]:
    """What lies in a folder, by name; nothing in one removed meanwhile, or in a file."""
    try:
        with os.scandir(folder) as found:
            return sorted(item.name for item in found)
    except (FileNotFoundError, NotADirectoryError):
        return []


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


def _entry(folder: Path, name: str) -> ProductEntry | None:
    match = _NAME.fullmatch(name)
    cycle = None if match is None or name[0] == "." else cycle_in(match["cycle"])
    if match is None or cycle is None:
        return None
    rejected = match["rejected"] is not None
    return ProductEntry(match["model"], cycle, folder / name, rejected)
