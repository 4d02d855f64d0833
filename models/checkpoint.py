"""Reading published Met2Net checkpoints, and making model folders of them.

A checkpoint is a pickle, and a pickle can run code. Here it is read with torch's restricted
unpickler, which builds tensors and plain containers; beyond those only NumPy arrays are allowed,
because the training framework stores the data's mean and deviation as such.
"""

from __future__ import annotations

import hashlib
import pickle
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import load_file

from met2net_ops.errors import ModelError
from met2net_ops.models.met2net.config import NetworkConfig
from met2net_ops.models.met2net.network import Met2Net
from met2net_ops.models.met2net.published_names import own_state
from met2net_ops.models.published_tensors import PublishedTensors, find_tensors
from met2net_ops.variables import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from torch import Tensor

_WANTED = (
    "it must be a Lightning .ckpt, a state dict saved with torch.save, or a .safetensors file, "
    "unchanged since it was written"
)
_ALIASES = {"r": "r1000", "u": "u10", "v": "v10", "t": "t2m", "slp": "msl", "mslp": "msl"}


@dataclass(frozen=True)
class PublishedCheckpoint:
    """What a published checkpoint holds.

    Attributes:
        path: the file.
        sha256: of the file.
        state: state dict of `Met2Net`: the `_q` parts.
        input_frames: T.
        variables: C.
        hid_s: channels of encoders and decoders.
        hid_t: channels of the translator.
        n_t: translator blocks.
        n_s: encoder and decoder blocks.
        shape: (H, W) where the file states it, else None.
        variable_names: canonical names where the file states them and all are known, else ().
        statistics: (mean, deviation) per variable where the file has them, else ().
        facts: what else it states, for the card: data set, epoch, momentum.
    """

    path: Path
    sha256: str
    state: dict[str, Tensor]
    input_frames: int
    variables: int
    hid_s: int
    hid_t: int
    n_t: int
    n_s: int
    shape: tuple[int, int] | None
    variable_names: tuple[str, ...]
    statistics: tuple[tuple[float, float], ...]
    facts: dict[str, str | int | float]

    def network(self, height: int, width: int) -> Met2Net:
        """The network on a grid of that shape, weights loaded, in eval mode.

        Raises:
            ModelError: the tensors do not make such a network; the message lists them.
        """
        network = Met2Net(
            NetworkConfig(
                self.input_frames, self.variables, height, width,
                hid_s=self.hid_s, hid_t=self.hid_t, n_t=self.n_t, n_s=self.n_s,
            )
        )  # fmt: skip
        try:
            network.load_state_dict(self.state)
        except RuntimeError as error:
            raise ModelError(f"{self.path} is not the published Met2Net: {error}") from error
        return network.eval().requires_grad_(False)


def read_published(path: Path) -> PublishedCheckpoint:
    """Read a Lightning `.ckpt`, a bare state dict, or one in safetensors form.

    Raises:
        ModelError: unreadable, damaged, holding types that could run code, or no Met2Net.
    """
    content = _load(path)
    found = find_tensors(content, str(path))
    broken = [name for name, value in found.tensors.items() if not torch.isfinite(value).all()]
    if broken:
        more = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
        raise ModelError(
            f"{path}: {broken[0]}{more} holds values that are not finite, because training "
            "diverged or the file is damaged; import an earlier checkpoint"
        )
    state = own_state(found.tensors)
    sizes = _sizes(path, state)
    parameters = content.get("hyper_parameters")
    said: dict[str, Any] = parameters if isinstance(parameters, dict) else {}
    shape = _stated_shape(path, said, sizes)
    return PublishedCheckpoint(
        path=path,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        state=state,
        shape=shape,
        variable_names=_stated_names(said, sizes["variables"]),
        statistics=_stated_statistics(said, sizes["variables"]),
        facts=_facts(content, said, found),
        **sizes,
    )


def _load(path: Path) -> dict[str, Any]:
    try:
        if _is_safetensors(path):
            return dict(load_file(path))
        with path.open("rb") as file, torch.serialization.safe_globals(_numpy_types()):
            content = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ModelError(f"there is no file {path}; {_WANTED}") from error
    except Exception as error:  # a damaged pickle makes its reader fail in many ways
        raise ModelError(_unreadable(path, error)) from error
    if not isinstance(content, dict):
        raise ModelError(f"{path} holds a {type(content).__name__}, not a checkpoint")
    return content


