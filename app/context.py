"""What every page is given: the workspace, its settings, and how its reader wants things shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from met2net_ops.app.units import Units

if TYPE_CHECKING:
    from datetime import datetime, tzinfo

    from met2net_ops.settings import Settings
    from met2net_ops.workspace import Workspace


@dataclass(frozen=True)
class PageContext:
    """What a page draws from.

    Attributes:
        workspace: where everything lies; pages only read.
        units: to show values in.
        zone: the reader's, for local times after UTC.
        wall: whether it is drawn for a screen on the wall.
    """

    workspace: Workspace
    units: Units = field(default_factory=Units)
    zone: tzinfo = UTC
    wall: bool = False

    @property
    def settings(self) -> Settings:
        """Settings of the workspace."""
        return self.workspace.settings


def zone_of(name: str | None) -> tzinfo:
    """The time zone a browser names; UTC where it names none that is known.

    >>> zone_of("Nowhere/../etc/passwd"), zone_of(None)
    (datetime.timezone.utc, datetime.timezone.utc)
    """
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def utc_and_local(time: datetime, zone: tzinfo) -> str:
    """A time for people: UTC first, then theirs where it differs.

    >>> from met2net_ops.times import parse_time
    >>> utc_and_local(parse_time("2026-11-22T23"), ZoneInfo("Europe/Berlin"))
    'Sun 2026-11-22 23:00 UTC (Mon 00:00 CET)'
    >>> utc_and_local(parse_time("2026-11-22T06"), UTC)
    'Sun 2026-11-22 06:00 UTC'
    """
    utc, local = time.astimezone(UTC), time.astimezone(zone)
    text = f"{utc:%a %Y-%m-%d %H:%M} UTC"
    if local.utcoffset() == utc.utcoffset():
        return text
    day = "" if local.date() == utc.date() else f"{local:%a} "
    return f"{text} ({day}{local:%H:%M %Z})"
