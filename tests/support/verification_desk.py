"""A workspace with an archive of known waves and products with known errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import desk
import numpy as np

from met2net_ops.grids import LatLonGrid
from met2net_ops.products.header import ProductHeader
from met2net_ops.products.write import write_product

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
class Desk(desk.Desk):
    """A desk whose weather is known, and ways to fill it."""

    names: tuple[str, ...] = NAMES
    nature: Callable[[str, datetime], np.ndarray] = field(default=nature)

    def observe(self, first: datetime, hours: int, names: tuple[str, ...] | None = None) -> None:
        times = [first + HOUR * i for i in range(hours)]
        wanted = self.names if names is None else names
        self.write(self.nature, times, wanted)

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
    return Desk.make(
        folder,
        {
            "grid": desk.grid_section(GRID),
            "archive": {"variables": list(names)},
            "verification": {"thresholds": ["t2m 281", "wind10 5"], "neighbourhoods": [3]},
            "regions": [
                {"name": "pacific", "north": 60.0, "south": -60.0, "west": 150.0, "east": -90.0}
            ],
        },
        names=names,
        nature=weather,
    )
