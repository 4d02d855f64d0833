"""Put a model folder where a workspace finds it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from met2net_ops.durable import exchange
from met2net_ops.errors import ModelError
from met2net_ops.models.folder import ModelFolder, read_folder

if TYPE_CHECKING:
    from pathlib import Path


def install_folder(source: Path, models: Path, *, replace: bool = False) -> ModelFolder:
    """Copy a model folder into a folder of models; it appears whole or not at all.

    Args:
        source: the model folder, such as a training run left it.
        models: of the workspace; made if missing.
        replace: whether one of that name may go.

    Raises:
        ModelError: it is no model folder, one of that name is there, or the disk refuses.
    """
    folder = read_folder(source)
    target = models / folder.name
    if target.exists() and not replace:
        raise ModelError(f"{target} exists and is left as it is; move it away first")
    staging = models / ".installing" / folder.name
    try:
        shutil.rmtree(staging.parent, ignore_errors=True)
        shutil.copytree(source, staging)
        read_folder(staging)
        exchange(staging, target)
    except OSError as error:
        raise ModelError(f"cannot write {target}: {error}") from error
    finally:
        shutil.rmtree(staging.parent, ignore_errors=True)
    return read_folder(target)
