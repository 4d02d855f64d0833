"""A small workspace to serve: persistence on an hourly schedule, and ways to fill the archive."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import desk
import numpy as np

from met2net_ops.grids import LatLonGrid
from met2net_ops.service.clock import SystemClock
from met2net_ops.service.ledger.events import CycleEvent
from met2net_ops.service.ledger.reader import LedgerReader, open_ledger_reader
from met2net_ops.service.ledger.records import Cycle
from met2net_ops.service.monitoring.listeners import Listeners
from met2net_ops.service.service import Service
from met2net_ops.settings import load_settings
from met2net_ops.times import HOUR

GRID = LatLonGrid(60.0, 0.0, 15.0, 30.0, 6, 12, "little")
NAMES = ("t2m", "msl")
MODEL = "persistence"
OPENER = "met2net_ops.models.serving:open_model"
QUICK = {
    "retry_seconds": 0.05,
    "tick_seconds": 0.5,
    "stop_seconds": 5.0,
    "catch_up": 2,
    "verify": False,
}
_MEAN = {"t2m": 280.0, "msl": 101_300.0}


def hour_of(now: datetime) -> datetime:
    """The full hour before."""
    return now.replace(minute=0, second=0, microsecond=0)


@dataclass
class Desk(desk.Desk):
    """A desk that is served."""

    def fill(self, first: datetime, hours: int, names: Sequence[str] = NAMES) -> None:
        """Write hourly frames from `first` on."""
        self.write(_field, [first + index * HOUR for index in range(hours)], names)

    @cached_property
    def ledger(self) -> LedgerReader:
        return open_ledger_reader(self.workspace)

    def cycle(self, time_: datetime, model: str = MODEL) -> Cycle:
        found = self.ledger.cycle(model, time_)
        assert found is not None, f"{model} {time_} is not in the ledger"
        return found

    def rewrite(self, **sections: dict[str, Any] | list[dict[str, Any]]) -> None:
        """Write met2net.toml anew with other sections."""
        from met2net_ops.settings import settings_text

        text = settings_text(values(**sections))
        self.workspace.settings_file.write_text(text, encoding="utf-8")
        self.settings = load_settings(self.workspace.settings_file)

    def service(self, **options: Any) -> Service:
        return Service(self.opened, **{"opener": OPENER, **options})


def _field(name: str, time_: datetime) -> np.ndarray:
    phase = 2 * np.pi * (np.arange(GRID.nlon) - time_.timestamp() / 3600) / GRID.nlon
    field = _MEAN[name] * (1 + 0.01 * np.sin(phase) * np.ones((GRID.nlat, 1)))
    return field.astype(np.float32)


def values(**sections: Any) -> dict[str, Any]:
    """Sections of met2net.toml for a quick desk."""
    return {
        "grid": desk.grid_section(GRID),
        "archive": {"variables": list(NAMES)},
        "forecast": {"leads": 3, "model": MODEL},
        "verification": {"thresholds": []},
        "feeds": [{"name": "feed", "path": "feed", "pattern": "*.grib2", "settle_seconds": 0.0}],
        "schedules": [
            {"model": MODEL, "cron": "0 * * * *", "deadline_minutes": 90.0, "expire_hours": 12.0}
        ],
        **sections,
        "serve": {**QUICK, **sections.get("serve", {})},
    }


def make_desk(folder: Path, **sections: Any) -> Desk:
    """A desk with an empty archive."""
    return Desk.make(folder, values(**sections))


@contextmanager
def serving(service: Service) -> Iterator[Service]:
    """Runs a service in a thread and stops it at the end."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            service.run()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield service
    finally:
        service.stop()
        thread.join(60)
        assert not thread.is_alive()
    if failed:
        raise failed[0]


def eventually(what: Callable[[], object], seconds: float = 90.0) -> Any:
    """Wait until something holds, and return it."""
    end = time.monotonic() + seconds
    while True:
        value = what()
        if value or time.monotonic() > end:
            assert value, f"still not so after {seconds} s"
            return value
        time.sleep(0.05)


class BentClock(SystemClock):
    """The machine's clock, moved by an offset that a test may change."""

    def __init__(self, now: datetime) -> None:
        self.offset = now - datetime.now(UTC)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def jump(self, by: timedelta) -> None:
        self.offset += by


def collected() -> tuple[list[CycleEvent], Listeners]:
    """Seams that keep the events."""
    events: list[CycleEvent] = []
    return events, Listeners(on_event=events.append)


def command(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    """A process of the command line."""
    environment = {**os.environ, **options.pop("env", {})}
    return subprocess.Popen(
        [sys.executable, "-m", "met2net_ops.cli.main", *arguments],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        **options,
    )
