"""Settings of verification: thresholds, regions and the matching of stations."""

from __future__ import annotations

from pydantic import Field, field_validator

from met2net_ops.settings.section import Section
from met2net_ops.variables import VARIABLES


class VerificationSettings(Section):
    """How forecasts are compared with the truth."""

    thresholds: tuple[str, ...] = ("t2m 273.15", "wind10 10.8", "tcc 0.5", "tp 1.0")
    """Events "value at or above", written "variable value" in the variable's stored unit."""
    neighbourhoods: tuple[int, ...] = (3, 9)
    """Sides of the fractions skill score's windows, in grid points, odd."""
    calm_wind: float = Field(default=1.5, ge=0)
    """The direction of winds up to this speed (m/s) is not scored."""
    climatology_days: int = Field(default=20, ge=2, le=36_500)
    """A climatology for a month and hour of day needs at least this many days in the archive."""
    window_minutes: float = Field(default=10.0, ge=0, le=1440)
    """A report counts for a valid time if it is at most this far from it."""
    lapse_rate: float = Field(default=6.5, ge=0)
    """Height correction of 2 metre temperature to stations, K per km."""
    max_height_difference: float = Field(default=500.0, ge=0)
    """Where station and model height differ by more metres, no correction is made."""
    surface: str | None = None
    """File with the height of the model's surface and the fraction of land: NetCDF on the archive's
    grid, or GRIB on any; relative to the workspace. Without it temperatures are not corrected for
    height, and land and sea are not distinguished."""

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


class RegionSettings(Section):
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
