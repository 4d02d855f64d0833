"""The state of a deployment in six short texts, to be read from three metres."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from met2net_ops.app.data.operations import age
from met2net_ops.service.monitoring.status import Level
from met2net_ops.times import format_time

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from met2net_ops.app.data.operations import FeedState
    from met2net_ops.service.monitoring.status import DeploymentStatus

_FULL = 0.95  # of a disk: from here on it is a trouble


class Mood(StrEnum):
    """How to take a tile."""

    GOOD = "good"
    POOR = "poor"
    BAD = "bad"
    PLAIN = "plain"  # neither


SIGNS = {Mood.GOOD: "✓", Mood.POOR: "▲", Mood.BAD: "✕", Mood.PLAIN: ""}
_MOODS = {Level.FINE: Mood.GOOD, Level.LATE: Mood.POOR, Level.FAILING: Mood.BAD}


@dataclass(frozen=True, slots=True)
class Tile:
    """One of them.

    Attributes:
        label: what it is about.
        value: in one or two words.
        detail: a few more; "" for none.
        mood: its colour and sign.
    """

    label: str
    value: str
    detail: str = ""
    mood: Mood = Mood.PLAIN


def service_tile(found: DeploymentStatus | None) -> Tile:
    """What `met2net-ops status` says; None where cycles are made by hand."""
    if found is None:
        return Tile("Service", "by hand", "no schedule")
    first = found.reasons[0] if found.reasons else ""
    return Tile("Service", str(found.level), first, _MOODS.get(found.level, Mood.POOR))


def newest_tile(newest: datetime | None, now: datetime) -> Tile:
    """The last good cycle and its age."""
    if newest is None:
        return Tile("Last good cycle", "none", mood=Mood.POOR)
    return Tile("Last good cycle", f"{newest:%d %b %H} UTC", age(newest, now))


def next_tile(following: datetime | None, now: datetime) -> Tile:
    """The next cycle and how long until then.

    >>> from met2net_ops.times import parse_time
    >>> next_tile(parse_time("2026-11-22T06"), parse_time("2026-11-22T04:48")).value
    'in 1 h 12 min'
    """
    if following is None:
        return Tile("Next cycle", "none", "none is scheduled")
    return Tile("Next cycle", f"in {_duration(following - now)}", format_time(following))


def feeds_tile(feeds: Sequence[FeedState], now: datetime) -> Tile:
    """How many of them can be read, and the newest file."""
    bad = [feed for feed in feeds if feed.problem]
    newest = max((feed.newest for feed in feeds if feed.newest), default=None)
    detail = f"newest file {age(newest, now)}" if newest else "no file yet"
    if bad:
        return Tile("Feeds", f"{len(bad)} of {len(feeds)} gone", bad[0].name, Mood.BAD)
    return Tile("Feeds", f"{len(feeds)} read", detail, Mood.GOOD if newest else Mood.PLAIN)


def trend_tile(name: str, week: float | None, month: float | None, unit: str) -> Tile:
    """An error of the newest 7 days beside that of the newest 30.

    >>> trend_tile("t2m", 1.1, 1.0, "K")
    Tile(label='Verification', value='+10 %', detail='t2m RMSE 1.10 K in 7 days, 1.00 K in 30', \
mood=<Mood.POOR: 'poor'>)
    """
    if week is None or month is None or not month > 0:
        return Tile("Verification", "none", "nothing verified")
    change = week / month - 1
    detail = f"{name} RMSE {week:.2f} {unit} in 7 days, {month:.2f} {unit} in 30"
    return Tile("Verification", f"{change:+.0%}".replace("%", " %"), detail,
                Mood.POOR if change > 0.05 else Mood.GOOD)  # fmt: skip


def disk_tile(free: int, total: int) -> Tile:
    """What is left.

    >>> disk_tile(5 * 10**9, 10**11).value
    '5.0 GB free'
    """
    used = 1 - free / total
    mood = Mood.BAD if used > _FULL else Mood.GOOD
    return Tile("Disk", f"{free / 1e9:.1f} GB free", f"{used:.0%} used".replace("%", " %"), mood)


def _duration(length: timedelta) -> str:
    minutes = max(0, int(length.total_seconds() // 60))
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {rest} min" if hours else f"{rest} min"
