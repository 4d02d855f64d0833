"""The live demonstration: a centre publishes synthetic weather, and the service fetches it.

The clock of both begins some days ago and runs faster until it has caught up with the machine's;
from then on, everything goes at its real pace.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import TYPE_CHECKING

from met2net_ops.centre.objects import Objects
from met2net_ops.centre.server import Centre, serving
from met2net_ops.durable import replacing
from met2net_ops.errors import SettingsError
from met2net_ops.feeds.source import find_source
from met2net_ops.naturerun.generate import frames, run_for
from met2net_ops.naturerun.restart import state_at
from met2net_ops.paths import WorkspacePaths
from met2net_ops.service.ledger.reader import open_ledger_reader
from met2net_ops.service.ledger.states import GOOD
from met2net_ops.times import HOUR
from met2net_ops.workspace import create_workspace, find_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from met2net_ops.grids import LatLonGrid
    from met2net_ops.naturerun.run import AtmosphereState, NatureRun
    from met2net_ops.progress import Track
    from met2net_ops.service.clock import Clock
    from met2net_ops.workspace import Workspace

SEED = 2026
FEED_NAME = "live-demo"
SOURCE = "synthetic-gfs"
LIVE_MODEL = "naturerun-5p625"
BACK = timedelta(days=2)  # how long ago the clock begins, and how many days are there already
SPEED = 720.0  # an hour in five seconds
_PUBLISHES = timedelta(days=366)
_KEPT = 200  # hours in memory


class ReplayClock:
    """Begins in the past and runs faster until it shows the machine's time; a service's `Clock`."""

    def __init__(self, start: datetime, speed: float = SPEED) -> None:
        self._start, self._speed, self._began = start, speed, time.monotonic()

    def now(self) -> datetime:
        """Its time, aware UTC; never after the machine's."""
        gone = timedelta(seconds=(self.monotonic() - self._began) * self._speed)
        return min(self._start + gone, datetime.now(UTC))

    def monotonic(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()

    def seconds_until(self, span: float) -> float:
        """How many real seconds `span` seconds of this clock take."""
        behind = datetime.now(UTC) - self.now()
        return span / self._speed if behind > timedelta(0) else span


class Weather:
    """Hours of the synthetic atmosphere, made as they are asked for, in any order nearby."""

    def __init__(
        self, run: NatureRun, state: AtmosphereState, grid: LatLonGrid, variables: tuple[str, ...]
    ) -> None:
        hours = _PUBLISHES // HOUR
        self._made: dict[datetime, Mapping[str, NDArray[np.float32]]] = {}
        self._frames = (
            (at, dict(zip(variables, values, strict=True)))
            for at, values in frames(run, state, hours, grid, variables)
        )
        self._lock = threading.Lock()

    def __call__(self, valid_time: datetime) -> Mapping[str, NDArray[np.float32]]:
        """Variable → field.

        Raises:
            KeyError: the time lies before the first hour, or so long ago that it was given up.
        """
        with self._lock:
            while valid_time not in self._made:
                at, fields = next(self._frames)
                if at > valid_time:
                    raise KeyError(valid_time)
                self._made[at] = fields
                self._made.pop(at - _KEPT * HOUR, None)
            return self._made[valid_time]


def open_live_demo(root: Path, model: str) -> Workspace:
    """The workspace of the live demonstration, made where there is none.

    Raises:
        SettingsError: a workspace of another kind is there, or it cannot be made.
    """
    paths = WorkspacePaths(root.expanduser().resolve())
    if not paths.settings_file.exists():
        feed = {"name": FEED_NAME, "source": SOURCE, "base_url": "http://127.0.0.1:1"}
        values = {
            "feeds": [{**feed, "days": BACK / timedelta(days=1)}],
            "products": {"institution": "met2net-ops demonstration"},
            "schedules": [{"model": model, "cron": "0 */6 * * *"}],
            "serve": {"tick_seconds": 600.0},
        }
        create_workspace(paths.root, values)
    own = paths.root / "sources" / f"{SOURCE}.toml"
    if not own.exists():
        own.parent.mkdir(exist_ok=True)
        with replacing(own, text=True) as stream:
            stream.write(_source_text())
    workspace = find_workspace(paths.root)
    if [feed.name for feed in workspace.settings.feeds] != [FEED_NAME]:
        raise SettingsError(
            f"{workspace.root} is not a workspace of the live demonstration and is left as it is. "
            "Name another directory with --workspace."
        )
    return workspace


def _source_text() -> str:
    """The source gfs under another name, for its weather is not that of NOAA."""
    shipped = files("met2net_ops.feeds").joinpath("sources", "gfs.toml").read_text(encoding="utf-8")
    ours = {
        "name": SOURCE,
        "title": "The synthetic atmosphere, published as GFS is",
        "licence": "none needed",
        "attribution": "Contains synthetic weather of met2net-ops, of no real place",
    }
    head, rest = shipped.split("\n\n", 1)
    kept = [line for line in head.splitlines() if line.partition(" = ")[0] not in ours]
    lines = [*(f'{key} = "{text}"' for key, text in ours.items()), *kept, "", rest]
    return "\n".join(lines)


def replay_start(workspace: Workspace, now: datetime) -> datetime:
    """When the clock begins: some days ago, or where the demonstration ended before."""
    start = now - BACK
    if workspace.paths.ledger.exists():
        for model in {schedule.model for schedule in workspace.settings.schedules}:
            for cycle in open_ledger_reader(workspace.paths).cycles(model, states=GOOD, limit=1):
                start = max(start, cycle.published_at or start)
    return min(start, now)


@contextmanager
def live_centre(workspace: Workspace, clock: Clock, track: Track) -> Iterator[Workspace]:
    """A centre on this machine for as long as the block lasts.

    Args:
        workspace: of the live demonstration; it keeps the state of the atmosphere.
        clock: by which the centre publishes.
        track: shows how the atmosphere spins up.

    Yields:
        The workspace with settings that point to the centre.
    """
    settings = workspace.settings
    first = clock.now() - BACK - 12 * HOUR
    first = first.replace(hour=first.hour // 6 * 6, minute=0, second=0, microsecond=0)
    run = run_for(SEED, first)
    kept = workspace.root / f"atmosphere-{run.epoch:%Y%m%d}.npz"
    state = state_at(run, first, kept, track=track)
    grid, source = settings.grid.grid(), find_source(SOURCE, workspace.root / "sources")
    weather = Weather(run, state, grid, settings.archive.variables)
    last = first + _PUBLISHES - max(source.analysis_leads) * HOUR - HOUR
    objects = Objects(source, weather, settings.archive.variables, grid, first, last)
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        serving(Centre(objects, clock.now), listener) as url,
    ):
        feed = settings.feeds[0].model_copy(update={"base_url": url})
        yield workspace.with_settings(settings.model_copy(update={"feeds": (feed,)}))
