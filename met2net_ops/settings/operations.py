"""Settings of monitoring, retention and notification."""

from __future__ import annotations

from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from met2net_ops.settings.section import Section

HookEvent = Literal["late", "failed", "rejected", "recovered"]


class MonitorSettings(Section):
    """What the service offers monitors over HTTP: `/metrics` for Prometheus, and `/healthz`."""

    port: int | None = Field(default=None, ge=0, le=65535)
    """Port to listen on; without a number the service does not listen. 0 takes any free port."""
    address: str = "127.0.0.1"
    """Address to listen on; by default only this machine can connect. There is no password."""


class RetentionSettings(Section):
    """After how many days data is removed; without a number it is kept.

    Nothing that a cycle still needs is removed, however old. Days are counted back from now or, if
    that is earlier, from one day after the newest frame: neither a clock that runs ahead nor a feed
    that has stopped empties an archive. The service removes old data once a day; `met2net-ops prune
    --dry-run` shows what would be removed.
    """

    products_days: int | None = Field(default=None, ge=1, le=36_500)
    """Published products, by reference time."""
    rejected_days: int | None = Field(default=90, ge=1, le=36_500)
    """Forecasts that the gate refused (`….rejected.nc`), by reference time."""
    archive_days: int | None = Field(default=None, ge=2, le=36_500)
    """Frames of the archive, by valid time. Climatologies need years of them."""
    quarantine_days: int | None = Field(default=90, ge=1, le=36_500)
    """Refused bytes and their reasons, by the time they were stored."""
    logs_days: int | None = Field(default=90, ge=1, le=36_500)
    """Logs of past days, by the time they were last written to."""


class HookSettings(Section):
    """Whom to notify when a cycle is late, has failed, was rejected, or has recovered.

    Either a command, which gets JSON on stdin and HOOK_EVENT, HOOK_MODEL, HOOK_CYCLE … in its
    environment, or a URL to which the same JSON is POSTed.
    """

    name: str = Field(pattern="^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """What logs and metrics call it."""
    on: tuple[HookEvent, ...] = ("late", "failed", "rejected", "recovered")
    """The events to report."""
    command: tuple[str, ...] = ()
    """Program and arguments; no shell is involved; runs in the workspace."""
    url: str | None = None
    """URL to POST to, http or https."""
    timeout_seconds: float = Field(default=30.0, gt=0, le=3600)
    """A call that takes longer is stopped."""
    attempts: int = Field(default=3, ge=1, le=10)
    """How often one call is tried, a few seconds apart."""

    @field_validator("url")
    @classmethod
    def _reachable(cls, url: str | None) -> str | None:
        if url is None:
            return None
        if not _leads_somewhere(url):
            raise ValueError('must be a URL such as "https://alerts.example.org/weather"')
        return url

    @field_validator("command")
    @classmethod
    def _runnable(cls, command: tuple[str, ...]) -> tuple[str, ...]:
        if command and (not command[0].strip() or any("\0" in part for part in command)):
            raise ValueError('must begin with a program, as in ["/usr/local/bin/notify", "me"]')
        return command

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if bool(self.command) == (self.url is not None):
            raise ValueError(f"hook {self.name} needs a command or a url, and not both")
        if not self.on:
            raise ValueError(f"hook {self.name} reports no events: name some in `on`")
        return self


def _leads_somewhere(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port  # ValueError: no number, or too large
    except ValueError:
        return False
    host = parts.hostname or ""
    known = parts.scheme in ("http", "https") and port != 0
    return known and bool(host) and " " not in url and url.isprintable()
