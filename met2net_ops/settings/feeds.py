"""Settings of the input: GRIB files and station reports."""

from __future__ import annotations

from pathlib import PurePath

from pydantic import Field, field_validator

from met2net_ops.settings.section import Section


class FeedSettings(Section):
    """A folder into which GRIB files are delivered."""

    name: str
    """What the catalog calls it."""
    path: str
    """The folder; relative to the workspace."""
    pattern: str = "*"
    """Which files in it (and below it) to read, as a glob."""
    done_marker: str | None = None
    """Suffix of a marker file that says a file is complete, such as ".done"."""
    settle_seconds: float = Field(default=2.0, ge=0, le=86_400)
    """Without a marker, size and modification time must stay the same for this long."""

    @field_validator("path")
    @classmethod
    def _a_folder(cls, path: str) -> str:
        if not path.strip():
            raise ValueError('is empty; name a folder, such as "incoming" in the workspace')
        return path

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
    places: str | None = None
    """A CSV file with places of aerodromes that the shipped list lacks or has wrong; relative to
    the workspace. Its columns are id, latitude, longitude (degrees) and height (m)."""
