"""The one way to build a workspace for a test: settings, archive, and frames in it.

Rooms of tests add what they need of it in classes of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import numpy as np

from met2net_ops.archive.frames import FrameArchive
from met2net_ops.grids import LatLonGrid
from met2net_ops.paths import WorkspacePaths
from met2net_ops.settings import Settings
from met2net_ops.workspace import Workspace, create_workspace


@dataclass
class Desk:
    """A workspace, its settings and its archive."""

    workspace: WorkspacePaths
    settings: Settings
    archive: FrameArchive

    @classmethod
    def make(cls, folder: Path, values: dict[str, Any], **more: Any) -> Self:
        """A desk with an empty archive; `more` are attributes of its class."""
        opened = create_workspace(folder, values)
        return cls(opened.paths, opened.settings, opened.create_archive(), **more)

    @property
    def opened(self) -> Workspace:
        """The workspace under its settings of now."""
        return Workspace(self.workspace, self.settings)

    def write(
        self,
        field: Callable[[str, datetime], np.ndarray],
        times: Iterable[datetime],
        names: Sequence[str],
    ) -> None:
        """Write a frame of that field for each name and time."""
        self.archive.write_frames(
            [self.archive.encode(name, time, field(name, time)) for time in times for name in names]
        )


def grid_section(grid: LatLonGrid) -> dict[str, Any]:
    """A grid as met2net.toml holds it."""
    keys = ("name", "north", "west", "dlat", "dlon", "nlat", "nlon")
    return {key: getattr(grid, key) for key in keys}
