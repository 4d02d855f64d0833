"""The forecaster that the settings name: a model, or persistence, which needs no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from met2net_ops.forecast.persistence import PERSISTENCE_NAMES, persistence

if TYPE_CHECKING:
    from met2net_ops.forecast.forecaster import Forecaster
    from met2net_ops.forecast.window import FrameSource
    from met2net_ops.workspace import Workspace


def choose_forecaster(workspace: Workspace, source: FrameSource) -> Forecaster:
    """The forecaster `forecast.model`, on the device and in the precision of the settings.

    Persistence takes variables, grid and step from the frames.

    Raises:
        ModelError: no such model, a damaged folder, or a device that is not there.
    """
    wanted = workspace.settings.forecast
    if wanted.model in PERSISTENCE_NAMES:
        variables = workspace.settings.archive.variables
        return persistence(wanted.model, variables, source.grid, source.step)
    from met2net_ops.models.forecaster import load_forecaster

    return load_forecaster(
        wanted.model,
        workspace.paths.models,
        device=wanted.device,
        precision=wanted.precision,
        compile=wanted.compile,
    )
