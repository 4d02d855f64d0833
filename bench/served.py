"""From the last file of a window to the product on disk, through a running service.

Imported by `cycle.py`. A real service, its feeds watched and its model warm in a child process,
serves an hourly cycle; a GRIB file of four fields at 0.25° is renamed into the feed, and the clock
stops when the product lies in its place.
"""

from __future__ import annotations

import logging
import statistics
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter

from met2net_ops.grib.decode import GridCache
from met2net_ops.grib.header_cache import HeaderCache
from met2net_ops.grib.inventory import inventory
from met2net_ops.grib.reader import read_fields
from met2net_ops.grib.records import SourceField
from met2net_ops.grids import LatLonGrid
from met2net_ops.ingest.commit import commit
from met2net_ops.ingest.decoding import FileDecoder
from met2net_ops.ingest.fingerprint import DecodeSettings
from met2net_ops.ingest.messages import DecodedFrame
from met2net_ops.models.serving import OPENER
from met2net_ops.naturerun.grib import encode_field
from met2net_ops.paths import WorkspacePaths
from met2net_ops.remap.remapper import Remapper, choose_method
from met2net_ops.service.clock import SystemClock
from met2net_ops.service.service import Service
from met2net_ops.settings import Settings, load_settings
from met2net_ops.times import HOUR
from met2net_ops.variables import variable
from met2net_ops.workspace import Workspace, create_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

SOURCE = LatLonGrid(90.0, 0.0, 0.25, 0.25, 721, 1440, "0.25 degrees")
COLUMNS = (
    "notice", "inventory", "decode", "remap", "archive", "ledger", "window", "rollout", "gate",
    "write", "hand-over", "total",
)  # fmt: skip
_PATIENCE_S = 300.0


@dataclass
class BenchClock(SystemClock):
    """The machine's clock, moved to where the frames are."""

    offset: timedelta = field(default_factory=timedelta)

    def now(self) -> datetime:
        """Wall clock, aware UTC."""
        return datetime.now(UTC) + self.offset


class _Moments(logging.Handler):
    """When the service said what."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.said: dict[str, float] = {}
        self.seconds: Mapping[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Remember it."""
        self.said[record.getMessage()] = time.perf_counter()
        if record.getMessage() == "attempt ended":
            self.seconds = getattr(record, "seconds", {})


def served(
    folder: Path,
    grid: LatLonGrid,
    model: str,
    means: Mapping[str, tuple[float, float]],
    leads: int,
    repeat: int,
    prepare: Callable[[WorkspacePaths], None],
) -> dict[str, float]:
    """Median milliseconds per stage, over `repeat` cycles after one that warms everything up.

    Args:
        folder: an empty one.
        grid: of model and archive.
        model: its name.
        means: variable → mean and spread of the fields.
        leads: how many.
        repeat: how many cycles.
        prepare: puts the model into the workspace.
    """
    start = datetime(2026, 11, 22, tzinfo=UTC)
    workspace = create_workspace(folder / "desk", _values(grid, model, tuple(means), leads)).paths
    prepare(workspace)
    settings = load_settings(workspace.settings_file)
    archive = Workspace(workspace, settings).create_archive()
    for hour in range(12):
        for name, (mean, spread) in means.items():
            archive.write(name, start + hour * HOUR, _noise(grid, mean, spread, hour))
    clock = BenchClock(start + 11 * HOUR + timedelta(minutes=1) - datetime.now(UTC))
    moments = _Moments()
    logger = logging.getLogger("met2net_ops")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(moments)
    service = Service(Workspace(workspace, settings), opener=OPENER, clock=clock)
    thread = threading.Thread(target=service.run)
    thread.start()
    try:
        _await(lambda: workspace.product(model, start + 11 * HOUR).exists())
        rows = []
        for hour in range(12, 13 + repeat):
            clock.offset += HOUR
            data = _file(start + hour * HOUR, means, hour)
            time.sleep(2.5)  # as in life, the service is at rest when a file comes
            product = workspace.product(model, start + hour * HOUR)
            rows.append(_once(workspace, data, hour, product, moments))
    finally:
        service.stop()
        thread.join()
        logger.removeHandler(moments)
    parts = _ingest_parts(folder, settings, data)
    medians = {name: statistics.median(row[name] for row in rows[1:]) for name in rows[0]}
    medians["notice"] -= sum(parts.values())
    return {name: 1e3 * {**medians, **parts}[name] for name in COLUMNS}


