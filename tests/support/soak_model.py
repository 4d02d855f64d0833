"""The models under soak: they keep a journal of rollouts, and go wrong where a plan says so.

A module of its own, so that the process of a model does not import what only the service needs.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from met2net_ops.forecast.forecaster import Forecaster, ForecasterSpec, LeadBlock, Runtime
from met2net_ops.models import serving
from met2net_ops.models.selection import choose_forecaster
from met2net_ops.workspace import Workspace

SABOTAGE = "SOAK_SABOTAGE"
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


def open_model(workspace: Workspace, model: str) -> tuple[ForecasterSpec, Callable[[Any], object]]:
    """What the service opens models with, here."""

    def choose(*arguments: Any) -> Saboteur:
        return Saboteur(choose_forecaster(*arguments), Path(os.environ[SABOTAGE]))

    serving.choose_forecaster = choose  # type: ignore[assignment]
    return serving.open_model(workspace, model)
