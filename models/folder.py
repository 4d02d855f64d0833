"""Model folders as far as they can be read without torch: the description, and checksums."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from met2net_ops.errors import ModelError
from met2net_ops.forecast.forecaster import ForecasterSpec
from met2net_ops.models.description import ModelDescription
from met2net_ops.visible import visible

if TYPE_CHECKING:
    from pathlib import Path

DESCRIPTION_FILE = "model.json"
WEIGHTS_FILE = "weights.safetensors"
CARD_FILE = "CARD.md"
_REFERENCES = "Li et al., Met2Net, ICCV 2025, https://arxiv.org/abs/2507.17189"


@dataclass(frozen=True)
class ModelFolder:
    """A model folder whose description has been read.

    Attributes:
        path: the folder.
        description: its `model.json`.
        checksum: SHA-256 of `model.json`, which holds that of the weights, so of everything.
    """

    path: Path
    description: ModelDescription
    checksum: str

    @property
    def name(self) -> str:
        """The model's name."""
        return self.description.name

    @property
    def spec(self) -> ForecasterSpec:
        """What the model needs and gives, as products and the service name it."""
        description = self.description
        return ForecasterSpec(
            name=description.name,
            checksum=self.checksum,
            variables=description.variables,
            grid=description.grid.grid(),
            input_frames=description.window_frames,
            step=description.step,
            references=_REFERENCES,
        )


def read_folder(path: Path) -> ModelFolder:
    """Read a folder's description; the weights are not touched.

    Raises:
        ModelError: no such file, not JSON, unknown keys, values that do not fit together, or a
            description of a model with another name than the folder's.
    """
    file = path / DESCRIPTION_FILE
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ModelError(
            f"{visible(str(path))} is not a model folder: cannot read {DESCRIPTION_FILE} "
            f"({error.strerror}); see docs/models.md for what a model folder holds"
        ) from error
    try:
        description = ModelDescription.model_validate_json(content)
    except ValidationError as error:
        raise ModelError(f"{visible(str(file))} is not valid:\n{problems_of(error)}") from error
    if description.name != path.name:
        raise ModelError(
            f"{visible(str(file))} describes {description.name!r}: rename the folder to that, or "
            "put the folder's name into the file"
        )
    return ModelFolder(path, description, hashlib.sha256(content).hexdigest())


def weights_checksum(folder: ModelFolder) -> str:
    """SHA-256 (hexadecimal) of the weights as they are on disk, to compare with the description's.

    Raises:
        ModelError: they cannot be read.
    """
    file = folder.path / WEIGHTS_FILE
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"cannot read {file}: {error.strerror}; restore the folder") from error


def problems_of(error: ValidationError) -> str:
    """Every problem of a description, one per line."""
    return "\n".join(
        f"  {'.'.join(str(part) for part in item['loc']) or DESCRIPTION_FILE}: {item['msg']}"
        for item in error.errors()
    )
