"""The training loop: a plain one, that can be killed at any moment and goes on where it was."""

from __future__ import annotations

import csv
import json
import logging
import math
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from met2net_ops.errors import ModelError, SettingsError
from met2net_ops.models.met2net.config import NetworkConfig
from met2net_ops.models.met2net.network import Met2Net
from met2net_ops.models.training.augment import shift_level
from met2net_ops.models.training.average import WeightAverage
from met2net_ops.models.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from met2net_ops.models.training.end_to_end import EndToEnd
from met2net_ops.models.training.rollout import rollout_backward
from met2net_ops.models.training.samples import Samples, row_weights
from met2net_ops.models.training.scores import Scores, score
from met2net_ops.models.training.statistics import Statistics, field_statistics
from met2net_ops.models.training.two_stage import Losses, TwoStage
from met2net_ops.models.training.windows import batch_order, check_split, window_starts
from met2net_ops.models.training.workers import Workers
from met2net_ops.progress import Track, silent
from met2net_ops.times import format_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from met2net_ops.models.training.frames import FlatFrames
    from met2net_ops.models.training.settings import RunSettings, TrainingSettings

    Learner = Callable[[RunSettings, NetworkConfig, Tensor | None], EndToEnd | TwoStage]

_LOSS_COLUMNS = (
    "step", "seconds", "learning_rate", "total", "reconstruction", "latent", "prediction",
    "gradient_norm",
)  # fmt: skip
_VALIDATION_COLUMNS = ("step", "variable", "lead", "rmse", "rmse_persistence")


class TrainingDivergedError(ModelError):
    """A loss or gradient stopped being a number."""


@dataclass(frozen=True)
class Prepared:
    """Data ready to train on; making it finds every fault of the data before time is spent.

    Attributes:
        samples: batches.
        statistics: of the training period.
        train: (n,) first frames of training windows of one block.
        train_long: the same for the rollout phase's windows; empty without that phase.
        validation: first frames of the windows that are scored along the way.
    """

    samples: Samples
    statistics: Statistics
    train: NDArray[np.int64]
    train_long: NDArray[np.int64]
    validation: NDArray[np.int64]


@dataclass(frozen=True)
class Progress:
    """What `on_validation` gets to see.

    Attributes:
        step: optimiser steps made.
        seconds: training time so far.
        network: the averaged network.
        scores: of the averaged network on the validation windows.
        best: whether no earlier one was better.
    """

    step: int
    seconds: float
    network: Met2Net
    scores: Scores
    best: bool


def prepare(
    settings: TrainingSettings, series: FlatFrames, static: Mapping[str, NDArray[np.float32]]
) -> Prepared:
    """Split, find windows, compute statistics.

    Raises:
        ArchiveError: a missing variable, too short a series, gaps everywhere, a constant field, or
            periods too close to each other.
        ModelError: the network does not fit the grid, or a static forcing is missing.
    """
    network, run = settings.network, settings.run
    frames = series.select(settings.data.variables)
    split = settings.data.split()
    check_split(split, settings.data.guard_hours)
    network_config(settings, frames)
    t = network.frames
    train = window_starts(frames, split.train, 2 * t)
    long = np.empty(0, dtype=np.int64)
    if run.rollout_steps:
        long = window_starts(frames, split.train, t * (1 + run.rollout_blocks))
    leads = run.validation_leads or t
    validation = window_starts(frames, split.validation, t + leads)
    chosen = np.linspace(0, len(validation) - 1, run.validation_windows).round().astype(int)
    statistics = field_statistics(frames, train, t, t)
    samples = Samples(frames, network, statistics, static)
    samples.batch(train[:1])  # a static forcing that is missing shows here
    return Prepared(samples, statistics, train, long, validation[np.unique(chosen)])


def network_config(settings: TrainingSettings, frames: FlatFrames) -> NetworkConfig:
    """The shape of the network for this grid.

    Raises:
        ModelError: the sizes do not make a network on this grid.
    """
    network = settings.network
    return NetworkConfig(
        input_frames=network.frames,
        variables=len(frames.variables),
        height=frames.grid.nlat,
        width=frames.grid.nlon,
        hid_s=network.hid_s,
        hid_t=network.hid_t,
        n_t=network.n_t,
        n_s=network.n_s,
        drop_path=network.drop_path,
        forcings=len(network.forcings),
        periodic_longitude=network.periodic_longitude,
    )


