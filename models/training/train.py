"""From settings and frames to a model folder, scored and described."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from met2net_ops.durable import place
from met2net_ops.errors import ModelError
from met2net_ops.models.device import device_name, resolve_device
from met2net_ops.models.met2net.network import Met2Net
from met2net_ops.models.training.card import Provenance, write_card, write_scores
from met2net_ops.models.training.climatology import SmoothClimatology
from met2net_ops.models.training.loop import Run
from met2net_ops.models.training.memory import keep_memory
from met2net_ops.models.training.preparation import Prepared, network_config, with_linear
from met2net_ops.models.training.publish import (
    STAGING_PREFIX,
    check_description,
    describe,
    folder_forecast,
    replace_folder,
    replace_plain_folder,
)
from met2net_ops.models.training.references import fit_increment, linear_reference
from met2net_ops.models.training.rollout import base_forecast, forecast
from met2net_ops.models.training.scores import Scores, score
from met2net_ops.models.training.windows import complete_frames, window_starts
from met2net_ops.models.training.workers import join_workers
from met2net_ops.progress import Track, silent
from met2net_ops.variables import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from met2net_ops.grids import LatLonGrid
    from met2net_ops.models.folder import ModelFolder
    from met2net_ops.models.training.progress_reports import StepReport, ValidationReport
    from met2net_ops.models.training.settings import TrainingSettings

# Land fraction of each cell of era5-uk, from the 1 km GLOBE elevation model (NOAA, public domain).
_SHIPPED_FIELDS = Path(__file__).parent / "presets" / "era5-uk.npz"
_BEST = "best.safetensors"


@dataclass(frozen=True)
class Trained:
    """The result of a run.

    Attributes:
        path: `out/NAME`, with weights and card.
        scores: on the test period.
        folder: the model folder; None where the variables are not weather, which the forecast
            command cannot run.
    """

    path: Path
    scores: Scores
    folder: ModelFolder | None


def train_model(
    settings: TrainingSettings,
    data: Prepared,
    static: Mapping[str, NDArray[np.float32]],
    out: Path,
    *,
    command: str,
    device: str = "cpu",
    track: Track = silent,
    on_step: Callable[[StepReport], None] = lambda _: None,
    tensorboard: bool = False,
) -> Trained | None:
    """Train, and leave the best network of all validations in `out/NAME`.

    The folder is written whenever a validation is the best so far, so a run that is stopped leaves
    a usable model. `out/run` holds checkpoint, best weights and logs; called again, also on another
    machine, the run continues from there.

    Args:
        settings: what to train and how.
        data: what `prepare` made.
        static: (latitude, longitude) fields of static forcings, of order one.
        out: made if missing.
        command: what the card names as the way to train it again.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        track: shows progress.
        on_step: called after every step.
        tensorboard: whether to write TensorBoard's files.

    Returns:
        The result; None in every process but the first (see `workers`).

    Raises:
        ArchiveError: no test window fits.
        ModelError: the run diverged, a step does not fit into memory, or the disk refuses.
    """
    starts = test_windows(settings, data)
    check_target(settings, data, out)
    where = resolve_device(device)
    workers = join_workers()
    if where.type == "cuda" and workers.count > 1:
        where = resolve_device(f"cuda:{workers.local_rank}")
    if workers.is_first:
        for left_over in out.glob(f"{STAGING_PREFIX}*"):  # of a run that was killed while it wrote
            shutil.rmtree(left_over, ignore_errors=True)
    keep_memory()
    run = Run(settings, data, out / "run", workers, device=where, tensorboard=tensorboard)
    run.train(lambda progress: _keep_best(run, progress, static, out, command), track, on_step)
    if not workers.is_first:
        return None
    network, made = _best(run)
    if settings.run.fit_increment and settings.network.predict != "state":
        made["increment_fit"] = _increment_fit(run, network)
    _, folder = _publish(run, network, None, static, out, made, command, tested=False)
    scores = _test_scores(run, network, folder, starts)
    write_scores(run.folder / "scores.csv", scores)
    path, folder = _publish(run, network, scores, static, out, made, command, tested=True)
    return Trained(path, scores, folder)


def test_windows(settings: TrainingSettings, data: Prepared) -> NDArray[np.int64]:
    """First frames of the windows of the test period that are scored, evenly spaced.

    Raises:
        ArchiveError: none fits.
    """
    length = settings.network.frames + _leads(settings)
    frames = data.samples.frames
    starts = window_starts(frames, settings.data.split().test, length)
    if settings.network.predict == "linear":
        (starts,) = with_linear(frames, settings.network.frames, (starts,))
    chosen = np.linspace(0, len(starts) - 1, settings.run.test_windows).round().astype(int)
    return np.asarray(starts[np.unique(chosen)])


def check_target(settings: TrainingSettings, data: Prepared, out: Path) -> None:
    """Refuse a model folder that could not be written in the end, or would replace another's.

    Raises:
        ModelError: no valid description follows from the settings, or `out/NAME` exists and no run
            made it.
    """
    target = out / settings.name
    if target.exists() and not (out / "run").exists():
        raise ModelError(
            f"{target} exists and no run in {out} made it; give another --out, or move that "
            "folder away"
        )
    if _is_weather(settings):
        check_description(settings, data)


def _keep_best(
    run: Run,
    progress: ValidationReport,
    static: Mapping[str, NDArray[np.float32]],
    out: Path,
    command: str,
) -> None:
    if not progress.best:
        return
    made = {
        "steps": run.average.updates,
        "rollout_steps": max(0, progress.step - run.settings.run.steps),
        "seconds": round(progress.seconds),
        "processes": run.workers.count,
        "device": device_name(run.device),
        "precision": run.precision,
    }
    tensors = {
        name: tensor.cpu().contiguous() for name, tensor in progress.network.state_dict().items()
    }
    partial = run.folder / f".{_BEST}.partial"
    try:
        save_file(tensors, partial, metadata={"made": json.dumps(made)})
        place(partial, run.folder / _BEST)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"cannot write {run.folder / _BEST}: {error}") from error
    _publish(run, progress.network, progress.scores, static, out, made, command, tested=False)


def _best(run: Run) -> tuple[Met2Net, dict[str, Any]]:
    """The best network so far, and how it was made."""
    path = run.folder / _BEST
    network = Met2Net(network_config(run.settings, run.data.samples.frames.grid))
    try:
        with safe_open(path, framework="pt") as file:
            network.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
            made = json.loads(file.metadata()["made"])
    except (OSError, SafetensorError, RuntimeError, KeyError) as error:
        raise ModelError(
            f"cannot read the best weights of the run, {path}: {error}. Remove {run.folder} to "
            "start the run again"
        ) from error
    return network.eval().requires_grad_(False), made


def _increment_fit(run: Run, network: Met2Net) -> tuple[float, ...]:
    """How much of the network's change to keep, per variable."""
    t, samples = run.settings.network.frames, run.samples
    network = network.to(run.device)
    return fit_increment(
        lambda some: forecast(network, samples, some, t),
        lambda some: base_forecast(samples, some, t),
        run.data.samples.frames,
        run.data.validation,
        t,
        t,
    )


