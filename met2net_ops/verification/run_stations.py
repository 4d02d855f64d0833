"""Verify products against station reports, as far as reports have come in."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from met2net_ops.catalog.analyses import open_analyses
from met2net_ops.errors import VerificationError
from met2net_ops.observations.store import load_reports, report_files
from met2net_ops.products.index import list_products
from met2net_ops.progress import Track, silent
from met2net_ops.times import format_time
from met2net_ops.verification.climatology import Climatology
from met2net_ops.verification.match import FrameCache, open_forecast
from met2net_ops.verification.outcome import (
    Months,
    Outcome,
    outcome_of,
    product_state,
    settings_digest,
)
from met2net_ops.verification.points import read_orography
from met2net_ops.verification.reports import match_reports
from met2net_ops.verification.stations import station_sums
from met2net_ops.verification.store import Record, read_record, sums_path, to_table, write_sums

if TYPE_CHECKING:
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray

    from met2net_ops.products.header import ProductHeader
    from met2net_ops.products.index import ProductEntry
    from met2net_ops.settings import Settings
    from met2net_ops.workspace import Workspace


def verify_stations(
    workspace: Workspace,
    settings: Settings,
    *,
    model: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    again: bool = False,
    rebuild_climatology: bool = False,
    track: Track = silent,
) -> list[Outcome]:
    """Compare published products with imported reports; arguments as `verify_analyses`.

    Returns:
        One outcome per product, oldest cycle first.

    Raises:
        ArchiveError: there is no archive, or a frame is damaged.
        ObservationError: a file of reports is damaged.
        VerificationError: sums cannot be written, or the orography does not fit.
    """
    entries = list_products(workspace, model=model, since=since, until=until)
    if not entries:
        return []
    archive = open_analyses(workspace, settings)
    climatology = Climatology(
        workspace.verification / "climatology", archive, settings.verification.climatology_days
    )
    named = settings.verification.orography
    session = _Session(
        workspace=workspace,
        settings=settings,
        cache=FrameCache(archive),
        months=Months(climatology, rebuild=rebuild_climatology),
        orography=read_orography(workspace.root / named, archive.grid) if named else None,
        digest=settings_digest(settings, archive.grid),
    )
    return [session.verify(entry, again=again) for entry in track(entries, "stations")]


@dataclass(frozen=True)
class _Session:
    """One run over many products: what they share."""

    workspace: Workspace
    settings: Settings
    cache: FrameCache
    months: Months
    orography: NDArray[np.float64] | None
    digest: str

    def verify(self, entry: ProductEntry, *, again: bool) -> Outcome:
        try:
            return self._verify(entry, again=again)
        except VerificationError as error:
            return Outcome(
                entry.model, entry.reference_time, "stations", "failed", computed=False,
                reason=str(error),
            )  # fmt: skip

    def _verify(self, entry: ProductEntry, *, again: bool) -> Outcome:
        forecast = open_forecast(entry.path, self.cache.archive.grid)
        header = forecast.header
        window = timedelta(minutes=self.settings.verification.window_minutes)
        first, last = header.valid_times[0] - window, header.valid_times[-1] + window
        files = report_files(self.workspace, first, last)
        record = Record(
            model=entry.model,
            cycle=entry.reference_time,
            truth="stations",
            status="partial",
            product=product_state(entry.path),
            settings=self.digest,
            truth_state=hashlib.sha256("\n".join(map(str, files)).encode()).hexdigest()[:16],
            climatology=self.months.identities(time.month for time in header.valid_times),
            expected=len(header.variables) * header.leads,
        )
        path = sums_path(self.workspace, "stations", entry.model, entry.reference_time)
        known = read_record(path)
        if known is not None and not again and _same_input(known, record):
            return outcome_of(known, computed=False)
        reports = load_reports(self.workspace, first, last)
        truth = match_reports(reports, header.variables, header.valid_times, window)
        if not truth.used:
            return Outcome(
                entry.model, entry.reference_time, "stations", "pending", computed=False,
                expected=record.expected, reason=_nothing(header, len(reports), truth.flagged),
            )  # fmt: skip
        found = station_sums(
            forecast, truth, self.cache, self.months.climatology, self.settings.verification,
            self.orography,
        )  # fmt: skip
        if not found.matched.any():
            raise VerificationError(
                f"{entry.path}: none of {truth.used} station values has a forecast: "
                f"{'; '.join(found.notes)}"
            )
        missing = [
            time
            for time, there in zip(header.valid_times, found.matched.T, strict=True)
            if not there.any()
        ]
        notes = found.notes
        if missing:
            span = f"{format_time(missing[0])} to {format_time(missing[-1])}"
            notes += (f"no report for {len(missing)} of {header.leads} leads ({span})",)
        record = replace(
            record,
            status="partial" if missing else "final",
            matched=int(found.matched.sum()),
            notes=notes,
        )
        hours = [int(lead.total_seconds() // 3600) for lead in header.lead_times]
        table = to_table(record, found.parts, hours, header.valid_times, found.subsets)
        write_sums(path, record, table)
        return outcome_of(record, computed=True)


def _same_input(known: Record, now: Record) -> bool:
    return (known.product, known.settings, known.truth_state, known.climatology) == (
        now.product, now.settings, now.truth_state, now.climatology,
    )  # fmt: skip


def _nothing(header: ProductHeader, read: int, flagged: dict[str, int]) -> str:
    span = f"{format_time(header.valid_times[0])} and {format_time(header.valid_times[-1])}"
    if not read:
        return f"no station report between {span}; `met2net-ops observations import` brings them"
    flags = ", ".join(f"{count} {flag}" for flag, count in flagged.items() if count)
    return (
        f"{read} station values between {span}, but none is usable for "
        f"{', '.join(header.variables)} at a valid time ({flags or 'none flagged'})"
    )
