"""Weights of model folders: reading, checking and writing them.

`weights.safetensors` holds the network's parameters under `network.…` and the fields of static
forcings under `static.NAME`. A folder appears complete and checked, or not at all.
"""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save

from met2net_ops.durable import place
from met2net_ops.errors import ModelError
from met2net_ops.models.description import ModelDescription
from met2net_ops.models.folder import (
    CARD_FILE,
    DESCRIPTION_FILE,
    WEIGHTS_FILE,
    ModelFolder,
    problems_of,
    read_folder,
)
from met2net_ops.models.forcings import STATIC_FORCINGS
from met2net_ops.models.met2net.network import Met2Net

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import Tensor

_NETWORK = "network."
_STATIC = "static."


@dataclass(frozen=True)
class ModelWeights:
    """What `weights.safetensors` holds.

    Attributes:
        network: state dict of `Met2Net`.
        static: (nlat, nlon) float32 fields of static forcings, by name.
    """

    network: dict[str, Tensor]
    static: dict[str, NDArray[np.float32]]


def read_weights(folder: ModelFolder) -> ModelWeights:
    """Read the weights and compare their checksum with the description's.

    Raises:
        ModelError: unreadable, damaged, or not the weights of the description.
    """
    file = folder.path / WEIGHTS_FILE
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read {file}: {error.strerror}; restore the folder") from error
    found = hashlib.sha256(content).hexdigest()
    if found != folder.description.weights_sha256:
        raise ModelError(
            f"{file} is damaged or belongs to another model: SHA-256 {found[:12]}…, while "
            f"{DESCRIPTION_FILE} has {folder.description.weights_sha256[:12]}…; restore the folder"
        )
    try:
        tensors = load(content)
    except SafetensorError as error:
        raise ModelError(f"{file} is not a safetensors file: {error}") from error
    network = {k.removeprefix(_NETWORK): v for k, v in tensors.items() if k.startswith(_NETWORK)}
    static = {
        k.removeprefix(_STATIC): v.float().numpy()
        for k, v in tensors.items()
        if k.startswith(_STATIC)
    }
    return ModelWeights(network, static)


def build_network(folder: ModelFolder, weights: ModelWeights) -> Met2Net:
    """The network of a folder, in eval mode, on the CPU.

    Raises:
        ModelError: tensors missing, left over, of another shape, or not finite.
    """
    description = folder.description
    shape = description.grid.grid().shape
    needed = {name: shape for name in description.forcings if name in STATIC_FORCINGS}
    found = {name: field.shape for name, field in weights.static.items()}
    if found != needed:
        raise ModelError(
            f"{folder.path / WEIGHTS_FILE} holds the static fields {found}, "
            f"but {DESCRIPTION_FILE} needs {needed}"
        )
    broken = [name for name, value in weights.network.items() if not torch.isfinite(value).all()]
    broken += [
        f"the static field {name}"
        for name, field in weights.static.items()
        if not np.isfinite(field).all()
    ]
    if broken:
        raise ModelError(f"{folder.path / WEIGHTS_FILE}: {broken[0]} is not finite")
    network = Met2Net(description.network_config())
    try:
        network.load_state_dict(weights.network)
    except RuntimeError as error:
        raise ModelError(
            f"{folder.path / WEIGHTS_FILE} does not fit the network {DESCRIPTION_FILE} describes: "
            f"{error}"
        ) from error
    return network.eval().requires_grad_(False)


def write_folder(
    models: Path,
    description: Mapping[str, object],
    network: Met2Net,
    card: str,
    *,
    static: Mapping[str, NDArray[np.float32]] | None = None,
) -> ModelFolder:
    """Write `models/NAME` atomically, checked by reading it back and running it once.

    Args:
        models: the folder that holds model folders; made if missing.
        description: fields of `ModelDescription` except `weights_sha256`.
        network: its parameters and buffers are written.
        card: text of `CARD.md`.
        static: (nlat, nlon) fields of static forcings.

    Returns:
        The folder as read back.

    Raises:
        ModelError: the description is not valid or does not fit the network, there is such a
            model already, or the disk refuses.
    """
    tensors = {
        _NETWORK + name: value.detach().cpu().contiguous()
        for name, value in network.state_dict().items()
    }
    for name, field in (static or {}).items():
        tensors[_STATIC + name] = torch.from_numpy(np.ascontiguousarray(field, dtype=np.float32))
    try:
        models.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".partial-", dir=models) as staging:
            data = save(tensors)
            sha256 = hashlib.sha256(data).hexdigest()
            checked = _checked({**description, "weights_sha256": sha256})
            partial = Path(staging) / checked.name
            partial.mkdir()
            (partial / WEIGHTS_FILE).write_bytes(data)
            text = checked.model_dump_json(indent=2) + "\n"
            (partial / DESCRIPTION_FILE).write_text(text, encoding="utf-8")
            (partial / CARD_FILE).write_text(card, encoding="utf-8")
            written = read_folder(partial)
            rebuilt = build_network(written, read_weights(written))
            _same(rebuilt, network, partial)
            _runs(rebuilt, partial)
            _publish(partial, models / checked.name)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"cannot write a model folder in {models}: {error}") from error
    return read_folder(models / checked.name)


def _checked(fields: Mapping[str, object]) -> ModelDescription:
    try:
        return ModelDescription.model_validate(fields)
    except ValidationError as error:
        raise ModelError(
            f"this description of {fields.get('name')!r} is not valid:\n{problems_of(error)}"
        ) from error


def _same(found: Met2Net, meant: Met2Net, folder: Path) -> None:
    state = meant.state_dict()
    for name, value in found.state_dict().items():
        if not torch.equal(value, state[name].cpu()):
            raise ModelError(f"{folder}: {name} was read back from disk with other values")


def _runs(network: Met2Net, folder: Path) -> None:
    config = network.config
    shape = (1, config.input_frames, config.tokens, config.height, config.width)
    with torch.inference_mode():
        output = network(torch.zeros(shape, dtype=next(network.parameters()).dtype))
    if not torch.isfinite(output).all():
        raise ModelError(f"{folder}: the network gives values that are not finite")


def _publish(partial: Path, target: Path) -> None:
    """Sync and rename; a folder that is there already is never touched."""
    if target.exists():
        raise ModelError(
            f"{target} exists already; choose another name, or remove or rename that folder first"
        )
    place(partial, target)
