"""The workspace: one directory that holds one deployment, and opens what lies in it."""

from __future__ import annotations

import os
import shlex
import tomllib
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from met2net_ops.errors import SettingsError
from met2net_ops.paths import SETTINGS_NAME, WorkspacePaths
from met2net_ops.permissions import owner_only

if TYPE_CHECKING:
    from collections.abc import Mapping

    from met2net_ops.archive.frames import FrameArchive
    from met2net_ops.catalog.analyses import Analyses
    from met2net_ops.catalog.engine import Catalog
    from met2net_ops.service.ledger.reader import LedgerReader
    from met2net_ops.service.ledger.writer import LedgerWriter
    from met2net_ops.settings import Settings

ENVIRONMENT_VARIABLE = "MET2NET_WORKSPACE"


@dataclass(frozen=True)
class Workspace:
    """One deployment: where it lies, its settings, and what it opens from there.

    What is opened for reading is opened once and kept. A workspace with other settings is another
    value, see `with_settings`. It can be pickled, without what is open.

    Attributes:
        paths: where everything lies.
        settings: as read from `met2net.toml`, or as given.
    """

    paths: WorkspacePaths
    settings: Settings

    def __getstate__(self) -> dict[str, object]:
        return {"paths": self.paths, "settings": self.settings}

    def with_settings(self, settings: Settings) -> Workspace:
        """The same directory under other settings."""
        return Workspace(self.paths, settings)

    def with_forecast(self, **changes: object) -> Workspace:
        """The same directory with other keys in `[forecast]`; a None leaves its key as it is.

        Raises:
            SettingsError: no such key, or not a valid value.
        """
        from pydantic import ValidationError

        given = {key: value for key, value in changes.items() if value is not None}
        before = self.settings.forecast
        try:
            forecast = type(before)(**{**before.model_dump(), **given})
        except ValidationError as error:
            wrong = "; ".join(f"{item['loc'][0]}: {item['msg']}" for item in error.errors())
            raise SettingsError(f"not valid for a forecast: {wrong}") from error
        return self.with_settings(self.settings.model_copy(update={"forecast": forecast}))

    @property
    def root(self) -> Path:
        """The directory itself."""
        return self.paths.root

    @property
    def archive_url(self) -> str:
        """Where the archive lies; a relative `archive.url` is below the workspace."""
        from met2net_ops.archive.store import is_url

        url = self.settings.archive.url
        if not url:
            return str(self.paths.archive)
        return url if is_url(url) else str(self.root / Path(url).expanduser())

    @cached_property
    def archive(self) -> FrameArchive:
        """The archive, to read frames from.

        Raises:
            ArchiveError: there is none yet, or it does not fit the settings' grid and step.
        """
        from met2net_ops.archive.frames import open_archive

        return open_archive(
            self.archive_url, self.settings.grid.grid(), self.settings.archive.variables, self._step
        )

    def create_archive(self) -> FrameArchive:
        """The archive, made where there is none, with all variables of the settings.

        Raises:
            ArchiveError: it cannot be made, or one is there for another grid or step.
        """
        from met2net_ops.archive.frames import FrameArchive

        return FrameArchive.create(
            self.archive_url, self.settings.grid.grid(), self.settings.archive.variables, self._step
        )

    @property
    def archive_identity(self) -> str:
        """What names this archive in the catalog; "" while there is none.

        Raises:
            ArchiveError: what lies there is not an archive.
        """
        from met2net_ops.archive.frames import archive_identity

        return archive_identity(self.archive_url)

    @property
    def catalog(self) -> Catalog:
        """The catalog to read, as far as it concerns this archive.

        Raises:
            SettingsError: `catalog.url` cannot be used.
            ArchiveError: what lies where the archive should be is not one.
        """
        from met2net_ops.catalog.engine import Catalog, reading_engine

        return Catalog(reading_engine(self.catalog_url), self.archive_identity)

    def create_catalog(self) -> Catalog:
        """The catalog to write, made where there is none.

        Raises:
            SettingsError: `catalog.url` cannot be used.
            ArchiveError: the database cannot be written, or what lies where the archive should be
                is not one.
        """
        from met2net_ops.catalog.engine import Catalog, writing_engine

        return Catalog(writing_engine(self.catalog_url), self.archive_identity)

    @property
    def catalog_url(self) -> str:
        """The database of the catalog, as SQLAlchemy writes it; by default SQLite here."""
        from met2net_ops.catalog.engine import sqlite_url

        return self.settings.catalog.url or sqlite_url(self.paths.catalog)

    @property
    def analyses(self) -> Analyses:
        """The archive's frames that count as analyses.

        Raises:
            ArchiveError: there is no archive, or it does not fit the settings' grid and step.
        """
        from met2net_ops.catalog.analyses import Analyses

        longest = timedelta(hours=self.settings.archive.analysis_lead_hours)
        return Analyses(self.archive, self.catalog, longest)

    @property
    def usable_frames(self) -> Analyses:
        """The analyses a forecast can start from: those without a missing point.

        Raises:
            ArchiveError: there is no archive, or it does not fit the settings' grid and step.
        """
        from met2net_ops.catalog.analyses import Analyses

        longest = timedelta(hours=self.settings.archive.analysis_lead_hours)
        return Analyses(self.archive, self.catalog, longest, whole=True)

    @cached_property
    def ledger(self) -> LedgerReader:
        """The ledger of cycles, to read; nothing is made or opened until it is asked."""
        from met2net_ops.service.ledger.reader import LedgerReader

        return LedgerReader(self.paths.ledger)

    def create_ledger(self) -> LedgerWriter:
        """The ledger of cycles, to write; made where there is none.

        Raises:
            ServiceError: it cannot be made or opened.
        """
        from met2net_ops.service.ledger.writer import LedgerWriter

        return LedgerWriter(self.paths.ledger)

    @property
    def _step(self) -> timedelta:
        return timedelta(hours=self.settings.archive.step_hours)


