"""What is looked at in a soak: products, cycles, processes, and what is left on the disk."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import psutil
from soak_mirror import Expected

from met2net_ops.products.header import ProductHeader
from met2net_ops.products.read import read_fields
from met2net_ops.service.ledger.records import Cycle
from met2net_ops.service.ledger.states import CycleState, ExitKind
from met2net_ops.times import format_time

_LONG = 48  # samples of one process from which on a trend can be told
_DEBRIS = ("products/**/.*.tmp", ".*.partial/*", "quarantine/.*")


@dataclass(frozen=True)
class Vitals:
    """What the service's process held at some time."""

    at: datetime
    pid: int
    memory: int
    files: int
    threads: int


def plainly(state: CycleState) -> str:
    """A state as the mirror says it."""
    match state:
        case CycleState.PUBLISHED | CycleState.VERIFIED:
            return "published"
        case CycleState.EXPECTED | CycleState.READY | CycleState.RUNNING:
            return f"still {state}"
        case _:
            return str(state)


def unlike(path: Path, right: Path) -> list[str]:
    """How a product differs from the right one: its frames, or any value."""
    header, found = read_fields(path)
    wanted, due = read_fields(right)
    if _inputs(header) != _inputs(wanted):
        return [f"{path.name} was made from other frames than the right ones"]
    if not np.array_equal(found, due):
        return [f"{path.name} holds other values than it should"]
    return []


def _inputs(header: ProductHeader) -> list[tuple[object, ...]]:
    return [(one.variable, one.time, one.sha256, one.filled) for one in header.inputs]


def wrong_with(cycle: Cycle, expected: Expected | None, rollouts: int) -> list[str]:
    """What is wrong with a cycle in the end.

    Args:
        cycle: as the ledger has it.
        expected: what should have become of it.
        rollouts: how often its forecast was begun.
    """
    name = format_time(cycle.reference_time)
    if expected is None:
        return [f"{name} should not be in the ledger"]
    wrong = []
    if plainly(cycle.state) != expected.state:
        wrong.append(f"{name} ended as {cycle.state}, not {expected.state}")
    if expected.was_late and cycle.late_at is None:
        wrong.append(f"{name} was late, and nobody was told")
    kinds = Counter(attempt.kind for attempt in cycle.attempts)
    out = kinds[ExitKind.PUBLISHED] + kinds[ExitKind.UNCHANGED]
    if out != (1 if expected.state == "published" else 0):
        wrong.append(f"{name} was published {out} times")
    # A product that was out already can only be met after the service was killed.
    if kinds[ExitKind.UNCHANGED] and not kinds[ExitKind.LOST]:
        wrong.append(f"{name} ran again for no reason")
    if rollouts > (tries := len(cycle.attempts) - kinds[ExitKind.UNCHANGED]):
        wrong.append(f"{name} was computed {rollouts} times in {tries} attempts")
    return wrong


def flat(vitals: list[Vitals]) -> list[str]:
    """Whether the last process of a long soak grew: its last quarter against its second."""
    last = [one for one in vitals if one.pid == vitals[-1].pid]
    if len(last) < _LONG:
        return []
    quarter = len(last) // 4
    early, late = last[quarter : 2 * quarter], last[-quarter:]
    wrong = []
    before, after = (float(np.mean([one.memory for one in part])) for part in (early, late))
    if after > 1.1 * before:
        wrong.append(f"memory grew from {before / 1e6:.0f} to {after / 1e6:.0f} MB")
    for what in ("files", "threads"):
        before, after = (float(np.mean([getattr(one, what) for one in p])) for p in (early, late))
        if after > before + 3:
            wrong.append(f"{what} grew from {before:.1f} to {after:.1f}")
    return wrong


def debris(root: Path, mark: str) -> list[str]:
    """Half-written files in a workspace, and processes that outlived the service."""
    left = [f"left behind: {path}" for pattern in _DEBRIS for path in root.glob(pattern)]
    for process in psutil.process_iter():
        try:
            if process.environ().get("SOAK_ID") == mark:
                left.append(f"process {process.pid} is left: {process.cmdline()}")
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return left


def eventually(seconds: float, what: Callable[[], object]) -> bool:
    """Wait until something holds; False if it does not in that time."""
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            return False
        time.sleep(0.12)
    return True
