"""What happens in a soak: when which file comes, and what goes wrong in which hour, from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import numpy as np
from soak_model import WAYS

from met2net_ops.naturerun.faults import Fault, FaultRates, Planned, plan_faults
from met2net_ops.times import HOUR

ARRIVES = timedelta(minutes=5)  # after the valid time
DOWN_HOURS = 5


class Trouble(StrEnum):
    """What goes wrong around the service; the ways in which its child goes wrong come on top."""

    KILLED = "service killed"
    DISK_FULL = "disk full"
    LEDGER_LOCKED = "ledger locked"
    CATALOG_LOCKED = "catalog locked"
    CLOCK_AHEAD = "clock ahead"
    CLOCK_BACK = "clock back"
    RELOAD = "reload"
    BAD_RELOAD = "bad reload"
    DOWN = "down for hours"


@dataclass(frozen=True)
class Arrival:
    """A file that comes.

    Attributes:
        at: when.
        name: of the file.
        hour: which hour's fields are in it, counted from the start.
        planned: how it is spoiled, if at all.
    """

    at: datetime
    name: str
    hour: int
    planned: Planned


@dataclass(frozen=True)
class Plan:
    """A whole soak.

    Attributes:
        start: the first cycle.
        hours: how many there are.
        arrivals: by time.
        sabotage: hour → how the child goes wrong, one way per attempt.
        troubles: hour → what goes wrong around the service.
        verify: whether forecasts are verified, too.
    """

    start: datetime
    hours: int
    arrivals: tuple[Arrival, ...]
    sabotage: dict[int, tuple[str, ...]]
    troubles: dict[int, Trouble]
    verify: bool = True

    def down(self, hour: int) -> bool:
        """Whether the service is down when that cycle is due."""
        return any(
            first < hour <= first + DOWN_HOURS
            for first, trouble in self.troubles.items()
            if trouble is Trouble.DOWN
        )


_GOOD = Planned(Fault.NONE, 0, 0)
RATES = FaultRates(late=0.06, missing=0.015, duplicate=0.05, truncated=0.02, damaged=0.02)


def short_plan(start: datetime) -> Plan:
    """The worst in a few hours, without verification."""
    sabotage = {1: ("kill",), 2: ("memory",)}
    troubles = {
        0: Trouble.CLOCK_AHEAD, 3: Trouble.DISK_FULL, 5: Trouble.KILLED, 6: Trouble.LEDGER_LOCKED,
        7: Trouble.CLOCK_BACK,
    }  # fmt: skip
    faults = {
        2: Planned(Fault.LATE, 1, 0), 3: Planned(Fault.DUPLICATE, 0, 0),
        6: Planned(Fault.DAMAGED, 0, 5), 8: Planned(Fault.MISSING, 0, 0),
    }  # fmt: skip
    hours = 11
    plan = [faults.get(hour, _GOOD) for hour in range(hours)]
    arrivals = _arrivals(start, plan, frozenset({6}))
    return Plan(start, hours, arrivals, sabotage, troubles, verify=False)


def long_plan(start: datetime, days: int, seed: int, kills_until: float = 0.6) -> Plan:
    """Everything in any order, drawn from a seed.

    After `kills_until` of the time the service is neither killed nor stopped, so that one process
    lives long enough to show whether its memory grows.
    """
    hours = 24 * days
    rng = np.random.default_rng([seed, 99])
    sabotage: dict[int, tuple[str, ...]] = {}
    troubles: dict[int, Trouble] = {}
    quiet = 0
    calm = [t for t in Trouble if t not in (Trouble.KILLED, Trouble.DOWN)]
    for hour in range(1, hours):
        if hour < quiet or rng.random() > 0.12:
            continue
        if rng.random() < 0.4:
            count = int(rng.integers(1, 4))  # fewer than there are attempts
            sabotage[hour] = tuple(str(way) for way in rng.choice(WAYS, count))
        elif hour < kills_until * hours:
            share = [0.45 if t is Trouble.KILLED else 0.55 / (len(Trouble) - 1) for t in Trouble]
            troubles[hour] = [*Trouble][int(rng.choice(len(share), p=share))]
        else:
            troubles[hour] = calm[int(rng.integers(len(calm)))]
        if troubles.get(hour) is Trouble.DOWN:
            quiet = hour + DOWN_HOURS + 2
    drawn = plan_faults(hours, RATES, seed)
    down = frozenset(
        first + n
        for first, trouble in troubles.items()
        if trouble is Trouble.DOWN
        for n in range(-6, DOWN_HOURS + 1)  # a late file of before would come meanwhile
    )
    plan = [_GOOD if hour in down else item for hour, item in enumerate(drawn)]
    again = frozenset(int(hour) for hour in np.flatnonzero(rng.random(hours) < 0.6))
    return Plan(start, hours, _arrivals(start, plan, again), sabotage, troubles)


def _arrivals(start: datetime, plan: list[Planned], again: frozenset[int]) -> tuple[Arrival, ...]:
    """When what comes; spoiled files of the hours in `again` come once more, whole."""
    arrivals = []
    for hour, item in enumerate(plan):
        valid = start + hour * HOUR
        name = f"naturerun_{valid:%Y%m%d%H}"
        on_time = Arrival(valid + ARRIVES, f"{name}.grib2", hour, item)
        match item.fault:
            case Fault.MISSING:
                continue
            case Fault.LATE:
                arrivals.append(Arrival(on_time.at + item.delay * HOUR, on_time.name, hour, _GOOD))
            case Fault.DUPLICATE:
                later = Arrival(on_time.at + HOUR, f"{name}_again.grib2", hour, _GOOD)
                arrivals += [on_time, later]
            case Fault.TRUNCATED | Fault.DAMAGED:
                arrivals.append(on_time)
                if hour in again:
                    arrivals.append(Arrival(on_time.at + 2 * HOUR, on_time.name, hour, _GOOD))
            case _:
                arrivals.append(on_time)
    return tuple(sorted(arrivals, key=lambda arrival: (arrival.at, arrival.name)))
