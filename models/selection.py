"""The forecaster of a name: a model or a baseline. Torch is imported only to run a model."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from met2net_ops.errors import Met2NetOpsError
from met2net_ops.models.baselines import BASELINE_NAMES, baseline, baseline_spec
from met2net_ops.models.registry import find_model

if TYPE_CHECKING:
    from met2net_ops.forecast.forecaster import Forecaster, ForecasterSpec
    from met2net_ops.forecast.window import FrameSource
    from met2net_ops.workspace import Workspace


def choose_forecaster(workspace: Workspace, source: FrameSource) -> Forecaster:
    """The forecaster `forecast.model`, on the device and in the precision of the settings.

    A baseline takes variables, grid and step from the frames.

    Raises:
        ModelError: no such model, a damaged folder, or a device that is not there.
    """
    wanted = workspace.settings.forecast
    if wanted.model in BASELINE_NAMES:
        variables = workspace.settings.archive.variables
        return baseline(wanted.model, variables, source.grid, source.step, source)
    from met2net_ops.models.forecaster import load_forecaster

    return load_forecaster(
        wanted.model,
        workspace.paths.models,
        device=wanted.device,
        precision=wanted.precision,
        compile=wanted.compile,
        source=source,
    )


def find_spec(workspace: Workspace, name: str) -> ForecasterSpec | None:
    """What the forecaster of that name needs of its input, found without torch.

    Returns:
        None if there is no such model, or its description cannot be read.
    """
    settings = workspace.settings
    archive = settings.archive
    try:
        if name in BASELINE_NAMES:
            step = timedelta(hours=archive.step_hours)
            return baseline_spec(name, archive.variables, settings.grid.grid(), step)
        return find_model(name, workspace.paths.models).spec
    except Met2NetOpsError:
        return None
