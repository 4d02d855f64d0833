"""A training run of a workspace: everything it needs is there, and what it makes goes there."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from met2net_ops.durable import replacing
from met2net_ops.errors import ModelError
from met2net_ops.models.names import is_model_name
from met2net_ops.models.training.settings_file import parse_settings
from met2net_ops.models.training.template import Sized, size_settings, workspace_settings
from met2net_ops.verification.inputs.surface import read_surface

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import torch

    from met2net_ops.models.training.settings import TrainingSettings
    from met2net_ops.workspace import Workspace

_SETTINGS = "settings.toml"
_HOUR = 3600.0


@dataclass(frozen=True)
class OwnRun:
    """What to train, and where.

    Attributes:
        settings: of the run.
        out: its folder.
        sized: what it will take; None for a run that continues.
    """

    settings: TrainingSettings
    out: Path
    sized: Sized | None


def own_run(
    workspace: Workspace,
    name: str | None,
    hours: float,
    device: torch.device,
    changes: Sequence[str] = (),
) -> OwnRun:
    """The run of a workspace: the one begun under that name, or a new one sized for the time.

    Args:
        workspace: whose archive, grid, variables and surface are used.
        name: of the model; by default that of the workspace's folder.
        hours: that it may take.
        device: it will run on.
        changes: as of `parse_settings`.

    Raises:
        ModelError: the model exists, or the name cannot be one.
        ArchiveError: too few frames.
    """
    chosen = name or _name_of(workspace)
    if not is_model_name(chosen):
        raise ModelError(
            f"a model cannot be called {chosen!r}: write lower case, digits, '.', '_' and '-'"
        )
    if (workspace.paths.models / chosen).exists():
        raise ModelError(
            f"{workspace.paths.models / chosen} exists and is left as it is. Train another beside "
            f"it with --name {chosen}-2; both can be run and compared"
        )
    out = workspace.paths.training / chosen
    file = out / _SETTINGS
    if file.exists():
        text = file.read_text(encoding="utf-8")
        return OwnRun(parse_settings(text, str(file), changes), out, None)
    variables = workspace.settings.archive.variables
    statics, names = _statics(workspace)
    settings = workspace_settings(
        workspace.archive, variables, chosen, statics, names, _attribution(workspace)
    )
    windows = _windows(settings, workspace)
    sized = size_settings(settings, workspace.archive.grid, windows, hours * _HOUR, device)
    if changes:
        settings = parse_settings(settings_text(sized.settings), "the template", changes)
        sized = Sized(settings, sized.step_seconds)
    return OwnRun(sized.settings, out, sized)


def begin(run: OwnRun) -> None:
    """Keep the settings, so that the same command continues this run.

    Raises:
        ModelError: the disk refuses.
    """
    file = run.out / _SETTINGS
    if file.exists():
        return
    try:
        run.out.mkdir(parents=True, exist_ok=True)
        with replacing(file, text=True) as stream:
            stream.write(settings_text(run.settings))
    except OSError as error:
        raise ModelError(f"cannot write {file}: {error}") from error


def settings_text(settings: TrainingSettings) -> str:
    """Settings as TOML that `--config` reads."""
    values = asdict(settings)
    sections = {key: values.pop(key) for key in ("data", "network", "run")}
    lines = [_line(key, value) for key, value in values.items()]
    for section, content in sections.items():
        lines += ["", f"[{section}]", *(_line(key, value) for key, value in content.items())]
    return "\n".join(lines) + "\n"


def _line(key: str, value: Any) -> str:
    return f"{key} = {json.dumps(value, ensure_ascii=False)}"


def _name_of(workspace: Workspace) -> str:
    """The folder's name as a model may have it."""
    wanted = workspace.settings.forecast.model
    if is_model_name(wanted) and wanted == workspace.root.name.lower():
        return wanted
    return re.sub(r"[^a-z0-9._-]+", "-", workspace.root.name.lower()).strip("-._") or "own"


def _statics(workspace: Workspace) -> tuple[Path | None, tuple[str, ...]]:
    """The surface of the workspace, and which forcings it gives."""
    given = workspace.settings.verification.surface
    path = workspace.root / given if given else workspace.paths.statics
    if not path.is_file():
        return None, ()
    surface = read_surface(path, workspace.archive.grid)
    fields = (("land_sea_mask", surface.land), ("orography", surface.height))
    return path, tuple(name for name, field in fields if field is not None)


def _attribution(workspace: Workspace) -> str:
    from met2net_ops.datasets.source import find_dataset

    source = workspace.settings.dataset.source
    return find_dataset(source, workspace.root / "datasets").attribution if source else ""


def _windows(settings: TrainingSettings, workspace: Workspace) -> int:
    """About how many training windows the periods hold."""
    length = 2 * settings.network.frames
    step = workspace.archive.step
    counts = (
        (period.stop - period.start) // step + 2 - length for period in settings.data.split().train
    )
    return max(1, sum(max(0, count) for count in counts))
