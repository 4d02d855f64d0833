"""Settings of the input: GRIB files and station reports."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from met2net_ops.settings.section import Section


class FeedSettings(Section):
    """A folder into which GRIB files are delivered, by others or from a remote source."""

    name: str
    """What the catalog calls it."""
    path: str = ""
    """The folder; relative to the workspace. Files of a source go to spool/NAME by default."""
    source: str | None = None
    """The remote source that files are fetched from, see `met2net-ops sources`."""
    mirrors: tuple[str, ...] = ()
    """Hosts of the source to use, in this order; all of them by default."""
    base_url: str | None = None
    """A host of your own that has the source's paths, such as an internal mirror."""
    leads: tuple[int, ...] | None = None
    """Leads, in hours, that make the analysis series; by default as the source says."""
    days: float = Field(default=2.0, gt=0, le=3660)
    """How far back `serve` fetches what is missing; `fetch --since` goes further."""
    connections: int | None = Field(default=None, ge=1, le=64)
    """Connections to a host at the same time; by default as the source says."""
    bytes_per_second: float | None = Field(default=None, gt=0)
    """The most that is fetched; no limit by default."""
    pattern: str = "*"
    """Which files in it (and below it) to read, as a glob."""
    done_marker: str | None = None
    """Suffix of a marker file that says a file is complete, such as ".done"."""
    settle_seconds: float = Field(default=2.0, ge=0, le=86_400)
    """Without a marker, size and modification time must stay the same for this long."""

    @model_validator(mode="before")
    @classmethod
    def _of_a_source(cls, values: Any) -> Any:
        if not isinstance(values, dict) or values.get("source") is None:
            return values
        spool = {"path": f"spool/{values.get('name', '')}", "pattern": "*.grib2"}
        return {**spool, "settle_seconds": 0.0, **values}

    @field_validator("path")
    @classmethod
    def _a_folder(cls, path: str) -> str:
        if not path.strip():
            raise ValueError('is empty; name a folder, such as "incoming" in the workspace')
        return path

    @model_validator(mode="after")
    def _a_folder_or_a_source(self) -> Self:
        if not self.path:
            raise ValueError('needs a path, such as "incoming", or a source')
        return self

    @field_validator("base_url")
    @classmethod
    def _an_address(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("http://", "https://")):
            raise ValueError("is an address such as https://mirror.example.org")
        return url

    @field_validator("pattern")
    @classmethod
    def _below_the_folder(cls, pattern: str) -> str:
        if not pattern or PurePath(pattern).is_absolute() or ".." in PurePath(pattern).parts:
            raise ValueError('must be a pattern below the folder, such as "*.grib2"')
        return pattern


class IngestSettings(Section):
    """How delivered files become frames."""

    workers: int = Field(default=2, ge=1, le=64)
    """Child processes that decode files at the same time."""
    timeout_seconds: float = Field(default=120.0, gt=0, le=86_400)
    """A decoder that does not answer for this long is replaced."""
    relook_seconds: float = Field(default=30.0, gt=0, le=86_400)
    """How often `--watch` scans the feeds even if no change was reported."""
    late_after_hours: float = Field(default=6.0, ge=0, le=8760)
    """A frame that has not arrived is late; this long after its valid time it counts as missing."""


class ObservationSettings(Section):
    """Station reports."""

    folder: str = "observations/incoming"
    """The folder into which reports are delivered; relative to the workspace."""
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
    sources: tuple[str, ...] = ()
    """Remote sources of station reports, such as "metar-noaa", see `met2net-ops sources`."""
    source_days: float = Field(default=0.9, gt=0, le=30)
    """How far back `serve` fetches reports that are missing; many hosts keep a day."""
    places: str | None = None
    """A CSV file with places of aerodromes that the shipped list lacks or has wrong; relative to
    the workspace. Its columns are id, latitude, longitude (degrees) and height (m)."""