def _is_safetensors(path: Path) -> bool:
    """By its content, a length and a JSON header; by its name where that is damaged.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(9)
    header = int.from_bytes(start[:8], "little")
    by_content = start[8:] == b"{" and header < path.stat().st_size
    return by_content or (path.suffix == ".safetensors" and start[:2] != b"PK")


def _unreadable(path: Path, error: Exception) -> str:
    """Why a file cannot be read, and what to do."""
    if kind := _another_kind(path):
        return f"{path} is {kind}, not a checkpoint; download or copy the checkpoint itself again"
    reason = (str(error).splitlines() or [""])[0]
    if not isinstance(error, pickle.UnpicklingError):
        return f"{path} is not a readable checkpoint: {_WANTED} ({type(error).__name__}: {reason})"
    culprit = re.search(r"(?:GLOBAL|type|module) ([\w.]+)", str(error))
    return (
        f"{path} was not loaded: it is no plain checkpoint, or holds types that could run code"
        f"{f' ({culprit[1]})' if culprit else ''}. If you trust its origin, save its state dict "
        "alone with torch.save or safetensors and import that file"
    )


def _another_kind(path: Path) -> str:
    """What a file is that often takes a checkpoint's place; "" if it is none of these."""
    try:
        with path.open("rb") as file:
            start = file.read(512)
    except OSError:
        return ""
    if not start:
        return "empty"
    if start[:2] == b"\x1f\x8b":
        return "compressed with gzip"
    wide = start[:2] in (b"\xff\xfe", b"\xfe\xff")
    text = start.decode("utf-16" if wide else "utf-8", "ignore").lstrip("\ufeff").lstrip().lower()
    if text.startswith("version https://git-lfs"):
        return "a Git LFS pointer"
    if text.startswith("<"):
        return "an HTML page" if re.search(r"<(!doctype )?html|<head|<body", text) else "XML"
    return "JSON text" if text.startswith(("{", "[")) else ""


def _numpy_types() -> list[Callable[..., Any] | tuple[Callable[..., Any], str]]:
    """What a pickled float array is built from, under NumPy 2's and NumPy 1's module names."""
    rebuild = np._core.multiarray._reconstruct  # type: ignore[attr-defined]
    return [
        np.ndarray,
        np.dtype,
        np.dtypes.Float32DType,
        np.dtypes.Float64DType,
        (rebuild, "numpy._core.multiarray._reconstruct"),
        (rebuild, "numpy.core.multiarray._reconstruct"),
    ]


def _sizes(path: Path, state: Mapping[str, Tensor]) -> dict[str, int]:
    """The network's sizes, from the tensors alone."""
    first = state.get("encoders.0.blocks.0.conv.weight")
    project_in = state.get("translator.project_in.weight")
    if (
        first is None
        or project_in is None
        or first.ndim != 4
        or project_in.ndim != 4
        or not (len(first) and len(project_in))
    ):
        raise ModelError(
            f"{path} is no published Met2Net checkpoint: it lacks the weights enc_q_list.0.enc.0 "
            "or hid_q.conv1, or they have no channels"
        )
    return {
        "input_frames": project_in.shape[1] // first.shape[0],
        "variables": _count(state, r"encoders\.(\d+)\."),
        "hid_s": first.shape[0],
        "hid_t": project_in.shape[0],
        "n_t": _count(state, r"translator\.blocks\.(\d+)\."),
        "n_s": _count(state, r"encoders\.0\.blocks\.(\d+)\."),
    }


def _count(state: Mapping[str, Tensor], pattern: str) -> int:
    """How many different numbers there are: a name alone must not make a network of millions."""
    matches = (re.match(pattern, name) for name in state)
    return len({match[1] for match in matches if match})


def _stated_shape(
    path: Path, said: Mapping[str, Any], sizes: Mapping[str, int]
) -> tuple[int, int] | None:
    stated = said.get("in_shape")
    if not isinstance(stated, list | tuple) or len(stated) != 4:
        return None
    if not all(isinstance(number, int) for number in stated):
        return None
    frames, variables, height, width = stated
    if (frames, variables) != (sizes["input_frames"], sizes["variables"]):
        raise ModelError(
            f"{path} contradicts itself: in_shape states {frames} frames of {variables} variables, "
            f"its tensors {sizes['input_frames']} of {sizes['variables']}"
        )
    return height, width


def _stated_names(said: Mapping[str, Any], variables: int) -> tuple[str, ...]:
    stated = said.get("data_name")
    if not isinstance(stated, list | tuple):
        return ()
    names = tuple(_ALIASES.get(str(name), str(name)) for name in stated)
    known = len(set(names)) == variables == len(names) and all(name in VARIABLES for name in names)
    return names if known else ()


def _stated_statistics(said: Mapping[str, Any], variables: int) -> tuple[tuple[float, float], ...]:
    mean, deviation = (said.get(key) for key in ("test_mean", "test_std"))
    if not isinstance(mean, np.ndarray) or not isinstance(deviation, np.ndarray):
        return ()
    sound = np.isfinite(mean).all() and np.isfinite(deviation).all() and (deviation > 0).all()
    if mean.size != variables or deviation.size != variables or not sound:
        return ()
    pairs = zip(mean.ravel(), deviation.ravel(), strict=True)
    return tuple((float(offset), float(scale)) for offset, scale in pairs)


def _facts(
    content: Mapping[str, Any], said: Mapping[str, Any], tensors: PublishedTensors
) -> dict[str, str | int | float]:
    found = {
        "weights_from": tensors.place if tensors.others else None,
        "weights_not_used": ", ".join(tensors.others) or None,
        "data_set": said.get("dataname"),
        "momentum": said.get("momentum_ema"),
        "learning_rate": said.get("lr"),
        "epoch": content.get("epoch"),
        "steps": content.get("global_step"),
    }
    return {key: value for key, value in found.items() if isinstance(value, str | int | float)}
