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
    workspace: WorkspacePaths,
    *,
    model: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    rejected: bool = False,
) -> list[ProductEntry]:
    """Products of a workspace, oldest cycle first, then by model.

    Args:
        workspace: where to look.
        model: only of this model.
        since: earliest cycle.
        until: latest cycle, included.
        rejected: list those the gate refused instead of those published.
    """
    found = (_entry(path) for path in _files(workspace.products, _FOLDERS, since, until))
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


def _entry(path: Path) -> ProductEntry | None:
    match = _NAME.fullmatch(path.name)
    if match is None or path.name.startswith("."):
        return None
    try:
        cycle = datetime.strptime(match["cycle"], "%Y%m%d%H").replace(tzinfo=UTC)
    except ValueError:
        return None
    return ProductEntry(match["model"], cycle, path, rejected=match["rejected"] is not None)
