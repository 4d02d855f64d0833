"""Settings of the archive: variables, grid and location."""

from __future__ import annotations

from typing import Self

from pydantic import Field, field_validator, model_validator

from met2net_ops.errors import GridError
from met2net_ops.grids import LatLonGrid, named_grid
from met2net_ops.settings.section import Section
from met2net_ops.variables import VARIABLES


class GridSettings(Section):
    """The grid frames are archived on: a name, or all six numbers."""

    name: str = "global-5p625"
    """A built-in grid, or a name of your own together with the six numbers below."""
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


class ArchiveSettings(Section):
    """Which variables are kept, and where."""

    variables: tuple[str, ...] = ("t2m", "u10", "v10", "msl")
    """Canonical names of the variables to archive."""
    step_hours: int = Field(default=1, ge=1, le=24)
    """Hours between frames, a divisor of 24; valid times are multiples of it since 00 UTC."""
    url: str | None = None
    """Path or URL of the archive; by default archive.zarr in the workspace."""
    analysis_lead_hours: int = Field(default=6, ge=0, le=2400)
    """Frames with lead times up to this count as analyses: forecasts start from them and are
    verified against them. Frames with longer leads are kept, but used for neither."""

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


class DatasetSettings(Section):
    """Where past frames come from: `met2net-ops dataset` reads it without more words."""

    source: str | None = None
    """A dataset of `met2net-ops dataset list`, or one of your own in the folder datasets/."""
    url: str | None = None
    """Another place of that dataset, such as a copy of your own."""


class CatalogSettings(Section):
    """The database of what was ingested."""

    url: str | None = None
    """SQLAlchemy URL; by default catalog.sqlite in the workspace."""
