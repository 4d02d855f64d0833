"""The baselines that forecasts are compared with, and which frames they repeat."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

PERSISTENCE = "persistence"
PERSISTENCE_24H = "persistence-24h"
CLIMATOLOGY = "climatology"

_DAY = timedelta(days=1)


def baseline_times(reference_time: datetime, lead: timedelta) -> dict[str, datetime]:
    """Which frames persistence and 24-hour persistence repeat for a lead.

    >>> from met2net_ops.times import parse_time
    >>> times = baseline_times(parse_time("2026-11-22T06"), timedelta(hours=30))
    >>> times["persistence"].hour, str(times["persistence-24h"])
    (6, '2026-11-21 12:00:00+00:00')
    """
    days = -(-lead // _DAY)
    return {PERSISTENCE: reference_time, PERSISTENCE_24H: reference_time + lead - days * _DAY}
