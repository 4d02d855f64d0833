"""The doctor's checks that need torch: the model that would run, and the device it would run on."""

from __future__ import annotations

import shutil
from datetime import timedelta
from typing import TYPE_CHECKING

import torch

from met2net_ops.errors import ModelError
from met2net_ops.health import CheckState, HealthCheck
from met2net_ops.models.baselines import BASELINE_NAMES, baseline_spec
from met2net_ops.models.device import device_name, resolve_device
from met2net_ops.models.registry import find_model
from met2net_ops.models.weights import build_network, read_weights

if TYPE_CHECKING:
    from met2net_ops.forecast.forecaster import ForecasterSpec
    from met2net_ops.settings import Settings
    from met2net_ops.workspace import Workspace


def check_model(workspace: Workspace) -> tuple[HealthCheck, ForecasterSpec | None]:
    """Whether the configured model is whole and fits the archive; and what it needs, if known."""
    name = workspace.settings.forecast.model
    grid, archived = workspace.settings.grid.grid(), workspace.settings.archive.variables
    step = timedelta(hours=workspace.settings.archive.step_hours)
    if name in BASELINE_NAMES:
        try:
            spec = baseline_spec(name, archived, grid, step)
        except ModelError as error:
            return HealthCheck("model", CheckState.FAIL, str(error), "set forecast.model"), None
        return HealthCheck("model", CheckState.OK, f"{name}, needs no weights"), spec
    try:
        folder = find_model(name, workspace.paths.models)
        build_network(folder, read_weights(folder))
    except ModelError as error:
        advice = "`met2net-ops models list` shows which there are; set forecast.model"
        return HealthCheck("model", CheckState.FAIL, str(error), advice), None
    spec = folder.spec
    finding = f"{name}, checksum {folder.checksum[:12]}, weights as described"
    problems = []
    if lacking := [variable for variable in spec.variables if variable not in archived]:
        problems.append(f"archive.variables lacks {', '.join(lacking)}")
    if spec.grid != grid:
        problems.append(f"[grid] is not the model's ({spec.grid})")
    if spec.step != step:
        problems.append(f"archive.step_hours is not the model's step ({spec.step})")
    if problems:
        finding = f"{finding}, but {'; '.join(problems)}"
        advice = "change met2net.toml, or choose another model"
        return HealthCheck("model", CheckState.FAIL, finding, advice), spec
    return HealthCheck("model", CheckState.OK, finding), spec


def check_device(settings: Settings) -> HealthCheck:
    """Whether the configured device is there, and whether a GPU is left unused."""
    try:
        device = resolve_device(settings.forecast.device)
    except ModelError as error:
        return HealthCheck(
            "device", CheckState.FAIL, str(error), "set forecast.device to auto or cpu"
        )
    finding = f"{device_name(device)}, torch {torch.__version__}"
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return HealthCheck(
            "device", CheckState.OK, f"{finding}, {free / 1e9:.0f} of {total / 1e9:.0f} GB free"
        )
    if settings.forecast.device == "auto" and shutil.which("nvidia-smi"):
        advice = "install a torch build for this driver: see the README on GPUs"
        return HealthCheck(
            "device", CheckState.WARN, f"{finding}, though there is an NVIDIA driver", advice
        )
    return HealthCheck("device", CheckState.OK, f"{finding}, {torch.get_num_threads()} threads")