def _test_scores(
    run: Run, network: Met2Net, folder: ModelFolder | None, starts: NDArray[np.int64]
) -> Scores:
    """Scores on the test period, by the forecaster that operations use where it can."""
    settings, samples = run.settings, run.samples
    frames, t, leads = run.data.samples.frames, settings.network.frames, _leads(settings)
    if folder is not None:
        forecaster = folder_forecast(folder, frames, t, leads)
    else:
        network = network.to(run.device)

        def forecaster(some: NDArray[np.int64]) -> NDArray[np.float32]:
            return forecast(network, samples, some, leads)

    climatology = linear = None
    if _is_weather(settings):
        linear = linear_reference(frames, t, leads)
        training = complete_frames(frames, settings.data.split().train)
        climatology = SmoothClimatology(frames, training)
    return score(forecaster, frames, starts, t, leads, climatology, linear=linear)


def _publish(
    run: Run,
    network: Met2Net,
    scores: Scores | None,
    static: Mapping[str, NDArray[np.float32]],
    out: Path,
    made: Mapping[str, Any],
    command: str,
    *,
    tested: bool,
) -> tuple[Path, ModelFolder | None]:
    """Write `out/NAME`, in place of one that may be there."""
    settings = run.settings
    provenance = Provenance(
        settings=settings,
        frames=run.data.samples.frames,
        command=command,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        windows=len(run.data.train),
        attributions=run.data.attributions,
        **made,
    )
    card = write_card(provenance, scores, tested=tested)
    if not _is_weather(settings):
        return replace_plain_folder(out, settings.name, network, card), None
    folder = replace_folder(out, describe(settings, run.data, made), network, card, static)
    return folder.path, folder


def _is_weather(settings: TrainingSettings) -> bool:
    return set(settings.data.variables) <= set(VARIABLES)


def _leads(settings: TrainingSettings) -> int:
    return settings.run.validation_leads or settings.network.frames


def static_fields(source: str, grid: LatLonGrid) -> dict[str, NDArray[np.float32]]:
    """Fields of the static forcings on a grid.

    Args:
        source: `` for none, `naturerun` for the synthetic planet's, `era5-uk` for the fields that
            come with that preset, or a `.npz` file with `orography` (km) and `land_sea_mask` (0 to
            1), (latitude, longitude).
        grid: where.

    Raises:
        ModelError: the file cannot be read.
    """
    if not source:
        return {}
    if source == "naturerun":
        from met2net_ops.naturerun import planet

        land = planet.land_fraction(grid.latitudes, grid.longitudes)
        kilometres = planet.height(grid.latitudes, grid.longitudes) / 1000.0
        return {
            "land_sea_mask": np.asarray(land, dtype=np.float32),
            "orography": np.asarray(kilometres, dtype=np.float32),
        }
    path = _SHIPPED_FIELDS if source == "era5-uk" else Path(source)
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            fields = {name: np.asarray(file[name], dtype=np.float32) for name in file.files}
    except (OSError, ValueError, TypeError, EOFError, BadZipFile) as error:
        raise ModelError(
            f"cannot read the static fields {source}: {error}. data.static names a .npz file of "
            "(latitude, longitude) arrays, naturerun or era5-uk"
        ) from error
    missing = [name for name, field in fields.items() if not np.isfinite(field).all()]
    if missing:
        raise ModelError(
            f"{source}: {', '.join(missing)} has missing values; fill them (0 over the sea)"
        )
    return fields
