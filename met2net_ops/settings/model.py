"""All of `met2net.toml` as one model, and which tables it has."""

from __future__ import annotations

from typing import get_args

from pydantic import BaseModel
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from met2net_ops.settings.archive import (
    ArchiveSettings,
    CatalogSettings,
    DatasetSettings,
    GridSettings,
)
from met2net_ops.settings.feeds import FeedSettings, IngestSettings, ObservationSettings
from met2net_ops.settings.forecast import ForecastSettings, GateSettings, ProductSettings
from met2net_ops.settings.operations import HookSettings, MonitorSettings, RetentionSettings
from met2net_ops.settings.service import ScheduleSettings, ServeSettings
from met2net_ops.settings.verification import RegionSettings, VerificationSettings

ENVIRONMENT_PREFIX = "MET2NET_"


class Settings(BaseSettings):
    """All of `met2net.toml`."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix=ENVIRONMENT_PREFIX, env_nested_delimiter="__"
    )

    grid: GridSettings = GridSettings()
    archive: ArchiveSettings = ArchiveSettings()
    catalog: CatalogSettings = CatalogSettings()
    dataset: DatasetSettings = DatasetSettings()
    feeds: tuple[FeedSettings, ...] = ()
    ingest: IngestSettings = IngestSettings()
    forecast: ForecastSettings = ForecastSettings()
    gate: GateSettings = GateSettings()
    products: ProductSettings = ProductSettings()
    verification: VerificationSettings = VerificationSettings()
    observations: ObservationSettings = ObservationSettings()
    serve: ServeSettings = ServeSettings()
    monitor: MonitorSettings = MonitorSettings()
    retention: RetentionSettings = RetentionSettings()
    regions: tuple[RegionSettings, ...] = ()
    schedules: tuple[ScheduleSettings, ...] = ()
    hooks: tuple[HookSettings, ...] = ()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment before file."""
        assert isinstance(init_settings, InitSettingsSource)
        return env_settings, init_settings


def sections() -> dict[str, type[BaseModel]]:
    """The tables of `met2net.toml`, by name, in its order."""
    return {
        name: field.annotation
        for name, field in Settings.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    }


def list_sections() -> dict[str, type[BaseModel]]:
    """The tables that may be repeated, such as `[[feeds]]`, by name."""
    found = {}
    for name, field in Settings.model_fields.items():
        inner = get_args(field.annotation)
        if inner and isinstance(inner[0], type) and issubclass(inner[0], BaseModel):
            found[name] = inner[0]
    return found
