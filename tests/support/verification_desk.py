"""A workspace with an archive of known waves and products with known errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from met2net_ops.archive.frames import FrameArchive
from met2net_ops.grids import LatLonGrid
from met2net_ops.paths import WorkspacePaths
from met2net_ops.products.header import ProductHeader
from met2net_ops.products.write import write_product
from met2net_ops.settings import Settings, load_settings
from met2net_ops.workspace import Workspace, create_workspace

GRID = LatLonGrid(75.0, 0.0, 30.0, 45.0, 6, 8, "coarse")
NAMES = ("t2m", "u10", "v10")
START = datetime(2026, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)


def nature(name: str, time: datetime) -> np.ndarray:
    """A travelling wave with a diurnal cycle; differs by variable."""
    hours = (time - START) / HOUR
    lat, lon = np.meshgrid(GRID.latitudes, GRID.longitudes, indexing="ij")
    wave = np.sin(np.deg2rad(2 * lon - 3 * hours)) * np.cos(np.deg2rad(lat))
    daily = np.cos(2 * np.pi * hours / 24)
    match name:
        case "t2m":
            field = 280 - 0.2 * np.abs(lat) + 4 * wave + 3 * daily
        case "u10":
            field = 6 * wave + 2
        case _:
            field = 5 * np.cos(np.deg2rad(lon - 2 * hours)) + daily
    return field.astype(np.float32)


@dataclass
class Desk:
    """A workspace and ways to fill it."""

    workspace: WorkspacePaths
    settings: Settings
    archive: FrameArchive
    names: tuple[str, ...] = NAMES
    nature: Callable[[str, datetime], np.ndarray] = field(default=nature)

    def observe(self, first: datetime, hours: int, names: tuple[str, ...] | None = None) -> None:
        times = [first + HOUR * i for i in range(hours)]
        wanted = self.names if names is None else names
        self.archive.write_frames(
            [self.archive.encode(n, t, self.nature(n, t)) for n in wanted for t in times]
        )

    def forecast(
        self,
        cycle: datetime,
        error: Callable[[str, int], np.ndarray | float] = lambda name, lead: 0.1 * lead,
        model: str = "tester",
        leads: int = 6,
        grid: LatLonGrid = GRID,
    ) -> Path:
        """Publish a product that is nature plus `error(name, lead)`."""
        header = ProductHeader(
            model, "", cycle, HOUR, leads, self.names, grid, (), "cpu", "fp32", "0",
            datetime(2026, 1, 1, tzinfo=UTC),
        )  # fmt: skip
        values = np.stack(
            [
                np.stack([self.nature(n, cycle + HOUR * lead) + error(n, lead) for n in self.names])
                for lead in range(1, leads + 1)
            ]
        ).astype(np.float32)
        path = self.workspace.product(model, cycle)
        with write_product(path, header, self.settings.products) as writer:
            writer.write(1, values)
            writer.finish(header)
            writer.publish()
        return path


def make_desk(
    folder: Path,
    names: tuple[str, ...] = NAMES,
    weather: Callable[[str, datetime], np.ndarray] = nature,
) -> Desk:
    """An empty desk in that folder, for those variables of that weather."""
    grid = {
        key: getattr(GRID, key) for key in ("name", "north", "west", "dlat", "dlon", "nlat", "nlon")
    }
    workspace = create_workspace(
        folder,
        {
            "grid": grid,
            "archive": {"variables": list(names)},
            "verification": {"thresholds": ["t2m 281", "wind10 5"], "neighbourhoods": [3]},
            "regions": [
                {"name": "pacific", "north": 60.0, "south": -60.0, "west": 150.0, "east": -90.0}
            ],
        },
    ).paths
    settings = load_settings(workspace.settings_file)
    return Desk(
        workspace, settings, Workspace(workspace, settings).create_archive(), names, weather
    )
