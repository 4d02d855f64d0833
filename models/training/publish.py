"""A trained network as a model folder, and that folder as a forecaster."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import save_file

from met2net_ops.durable import exchange
from met2net_ops.errors import ModelError
from met2net_ops.models.description import (
    GridDescription,
    ModelDescription,
    describe_network,
    natural_bounds,
)
from met2net_ops.models.folder import (
    CARD_FILE,
    WEIGHTS_FILE,
    ModelFolder,
    problems_of,
    read_folder,
)
from met2net_ops.models.forecaster import Met2NetForecaster
from met2net_ops.models.training.frames import FlatSource
from met2net_ops.models.training.preparation import Prepared, network_config
from met2net_ops.models.weights import write_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from met2net_ops.models.met2net.network import Met2Net
    from met2net_ops.models.training.frames import FlatFrames
    from met2net_ops.models.training.scores import Forecast
    from met2net_ops.models.training.settings import TrainingSettings

STAGING_PREFIX = ".staging-"


def folder_forecast(folder: ModelFolder, frames: FlatFrames, t: int, leads: int) -> Forecast:
    """Forecasts from windows of a series, by the forecaster that operations use, on the CPU."""
    forecaster = Met2NetForecaster(folder, device="cpu", source=FlatSource(frames))
    before = forecaster.spec.input_frames - t

    def forecast(some: NDArray[np.int64]) -> NDArray[np.float32]:
        window = np.stack([frames.read(int(start) - before, t + before) for start in some])
        times = [frames.time(int(start) + t - 1) for start in some]
        blocks = [block.values for block in forecaster.rollout(window, times, leads)]
        return np.concatenate(blocks, axis=1)

    return forecast


def describe(
    settings: TrainingSettings, data: Prepared, made: Mapping[str, object]
) -> dict[str, object]:
    """The fields of `model.json` but the checksum of the weights."""
    frames, statistics, network = data.samples.frames, data.statistics, settings.network
    names = frames.variables
    offset, scale = statistics.normalisation(settings.data.normalise)
    description: dict[str, object] = {
        "name": settings.name,
        "variables": names,
        "grid": GridDescription.of(frames.grid).model_dump(),
        "step_hours": round(frames.step.total_seconds() / 3600),
        "input_frames": network.frames,
        "network": describe_network(network_config(settings, frames.grid)).model_dump(),
        "normalisation": {
            name: {"offset": float(offset[i]), "scale": float(scale[i])}
            for i, name in enumerate(names)
        },
        "predict": network.predict,
        "clip": natural_bounds(names),
        "forcings": network.forcings,
        "licence": settings.licence,
        "training": {"method": settings.run.method, "train": settings.data.train, **made},
    }
    fit = np.asarray(made.get("increment_fit", 1.0))
    for key, values in (
        ("increment_scale", fit * statistics.increment_std if network.predict != "state" else None),
        ("daily_memory", statistics.daily_memory),
    ):
        if values is not None:
            description[key] = {n: tuple(map(float, values[:, i])) for i, n in enumerate(names)}
    return description


def check_description(settings: TrainingSettings, data: Prepared) -> None:
    """Check before training that a valid `model.json` can be written.

    Raises:
        ModelError: it cannot; every problem is named.
    """
    hours = data.samples.frames.step / timedelta(hours=1)
    if hours != int(hours):
        raise ModelError(
            f"the frames lie {hours:g} h apart; a model needs whole hours. Leave frames out"
        )
    try:
        ModelDescription.model_validate(
            {**describe(settings, data, {}), "weights_sha256": "0" * 64}
        )
    except ValidationError as error:
        raise ModelError(
            f"no model folder can be made of these settings:\n{problems_of(error)}"
        ) from error


def replace_folder(
    models: Path,
    description: Mapping[str, object],
    network: Met2Net,
    card: str,
    static: Mapping[str, NDArray[np.float32]],
) -> ModelFolder:
    """Write `models/NAME`, replacing one that exists; checked before it is replaced.

    Raises:
        ModelError: the network does not come back from disk as it was, or the disk refuses.
    """
    wanted = description["forcings"]
    assert isinstance(wanted, tuple)
    used = {name: field for name, field in static.items() if name in wanted}
    with _staging(models) as staging:
        folder = write_folder(staging, description, network, card, static=used)
        exchange(folder.path, models / folder.name)
    return read_folder(models / folder.name)


def replace_plain_folder(out: Path, name: str, network: Met2Net, card: str) -> Path:
    """Write `out/NAME` with weights and card alone, replacing one that exists.

    For variables that are not weather: there is no `model.json` for the forecast command.

    Raises:
        ModelError: the disk refuses.
    """
    with _staging(out) as staging:
        new = staging / name
        new.mkdir()
        tensors = {
            f"network.{key}": tensor.cpu().contiguous()
            for key, tensor in network.state_dict().items()
        }
        save_file(tensors, new / WEIGHTS_FILE)
        (new / CARD_FILE).write_text(card, encoding="utf-8")
        exchange(new, out / name)
    return out / name


@contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    """A temporary folder on the same file system; errors of the disk become a ModelError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=STAGING_PREFIX, dir=folder) as staging:
            yield Path(staging)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"cannot write a model folder in {folder}: {error}") from error
