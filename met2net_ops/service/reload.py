"""Reading the settings again while the service runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from met2net_ops.errors import SettingsError
from met2net_ops.service.scheduler.schedule import read_schedules
from met2net_ops.settings import load_settings

if TYPE_CHECKING:
    from datetime import datetime

    from met2net_ops.service.scheduler.schedule import Schedule
    from met2net_ops.settings import Settings
    from met2net_ops.workspace import Workspace

_FIXED = ("grid", "archive", "catalog")


def reload_settings(workspace: Workspace, now: datetime) -> tuple[Settings, tuple[Schedule, ...]]:
    """The settings as they are now, if the service can go on with them.

    Raises:
        SettingsError: they are not valid, or change what cannot change while the service runs.
    """
    file = workspace.paths.settings_file
    settings = load_settings(file)
    changed = [
        name for name in _FIXED if getattr(settings, name) != getattr(workspace.settings, name)
    ]
    if changed:
        raise SettingsError(
            f"{file}: [{'], ['.join(changed)}] cannot change while the service runs; restart it"
        )
    return settings, read_schedules(settings, now)
