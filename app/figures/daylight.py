"""When the sun is below the horizon."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.models.forcings import hour_angle_at_greenwich, solar_declination
from met2net_ops.times import naive_utc

if TYPE_CHECKING:
    from datetime import datetime

_STEP = np.timedelta64(1, "m")
_HORIZON = np.sin(np.deg2rad(-0.833))  # refraction, and half of the sun's disc


def nights(
    latitude: float, longitude: float, start: datetime, end: datetime
) -> list[tuple[np.datetime64, np.datetime64]]:
    """From sunset to sunrise, to the minute, within a period.

    >>> from met2net_ops.times import parse_time
    >>> day = parse_time("2026-03-20T00"), parse_time("2026-03-21T00")
    >>> [(str(a)[11:16], str(b)[11:16]) for a, b in nights(0.0, 0.0, *day)]
    [('00:00', '06:05'), ('18:12', '00:00')]
    """
    first, last = (np.datetime64(naive_utc(time), "ns") for time in (start, end))
    times = np.append(np.arange(first, last, _STEP), last)
    declination, lat = solar_declination(times), np.deg2rad(latitude)
    angle = hour_angle_at_greenwich(times) + np.deg2rad(longitude)
    height = np.sin(lat) * np.sin(declination) + np.cos(lat) * np.cos(declination) * np.cos(angle)
    dark = np.concatenate([[False], height < _HORIZON, [False]])
    changes = np.flatnonzero(dark[1:] != dark[:-1])
    return [
        (times[begin], times[min(finish, len(times) - 1)])
        for begin, finish in zip(changes[::2], changes[1::2], strict=True)
    ]
