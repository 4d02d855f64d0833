"""Where everything of one deployment lies, below its root directory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

SETTINGS_NAME = "met2net.toml"


@dataclass(frozen=True, slots=True)
class WorkspacePaths:
    """Where everything of one deployment lies."""

    root: Path

    @property
    def settings_file(self) -> Path:
        """The configuration people edit."""
        return self.root / SETTINGS_NAME

    @property
    def archive(self) -> Path:
        """Zarr frames."""
        return self.root / "archive.zarr"

    @property
    def catalog(self) -> Path:
        """SQLite: what was ingested, what replaced what."""
        return self.root / "catalog.sqlite"

    @property
    def ledger(self) -> Path:
        """SQLite: the cycles of the service, and all that became of them."""
        return self.root / "cycles.sqlite"

    @property
    def products(self) -> Path:
        """NetCDF forecasts."""
        return self.root / "products"

    @property
    def observations(self) -> Path:
        """Raw station reports and their flags."""
        return self.root / "observations"

    @property
    def verification(self) -> Path:
        """Stored sums."""
        return self.root / "verification"

    @property
    def statics(self) -> Path:
        """Height of the surface and land fraction on the archive's grid, where they are known."""
        return self.root / "statics.nc"

    @property
    def training(self) -> Path:
        """Training runs; what they make goes to `models`."""
        return self.root / "training"

    @property
    def models(self) -> Path:
        """Model folders of this deployment."""
        return self.root / "models"

    @property
    def logs(self) -> Path:
        """JSON-lines logs of the service."""
        return self.root / "logs"

    @property
    def quarantine(self) -> Path:
        """Damaged bytes, each beside a reason."""
        return self.root / "quarantine"

    @property
    def cache(self) -> Path:
        """What can be computed again, such as remapping weights."""
        return self.root / "cache"

    @property
    def folders(self) -> tuple[Path, ...]:
        """What `create_workspace` makes; the rest appears when there is something to put in."""
        return (
            self.products,
            self.observations,
            self.verification,
            self.models,
            self.logs,
            self.quarantine,
        )

    def product(self, model: str, reference_time: datetime) -> Path:
        """The file of one model and cycle."""
        folder = self.products / model / f"{reference_time:%Y}/{reference_time:%m}"
        return folder / f"{reference_time:%d}" / f"{model}_{reference_time:%Y%m%d%H}.nc"