def learning_rate(run: RunSettings, step: int) -> float:
    """Linear warm-up, cosine to the final rate; then the same again for the rollout phase."""
    if step < run.steps:
        peak, place, length, warmup = run.learning_rate, step, run.steps, run.warmup_steps
    else:
        peak, place = run.rollout_learning_rate, step - run.steps
        length, warmup = run.rollout_steps, 0
    if place < warmup:
        return peak * (place + 1) / warmup
    angle = math.pi * (place - warmup) / max(1, length - warmup)
    return run.final_learning_rate + (peak - run.final_learning_rate) * 0.5 * (1 + math.cos(angle))


def met2net_learner(
    run: RunSettings, config: NetworkConfig, weights: Tensor | None
) -> EndToEnd | TwoStage:
    """Met2Net, and the step the settings ask for."""
    network = Met2Net(config)
    if run.method == "end-to-end":
        return EndToEnd(network, weights)
    return TwoStage(network, run.momentum, run.momentum_update, weights)


class Run:
    """A training run: what changes from step to step.

    Args:
        settings: of the run.
        data: what `prepare` made.
        folder: holds `checkpoint.pt`, `losses.csv`, `validation.csv`; made if missing. A
            checkpoint there is resumed.
        workers: the processes that train together; the first one writes.
        learner: makes the network and the step that trains it; comparisons train others.

    Raises:
        SettingsError: a batch that the processes cannot share evenly.
    """

    def __init__(
        self,
        settings: TrainingSettings,
        data: Prepared,
        folder: Path,
        workers: Workers = Workers(),  # noqa: B008 - frozen
        learner: Learner = met2net_learner,
    ) -> None:
        run = settings.run
        self.settings, self.data, self.folder, self.workers = settings, data, folder, workers
        if run.batch % workers.count or (run.rollout_steps and run.rollout_batch % workers.count):
            raise SettingsError(
                f"batches of {run.batch} and {run.rollout_batch} windows cannot be shared evenly "
                f"by {workers.count} processes"
            )
        folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(run.seed)
        self.weights = row_weights(data.samples.frames) if run.latitude_weighted else None
        config = network_config(settings, data.samples.frames)
        self.method: EndToEnd | TwoStage = learner(run, config, self.weights)
        self.network = self.method.network
        self.method.train()
        self.average = WeightAverage(self.network, run.ema_decay)
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=run.learning_rate, weight_decay=run.weight_decay
        )
        self.step, self.seconds, self.best = 0, 0.0, math.inf
        self._settings_text = json.dumps(asdict(settings), sort_keys=True)
        if self.checkpoint_file.exists():
            self._resume()
        if workers.leads:
            self._losses = _Table(folder / "losses.csv", _LOSS_COLUMNS, self.step)
            self._validation = _Table(folder / "validation.csv", _VALIDATION_COLUMNS, self.step)

    @property
    def checkpoint_file(self) -> Path:
        """Where the run goes on from."""
        return self.folder / "checkpoint.pt"

    @property
    def total_steps(self) -> int:
        """Of both phases."""
        return self.settings.run.steps + self.settings.run.rollout_steps

    def train(
        self, on_validation: Callable[[Progress], None] = lambda _: None, track: Track = silent
    ) -> None:
        """Run to the last step.

        Raises:
            TrainingDivergedError: a loss or gradient is not finite; the batch is named.
            ModelError: a checkpoint cannot be written.
        """
        run = self.settings.run
        saved = started = time.monotonic() - self.seconds
        saved += self.seconds
        for step in track(range(self.step, self.total_steps), "training"):
            losses, norm = self._one_step(step)
            self.step, self.seconds = step + 1, time.monotonic() - started
            if not self.workers.leads:
                continue
            rate = learning_rate(run, step)
            seconds = round(self.seconds, 2)
            self._losses.add([[self.step, seconds, rate, *vars(losses).values(), norm]])
            last = self.step == self.total_steps
            if self.step % run.validate_steps == 0 or last:
                on_validation(self._validate())
            if last or time.monotonic() - saved > 60 * run.checkpoint_minutes:
                self.save()
                saved = time.monotonic()

    def save(self) -> None:
        """Write a checkpoint.

        Raises:
            ModelError: the disk refuses.
        """
        state = {
            "method": self.method.state_dict(),
            "average": self.average.network.state_dict(),
            "updates": self.average.updates,
            "optimiser": self.optimiser.state_dict(),
            "random": torch.get_rng_state(),
            "best": self.best,
        }
        checkpoint = Checkpoint(self.step, self.seconds, self._settings_text, state)
        save_checkpoint(self.checkpoint_file, checkpoint)

    def forecast(self, starts: NDArray[np.int64], leads: int) -> NDArray[np.float32]:
        """(n, lead, variable, latitude, longitude) by the averaged network, physical units."""
        return forecast(self.average.network, self.data.samples, starts, leads)

    def _one_step(self, step: int) -> tuple[Losses, float]:
        run, samples = self.settings.run, self.data.samples
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(run, step)
        self.optimiser.zero_grad(set_to_none=True)
        if step < run.steps:
            order = batch_order(len(self.data.train), run.batch, run.seed, step)
            starts = self.workers.share(self.data.train[order])
            batch = samples.batch(starts)
            if run.level_shift:
                batch = shift_level(batch, starts, run.level_shift, run.seed, step)
            target = samples.output_for(batch.frames, batch.targets)
            losses = self.method.backward(samples.inputs(batch.frames, batch.forcings), target)
        else:
            windows = self.data.train_long
            order = batch_order(len(windows), run.rollout_batch, run.seed + 1, step - run.steps)
            starts = self.workers.share(windows[order])
            batch = samples.batch(starts, run.rollout_blocks)
            losses = rollout_backward(self.network, samples, batch, self.weights)
        self.workers.average(self.method)
        limit = run.clip_norm or math.inf
        norm = float(torch.nn.utils.clip_grad_norm_(self.network.parameters(), limit))
        if not (math.isfinite(losses.total) and math.isfinite(norm)):
            times = ", ".join(format_time(samples.frames.time(int(start))) for start in starts)
            raise TrainingDivergedError(
                f"step {step + 1}: loss {losses.total}, gradient norm {norm}. The batch's windows "
                f"begin at {times}; the smallest input is {float(batch.frames.min()):g}, the "
                f"largest {float(batch.frames.max()):g} standard deviations. Look at these times; "
                "if they are sound, lower run.learning_rate or set run.clip_norm. The last "
                f"checkpoint is kept: {self.checkpoint_file}"
            )
        self.optimiser.step()
        self.average.update(self.network)
        return losses, norm

    def _validate(self) -> Progress:
        t = self.settings.network.frames
        leads = self.settings.run.validation_leads or t
        frames, starts = self.data.samples.frames, self.data.validation
        scores = score(lambda some: self.forecast(some, leads), frames, starts, t, leads)
        rmse, reference = scores.rmse(), scores.rmse("persistence")
        self._validation.add(
            (self.step, name, lead + 1, rmse[lead, number], reference[lead, number])
            for lead in range(leads)
            for number, name in enumerate(frames.variables)
        )
        # The mean of squares, so that one bad lead of one variable counts.
        value = float(np.square(scores.ratio()).mean())
        best = value < self.best
        self.best = min(value, self.best)
        logging.getLogger(__name__).info(
            "step %d, %.0f s: RMSE over persistence at +%d h: %s", self.step, self.seconds, t,
            ", ".join(
                f"{name} {ratio:.3f}"
                for name, ratio in zip(frames.variables, scores.ratio()[t - 1], strict=True)
            ),
        )  # fmt: skip
        return Progress(self.step, self.seconds, self.average.network, scores, best)

    def _resume(self) -> None:
        checkpoint = load_checkpoint(self.checkpoint_file, self._settings_text)
        state = checkpoint.state
        self.method.load_state_dict(state["method"])
        self.average.network.load_state_dict(state["average"])
        self.average.updates = state["updates"]
        self.optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["random"])
        self.step, self.seconds, self.best = checkpoint.step, checkpoint.seconds, state["best"]


