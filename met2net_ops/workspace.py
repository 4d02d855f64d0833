"""The workspace: one directory that holds one deployment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from met2net_ops.errors import SettingsError

if TYPE_CHECKING:
    from datetime import datetime

ENVIRONMENT_VARIABLE = "MET2NET_WORKSPACE"
SETTINGS_NAME = "met2net.toml"


@dataclass(frozen=True, slots=True)
class Workspace:
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
        """SQLite: what was ingested, what replaced what, cycles."""
        return self.root / "catalog.sqlite"

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

    def product(self, model: str, reference_time: datetime) -> Path:
        """The file of one model and cycle."""
        folder = self.products / model / f"{reference_time:%Y}/{reference_time:%m}"
        return folder / f"{reference_time:%d}" / f"{model}_{reference_time:%Y%m%d%H}.nc"


def find_workspace(given: Path | None) -> Workspace:
    """The workspace to work in: the given one, else $MET2NET_WORKSPACE, else here.

    Raises:
        SettingsError: that directory holds no `met2net.toml`.
    """
    root = given or Path(os.environ.get(ENVIRONMENT_VARIABLE) or ".")
    workspace = Workspace(root.expanduser().resolve())
    if not workspace.settings_file.is_file():
        raise SettingsError(
            f"{workspace.root} is not a workspace: it has no {SETTINGS_NAME}. "
            f"Run `met2net-ops init {workspace.root}`, or name another with --workspace "
            f"or ${ENVIRONMENT_VARIABLE}."
        )
    return workspace
