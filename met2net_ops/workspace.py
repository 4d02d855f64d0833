"""The workspace: one directory that holds one deployment."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from met2net_ops.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping
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


def create_workspace(root: Path, values: Mapping[str, Any] | None = None) -> Workspace:
    """Make a workspace with a commented `met2net.toml`, an empty feed folder and the others.

    Args:
        root: the directory; made if need be, other files in it are left alone.
        values: settings that differ from the defaults, see `settings_text`; without `feeds` in
            it, the folder `incoming/` becomes the feed.

    Raises:
        SettingsError: there is a `met2net.toml` already, or nothing can be written there.
    """
    from met2net_ops.settings import settings_text

    workspace = Workspace(root.expanduser().resolve())
    values = {"feeds": [{"name": "incoming", "path": "incoming"}], **(values or {})}
    text = settings_text(values)
    try:
        for folder in (*workspace.folders, *(workspace.root / f["path"] for f in values["feeds"])):
            folder.mkdir(parents=True, exist_ok=True)
        # Exclusive creation: of two at once, or over an edited file, only nothing is lost.
        with workspace.settings_file.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise SettingsError(
            f"{error.filename} exists already and is left as it is. Move it away to start "
            "afresh, or choose another directory."
        ) from error
    except OSError as error:
        raise SettingsError(
            f"cannot make the workspace {workspace.root}: {error}. Mend permissions or move what "
            "is in the way, or choose another directory."
        ) from error
    return workspace


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
            f"Run `met2net-ops init {shlex.quote(str(workspace.root))}`, or name another with "
            f"--workspace or ${ENVIRONMENT_VARIABLE}."
        )
    return workspace
