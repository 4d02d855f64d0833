"""Verify what is due: products with truth that have no sums yet, or sums of something older."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.catalog.analyses import open_analyses
from met2net_ops.catalog.origins import open_catalog
from met2net_ops.errors import VerificationError
from met2net_ops.products.index import list_products
from met2net_ops.progress import Track, silent
from met2net_ops.times import format_time
from met2net_ops.verification.analysis import analysis_sums
from met2net_ops.verification.climatology import Climatology
from met2net_ops.verification.frame_states import FrameStates
from met2net_ops.verification.match import (
    FrameCache,
    baseline_times,
    missing_truth,
    open_forecast,
)
from met2net_ops.verification.outcome import (
    Months,
    Outcome,
    outcome_of,
    product_state,
    regions,
    settings_digest,
)
from met2net_ops.verification.parallel import verify_in_parallel
from met2net_ops.verification.regions import Weighting, weigh
from met2net_ops.verification.store import (
    Record,
    Subset,
    read_record,
    sums_path,
    to_table,
    write_sums,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from numpy.typing import NDArray

    from met2net_ops.grids import LatLonGrid
    from met2net_ops.products.header import ProductHeader
    from met2net_ops.products.index import ProductEntry
    from met2net_ops.settings import Settings
    from met2net_ops.verification.match import ForecastFile
    from met2net_ops.workspace import Workspace


def verify_analyses(
    workspace: Workspace,
    settings: Settings,
    *,
    model: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    again: bool = False,
    rebuild_climatology: bool = False,
    workers: int = 1,
    scheduler: str | None = None,
    track: Track = silent,
) -> list[Outcome]:
    """Compare published products with the archive's analyses and store the sums.

    Args:
        workspace: where products, archive and sums lie.
        settings: its settings.
        model: only this forecaster.
        since: earliest cycle.
        until: latest cycle, included.
        again: compute also what is there and has not changed.
        rebuild_climatology: compute the climatology from today's archive first.
        workers: processes that share the work, through Dask.
        scheduler: address of a Dask scheduler whose workers do it instead.
        track: progress; not shown by several workers.

    Returns:
        One outcome per product, oldest cycle first. A product that cannot be compared is
        "failed" and keeps no other from being verified.

    Raises:
        ArchiveError: there is no archive, or a frame is damaged.
        VerificationError: sums cannot be written.
    """
    entries = list_products(workspace, model=model, since=since, until=until)
    if not entries:
        return []
    session = _open_session(workspace, settings, rebuild=rebuild_climatology)
    if workers < 2 and scheduler is None:
        return [session.verify(entry, again=again) for entry in track(entries, "analyses")]
    # Workers only read the climatology: two of them must not compute the same month.
    session.months.identities(
        month for entry in entries for month in _months_of(entry, session.cache.archive.grid)
    )
    work = partial(_verify_run, workspace, settings, again)
    return verify_in_parallel(work, entries, max(workers, 1), scheduler)


def _open_session(workspace: Workspace, settings: Settings, *, rebuild: bool = False) -> _Session:
    archive = open_analyses(workspace, settings)
    climatology = Climatology(
        workspace.verification / "climatology", archive, settings.verification.climatology_days
    )
    return _Session(
        workspace=workspace,
        settings=settings,
        cache=FrameCache(archive),
        months=Months(climatology, rebuild=rebuild),
        weighting=weigh(archive.grid, regions(settings)),
        frames=FrameStates(open_catalog(workspace, settings)),
        digest=settings_digest(settings, archive.grid),
    )


def _verify_run(
    workspace: Workspace, settings: Settings, again: bool, entries: Sequence[ProductEntry]
) -> list[Outcome]:
    session = _open_session(workspace, settings)
    return [session.verify(entry, again=again) for entry in entries]


def _months_of(entry: ProductEntry, grid: LatLonGrid) -> set[int]:
    try:
        header = open_forecast(entry.path, grid).header
    except VerificationError:
        return set()  # named when its turn comes
    return {time.month for time in header.valid_times}


@dataclass(frozen=True)
class _Session:
    """One run over many products: what they share."""

    workspace: Workspace
    settings: Settings
    cache: FrameCache
    months: Months
    weighting: Weighting
    frames: FrameStates
    digest: str

    def verify(self, entry: ProductEntry, *, again: bool) -> Outcome:
        try:
            return self._verify(entry, again=again)
        except VerificationError as error:
            return Outcome(
                entry.model, entry.reference_time, "analysis", "failed", computed=False,
                reason=str(error),
            )  # fmt: skip

    def _verify(self, entry: ProductEntry, *, again: bool) -> Outcome:
        path = sums_path(self.workspace, "analysis", entry.model, entry.reference_time)
        known = read_record(path)
        product = product_state(entry.path)
        if known is not None and (known.product, known.settings) != (product, self.digest):
            known = None
        forecast = open_forecast(entry.path, self.cache.archive.grid)
        header = forecast.header
        names = tuple(n for n in header.variables if n in self.cache.archive.variables)
        if not names:
            raise VerificationError(
                f"{entry.path} and the archive have no variable in common: "
                f"{', '.join(header.variables)} against {', '.join(self.cache.archive.variables)}"
            )
        present = self._present(names, header.valid_times)
        expected = len(header.variables) * header.leads
        if not present.any():
            return Outcome(
                entry.model, entry.reference_time, "analysis", "pending", computed=False,
                expected=expected, reason=self._nothing_yet(header),
            )  # fmt: skip
        identities = self.months.identities(time.month for time in header.valid_times)
        state = self.frames.state(names, _frame_times(header), self._present)
        same = known is not None and (known.truth_state, known.climatology) == (state, identities)
        if known is not None and same and not again:
            return outcome_of(known, computed=False)
        record = Record(
            model=entry.model,
            cycle=entry.reference_time,
            truth="analysis",
            status="final" if present.all() else "partial",
            product=product,
            settings=self.digest,
            truth_state=state,
            climatology=identities,
            expected=expected,
            notes=_notes(header, names, present),
        )
        return self._compute(forecast, record, path)

    def _compute(self, forecast: ForecastFile, record: Record, path: Path) -> Outcome:
        header = forecast.header
        found = analysis_sums(
            forecast,
            self.cache,
            self.months.climatology,
            self.weighting,
            self.settings.verification,
        )
        matched = int(found.matched.sum())
        if not matched:
            raise VerificationError(
                f"{forecast.path}: no point has both a forecast and an analysis, although analyses "
                f"are there for {record.notes or 'every lead'}; look for missing values in the "
                "product (met2net-ops doctor) and in the archive's frames of these times"
            )
        notes = record.notes
        if found.lost:
            notes += (
                f"{found.lost / found.points:.1%} of points left out: a baseline is missing there",
            )
        finished = replace(record, matched=matched, notes=notes)
        hours = [int(lead.total_seconds() // 3600) for lead in header.lead_times]
        subsets = [Subset(name) for name in self.weighting.names]
        write_sums(
            path, finished, to_table(finished, found.parts, hours, header.valid_times, subsets)
        )
        return outcome_of(finished, computed=True)

    def _present(self, names: tuple[str, ...], times: Sequence[datetime]) -> NDArray[np.bool_]:
        """(variable, time) presence; times between the archive's frames are not there."""
        step = self.cache.archive.step.total_seconds()
        there = np.zeros((len(names), len(times)), dtype=np.bool_)
        on_axis = [i for i, time in enumerate(times) if not time.timestamp() % step]
        if on_axis:
            there[:, on_axis] = self.cache.archive.present(names, [times[i] for i in on_axis])
        return there

    def _nothing_yet(self, header: ProductHeader) -> str:
        first, last = header.valid_times[0], header.valid_times[-1]
        span = self.cache.archive.span()
        there = (
            "the archive is empty"
            if span is None
            else f"the archive has frames from {format_time(span[0])} to {format_time(span[1])}"
        )
        return f"no analysis between {format_time(first)} and {format_time(last)}: {there}"


def _frame_times(header: ProductHeader) -> list[datetime]:
    """All valid times whose frames shape the sums: the truth's and the baselines'."""
    baselines = {
        time
        for lead in header.lead_times
        for time in baseline_times(header.reference_time, lead).values()
    }
    return sorted({*header.valid_times, *baselines})


def _notes(
    header: ProductHeader, names: tuple[str, ...], present: NDArray[np.bool_]
) -> tuple[str, ...]:
    notes = []
    if not present.all():
        notes.append(f"missing analyses: {missing_truth(present, names, header.valid_times)}")
    unknown = [name for name in header.variables if name not in names]
    if unknown:
        notes.append(f"the archive has no {', '.join(unknown)}")
    return tuple(notes)
