"""Settings: one frozen model; unknown keys are refused; environment variables override.

`MET2NET_FORECAST__LEADS=24` overrides `leads` in `[forecast]`.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from pathlib import PurePath
from typing import TYPE_CHECKING, Literal, Self, get_args

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings import SettingsError as EnvironmentSettingsError

from met2net_ops.errors import GridError, SettingsError
from met2net_ops.grids import LatLonGrid, named_grid
from met2net_ops.settings_life import HookSettings, MonitorSettings, RetentionSettings
from met2net_ops.settings_section import Section as _Section
from met2net_ops.settings_service import ScheduleSettings, ServeSettings
from met2net_ops.variables import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic_core import ErrorDetails

    from met2net_ops.workspace import Workspace

_ENVIRONMENT_PREFIX = "MET2NET_"
_OTHER_ENVIRONMENT = frozenset({"MET2NET_WORKSPACE", "MET2NET_DEBUG"})


class GridSettings(_Section):
    """The grid frames are archived on: a name, or all six numbers."""

    name: str = "global-5p625"
    """A known grid, or your own name together with the six numbers below."""
    north: float | None = None
    """Latitude of the first row, degrees north."""
    west: float | None = None
    """Longitude of the first column, degrees east."""
    dlat: float | None = None
    """Row spacing, degrees."""
    dlon: float | None = None
    """Column spacing, degrees."""
    nlat: int | None = None
    """Rows."""
    nlon: int | None = None
    """Columns."""

    @model_validator(mode="after")
    def _is_a_grid(self) -> Self:
        try:
            self.grid()
        except GridError as error:
            raise ValueError(str(error)) from error
        return self

    def grid(self) -> LatLonGrid:
        """The grid described."""
        given = self.model_dump(exclude={"name"}, exclude_none=True)
        if not given:
            return named_grid(self.name)
        if len(given) < 6:
            raise GridError("give all of north, west, dlat, dlon, nlat, nlon, or none of them")
        return LatLonGrid(**given, name=self.name)


class ArchiveSettings(_Section):
    """What is kept, and where."""

    variables: tuple[str, ...] = ("t2m", "u10", "v10", "msl")
    """Canonical names of the variables to archive."""
    step_hours: int = Field(default=1, ge=1, le=24)
    """Hours between frames, a divisor of 24; valid times are multiples of it since 00 UTC."""
    url: str | None = None
    """Where the archive lies; by default archive.zarr in the workspace."""
    analysis_lead_hours: int = Field(default=6, ge=0)
    """A frame from a forecast up to that long counts as an analysis: forecasts start from it and
    are verified against it. Longer ones are kept, but do neither."""

    @field_validator("step_hours")
    @classmethod
    def _divides_a_day(cls, hours: int) -> int:
        if 24 % hours:
            raise ValueError("must divide a day: 1, 2, 3, 4, 6, 8, 12 or 24")
        return hours

    @field_validator("variables")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in names if name not in VARIABLES]
        if unknown or not names or len(set(names)) != len(names):
            raise ValueError(
                f"unknown, repeated or no variables: {unknown or list(names)}; "
                f"known are {', '.join(sorted(VARIABLES))}"
            )
        return names


class CatalogSettings(_Section):
    """The database that remembers."""

    url: str | None = None
    """SQLAlchemy URL; by default catalog.sqlite in the workspace."""


class FeedSettings(_Section):
    """A folder into which GRIB files are delivered."""

    name: str
    """What the catalog calls it."""
    path: str
    """The folder; relative to the workspace."""
    pattern: str = "*"
    """Which files in it (and below it) to read, as a glob."""
    done_marker: str | None = None
    """Suffix of a marker file that says a file is complete, such as ".done"."""
    settle_seconds: float = Field(default=2.0, ge=0)
    """Without a marker: size and time must stay the same for that long."""

    @field_validator("path")
    @classmethod
    def _a_folder(cls, path: str) -> str:
        if not path.strip():
            raise ValueError('names no folder; "incoming" would be one in the workspace')
        return path

    @field_validator("pattern")
    @classmethod
    def _below_the_folder(cls, pattern: str) -> str:
        if not pattern or PurePath(pattern).is_absolute() or ".." in PurePath(pattern).parts:
            raise ValueError('is looked for below the folder, so write it like "*.grib2"')
        return pattern


class IngestSettings(_Section):
    """How delivered files become frames."""

    workers: int = Field(default=2, ge=1, le=64)
    """Child processes that decode files at the same time."""
    timeout_seconds: float = Field(default=120.0, gt=0)
    """A decoder that stays silent for that long is replaced."""
    relook_seconds: float = Field(default=30.0, gt=0)
    """How often `--watch` looks through the feeds even if nothing was reported."""
    late_after_hours: float = Field(default=6.0, ge=0)
    """A frame that has not come is late; that long after its valid time it counts as missing."""


class ForecastSettings(_Section):
    """How forecasts are made."""

    model: str = "naturerun-5p625"
    """Model to run when none is named."""
    leads: int = Field(default=48, ge=1, le=2400)
    """Lead times, counted in steps."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `cuda:N`."""
    precision: Literal["fp32", "tf32", "bf16"] = "fp32"
    """Arithmetic of the network; anything but fp32 is written into the product."""
    compile: bool = False
    """Let torch compile the network: slower to start, see docs for when it pays."""
    max_gap_frames: int = Field(default=0, ge=0, le=6)
    """How many consecutive interior frames of a window may be filled by interpolation."""
    batch: int = Field(default=8, ge=1)
    """How many cycles share a batch in a backfill."""


