"""The service under soak, as a process: `python -m soak_service WORKSPACE CLOCK SABOTAGE`.

It is the service that `met2net-ops serve` runs, but for its clock, and for its models, which keep a
journal of rollouts and go wrong where the sabotage plan says so: a JSON object from cycle to a list
of ways, one per attempt.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from soak_clock import SetClock

from met2net_ops.forecast.forecaster import Forecaster, ForecasterSpec, LeadBlock, Runtime
from met2net_ops.models import serving
from met2net_ops.models.choose import choose_forecaster
from met2net_ops.models.specs import find_spec
from met2net_ops.service import book
from met2net_ops.service.daily_log import log_daily
from met2net_ops.service.life import Life
from met2net_ops.service.service import Service
from met2net_ops.settings import Settings, load_settings
from met2net_ops.workspace import Workspace

SABOTAGE = "SOAK_SABOTAGE"
BUSY_S = 1.0  # how long the ledger is waited for; less than in earnest, so that a lock lasts longer
WAYS = ("kill", "segfault", "exit", "error", "hang", "memory")


@dataclass
class Saboteur:
    """A forecaster that goes wrong in the middle of a rollout, where it is told to."""

    inner: Forecaster
    folder: Path

    @property
    def spec(self) -> ForecasterSpec:
        return self.inner.spec

    @property
    def runtime(self) -> Runtime:
        return self.inner.runtime

    def rollout(
        self, window: NDArray[np.float32], reference_times: Sequence[datetime], leads: int
    ) -> Iterator[LeadBlock]:
        cycle = reference_times[0]
        warming = leads == 1
        if not warming:
            self._note(cycle, "begin")
        for block in self.inner.rollout(window, reference_times, leads):
            yield block
            if not warming:
                self._sabotage(cycle)
        if not warming:
            self._note(cycle, "end")

    def _note(self, cycle: datetime, what: str) -> None:
        line = f"{cycle:%Y%m%d%H} {what} {os.getpid()}\n".encode()
        journal = os.open(self.folder / "journal", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(journal, line)
        os.close(journal)

    def _sabotage(self, cycle: datetime) -> None:
        plan = json.loads((self.folder / "sabotage.json").read_text())
        for number, way in enumerate(plan.get(f"{cycle:%Y%m%d%H}", [])):
            done = self.folder / f"done-{cycle:%Y%m%d%H}-{number}"
            if not done.exists():
                done.touch()
                go_wrong(way)


def go_wrong(way: str) -> None:
    """One of `WAYS`."""
    match way:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "segfault":
            ctypes.string_at(0)
        case "exit":
            os._exit(3)
        case "error":
            raise RuntimeError("sabotage")
        case "hang":
            time.sleep(3600)
        case "memory":
            held = []
            while True:
                held.append(np.ones(4_000_000))
                time.sleep(0.02)


def open_model(
    workspace: Workspace, settings: Settings, model: str
) -> tuple[ForecasterSpec, Callable[[Any], object]]:
    """What the service opens models with, here."""

    def choose(*arguments: Any) -> Saboteur:
        return Saboteur(choose_forecaster(*arguments), Path(os.environ[SABOTAGE]))

    serving.choose_forecaster = choose  # type: ignore[assignment]
    return serving.open_model(workspace, settings, model)


def main() -> None:
    root, clock_file, folder = map(Path, sys.argv[1:4])
    os.environ[SABOTAGE] = str(folder)
    workspace = Workspace(root)
    settings = load_settings(workspace)
    clock = SetClock(clock_file)
    book._BUSY_TIMEOUT_S = BUSY_S
    life = Life(workspace, partial(find_spec, workspace, settings))
    with log_daily(workspace), contextlib.suppress(KeyboardInterrupt):
        service = Service(
            workspace, settings, opener="soak_service:open_model", clock=clock, seams=life.seams
        )
        signal.signal(signal.SIGTERM, lambda *_: service.stop())
        signal.signal(signal.SIGHUP, lambda *_: service.reload())
        service.run()


if __name__ == "__main__":
    main()
