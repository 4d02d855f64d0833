"""Whatever call fails while a model's process is started, watched or ended, it forecasts again."""

from __future__ import annotations

import errno
import os
import pickle
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from service_desk import MODEL, Desk, hour_of, make_desk
from troubled_model import LIGHT_OPENER

from met2net_ops.service.clock import SystemClock
from met2net_ops.service.ledger.states import ExitKind
from met2net_ops.service.workers import process, worker
from met2net_ops.service.workers.pipe import Inbox
from met2net_ops.service.workers.pool import WorkerPool
from met2net_ops.times import HOUR
from met2net_ops.workspace import Workspace

pytestmark = pytest.mark.timeout(400)
NOW = hour_of(SystemClock().now())

CALLS: dict[str, tuple[Any, str]] = {
    "temporary file": (tempfile, "TemporaryFile"),
    "make a pipe": (os, "pipe"),
    "set a pipe to non-blocking": (os, "set_blocking"),
    "spawn": (subprocess.Popen, "__init__"),
    "pack a job": (pickle, "dumps"),
    "write to a pipe": (os, "write"),
    "read from a pipe": (os, "read"),
    "take from the inbox": (Inbox, "take"),
    "poll": (subprocess.Popen, "poll"),
    "waitpid": (os, "waitpid"),
    "read its memory": (process.ChildProcess, "resident"),
    "kill": (subprocess.Popen, "kill"),
    "wait": (subprocess.Popen, "wait"),
    "sleep": (time, "sleep"),
    "read what it printed": (process, "tail_lines"),
    "close a descriptor": (os, "close"),
    "close the inbox": (Inbox, "close"),
}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return make_desk(
        tmp_path / "desk", serve={"recycle_runs": 1, "memory_mb": 4000}
    )  # ended after each run


@pytest.fixture
def pool(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkerPool]:
    support = Path(__file__).parents[2] / "support"
    monkeypatch.setenv("PYTHONPATH", str(support), prepend=os.pathsep)
    monkeypatch.setattr(worker, "_FIRST_WAIT_S", 0.05)
    workspace = Workspace(desk.workspace, desk.settings)
    made = WorkerPool(workspace, [MODEL], LIGHT_OPENER, SystemClock())
    yield made
    made.close()


def forecast(pool: WorkerPool, pause: Callable[[float], None], seconds: float = 60) -> ExitKind:
    """The next run, however long its process takes to open."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if MODEL in pool.idle and not pool.running:
            pool.submit(MODEL, NOW - HOUR, force=True)
        for model, cycle, result in pool.poll():
            assert (model, cycle) == (MODEL, NOW - HOUR)
            return result.kind
        pause(0.01)
    raise AssertionError(f"no run ended: {pool.running}, {pool.problems}")


@pytest.mark.parametrize("call", CALLS)
def test_calls_that_fail_wedge_nothing(
    pool: WorkerPool, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    pause = time.sleep
    assert forecast(pool, pause) is ExitKind.PUBLISHED
    owner, name = CALLS[call]
    original = getattr(owner, name)
    errors = [OSError(errno.EINVAL, "by design"), RuntimeError("by design")]

    def fail(*args: Any, **options: Any) -> Any:
        if errors:
            raise errors.pop()
        return original(*args, **options)

    monkeypatch.setattr(owner, name, fail)
    kinds = [forecast(pool, pause) for _ in range(3)]
    assert kinds[-1] is ExitKind.PUBLISHED
    assert not errors or call == "sleep"  # there is none where a killed process ends at once
    assert not pool.running
