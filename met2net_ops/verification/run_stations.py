"""Verify products against station reports, as far as reports have come in."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Unpack

from met2net_ops.errors import VerificationError
from met2net_ops.observations.loading import load_reports, report_files
from met2net_ops.times import format_time
from met2net_ops.verification.compute.station_sums import station_sums
from met2net_ops.verification.inputs.accumulations import accumulated, frames_before
from met2net_ops.verification.inputs.interpolation import bilinear
from met2net_ops.verification.inputs.station_reports import match_reports
from met2net_ops.verification.pending import (
    Common,
    Compared,
    NothingYetError,
    VerifyOptions,
    verify_due,
)
from met2net_ops.verification.store.axes import Axes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from met2net_ops.verification.inputs.forecast_file import ForecastFile
    from met2net_ops.verification.outcome import VerificationOutcome
    from met2net_ops.workspace import Workspace

_SHOWN = 5  # stations an error names


def verify_stations(
    workspace: Workspace, **options: Unpack[VerifyOptions]
) -> list[VerificationOutcome]:
    """Compare published products with imported reports; everything as `run.verify_analyses`."""
    return verify_due(workspace, StationTruth, **options)


class StationTruth:
    """Station reports as truth, each station by itself."""

    name = "stations"

    def __init__(self, common: Common) -> None:
        self._common = common
        self._window = timedelta(minutes=common.settings.verification.window_minutes)

    def state(self, axes: Axes) -> str:
        """Digest of reports and frames (baselines and departures); see `due.Truth`."""
        first, last = self._span(axes)
        # The name of a file of reports is the digest of what it was imported from.
        files = [path.name for path in report_files(self._common.paths.observations, first, last)]
        if not files:
            raise NothingYetError(_none(axes))
        sums = accumulated(axes.variables, axes.valid_times)
        earlier = frames_before(axes.reference_time) if sums else ()
        parts = [*files, self._common.frame_state(axes, earlier)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    def compare(self, forecast: ForecastFile) -> Compared:
        """Sums per lead and station; see `due.Truth`."""
        axes, common = Axes.of(forecast.header), self._common
        reports = load_reports(common.paths.observations, *self._span(axes))
        if not len(reports):
            raise NothingYetError(_none(axes))
        truth = match_reports(reports, axes.variables, axes.valid_times, self._window)
        if not truth.used:
            flags = ", ".join(f"{count} {flag}" for flag, count in truth.flagged.items() if count)
            raise NothingYetError(
                f"{len(reports)} station values {_between(axes)}, but none is usable for "
                f"{', '.join(axes.variables)} at a valid time ({flags or 'none flagged'})"
            )
        if not bilinear(forecast.header.grid, truth.latitude, truth.longitude).inside.any():
            raise NothingYetError(
                f"{truth.used} station values {_between(axes)}, but none of the {len(truth.names)} "
                f"stations ({_some(truth.names)}) lies in the grid"
            )
        found = station_sums(
            forecast, truth, common.cache, common.months.climatology,
            common.settings.verification, common.surface,
        )  # fmt: skip
        if not found.matched.any():
            raise VerificationError(
                f"{forecast.path}: none of {truth.used} station values {_between(axes)} has a "
                f"forecast: {'; '.join(found.notes)}. Variables: {', '.join(truth.values)}; "
                f"stations: {_some(truth.names)}"
            )
        there = found.matched.T
        missing = [t for t, has in zip(axes.valid_times, there, strict=True) if not has.any()]
        notes = found.notes
        if missing:
            span = f"{format_time(missing[0])} to {format_time(missing[-1])}"
            notes += (f"no report for {len(missing)} of {axes.leads} leads ({span})",)
        return Compared(
            found.parts, found.subsets, found.matched, complete=not missing, notes=notes
        )

    def _span(self, axes: Axes) -> tuple[datetime, datetime]:
        return axes.valid_times[0] - self._window, axes.valid_times[-1] + self._window


def _between(axes: Axes) -> str:
    first, last = axes.valid_times[0], axes.valid_times[-1]
    return f"between {format_time(first)} and {format_time(last)}"


def _none(axes: Axes) -> str:
    return f"no station report {_between(axes)}; `met2net-ops observations import` brings them"


def _some(names: Sequence[str]) -> str:
    """The first of them.

    >>> _some(["A", "B"]), _some("ABCDEFG")
    ('A, B', 'A, B, C, D, E …')
    """
    return ", ".join(names[:_SHOWN]) + (" …" if len(names) > _SHOWN else "")