@torch.no_grad()
def forecast(
    network: Met2Net, samples: Samples, starts: NDArray[np.int64], leads: int
) -> NDArray[np.float32]:
    """(n, lead, variable, latitude, longitude) from the windows at `starts`, physical units."""
    t = samples.network.frames
    blocks = -(-leads // t)
    batch = samples.batch(starts, 0)
    forcings = samples.forcings(starts, t, blocks)
    frames, states = batch.frames, []
    for block in range(blocks):
        part = forcings[:, block * t : (block + 1) * t]
        frames = samples.state_from(frames, network(samples.inputs(frames, part)))
        states.append(frames)
    return samples.physical(torch.cat(states, dim=1)[:, :leads])


class _Table:
    """A CSV file that grows by whole lines; lines of steps that will be made again are dropped."""

    def __init__(self, path: Path, columns: tuple[str, ...], step: int) -> None:
        self._path = path
        kept: list[list[str]] = []
        if path.exists() and step:
            with path.open(newline="", encoding="utf-8") as file:
                rows = [row for row in csv.reader(file) if len(row) == len(columns)]
            kept = [row for row in rows[1:] if int(row[0]) <= step]
        self._write("w", [columns, *kept])

    def add(self, rows: Iterable[Sequence[object]]) -> None:
        self._write("a", rows)

    def _write(self, mode: str, rows: Iterable[Sequence[object]]) -> None:
        with self._path.open(mode, newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)
