"""Run the arms, several at a time, and keep each one's scores; finished runs are not repeated."""

from __future__ import annotations

import csv
import json
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np
import torch

from met2net_ops.durable import replacing
from met2net_ops.errors import ModelError
from met2net_ops.models.training.climatology import SmoothClimatology
from met2net_ops.models.training.frames import join_flat, open_flat
from met2net_ops.models.training.loop import Run
from met2net_ops.models.training.preparation import Prepared, prepare
from met2net_ops.models.training.scores import score
from met2net_ops.models.training.train import static_fields
from met2net_ops.models.training.windows import complete_frames, window_starts
from met2net_ops.progress import Track, silent
from research.arms import ARMS, Arm, Budget
from research.stacked import parameters_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    from met2net_ops.models.training.frames import FlatFrames

_RESULT, _REFERENCES = "result.npz", "references.npz"
_UNREADABLE = (OSError, EOFError, ValueError, KeyError, BadZipFile)


@dataclass(frozen=True)
class Result:
    """The result of one run of an arm.

    Attributes:
        arm: its name.
        seed: of weights and shuffling.
        errors: (case, lead, variable) mean squared error weighted by cell area, squared units.
        cpu_seconds: spent in training.
        parameters: that were learnt.
        curve: (validation, 2) steps, and mean squared error over persistence's on the validation
            windows, mean over leads and variables.
    """

    arm: str
    seed: int
    errors: NDArray[np.float64]
    cpu_seconds: float
    parameters: int
    curve: NDArray[np.float64]


@dataclass(frozen=True)
class References:
    """Errors of reference forecasts that need no training, on the same cases.

    Attributes:
        variables: canonical names.
        persistence: (case, lead, variable) as in `Result.errors`.
        climatology: the same.
        first, last: frames the first and the last case begin with, for the page.
    """

    variables: tuple[str, ...]
    persistence: NDArray[np.float64]
    climatology: NDArray[np.float64]
    first: str
    last: str


@dataclass(frozen=True)
class _Job:
    arm: str
    seed: int
    budget: Budget
    frames: tuple[Path, ...]
    out: Path


def compare(
    arms: Sequence[Arm],
    budget: Budget,
    frames: Sequence[Path],
    out: Path,
    *,
    jobs: int = 1,
    finished_only: bool = False,
    track: Track = silent,
) -> tuple[References, list[Result]]:
    """Train and score every arm with every seed; finished runs are read, unfinished ones continue.

    Args:
        arms: what to compare.
        budget: the same for all.
        frames: folders of flat frames that hold the budget's periods.
        out: `ARM/seedN` holds a run; made if missing.
        jobs: training processes at a time, one thread each.
        finished_only: read what is there and run nothing.
        track: shows progress.

    Raises:
        ArchiveError: the frames do not cover the periods.
        ModelError: `out` holds runs of another budget, or a run diverged.
    """
    references = _references(budget, tuple(frames), out)
    wanted = [(arm.name, seed) for arm in arms for seed in arm.seeds(budget)]
    # Methods before options and seed by seed, so that an interrupted comparison has results.
    wanted.sort(key=lambda run: (ARMS[run[0]].group, run[1]))
    todo = [
        _Job(name, seed, budget, tuple(frames), out)
        for name, seed in wanted
        if not finished_only and _read(out, name, seed, budget) is None
    ]
    with ExitStack() as stack:
        if jobs > 1 and todo:
            context = multiprocessing.get_context("spawn")
            pool = stack.enter_context(
                ProcessPoolExecutor(jobs, context, initializer=torch.set_num_threads, initargs=(1,))
            )
            waiting = [pool.submit(_run, job) for job in todo]
            for done in track(as_completed(waiting), "comparing", len(waiting)):
                done.result()
        else:
            for job in track(todo, "comparing", len(todo)):
                _run(job)
    results = [_read(out, name, seed, budget) for name, seed in wanted]
    return references, [result for result in results if result is not None]


def _run(job: _Job) -> None:
    arm = ARMS[job.arm]
    settings = arm.settings(job.budget, job.seed)
    data = _prepare(arm, job.budget, job.frames, job.seed)
    folder = _folder(job.out, job.arm, job.seed)
    run = Run(settings, data, folder, builder=arm.builder)
    before, began = run.step, time.process_time()
    run.train()
    # Steps made before an interruption are taken to have cost as much as the others.
    made = run.total_steps - before
    seconds = (time.process_time() - began) * run.total_steps / made if made else float("nan")
    t = settings.network.frames
    starts = _test_starts(data, job.budget, t)
    scores = score(lambda some: run.forecast(some, t), data.samples.frames, starts, t, t)
    _write(
        folder / _RESULT,
        settings=_identity(arm, job.budget, job.seed),
        errors=scores.model,
        cpu_seconds=seconds,
        parameters=parameters_of(run.network),
        curve=_curve(folder / "validation.csv"),
    )
    run.checkpoint_file.unlink(missing_ok=True)


