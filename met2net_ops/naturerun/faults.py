"""What goes wrong with real feeds, on request and by a seeded plan."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum

import numpy as np

from met2net_ops.errors import Met2NetOpsError


class Fault(StrEnum):
    """What happens to one file of a feed."""

    NONE = "none"
    LATE = "late"  # comes after one to six of the files that follow it
    MISSING = "missing"  # never comes
    DUPLICATE = "duplicate"  # comes a second time under another name
    TRUNCATED = "truncated"  # ends in the middle of a message
    DAMAGED = "damaged"  # some bytes inside are wrong


class FaultTextError(Met2NetOpsError):
    """A wish for faults was not written the way we read them."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class FaultRates:
    """The share of files that each fault befalls, 0 to 1; together at most 1."""

    late: float = 0.0
    missing: float = 0.0
    duplicate: float = 0.0
    truncated: float = 0.0
    damaged: float = 0.0

    def __post_init__(self) -> None:
        rates = [getattr(self, item.name) for item in fields(self)]
        if min(rates) < 0 or sum(rates) > 1 or not np.isfinite(sum(rates)):
            raise FaultTextError(f"fault rates must be 0 to 1 and add up to at most 1: {self}")


def parse_faults(text: str) -> FaultRates:
    """Read `late=0.1,missing=0.05`.

    Raises:
        FaultTextError: an unknown fault, no number, or too many faults.

    >>> parse_faults("late=0.1,missing=0.05").missing
    0.05
    """
    known = {item.name for item in fields(FaultRates)}
    rates: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = part.partition("=")
        try:
            rates[name.strip()] = float(number)
        except ValueError as error:
            raise FaultTextError(f"cannot read {part!r}; write it like late=0.1") from error
    if unknown := rates.keys() - known:
        raise FaultTextError(
            f"no fault is called {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}"
        )
    return FaultRates(**rates)


@dataclass(frozen=True, slots=True)
class Planned:
    """The fault of one file.

    Attributes:
        fault: what happens.
        delay: how many later files overtake it (LATE only).
        seed: chooses where the bytes are cut or damaged.
    """

    fault: Fault
    delay: int
    seed: int


def plan_faults(count: int, rates: FaultRates, seed: int) -> list[Planned]:
    """One entry per file, the same for the same seed.

    >>> plan = plan_faults(1000, FaultRates(missing=0.1), seed=1)
    >>> 60 < sum(p.fault is Fault.MISSING for p in plan) < 140
    True
    """
    rng = np.random.default_rng([seed, count])
    kinds = [Fault(item.name) for item in fields(rates)]
    shares = np.array([getattr(rates, item.name) for item in fields(rates)])
    chosen = np.searchsorted(np.cumsum(shares), rng.random(count), side="right")
    delays = rng.integers(1, 7, count)
    seeds = rng.integers(0, 2**31, count)
    plan = []
    for index, delay, own in zip(chosen, delays, seeds, strict=True):
        fault = kinds[index] if index < len(kinds) else Fault.NONE
        plan.append(Planned(fault, int(delay) if fault is Fault.LATE else 0, int(own)))
    return plan


def delivery_order(plan: list[Planned]) -> list[int]:
    """Indices of the files in the order they come; missing ones are left out.

    >>> delivery_order([Planned(Fault.LATE, 1, 0), Planned(Fault.NONE, 0, 0)])
    [1, 0]
    """
    coming = [i for i, item in enumerate(plan) if item.fault is not Fault.MISSING]
    return sorted(coming, key=lambda i: (i + plan[i].delay, plan[i].delay))


def spoil(data: bytes, planned: Planned) -> bytes:
    """The bytes as they arrive: cut or damaged if that is the plan, else unchanged.

    Damage falls behind the first 64 bytes, so that the first message still begins like one.
    """
    rng = np.random.default_rng(planned.seed)
    if planned.fault is Fault.TRUNCATED:
        return data[: int(len(data) * rng.uniform(0.2, 0.95))]
    if planned.fault is Fault.DAMAGED:
        spoiled = bytearray(data)
        for position in rng.integers(64, len(data), 8):
            spoiled[int(position)] ^= int(rng.integers(1, 256))
        return bytes(spoiled)
    return data
