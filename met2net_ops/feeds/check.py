"""One small request to each source: whether it answers, and whether the clocks agree."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from met2net_ops.errors import FeedError
from met2net_ops.feeds.http import Host, NotPublishedError, Retries
from met2net_ops.feeds.plan import wanted_files

if TYPE_CHECKING:
    from datetime import datetime

    from met2net_ops.feeds.run import RemoteFeed

_SKEW = timedelta(minutes=2)
_ONCE = Retries(attempts=1, total=20.0)


@dataclass(frozen=True, slots=True)
class SourceAnswer:
    """What a source answered.

    Attributes:
        reachable: whether any mirror sent what it should have by now.
        finding: in words.
        skew: how far this machine's clock is ahead of the host's; None if the host does not say.
    """

    reachable: bool
    finding: str
    skew: timedelta | None = None


def ask_source(feed: RemoteFeed, now: datetime) -> SourceAnswer:
    """Request the newest file that should be there by now, its index if it has one.

    Args:
        feed: whose mirrors are asked, in their order, until one answers.
        now: aware UTC.
    """
    source = feed.source
    files = wanted_files(source, feed.variables, now - timedelta(days=2), now)
    due = [file for file in files if file.deadline <= now]
    if not due:
        return SourceAnswer(False, f"{source.name} has none of the archive's variables")
    file, why = due[-1], []
    for mirror in source.mirrors:
        name = source.fields[file.variables[0]].name
        url = mirror.address(file.reference_time, file.lead, name)
        try:
            with Host(mirror, retries=_ONCE, timeout=10.0) as host:
                reply = host.head(url if source.index == "none" else mirror.index_address(url))
        except NotPublishedError as error:
            why.append(f"{mirror.name} answers, but {error}")
        except FeedError as error:
            why.append(f"{mirror.name}: {error}")
        else:
            skew = None if reply.date is None else now - reply.date
            if skew is not None and abs(skew) > _SKEW:
                ahead = "ahead of" if skew > timedelta(0) else "behind"
                finding = f"{mirror.name} answers; this clock is {abs(skew)} {ahead} its clock"
                return SourceAnswer(False, finding, skew)
            return SourceAnswer(True, f"{mirror.name} has {file}", skew)
    return SourceAnswer(False, "; ".join(why))
