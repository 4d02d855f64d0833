"""From settings and frames to a model folder, scored and described."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from met2net_ops.archive.frames import FrameArchive
from met2net_ops.errors import ArchiveError, ModelError
from met2net_ops.models.description import GridDescription, describe_network, natural_bounds
from met2net_ops.models.folder import ModelFolder, build_network, read_folder, read_weights
from met2net_ops.models.folder import write_folder as write_new_folder
from met2net_ops.models.forecaster import Met2NetForecaster
from met2net_ops.models.training.card import Story, write_card
from met2net_ops.models.training.climatology import Climatology
from met2net_ops.models.training.frames import FlatFrames, flatten, join_flat, open_flat
from met2net_ops.models.training.loop import Prepared, Progress, Run, network_config, prepare
from met2net_ops.models.training.scores import Scores, score
from met2net_ops.models.training.windows import complete_frames, window_starts
from met2net_ops.models.training.workers import join_workers
from met2net_ops.progress import Track, silent
from met2net_ops.times import format_time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from met2net_ops.grids import LatLonGrid
    from met2net_ops.models.met2net.network import Met2Net
    from met2net_ops.models.training.settings import TrainingSettings

# Land fraction of each cell of era5-uk, from the 1 km GLOBE elevation model (NOAA, public domain).
_SHIPPED_FIELDS = Path(__file__).parent / "presets" / "era5-uk.npz"


def train_model(
    settings: TrainingSettings,
    series: FlatFrames,
    static: Mapping[str, NDArray[np.float32]],
    out: Path,
    *,
    command: str,
    track: Track = silent,
) -> tuple[ModelFolder, Scores] | None:
    """Train, and leave the best network of all validations in `out/NAME`.

    The folder is written whenever a validation is the best so far, so a run that is stopped leaves
    a usable model. `out/run` holds checkpoint and logs; called again, the run goes on from there.

    Args:
        settings: what to train and how.
        series: the data.
        static: (latitude, longitude) fields of static forcings, of order one.
        out: made if missing.
        command: what the card names as the way to train it again.
        track: shows progress.

    Returns:
        The model folder and its scores on the test period; None in the processes that only helped
        (see `workers`).

    Raises:
        ArchiveError: the data cannot be trained on.
        ModelError: the settings do not make a model for this grid, the run diverged, or the disk
            refuses.
    """
    data = prepare(settings, series, static)
    starts = test_windows(settings, data)
    run = fit(settings, data, static, out, command=command, track=track)
    if not run.workers.leads:
        return None
    folder = read_folder(out / settings.name)
    scores = test_scores(folder, settings, data, starts)
    made = dict(folder.description.training)
    story = _story(run, made["steps"], made["processes"], command)
    card = write_card(story, scores, tested=True)
    network = build_network(folder, read_weights(folder))
    return replace_folder(out, describe(settings, data, made), network, card, static), scores


def fit(
    settings: TrainingSettings,
    data: Prepared,
    static: Mapping[str, NDArray[np.float32]],
    out: Path,
    *,
    command: str,
    track: Track = silent,
) -> Run:
    """Train, or go on training, and keep the best network of all validations in `out/NAME`."""
    run = Run(settings, data, out / "run", join_workers())

    def keep_best(progress: Progress) -> None:
        if progress.best:
            story = _story(run, progress.step, run.workers.count, command)
            card = write_card(story, progress.scores, tested=False)
            made = {
                "steps": progress.step,
                "seconds": round(progress.seconds),
                "processes": run.workers.count,
            }
            replace_folder(out, describe(settings, data, made), progress.network, card, static)

    run.train(keep_best, track)
    return run


def test_windows(settings: TrainingSettings, data: Prepared) -> NDArray[np.int64]:
    """First frames of the windows of the test period that are scored, evenly spaced.

    Raises:
        ArchiveError: none fits.
    """
    length = settings.network.frames + _leads(settings)
    starts = window_starts(data.samples.frames, settings.data.split().test, length)
    chosen = np.linspace(0, len(starts) - 1, settings.run.test_windows).round().astype(int)
    return np.asarray(starts[np.unique(chosen)])


def _story(run: Run, steps: int, processes: int, command: str) -> Story:
    return Story(
        settings=run.settings,
        frames=run.data.samples.frames,
        command=command,
        parameters=sum(parameter.numel() for parameter in run.network.parameters()),
        windows=len(run.data.train),
        steps=steps,
        seconds=run.seconds,
        processes=processes,
    )


def test_scores(
    folder: ModelFolder, settings: TrainingSettings, data: Prepared, starts: NDArray[np.int64]
) -> Scores:
    """Scores of a model folder, by the forecaster that operations use."""
    frames, t, leads = data.samples.frames, settings.network.frames, _leads(settings)
    forecaster = Met2NetForecaster(folder, device="cpu")

    def forecast(some: NDArray[np.int64]) -> NDArray[np.float32]:
        window = np.stack([frames.read(int(start), t) for start in some])
        times = [frames.time(int(start) + t - 1) for start in some]
        blocks = [block.values for block in forecaster.rollout(window, times, leads)]
        return np.concatenate(blocks, axis=1)

    training = complete_frames(frames, settings.data.split().train)
    return score(forecast, frames, starts, t, leads, Climatology(frames, training))


def describe(
    settings: TrainingSettings, data: Prepared, made: Mapping[str, object]
) -> dict[str, object]:
    """The fields of `model.json` but the checksum of the weights."""
    frames, statistics, network = data.samples.frames, data.statistics, settings.network
    names = frames.variables
    description: dict[str, object] = {
        "name": settings.name,
        "variables": names,
        "grid": GridDescription.of(frames.grid).model_dump(),
        "step_hours": round(frames.step.total_seconds() / 3600),
        "input_frames": network.frames,
        "network": describe_network(network_config(settings, frames.grid)).model_dump(),
        "normalisation": {
            name: {"offset": float(statistics.mean[i]), "scale": float(statistics.std[i])}
            for i, name in enumerate(names)
        },
        "predict": network.predict,
        "clip": natural_bounds(names),
        "forcings": network.forcings,
        "licence": settings.licence,
        "training": {"method": settings.run.method, "train": settings.data.train, **made},
    }
    if network.predict == "increment":
        description["increment_scale"] = {
            name: tuple(map(float, statistics.increment_std[:, i])) for i, name in enumerate(names)
        }
    return description


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
        if target.exists():
            target.rename(staging / ".old")
        folder.path.rename(target)
    except OSError as error:
        raise ModelError(f"cannot write a model folder in {models}: {error}") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return read_folder(target)


def series_for(
    settings: TrainingSettings,
    archive: str | None,
    folders: Sequence[Path],
    out: Path,
    track: Track = silent,
) -> FlatFrames:
    """The frames a run learns from: flat folders as they are, or a flat copy of an archive.

    The copy lies in `out/frames`; one that is there already is used again if it is of the same
    variables, grid and time.

    Raises:
        ArchiveError: no archive, a variable it lacks, or frames that do not fit together.
    """
    if archive is None:
        return join_flat([open_flat(folder) for folder in folders])
    source, names = FrameArchive.open(archive), settings.data.variables
    span = source.span()
    if span is None:
        raise ArchiveError(f"{archive} holds no frame yet; `met2net-ops ingest` fills it")
    split = settings.data.split()
    periods = (*split.train, *split.validation, *split.test)
    # The archive's first time anchors the axis: later frames lie whole steps after it.
    before = max(0, (min(period.start for period in periods) - span[0]) // source.step)
    start = span[0] + source.step * before
    stop = min(span[1], max(period.stop for period in periods))
    if stop < start:
        raise ArchiveError(
            f"{archive} ends at {format_time(span[1])}, before the first period of the settings "
            f"begins: {min(map(str, periods))}"
        )
    folder, workers = out / "frames", join_workers()
    if workers.leads and not _is_copy(folder, names, source, start, stop):
        flatten(source, names, start, stop, folder, track)
    workers.wait()
    return open_flat(folder)


def _is_copy(
    folder: Path, names: tuple[str, ...], source: FrameArchive, start: datetime, stop: datetime
) -> bool:
    if not (folder / "about.json").exists():
        return False
    copied = open_flat(folder)
    last = copied.time(len(copied) - 1)
    same = (copied.variables, copied.grid, copied.start) == (names, source.grid, start)
    return same and last <= stop < last + source.step


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
        with np.load(path, allow_pickle=False) as file:
            return {name: np.asarray(file[name], dtype=np.float32) for name in file.files}
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot read the static fields {source}: {error}") from error


def _leads(settings: TrainingSettings) -> int:
    return settings.run.validation_leads or settings.network.frames
