"""Settings of forecasts, of the checks before publication, and of the files."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from met2net_ops.settings.section import Section


class ForecastSettings(Section):
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


class GateSettings(Section):
    """When a rollout is fit to publish."""

    enabled: bool = True
    """Whether a failed check keeps the product from being published."""
    max_spread_ratio: float = Field(default=4.0, gt=1)
    """Largest ratio of a lead's standard deviation to the window's; above it the field explodes."""
    min_spread_ratio: float = Field(default=0.2, gt=0, lt=1)
    """Smallest such ratio; below it the field has collapsed."""


class ProductSettings(Section):
    """How products are written."""

    compression: Literal["zlib", "zstd", "none"] = "zlib"
    """Codec inside NetCDF-4; zlib is read everywhere."""
    compression_level: int = Field(default=1, ge=0, le=9)
    """Higher is smaller and slower."""
    institution: str = "unknown"
    """Who made the forecast, for the file's global attributes."""
    licence: str = "not stated"
    """Terms under which products may be used, for the file's global attributes."""