def create_workspace(root: Path | str, values: Mapping[str, Any] | None = None) -> Workspace:
    """Make a workspace with a commented `met2net.toml`, an empty feed folder and the others.

    Args:
        root: the directory; made where there is none, other files in it are left alone.
        values: settings that differ from the defaults, see `settings_text`; without `feeds` in
            it, the folder `incoming/` becomes the feed.

    Raises:
        SettingsError: there is a `met2net.toml` already, nothing can be written there, or a value
            or an environment variable is not valid.
    """
    from met2net_ops.settings import check_settings, settings_text

    paths = WorkspacePaths(Path(root).expanduser().resolve())
    values = {"feeds": [{"name": "incoming", "path": "incoming"}], **(values or {})}
    text = settings_text(values)
    # Before anything is made: a wrong environment variable would leave half a workspace.
    settings = check_settings(tomllib.loads(text), f"the new {paths.settings_file}")
    given = [paths.root / feed["path"] for feed in values["feeds"] if "path" in feed]
    try:
        for folder in (*paths.folders, *given):
            folder.mkdir(parents=True, exist_ok=True)
        # Exclusive creation: of two at once one fails, and an edited file is never overwritten.
        with open(paths.settings_file, "x", encoding="utf-8", opener=owner_only) as file:
            file.write(text)
    except FileExistsError as error:
        raise SettingsError(
            f"{error.filename} exists already and is left as it is. Move it away to start "
            "again, or choose another directory."
        ) from error
    except OSError as error:
        raise SettingsError(
            f"cannot make the workspace {paths.root}: {error}. Correct permissions or move what "
            "is in the way, or choose another directory."
        ) from error
    return Workspace(paths, settings)


def find_workspace(given: Path | str | None = None) -> Workspace:
    """The workspace to work in: the given one, else $MET2NET_WORKSPACE, else the current directory.

    Raises:
        SettingsError: that directory holds no `met2net.toml`, or it is not valid.
    """
    from met2net_ops.settings import load_settings

    paths = find_paths(given)
    return Workspace(paths, load_settings(paths.settings_file))


def find_paths(given: Path | str | None = None) -> WorkspacePaths:
    """Where the workspace to work in lies, whatever its settings say.

    Raises:
        SettingsError: that directory holds no `met2net.toml`.
    """
    root = Path(given or os.environ.get(ENVIRONMENT_VARIABLE) or ".")
    paths = WorkspacePaths(root.expanduser().resolve())
    if not paths.settings_file.is_file():
        raise SettingsError(
            f"{paths.root} is not a workspace: it has no {SETTINGS_NAME}. "
            f"Run `met2net-ops init {shlex.quote(str(paths.root))}`, or name another with "
            f"--workspace or ${ENVIRONMENT_VARIABLE}."
        )
    return paths
