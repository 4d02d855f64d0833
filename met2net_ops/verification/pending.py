"""What is due is verified, once: the run over products that both kinds of truth share.

A product is due while it has no sums, or when the product, the settings, the truth or the
climatology its sums were made from has changed. What a file of sums was made from stands in it
(`Record`), so a run that finds nothing due opens no product.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypedDict, Unpack

import numpy as np

from met2net_ops.errors import ArchiveError, VerificationError
from met2net_ops.memory import keep_freed_memory
from met2net_ops.observations.report import ObservationError
from met2net_ops.products.index import list_products
from met2net_ops.progress import Track, silent
from met2net_ops.verification.compute.match import FrameCache
from met2net_ops.verification.due import compact_old_sums, products_due
from met2net_ops.verification.inputs.baselines import baseline_times
from met2net_ops.verification.inputs.climatology import Climatology
from met2net_ops.verification.inputs.forecast_file import open_forecast
from met2net_ops.verification.inputs.frame_states import FrameStates
from met2net_ops.verification.inputs.surface import Surface, read_surface
from met2net_ops.verification.outcome import (
    Months,
    VerificationOutcome,
    outcome_of,
    product_state,
    settings_digest,
)
from met2net_ops.verification.parallel import verify_in_parallel
from met2net_ops.verification.store.axes import Axes
from met2net_ops.verification.store.files import Record, sums_path, write_sums
from met2net_ops.verification.store.months import StoredRecords
from met2net_ops.verification.store.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from met2net_ops.paths import WorkspacePaths
    from met2net_ops.products.index import ProductEntry
    from met2net_ops.settings import Settings
    from met2net_ops.verification.inputs.forecast_file import ForecastFile
    from met2net_ops.verification.store.rows import Part, Subset
    from met2net_ops.workspace import Workspace


_log = logging.getLogger(__name__)


class NothingYetError(Exception):
    """There is no truth for a product so far; says why. Caught where outcomes are made."""


@dataclass(frozen=True)
class Compared:
    """What comparing one product with a truth gave.

    Attributes:
        parts: sums of shape (lead, subset).
        subsets: regions or stations.
        matched: (variable, lead) whether there was any pair.
        complete: whether all the truth that can be expected was there.
        notes: what a reader should know.
    """

    parts: list[Part]
    subsets: list[Subset]
    matched: NDArray[np.bool_]
    complete: bool
    notes: tuple[str, ...] = ()


class TruthKind(Protocol):
    """What forecasts are compared with; told everything at the start of a run."""

    name: str

    def __init__(self, common: Common) -> None: ...

    def state(self, axes: Axes) -> str:
        """Sixteen hexadecimal digits that change with any truth for these axes.

        Raises:
            NothingYetError: there is none.
        """
        ...

    def compare(self, forecast: ForecastFile) -> Compared:
        """Compare a product with what truth there is.

        Raises:
            NothingYetError: none of it is usable.
            VerificationError: the two cannot be compared.
        """
        ...


@dataclass(frozen=True)
class Common:
    """What the products of a run share.

    Attributes:
        paths: where everything lies.
        settings: its settings.
        cache: analyses.
        frames: what the analyses are made of.
        months: climatology.
        surface: the model's.
        seen: frames that are known to be there; they do not go away.
    """

    paths: WorkspacePaths
    settings: Settings
    cache: FrameCache
    frames: FrameStates
    months: Months
    surface: Surface
    seen: set[tuple[str, datetime]] = field(default_factory=set)

    def archived(self, variables: Sequence[str]) -> tuple[str, ...]:
        """Those of the variables the archive has."""
        return tuple(name for name in variables if name in self.cache.archive.variables)

    def present(self, names: Sequence[str], times: Sequence[datetime]) -> NDArray[np.bool_]:
        """(variable, time) presence of frames; times between the archive's are not there."""
        step = self.cache.archive.step.total_seconds()
        new = [
            time
            for time in times
            if not time.timestamp() % step and any((name, time) not in self.seen for name in names)
        ]
        if new:
            there = self.cache.archive.present(names, new)
            found = np.argwhere(there).tolist()
            self.seen.update((names[row], new[column]) for row, column in found)
        seen = [[(name, time) in self.seen for time in times] for name in names]
        return np.array(seen, dtype=np.bool_).reshape(len(names), len(times))

    def frame_state(self, axes: Axes, earlier: Iterable[datetime] = ()) -> str:
        """Digest of all frames that shape the sums: the valid times', the baselines', `earlier`."""
        baselines = {
            time
            for lead in axes.lead_times
            for time in baseline_times(axes.reference_time, lead).values()
        }
        times = sorted({*axes.valid_times, *baselines, *earlier})
        return self.frames.state(self.archived(axes.variables), times, self.present)


class VerifyOptions(TypedDict, total=False):
    """Which products are verified, and how; nothing needs to be given.

    Attributes:
        model: only this forecaster.
        since: earliest cycle.
        until: latest cycle, included.
        everything: look at all cycles; otherwise, without a period, at those without sums and
            those of the last `due.RECENT`.
        again: compute also what is there and has not changed.
        rebuild_climatology: compute the climatology from today's archive first.
        workers: processes that share the work, through Dask.
        scheduler: address of a Dask scheduler whose workers do it instead.
        track: progress; not shown by several workers.
    """

    model: str | None
    since: datetime | None
    until: datetime | None
    everything: bool
    again: bool
    rebuild_climatology: bool
    workers: int
    scheduler: str | None
    track: Track


