"""What a gridded field is: an analysis or a forecast."""

from __future__ import annotations

from enum import StrEnum


class FieldKind(StrEnum):
    """Analysis or forecast."""

    ANALYSIS = "analysis"
    FORECAST = "forecast"
