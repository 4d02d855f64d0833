"""The demonstration: a workspace whose feed is the synthetic atmosphere, on fixed days.

Its weather (seed 2026) is no part of what the shipped models were trained, chosen or tested on.
`naturerun/demo.npz` holds its state at `FEED_START`, so that nothing needs to spin up; this writes
it again after a change of the synthetic atmosphere (half a minute):

    met2net-ops naturerun feed --seed 2026 --start 2026-11-18T07 --hours 1 --out FOLDER
        --state met2net_ops/naturerun/demo.npz
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from met2net_ops import naturerun
from met2net_ops.errors import SettingsError
from met2net_ops.naturerun.dynamics import GRAVITY
from met2net_ops.naturerun.feed import FeedOptions, deliver_feed
from met2net_ops.naturerun.fields import sampler
from met2net_ops.naturerun.generate import run_for
from met2net_ops.naturerun.restart import load_state
from met2net_ops.naturerun.run import STEP
from met2net_ops.naturerun.stations import Network, make_network, reports, write_reports
from met2net_ops.paths import WorkspacePaths
from met2net_ops.progress import Track, silent
from met2net_ops.times import HOUR, time_range
from met2net_ops.verification.inputs.surface import Surface, write_surface
from met2net_ops.workspace import create_workspace, find_workspace

if TYPE_CHECKING:
    from met2net_ops.naturerun.run import AtmosphereState, NatureRun
    from met2net_ops.settings import Settings
    from met2net_ops.workspace import Workspace

SEED = 2026
FEED_NAME = "naturerun-demo"
CYCLES = tuple(datetime(2026, 11, 19, hour, tzinfo=UTC) for hour in (6, 12, 18))
CYCLES += (datetime(2026, 11, 20, tzinfo=UTC),)
LEADS = 48
STATIONS = 100
HOURS_PER_FILE = 6
SURFACE = "surface.nc"
FEED_START = CYCLES[0] - HOUR * 23  # 24-hour persistence starts from a day of frames
FEED_STOP = CYCLES[-1] + HOUR * LEADS


def open_demo(root: Path) -> Workspace:
    """The demonstration's workspace, made where there is none.

    Raises:
        SettingsError: a workspace of another kind is there, or it cannot be made.
    """
    paths = WorkspacePaths(root.expanduser().resolve())
    if not paths.settings_file.exists():
        feed = {"name": FEED_NAME, "path": "feed", "pattern": "*.grib2", "settle_seconds": 0.0}
        values = {
            "feeds": [feed],
            "products": {"institution": "met2net-ops demonstration"},
            "verification": {"surface": SURFACE},
        }
        create_workspace(paths.root, values)
    workspace = find_workspace(paths.root)
    settings = workspace.settings
    if [feed.name for feed in settings.feeds] != [FEED_NAME]:
        raise SettingsError(
            f"{workspace.root} is not a workspace of the demonstration and is left as it is. "
            "Name another directory with --workspace."
        )
    if settings.verification.surface == SURFACE and not (workspace.root / SURFACE).exists():
        _write_surface(workspace.root / SURFACE, settings)
    return workspace


def _write_surface(path: Path, settings: Settings) -> None:
    """Write height and land fraction of the synthetic atmosphere's surface for verification."""
    grid = settings.grid.grid()
    ground = sampler(run_for(SEED, FEED_START), grid)
    surface = Surface(ground.geopotential / GRAVITY, ground.land)
    write_surface(path, grid, surface, "the synthetic atmosphere of met2net-ops, no real place")


def deliver(workspace: Workspace, start: datetime, stop: datetime, track: Track = silent) -> int:
    """Deliver the analyses from start to stop, both included; files that are there stay.

    Args:
        workspace: the demonstration's.
        start: `FEED_START`, or a multiple of `HOURS_PER_FILE` later.
        stop: the last valid time.
        track: progress.

    Returns:
        How many files were new.
    """
    folder = workspace.root / workspace.settings.feeds[0].path
    starts = time_range(start, stop, HOUR * HOURS_PER_FILE)
    missing = [first for first in starts if not (folder / _file_name(first)).exists()]
    if not missing:
        return 0
    run = run_for(SEED, FEED_START)
    options = FeedOptions(
        workspace.settings.grid.grid(),
        workspace.settings.archive.variables,
        hours_per_file=HOURS_PER_FILE,
    )
    hours = (stop - missing[0]) // HOUR + 1
    deliver_feed(folder, run, _state_at(run, missing[0]), hours, options, track=track)
    return len(missing)


def deliver_reports(workspace: Workspace, track: Track = silent) -> Path:
    """Write the reports of the synthetic stations over the whole time of the feed.

    Returns:
        The file of reports; one that is there already stays as it is.
    """
    path = workspace.root / workspace.settings.observations.folder / "synthetic_stations.csv"
    if not path.exists():
        run = run_for(SEED, FEED_START)
        network = Network(run, make_network(STATIONS, SEED))
        hours = (FEED_STOP - FEED_START) // HOUR + 1
        write_reports(path, reports(network, run, _state_at(run, FEED_START), hours, track=track))
    return path


def _file_name(first: datetime) -> str:
    return f"naturerun_{first:%Y%m%d%H}.grib2"


def _state_at(run: NatureRun, time: datetime) -> AtmosphereState:
    state = load_state(Path(naturerun.__file__).with_name("demo.npz"), run)
    for _ in range((time - state.time) // STEP):
        state = run.step(state)
    return state