def _prepare(arm: Arm, budget: Budget, frames: tuple[Path, ...], seed: int) -> Prepared:
    series = join_flat([open_flat(folder) for folder in frames])
    static = static_fields(budget.data.static, series.grid)
    return prepare(arm.settings(budget, seed), series, static)


def _references(budget: Budget, frames: tuple[Path, ...], out: Path) -> References:
    path = out / _REFERENCES
    identity = _cases(budget)
    if path.exists():
        try:
            with path.open("rb") as raw, np.load(raw) as file:
                if str(file["settings"]) == identity:
                    return References(
                        tuple(map(str, file["variables"])), file["persistence"],
                        file["climatology"], str(file["first"]), str(file["last"]),
                    )  # fmt: skip
        except _UNREADABLE as error:
            raise ModelError(
                f"cannot read {path}: {error}; remove it to compute it again"
            ) from error
    arm = next(iter(ARMS.values()))
    data = _prepare(arm, budget, frames, 0)
    series: FlatFrames = data.samples.frames
    t = data.samples.network.frames
    starts = _test_starts(data, budget, t)
    training = complete_frames(series, budget.data.split().train)
    nothing = np.zeros((1, t, len(series.variables), *series.grid.shape), np.float32)
    scores = score(
        lambda some: np.repeat(nothing, len(some), axis=0), series, starts, t, t,
        SmoothClimatology(series, training),
    )  # fmt: skip
    assert scores.climatology is not None
    first, last = (f"{series.time(int(starts[i])):%Y-%m-%d %H UTC}" for i in (0, -1))
    found = References(series.variables, scores.persistence, scores.climatology, first, last)
    _write(path, settings=identity, **asdict(found))
    return found


def _test_starts(data: Prepared, budget: Budget, t: int) -> NDArray[np.int64]:
    starts = window_starts(data.samples.frames, budget.data.split().test, 2 * t)
    chosen = np.linspace(0, len(starts) - 1, budget.test_windows).round().astype(int)
    return np.asarray(starts[np.unique(chosen)])


def _curve(path: Path) -> NDArray[np.float64]:
    """(validation, 2) from a run's `validation.csv`."""
    ratios: dict[int, list[float]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            ratio = (float(row["rmse"]) / float(row["rmse_persistence"])) ** 2
            ratios.setdefault(int(row["step"]), []).append(ratio)
    return np.array([[step, np.mean(values)] for step, values in sorted(ratios.items())])


def _folder(out: Path, arm: str, seed: int) -> Path:
    return out / arm / f"seed{seed}"


def _identity(arm: Arm, budget: Budget, seed: int) -> str:
    """What a run depends on; more seeds or a new setting elsewhere do not make it another run."""
    sizes = [budget.steps, budget.batch, budget.hid_s, budget.hid_t, budget.n_t]
    changes = [arm.name, seed, dict(arm.network), dict(arm.run), arm.steps_factor]
    init = arm.settings(budget, seed).run.init
    return json.dumps([_cases(budget), sizes, changes, init], sort_keys=True)


def _cases(budget: Budget) -> str:
    data = budget.data
    periods = [data.train, data.validation, data.test]
    return json.dumps([data.variables, periods, data.static, budget.test_windows])


def _read(out: Path, name: str, seed: int, budget: Budget) -> Result | None:
    path = _folder(out, name, seed) / _RESULT
    if not path.exists():
        return None
    try:
        with path.open("rb") as raw, np.load(raw) as file:
            if str(file["settings"]) != _identity(ARMS[name], budget, seed):
                raise ModelError(
                    f"{path} is of another budget or other settings; give another folder, or "
                    "remove this one to run it again"
                )
            return Result(
                name, seed, file["errors"], float(file["cpu_seconds"]), int(file["parameters"]),
                file["curve"],
            )  # fmt: skip
    except _UNREADABLE as error:
        raise ModelError(f"cannot read {path}: {error}; remove it to run it again") from error


def _write(path: Path, **arrays: ArrayLike) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with replacing(path) as file:
            np.savez(file, allow_pickle=False, **arrays)
    except OSError as error:
        raise ModelError(f"cannot write {path}: {error}") from error
