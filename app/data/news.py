"""What readers of all pages have to hear: a newer run, a late or failed cycle, a feed gone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from met2net_ops.ingest.files import feed_folders
from met2net_ops.products.index import list_products
from met2net_ops.service.monitoring.status import Level, status
from met2net_ops.times import format_time

if TYPE_CHECKING:
    from datetime import datetime

    from met2net_ops.products.index import ProductEntry
    from met2net_ops.workspace import Workspace


@dataclass(frozen=True, slots=True)
class News:
    """What there is to say.

    Attributes:
        run: the newest forecast, if it came after the reader's last look.
        troubles: what is late, failed or gone, in words.
        failing: whether one of them is worse than late.
    """

    run: ProductEntry | None
    troubles: tuple[str, ...]
    failing: bool


def newest_run(
    workspace: Workspace, model: str | None, since: datetime | None
) -> ProductEntry | None:
    """The newest forecast, of a model or of any; only cycles from `since` on are looked at."""
    found = list_products(workspace.paths, model=model, since=since)
    return found[-1] if found else None


def news(workspace: Workspace, now: datetime, model: str | None, seen: datetime | None) -> News:
    """What happened since a reader looked.

    Args:
        workspace: which.
        now: the time.
        model: whose runs the reader looks at; None for any.
        seen: newest cycle they know of; None if none.

    Raises:
        ServiceError: the ledger cannot be read.
    """
    newest = newest_run(workspace, model, seen)
    fresh = newest if newest is not None and newest.reference_time != seen else None
    troubles = [
        f"feed {feed.name}: its folder is gone"
        for folder, feed in feed_folders(workspace).items()
        if not folder.is_dir()
    ]
    failing = bool(troubles)
    if workspace.paths.ledger.exists() or workspace.settings.schedules:
        found = status(workspace, now)
        troubles += found.reasons
        failing |= found.level is Level.FAILING
    return News(fresh, tuple(dict.fromkeys(troubles)), failing)


def title_of(run: ProductEntry) -> str:
    """For people."""
    return f"{run.model} of {format_time(run.reference_time)}"
