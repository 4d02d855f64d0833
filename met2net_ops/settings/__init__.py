"""Settings: one frozen model; unknown keys are refused; environment variables override.

`MET2NET_FORECAST__LEADS=24` overrides `leads` in `[forecast]`.
"""

from met2net_ops.settings.archive import ArchiveSettings, CatalogSettings, GridSettings
from met2net_ops.settings.feeds import FeedSettings, IngestSettings, ObservationSettings
from met2net_ops.settings.forecast import ForecastSettings, GateSettings, ProductSettings
from met2net_ops.settings.load import check_settings, load_settings
from met2net_ops.settings.model import Settings, list_sections, sections
from met2net_ops.settings.operations import HookSettings, MonitorSettings, RetentionSettings
from met2net_ops.settings.service import ScheduleSettings, ServeSettings
from met2net_ops.settings.text import settings_text
from met2net_ops.settings.verification import RegionSettings, VerificationSettings

__all__ = [
    "ArchiveSettings",
    "CatalogSettings",
    "FeedSettings",
    "ForecastSettings",
    "GateSettings",
    "GridSettings",
    "HookSettings",
    "IngestSettings",
    "MonitorSettings",
    "ObservationSettings",
    "ProductSettings",
    "RegionSettings",
    "RetentionSettings",
    "ScheduleSettings",
    "ServeSettings",
    "Settings",
    "VerificationSettings",
    "check_settings",
    "list_sections",
    "load_settings",
    "sections",
    "settings_text",
]
