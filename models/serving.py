"""A model kept warm by the service, in a child process (`met2net_ops.service.workers.child`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.forecast.inputs import catalog_origins
from met2net_ops.forecast.result import CycleOutcome
from met2net_ops.forecast.run import run_cycle
from met2net_ops.models.selection import choose_forecaster
from met2net_ops.service.workers.jobs import ForecastDone
from met2net_ops.times import format_time, parse_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from met2net_ops.forecast.forecaster import Forecaster, ForecasterSpec
    from met2net_ops.forecast.result import CycleResult
    from met2net_ops.service.workers.jobs import ForecastJob
    from met2net_ops.workspace import Workspace

OPENER = "met2net_ops.models.serving:open_model"
"""The function that the service opens models with, as `module:function`."""

_SOME_TIME = parse_time("2026-01-01")


def open_model(
    workspace: Workspace, model: str
) -> tuple[ForecasterSpec, Callable[[ForecastJob], ForecastDone]]:
    """Load a model and run it once, so that the first forecast is as quick as the others.

    Raises:
        ModelError: no such model, a damaged folder, or a device that is not there.
        ArchiveError: there is no archive, or it does not fit the settings.
    """
    served = workspace.with_forecast(model=model)
    forecaster = choose_forecaster(served, served.usable_frames)
    _warm_up(forecaster)

    def run(job: ForecastJob) -> ForecastDone:
        result = run_cycle(
            forecaster,
            served.usable_frames,
            served,
            job.reference_time,
            force=job.force,
            origins=catalog_origins(served.catalog),
        )
        return ForecastDone(
            path=str(result.path),
            leads=result.leads,
            unchanged=result.state is CycleOutcome.UNCHANGED,
            seconds=dict(result.seconds),
            note=_note(result),
        )

    return forecaster.spec, run


def _warm_up(forecaster: Forecaster) -> None:
    spec = forecaster.spec
    shape = (1, spec.input_frames, len(spec.variables), *spec.grid.shape)
    for _ in forecaster.rollout(np.ones(shape, dtype=np.float32), [_SOME_TIME], 1):
        pass  # the values mean nothing


def _note(result: CycleResult) -> str:
    if result.note:
        return result.note
    if result.table is None or not result.table.gaps:
        return ""
    gaps = ", ".join(f"{name} {format_time(time)}" for name, time in result.table.gaps)
    return f"interpolated in time: {gaps}"
