"""A trained network as a model folder, and that folder as a forecaster."""

from __future__ import annotations

import shutil
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import ValidationError

from met2net_ops.errors import ModelError
from met2net_ops.models.described import problems_of
from met2net_ops.models.description import (
    GridDescription,
    ModelDescription,
    describe_network,
    natural_bounds,
)
from met2net_ops.models.folder import ModelFolder, read_folder
from met2net_ops.models.folder import write_folder as write_new_folder
from met2net_ops.models.forecaster import Met2NetForecaster
from met2net_ops.models.training.exchange import put_in_place
from met2net_ops.models.training.preparation import Prepared, network_config

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from met2net_ops.models.met2net.network import Met2Net
    from met2net_ops.models.training.frames import FlatFrames
    from met2net_ops.models.training.scores import Forecast
    from met2net_ops.models.training.settings import TrainingSettings


def folder_forecast(folder: ModelFolder, frames: FlatFrames, t: int, leads: int) -> Forecast:
    """Forecasts from windows of a series, by the forecaster that operations use, on the CPU."""
    forecaster = Met2NetForecaster(folder, device="cpu")

    def forecast(some: NDArray[np.int64]) -> NDArray[np.float32]:
        window = np.stack([frames.read(int(start), t) for start in some])
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
    for key, values in (
        ("increment_scale", statistics.increment_std if network.predict != "state" else None),
        ("daily_memory", statistics.daily_memory),
    ):
        if values is not None:
            description[key] = {n: tuple(map(float, values[:, i])) for i, n in enumerate(names)}
    return description


def check_description(settings: TrainingSettings, data: Prepared) -> None:
    """See before training whether `model.json` will hold.

    Raises:
        ModelError: it will not; every problem is named.
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
    """Write `models/NAME`, in place of one that may be there; checked before it takes the place."""
    models.mkdir(parents=True, exist_ok=True)
    wanted = description["forcings"]
    assert isinstance(wanted, tuple)
    used = {name: field for name, field in static.items() if name in wanted}
    staging = Path(tempfile.mkdtemp(prefix=".staging-", dir=models))
    try:
        folder = write_new_folder(staging, description, network, card, static=used)
        target = models / folder.name
        put_in_place(folder.path, target)
    except OSError as error:
        raise ModelError(f"cannot write a model folder in {models}: {error}") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return read_folder(target)
