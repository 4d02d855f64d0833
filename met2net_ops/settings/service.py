"""Settings of the service: which cycles there are, and how it goes about them."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field, field_validator

from met2net_ops.settings.section import Section


class ScheduleSettings(Section):
    """The cycles of one model."""

    model: str
    """A model's name, or persistence, or persistence-24h."""
    cron: str
    """Reference times: minute, hour, day, month, weekday; weekdays by name, such as mon-fri."""
    timezone: str = "UTC"
    """Time zone the expression is meant in."""
    deadline_minutes: float = Field(default=360.0, gt=0, le=525_600)
    """A cycle starts as soon as its window is complete; that long after its reference time it
    starts with what forecast.max_gap_frames allows, and is late if it cannot."""
    expire_hours: float = Field(default=24.0, gt=0, le=8760)
    """That long after its reference time a cycle that could not run is given up."""

    @field_validator("model")
    @classmethod
    def _named(cls, model: str) -> str:
        if not model.strip() or "/" in model or model.startswith("."):
            raise ValueError("names no model; `met2net-ops models list` shows which there are")
        return model

    @field_validator("cron", "timezone")
    @classmethod
    def _not_empty(cls, text: str) -> str:
        if not text.strip():
            raise ValueError("is empty")
        return text

    @property
    def deadline(self) -> timedelta:
        """`deadline_minutes` as a duration."""
        return timedelta(minutes=self.deadline_minutes)

    @property
    def expire(self) -> timedelta:
        """`expire_hours` as a duration."""
        return timedelta(hours=self.expire_hours)


class ServeSettings(Section):
    """How `met2net-ops serve` goes about its cycles."""

    tick_seconds: float = Field(default=30.0, gt=0, le=3600)
    """How often it goes round at least; news from the feeds make it go round at once."""
    catch_up: int = Field(default=4, ge=0, le=10_000)
    """How many cycles per model, the newest, are made up for after downtime; older ones are
    skipped."""
    parallel: int = Field(default=1, ge=1, le=64)
    """How many cycles, of different models, run at the same time."""
    attempts: int = Field(default=4, ge=1, le=100)
    """How often a cycle is tried before it has failed."""
    retry_seconds: float = Field(default=60.0, ge=0, le=86_400)
    """Wait after the first failed attempt; doubled after each further one."""
    retry_max_seconds: float = Field(default=1800.0, ge=0, le=86_400)
    """Longest wait between two attempts."""
    timeout_seconds: float = Field(default=900.0, gt=0, le=604_800)
    """A run that takes longer is ended, and counts as a failed attempt."""
    start_seconds: float = Field(default=300.0, gt=0, le=86_400)
    """How long loading a model may take."""
    memory_mb: int | None = Field(default=None, ge=64)
    """A model's process that needs more memory than that is ended; without a number only the
    operating system sets a limit."""
    recycle_runs: int = Field(default=200, ge=1)
    """A model's process is replaced after so many runs."""
    stop_seconds: float = Field(default=25.0, ge=0, le=86_400)
    """When asked to end, a run under way may go on for that long; then it is abandoned and run
    again after the next start."""
    verify: bool = True
    """Compare published cycles with the truth as it comes in."""
    verify_minutes: float = Field(default=30.0, ge=0, le=525_600)
    """Shortest time between two looks for truth."""
    verify_days: float = Field(default=5.0, ge=0, le=3660)
    """For how long after the last valid time of a forecast late truth is looked for."""
