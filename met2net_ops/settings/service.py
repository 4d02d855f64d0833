"""Settings of the service: which cycles there are, and how it runs them."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field, field_validator

from met2net_ops.settings.section import Section


class ScheduleSettings(Section):
    """The cycles of one model."""

    model: str
    """A model's name, or persistence, persistence-24h, damped-persistence or linear-online."""
    cron: str
    """Reference times: minute, hour, day, month, weekday; weekdays by name, such as mon-fri."""
    timezone: str = "UTC"
    """Time zone of the expression."""
    deadline_minutes: float = Field(default=360.0, gt=0, le=525_600)
    """A cycle starts as soon as its window is complete. This long after its reference time it
    starts with the gaps that forecast.max_gap_frames allows, and is late if there are more."""
    expire_hours: float = Field(default=24.0, gt=0, le=8760)
    """This long after its reference time a cycle that could not run expires."""

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
    """How `met2net-ops serve` runs its cycles."""

    tick_seconds: float = Field(default=30.0, gt=0, le=3600)
    """Longest time between two rounds of the scheduler; a new file in a feed starts one at once."""
    catch_up: int = Field(default=4, ge=0, le=10_000)
    """How many missed cycles per model, the newest, are run after downtime; older ones are
    skipped."""
    parallel: int = Field(default=1, ge=1, le=64)
    """How many cycles, of different models, run at the same time."""
    attempts: int = Field(default=4, ge=1, le=100)
    """How often a cycle is tried before it counts as failed."""
    retry_seconds: float = Field(default=60.0, ge=0, le=86_400)
    """Wait after the first failed attempt; it doubles with each further one."""
    retry_max_seconds: float = Field(default=1800.0, ge=0, le=86_400)
    """Longest wait between two attempts."""
    timeout_seconds: float = Field(default=900.0, gt=0, le=604_800)
    """A run that takes longer is stopped and counts as a failed attempt."""
    start_seconds: float = Field(default=300.0, gt=0, le=86_400)
    """Longest time for loading a model."""
    memory_mb: int | None = Field(default=None, ge=64)
    """A model's process that uses more memory than this is stopped; without a number only the
    operating system sets a limit."""
    recycle_runs: int = Field(default=200, ge=1)
    """A model's process is replaced after this many runs."""
    stop_seconds: float = Field(default=25.0, ge=0, le=86_400)
    """At shutdown a run in progress may continue for this long; then it is abandoned and run again
    after the next start."""
    verify: bool = True
    """Verify published cycles as analyses and station reports arrive."""
    verify_minutes: float = Field(default=30.0, ge=0, le=525_600)
    """Shortest time between two verifications."""
    verify_days: float = Field(default=5.0, ge=0, le=3660)
    """How long after the last valid time of a forecast late analyses and reports still count."""
