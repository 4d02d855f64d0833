"""One cycle, or many: window → rollout → gate → product."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.errors import ArchiveError, MissingInputError
from met2net_ops.forecast.cycle import CycleJob
from met2net_ops.forecast.inputs import Origins, no_origins, window_inputs
from met2net_ops.forecast.remapped import RemappedFrames, on_model_grid, remapped_from
from met2net_ops.forecast.result import CycleOutcome, CycleResult, StageClock
from met2net_ops.forecast.window import check_source, frame_table, read_windows, require_complete
from met2net_ops.products.header import ProductHeader
from met2net_ops.progress import silent
from met2net_ops.times import format_time
from met2net_ops.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from met2net_ops.errors import Met2NetOpsError
    from met2net_ops.forecast.forecaster import Forecaster, LeadBlock
    from met2net_ops.forecast.window import FrameSource, FrameTable, Window
    from met2net_ops.progress import Track
    from met2net_ops.workspace import Workspace


def run_cycle(
    forecaster: Forecaster,
    source: FrameSource,
    workspace: Workspace,
    reference_time: datetime,
    *,
    force: bool = False,
    origins: Origins = no_origins,
    track: Track = silent,
) -> CycleResult:
    """Make and publish the forecast of one cycle.

    Args:
        forecaster: what rolls the window forward.
        source: the archive of frames.
        workspace: where the product goes; `forecast`, `gate` and `products` of its settings
            count.
        reference_time: the cycle.
        force: make it again even if the same forecast, with as many leads or more, is already
            published.
        origins: where frames came from, for the product's provenance.
        track: progress over leads.

    Raises:
        GridError: the model's grid is finer than that of the frames.
        MissingInputError: the window is not complete; the message holds the table.
        ArchiveError: a frame is damaged, or the cycle is not on the archive's time axis.
        ModelError: the rollout failed.
        GateRejectedError: the forecast is not fit to publish; it is kept as `….rejected.nc`.
        ProductError: it could not be written; an earlier product is untouched.
    """
    cycles = [reference_time]
    (result,) = run_cycles(
        forecaster,
        source,
        workspace,
        cycles,
        force=force,
        origins=origins,
        track=track,
    )
    if result.error is not None:
        raise result.error
    return result


def run_cycles(
    forecaster: Forecaster,
    source: FrameSource,
    workspace: Workspace,
    cycles: Iterable[datetime],
    *,
    force: bool = False,
    origins: Origins = no_origins,
    track: Track = silent,
) -> Iterator[CycleResult]:
    """Make and publish many cycles, `forecast.batch` of the settings at a time on one batch axis.

    Memory does not grow with the number of cycles. What concerns one cycle alone (missing input,
    a refusal by the gate, a product that cannot be written) is told in its result and does not
    stop the others. Arguments are those of `run_cycle`; every cycle gets one result, in order.

    Raises:
        GridError: the model's grid is finer than that of the frames.
        MissingInputError: the archive can never feed this model.
        ModelError: a rollout failed.
    """
    check_source(source, forecaster.spec)
    source = on_model_grid(source, forecaster.spec)
    batches = _Batches(forecaster, source, workspace, force, origins, track)
    remaining = iter(cycles)
    while batch := list(islice(remaining, workspace.settings.forecast.batch)):
        yield from batches.run(batch)


@dataclass(frozen=True)
class _Batches:
    """What all batches of one call share."""

    forecaster: Forecaster
    source: FrameSource
    workspace: Workspace
    force: bool
    origins: Origins
    track: Track

    def run(self, cycles: Sequence[datetime]) -> list[CycleResult]:
        clock = StageClock()
        with clock("read"):
            windows, results = self._windows(cycles)
        with clock("window"):
            jobs = [self._job(window, clock) for window in windows]
            there = {} if self.force else {job: job.published() for job in jobs}
        for job, product in there.items():
            if product is not None:
                results[job.header.reference_time] = job.unchanged(product)
        for result in self._forecast([job for job in jobs if there.get(job) is None], clock):
            results[result.reference_time] = result
        return [results[cycle] for cycle in cycles]

    def _windows(
        self, cycles: Sequence[datetime]
    ) -> tuple[list[Window], dict[datetime, CycleResult]]:
        """Windows of the cycles that have one, and the results of those that do not."""
        spec, gap = self.forecaster.spec, self.workspace.settings.forecast.max_gap_frames
        tables: dict[datetime, FrameTable] = {}
        failed: dict[datetime, CycleResult] = {}
        for cycle in dict.fromkeys(cycles):
            try:
                tables[cycle] = frame_table(self.source, spec, cycle, gap)
                require_complete(tables[cycle], spec)
            except (MissingInputError, ArchiveError) as error:
                failed[cycle] = self._failed(cycle, tables.pop(cycle, None), error)
        try:
            return read_windows(self.source, spec, list(tables.values())), failed
        except (MissingInputError, ArchiveError):
            # A damaged or holed frame shall cost only the cycles that need it: one by one, then.
            windows: list[Window] = []
            for cycle, table in tables.items():
                try:
                    windows += read_windows(self.source, spec, [table])
                except (MissingInputError, ArchiveError) as error:
                    failed[cycle] = self._failed(cycle, table, error)
            return windows, failed

    def _job(self, window: Window, clock: StageClock) -> CycleJob:
        spec, runtime, settings = (
            self.forecaster.spec,
            self.forecaster.runtime,
            self.workspace.settings,
        )
        remapped = isinstance(self.source, RemappedFrames)
        inputs = window_inputs(window, self.origins, remapped=remapped)
        header = ProductHeader(
            model=spec.name,
            model_checksum=spec.checksum,
            reference_time=window.reference_time,
            step=spec.step,
            leads=settings.forecast.leads,
            variables=spec.variables,
            grid=spec.grid,
            inputs=inputs.frames,
            attributions=inputs.attributions,
            device=runtime.device,
            precision=runtime.precision,
            software_version=__version__,
            created=datetime.now(UTC).replace(microsecond=0),
            references=spec.references,
            institution=settings.products.institution,
            licence=settings.products.licence,
            settings={
                "max_gap_frames": settings.forecast.max_gap_frames,
                "remapped_from": remapped_from(self.source),
                "compile": settings.forecast.compile,
                "gate_enabled": settings.gate.enabled,
                "gate_max_spread_ratio": settings.gate.max_spread_ratio,
                "gate_min_spread_ratio": settings.gate.min_spread_ratio,
                "compression": settings.products.compression,
                "compression_level": settings.products.compression_level,
            },
        )
        path = self.workspace.paths.product(spec.name, window.reference_time)
        return CycleJob(window, header, path, settings, clock)

    def _forecast(self, jobs: list[CycleJob], clock: StageClock) -> list[CycleResult]:
        if not jobs:
            return []
        with ExitStack() as stack:
            for job in jobs:
                job.open(stack)
            for block in self._rollout(jobs, clock):
                for job, values in zip(jobs, block.values, strict=True):
                    job.take(block.first_lead, values)
            timings = clock.share(len(jobs))
            results = [job.end(timings) for job in jobs]
        return [replace(result, seconds=clock.share(len(jobs))) for result in results]

    def _rollout(self, jobs: list[CycleJob], clock: StageClock) -> Iterator[LeadBlock]:
        """Blocks of all jobs together, timed, with progress over leads."""
        leads = self.workspace.settings.forecast.leads
        cycles = [job.header.reference_time for job in jobs]
        windows = np.stack([job.window.values for job in jobs])
        blocks = self.forecaster.rollout(windows, cycles, leads)

        def timed() -> Iterator[LeadBlock | None]:
            while True:
                with clock("rollout"):
                    block = next(blocks, None)
                if block is None:
                    return
                yield block
                yield from [None] * (block.values.shape[1] - 1)  # one tick per lead

        label = f"{self.forecaster.spec.name} {format_time(cycles[0])}"
        label += f" and {len(cycles) - 1} more" if len(cycles) > 1 else ""
        for block in self.track(timed(), label, leads):
            if block is not None:
                yield block

    def _failed(
        self, cycle: datetime, table: FrameTable | None, error: Met2NetOpsError
    ) -> CycleResult:
        spec, leads = self.forecaster.spec, self.workspace.settings.forecast.leads
        return CycleResult(
            model=spec.name,
            reference_time=cycle,
            state=CycleOutcome.FAILED,
            path=self.workspace.paths.product(spec.name, cycle),
            leads=leads,
            valid_from=cycle + spec.step,
            valid_to=cycle + leads * spec.step,
            table=table,
            error=error,
        )
