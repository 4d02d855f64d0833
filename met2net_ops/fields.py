"""What every room needs to know of a gridded field."""

from __future__ import annotations

from enum import StrEnum


class FieldKind(StrEnum):
    """What a field claims to be."""

    ANALYSIS = "analysis"
    FORECAST = "forecast"
