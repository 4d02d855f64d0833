"""The forecaster of a name: a model, or persistence. Torch is imported only to run a model."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from met2net_ops.errors import Met2NetOpsError
from met2net_ops.forecast.persistence import PERSISTENCE_NAMES, persistence
from met2net_ops.models.registry import find_model

if TYPE_CHECKING:
    from met2net_ops.forecast.forecaster import Forecaster, ForecasterSpec
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


def find_spec(workspace: Workspace, name: str) -> ForecasterSpec | None:
    """What the forecaster of that name needs of its input, found without torch.

    Returns:
        None if there is no such model, or its description cannot be read.
    """
    settings = workspace.settings
    archive = settings.archive
    try:
        if name in PERSISTENCE_NAMES:
            step = timedelta(hours=archive.step_hours)
            return persistence(name, archive.variables, settings.grid.grid(), step).spec
        return find_model(name, workspace.paths.models).spec
    except Met2NetOpsError:
        return None