def _once(
    workspace: WorkspacePaths, data: bytes, hour: int, product: Path, moments: _Moments
) -> dict[str, float]:
    """Deliver one file and watch what follows: seconds."""
    hidden = workspace.root / "feed" / f".{hour}.part"
    hidden.write_bytes(data)
    moments.said.clear()
    begin = time.perf_counter()
    hidden.replace(workspace.root / "feed" / f"{hour}.grib2")
    _await(product.exists)
    there = time.perf_counter()
    _await(lambda: "attempt ended" in moments.said)
    read, started = moments.said["file read"], moments.said["attempt begins"]
    stages = moments.seconds
    return {
        "notice": read - begin,
        "ledger": started - read,
        "window": stages["read"] + stages["window"],
        "rollout": stages["rollout"],
        "gate": stages["gate"],
        "write": stages["write"] + stages["verify"],
        "hand-over": there - started - sum(stages.values()),
        "total": there - begin,
    }


def _ingest_parts(folder: Path, settings: Settings, data: bytes) -> dict[str, float]:
    """Seconds of what happens to the same file inside the decoder and the archive, warm."""
    path = folder / "again.grib2"
    path.write_bytes(data)
    other = WorkspacePaths(folder / "other")
    archive = Workspace(other, settings).create_archive()
    catalog = Workspace(other, settings).create_catalog()
    names, grid = settings.archive.variables, settings.grid.grid()
    recipe = DecodeSettings(grid, names, HOUR, other.cache / "weights")
    decoder, remapper = FileDecoder(recipe), Remapper(grid, recipe.weights)
    headers, grids = HeaderCache(), GridCache()
    best: dict[str, float] = {}
    for _ in range(4):
        clock = [time.perf_counter()]

        def lap(since: list[float] = clock) -> float:
            since.append(time.perf_counter())
            return since[-1] - since[-2]

        stamp = decoder.stamp(path)
        listed = inventory(path, headers)
        took = {"inventory": lap()}
        found = [
            one
            for one in read_fields(path, names, inventory=listed, grids=grids)
            if isinstance(one, SourceField)
        ]
        took["decode"] = lap()
        for one in found:
            method = choose_method(one.grid, grid, variable(one.variable))
            remapper.weights(one.grid, method).apply(one.values)
        took["remap"] = lap()
        frames = [one for one in decoder.decode(stamp) if isinstance(one, DecodedFrame)]
        lap()
        for one in frames:
            archive.remove_frames([(one.origin.variable, one.origin.valid_time)])
        lap()
        commit(archive, catalog, frames)
        took["archive"] = lap()
        best = {name: min(best.get(name, took[name]), took[name]) for name in took}
    catalog.dispose()
    return best


def _values(grid: LatLonGrid, model: str, names: tuple[str, ...], leads: int) -> dict[str, object]:
    keys = ("name", "north", "west", "dlat", "dlon", "nlat", "nlon")
    return {
        "grid": {key: getattr(grid, key) for key in keys},
        "archive": {"variables": list(names)},
        "feeds": [{"name": "feed", "path": "feed", "pattern": "*.grib2", "settle_seconds": 0.0}],
        "forecast": {"model": model, "leads": leads},
        "gate": {"enabled": False},  # random weights forecast noise; the gate's work is the same
        "schedules": [{"model": model, "cron": "0 * * * *"}],
        "serve": {"verify": False},
    }


def _noise(grid: LatLonGrid, mean: float, spread: float, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(grid.shape)
    smooth = gaussian_filter(noise, max(3.0, 10.0 / grid.dlat / 4), mode="wrap")
    return (mean + spread * smooth / smooth.std()).astype(np.float32)


def _file(valid: datetime, means: Mapping[str, tuple[float, float]], seed: int) -> bytes:
    return b"".join(
        encode_field(name, valid, _noise(SOURCE, mean, spread, seed), SOURCE)
        for name, (mean, spread) in means.items()
    )


def _await(what: Callable[[], object]) -> None:
    end = time.monotonic() + _PATIENCE_S
    while not what():
        if time.monotonic() > end:
            raise TimeoutError("the service did not come to it; run with MET2NET_DEBUG=1")
        time.sleep(0.002)
