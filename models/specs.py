"""What models need of their input, known without torch: a service asks that in a small process."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from met2net_ops.errors import Met2NetOpsError
from met2net_ops.forecast.forecaster import ForecasterSpec
from met2net_ops.forecast.persistence import PERSISTENCE_NAMES, persistence
from met2net_ops.models.description import ModelDescription
from met2net_ops.models.names import is_model_name

if TYPE_CHECKING:
    from met2net_ops.workspace import Workspace

_SHIPPED = Path(__file__).parent / "shipped"
_DESCRIPTION = "model.json"


def find_spec(workspace: Workspace, name: str) -> ForecasterSpec | None:
    """What the model of that name needs: `registry` would find the same one.

    Returns:
        None if there is none, or its description cannot be read.
    """
    archive = workspace.settings.archive
    if name in PERSISTENCE_NAMES:
        try:
            step = timedelta(hours=archive.step_hours)
            return persistence(name, archive.variables, workspace.settings.grid.grid(), step).spec
        except Met2NetOpsError:
            return None
    if not is_model_name(name):
        return None
    for place in (workspace.paths.models, _SHIPPED):
        if (place / name).is_dir():
            return _read(place / name / _DESCRIPTION)
    return None


def _read(path: Path) -> ForecasterSpec | None:
    try:
        data = path.read_bytes()
        found = ModelDescription.model_validate_json(data)
        return ForecasterSpec(
            name=found.name,
            checksum=hashlib.sha256(data).hexdigest(),
            variables=found.variables,
            grid=found.grid.grid(),
            input_frames=found.input_frames,
            step=found.step,
        )
    except (OSError, ValidationError, Met2NetOpsError):
        return None