class GateSettings(_Section):
    """When a rollout is fit to publish."""

    enabled: bool = True
    """Whether a failed check keeps the product from being published."""
    max_spread_ratio: float = Field(default=4.0, gt=1)
    """A lead's standard deviation over the window's: above it the field explodes."""
    min_spread_ratio: float = Field(default=0.2, gt=0, lt=1)
    """Below it the field has collapsed."""


class ProductSettings(_Section):
    """How products are written."""

    compression: Literal["zlib", "zstd", "none"] = "zlib"
    """Codec inside NetCDF-4; zlib is read everywhere."""
    compression_level: int = Field(default=1, ge=0, le=9)
    """Higher is smaller and slower."""
    institution: str = "unknown"
    """Who made the forecast, for the file's global attributes."""
    licence: str = "not stated"
    """Terms under which products may be used, for the file's global attributes."""


class VerificationSettings(_Section):
    """How forecasts are compared with the truth."""

    thresholds: tuple[str, ...] = ("t2m 273.15", "wind10 10.8", "tcc 0.5", "tp 1.0")
    """Events "value at or above", written "variable value" in the variable's stored unit."""
    neighbourhoods: tuple[int, ...] = (3, 9)
    """Sides of the fractions skill score's windows, in grid points, odd."""
    calm_wind: float = Field(default=1.5, ge=0)
    """Winds up to this speed (m/s) have no direction to score."""
    climatology_days: int = Field(default=20, ge=2)
    """A climatology for a month and hour of day needs at least that many days in the archive."""
    window_minutes: float = Field(default=10.0, ge=0)
    """A report counts for a valid time when it is at most that far from it."""
    lapse_rate: float = Field(default=6.5, ge=0)
    """Height correction of 2 metre temperature to stations, K per km."""
    max_height_difference: float = Field(default=500.0, ge=0)
    """Where station and model height differ by more metres, no correction is made."""
    surface: str | None = None
    """File with the height of the model's surface and the fraction of land: NetCDF on the archive's
    grid, or GRIB on any; relative to the workspace. Without it temperatures are not corrected for
    height, and land and sea are not told apart."""

    @field_validator("thresholds")
    @classmethod
    def _read_thresholds(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        for text in texts:
            _threshold(text)
        return texts

    @field_validator("neighbourhoods")
    @classmethod
    def _odd(cls, sizes: tuple[int, ...]) -> tuple[int, ...]:
        if any(size < 1 or size % 2 == 0 for size in sizes):
            raise ValueError(f"neighbourhoods must be odd and positive, not {list(sizes)}")
        return sizes

    def thresholds_of(self, name: str) -> tuple[float, ...]:
        """The thresholds of that variable, ascending."""
        pairs = (_threshold(text) for text in self.thresholds)
        return tuple(sorted({value for variable, value in pairs if variable == name}))


def _threshold(text: str) -> tuple[str, float]:
    name, _, value = text.strip().partition(" ")
    if name not in VARIABLES and name != "wind10":
        raise ValueError(
            f"threshold {text!r}: no such variable; known: wind10, {', '.join(sorted(VARIABLES))}"
        )
    return name, float(value)


class ObservationSettings(_Section):
    """Station reports."""

    folder: str = "observations/incoming"
    """A folder into which reports are delivered; relative to the workspace."""
    columns: tuple[str, ...] = (
        "station = station",
        "latitude = latitude",
        "longitude = longitude",
        "height = height_m",
        "time = time",
        "t2m = t2m_k K",
        "d2m = d2m_k K",
        "wind_speed = wind_speed_ms m/s",
        "wind_from = wind_from_degrees degree",
        "msl = msl_pa Pa",
    )
    """What the columns of CSV files are: "what = column" or, for a quantity, with its unit."""


class RegionSettings(_Section):
    """A box that is verified on its own; west may be greater than east, across the dateline."""

    name: str = Field(pattern="^[a-z0-9][a-z0-9-]*$")
    """Lower-case letters, digits and hyphens."""
    north: float = Field(ge=-90, le=90)
    """Northern edge, degrees north."""
    south: float = Field(ge=-90, le=90)
    """Southern edge, degrees north."""
    west: float = Field(ge=-180, le=360)
    """Western edge, degrees east."""
    east: float = Field(ge=-180, le=360)
    """Eastern edge, degrees east."""


class Settings(BaseSettings):
    """All of `met2net.toml`."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix=_ENVIRONMENT_PREFIX, env_nested_delimiter="__"
    )

    grid: GridSettings = GridSettings()
    archive: ArchiveSettings = ArchiveSettings()
    catalog: CatalogSettings = CatalogSettings()
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
    """The tables that may come several times, such as `[[feeds]]`, by name."""
    found = {}
    for name, field in Settings.model_fields.items():
        inner = get_args(field.annotation)
        if inner and isinstance(inner[0], type) and issubclass(inner[0], BaseModel):
            found[name] = inner[0]
    return found


def load_settings(workspace: Workspace) -> Settings:
    """Read and check the workspace's `met2net.toml`.

    Raises:
        SettingsError: unreadable, not TOML, unknown keys or bad values, each one named.
    """
    path = workspace.settings_file
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read {path}: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from error
    _refuse_unknown_environment()
    try:
        return Settings(**values)
    except (ValidationError, EnvironmentSettingsError) as error:
        lines = (
            [_explain(item) for item in error.errors()]
            if isinstance(error, ValidationError)
            else [f"  {error}"]
        )
        raise SettingsError("\n".join([f"{path} does not hold:", *lines])) from error


def _refuse_unknown_environment() -> None:
    """A misspelt variable would otherwise be ignored in silence."""
    for variable in os.environ:
        name, _, _ = variable.removeprefix(_ENVIRONMENT_PREFIX).partition("__")
        if (
            variable.startswith(_ENVIRONMENT_PREFIX)
            and variable not in _OTHER_ENVIRONMENT
            and name.lower() not in Settings.model_fields
        ):
            known = [f"{_ENVIRONMENT_PREFIX}{field.upper()}" for field in Settings.model_fields]
            guess = _did_you_mean(f"{_ENVIRONMENT_PREFIX}{name}", known)
            raise SettingsError(
                f"the environment variable {variable} is no setting{guess}; unset or correct it"
            )


def _explain(item: ErrorDetails) -> str:
    where = ".".join(str(part) for part in item["loc"])
    variable = _ENVIRONMENT_PREFIX + "__".join(str(part).upper() for part in item["loc"])
    origin = f" (from {variable} in the environment)" if variable in os.environ else ""
    if item["type"] != "extra_forbidden":
        message = item["msg"].removeprefix("Value error, ")
        given = f", not {item['input']!r}" if isinstance(item["input"], str | int | float) else ""
        return f"  {where}{origin}: {message}{given}"
    section = {**sections(), **list_sections()}.get(str(item["loc"][0]), Settings)
    guess = _did_you_mean(str(item["loc"][-1]), section.model_fields)
    return f"  {where}{origin}: no such setting{guess}"


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f", did you mean {close[0]}?" if close else ""