def verify_due(
    workspace: Workspace,
    kind: type[TruthKind],
    **options: Unpack[VerifyOptions],
) -> list[VerificationOutcome]:
    """Compare products with one kind of truth and store the sums; see `run.verify_analyses`."""
    again, rebuild = options.get("again", False), options.get("rebuild_climatology", False)
    since, until = options.get("since"), options.get("until")
    model = options.get("model")
    if again or rebuild or since or until or options.get("everything", False):
        entries = list_products(workspace.paths, model=model, since=since, until=until)
    else:
        try:
            compact_old_sums(workspace.paths)
        except VerificationError as error:  # they count where they are
            _log.warning("the sums of a month were not put together: %s", error)
        entries = products_due(workspace.paths, kind.name, model)
    if not entries:
        return []
    workers, scheduler = options.get("workers", 1), options.get("scheduler")
    run = _PendingRun.open(workspace, kind, rebuild=rebuild)
    if workers < 2 and scheduler is None:
        track = options.get("track", silent)
        return [run.verify(entry, again=again) for entry in track(entries, run.truth.name)]
    # Workers only read the climatology: two of them must not compute the same month.
    run.common.months.identities(month for entry in entries for month in run.months_of(entry))
    work = partial(_verify_some, workspace, kind, again)
    return verify_in_parallel(work, entries, max(workers, 1), scheduler)


def _verify_some(
    workspace: Workspace,
    kind: type[TruthKind],
    again: bool,
    entries: Sequence[ProductEntry],
) -> list[VerificationOutcome]:
    run = _PendingRun.open(workspace, kind, rebuild=False)
    return [run.verify(entry, again=again) for entry in entries]


@dataclass(frozen=True)
class _PendingRun:
    """One run over many products."""

    common: Common
    truth: TruthKind
    digest: str
    stored: StoredRecords

    @classmethod
    def open(cls, workspace: Workspace, kind: type[TruthKind], *, rebuild: bool) -> _PendingRun:
        keep_freed_memory()
        archive = workspace.analyses
        given = workspace.settings.verification
        surface = (
            Surface()
            if given.surface is None
            else read_surface(workspace.root / given.surface, archive.grid)
        )
        climatology = Climatology(
            workspace.paths.verification / "climatology", archive, given.climatology_days
        )
        common = Common(
            paths=workspace.paths,
            settings=workspace.settings,
            cache=FrameCache(archive),
            frames=FrameStates(workspace.catalog),
            months=Months(climatology, rebuild=rebuild),
            surface=surface,
        )
        digest = settings_digest(workspace.settings, archive.grid, surface)
        stored = StoredRecords(workspace.paths, kind.name)
        return cls(common, kind(common), digest, stored)

    def verify(self, entry: ProductEntry, *, again: bool) -> VerificationOutcome:
        outcome = VerificationOutcome(
            entry.model, entry.reference_time, self.truth.name, "failed", computed=False
        )
        try:
            return self._verify(entry, outcome, again=again)
        except (VerificationError, ArchiveError, ObservationError) as error:
            return replace(outcome, reason=str(error))

    def _verify(
        self, entry: ProductEntry, outcome: VerificationOutcome, *, again: bool
    ) -> VerificationOutcome:
        path = sums_path(self.common.paths, self.truth.name, entry.model, entry.reference_time)
        known, repaired = self._known(entry)
        product = product_state(entry.path)
        if known is not None and (known.product, known.settings) != (product, self.digest):
            known = None
        forecast: ForecastFile | None = None
        if known is None:
            forecast = self._open(entry)
            axes = Axes.of(forecast.header)
        else:
            axes = known.axes
        expected = len(axes.variables) * axes.leads
        try:
            state = self.truth.state(axes)
            identities = self.common.months.identities(axes.months)
            same = known is not None and (known.truth_state, known.climatology) == (
                state, identities,
            )  # fmt: skip
            if known is not None and same and not again:
                return outcome_of(known, computed=False)
            forecast = forecast or self._open(entry)
            found = self.truth.compare(forecast)
        except NothingYetError as error:
            return replace(outcome, status="pending", expected=expected, reason=str(error))
        notes = found.notes
        if repaired:
            notes = (*notes, "the file of sums was damaged and has been made again")
        if forecast.members:
            notes = (f"mean of {forecast.members} members", *notes)
        record = Record(
            model=entry.model,
            cycle=entry.reference_time,
            truth=self.truth.name,
            status="final" if found.complete else "partial",
            product=product,
            settings=self.digest,
            truth_state=state,
            climatology=identities,
            step_seconds=axes.step.total_seconds(),
            leads=axes.leads,
            variables=axes.variables,
            expected=expected,
            matched=int(found.matched.sum()),
            notes=notes,
        )
        rows = Rows(entry.model, self.truth.name, axes, found.parts, found.subsets)
        write_sums(path, record, rows)
        return outcome_of(record, computed=True)

    def _known(self, entry: ProductEntry) -> tuple[Record | None, bool]:
        """What the sums there were made from, and whether the file is damaged: made again then."""
        try:
            return self.stored.of(entry.model, entry.reference_time), False
        except VerificationError:
            return None, True

    def _open(self, entry: ProductEntry) -> ForecastFile:
        return open_forecast(entry.path, self.common.cache.archive.grid)

    def months_of(self, entry: ProductEntry) -> set[int]:
        """The months a product is valid in; none if it cannot be opened, as it will say itself."""
        try:
            return Axes.of(self._open(entry).header).months
        except VerificationError:
            return set()
