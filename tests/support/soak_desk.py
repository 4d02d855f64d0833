"""The desk under soak: settings, weather, ways to fill its disk and to lock its databases."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from desk import grid_section
from soak_plan import Plan

from met2net_ops.grids import LatLonGrid
from met2net_ops.naturerun.generate import frames
from met2net_ops.naturerun.run import NatureRun
from met2net_ops.times import HOUR

GRID = LatLonGrid(78.75, 0.0, 22.5, 22.5, 8, 16, "soak")
NAMES = ("t2m", "msl")
MODEL = "persistence-24h"  # its leads are the frames of its window: one wrong frame shows
LEADS = 6
BEFORE = 40  # hours of frames that are there at the start
CATCH_UP = 3
TRUNCATION = 10
START = datetime(2028, 2, 20, tzinfo=UTC)  # a leap day is on the way


def values(feed: Path, *, verify: bool) -> dict[str, Any]:
    """The settings of the desk."""
    return {
        "grid": grid_section(GRID),
        "archive": {"variables": list(NAMES)},
        "feeds": [
            {"name": "feed", "path": str(feed), "pattern": "*.grib2", "settle_seconds": 0.0}
        ],
        # One decoder, so that files come into the archive in order.
        "ingest": {"workers": 1},
        "forecast": {"model": MODEL, "leads": LEADS, "max_gap_frames": 1},
        "gate": {"max_spread_ratio": 50.0, "min_spread_ratio": 0.001},
        "verification": {"thresholds": [], "neighbourhoods": []},
        "schedules": [
            {"model": MODEL, "cron": "0 * * * *", "deadline_minutes": 90.0, "expire_hours": 8.0}
        ],
        "serve": {
            "catch_up": CATCH_UP, "memory_mb": 700, "tick_seconds": 60.0, "attempts": 6,
            # Real seconds; on a busy machine a verification takes more than a forecast.
            "timeout_seconds": 20.0 if verify else 10.0, "stop_seconds": 10.0,
            "verify": verify, "verify_minutes": 60.0, "verify_days": 0.25,
        },
        "retention": {"archive_days": 3, "products_days": 2},
    }  # fmt: skip


def weather(plan: Plan, seed: int) -> Iterator[tuple[datetime, Any]]:
    """Hourly fields of the synthetic atmosphere, from `BEFORE` hours before the plan's start on."""
    first = plan.start - BEFORE * HOUR
    run = NatureRun(seed, first - HOUR, TRUNCATION)  # it starts at rest, half an hour later
    return frames(run, run.step(run.start()), plan.hours + BEFORE, GRID, NAMES)


def sabotage_json(plan: Plan) -> str:
    """As `soak_service` reads it."""
    return json.dumps(
        {f"{plan.start + hour * HOUR:%Y%m%d%H}": ways for hour, ways in plan.sabotage.items()}
    )


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """Not a page is left on that file system."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as stream:
        for size in (1 << 20, 1 << 12):
            try:
                while True:
                    stream.write(bytes(size))
            except OSError:
                continue
    try:
        yield
    finally:
        ballast.unlink()


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """No one else can write there."""
    connection = sqlite3.connect(database, isolation_level=None, timeout=30)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.rollback()
        connection.close()
