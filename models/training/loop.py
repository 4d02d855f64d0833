"""The training loop; killed at any moment, it continues from its checkpoint."""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING

import torch

from met2net_ops.errors import ModelError, SettingsError
from met2net_ops.models.device import arithmetic
from met2net_ops.models.training.augment import shift_level, stretch
from met2net_ops.models.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from met2net_ops.models.training.logs import RunLog
from met2net_ops.models.training.memory import (
    OutOfMemoryError,
    advice,
    available_bytes,
    is_out_of_memory,
    training_cost,
)
from met2net_ops.models.training.methods import MethodBuilder, build_method, decay_groups
from met2net_ops.models.training.prefetch import Prefetcher
from met2net_ops.models.training.preparation import (
    Prepared,
    network_config,
    same_data,
)
from met2net_ops.models.training.progress_reports import Rate, StepReport, ValidationReport
from met2net_ops.models.training.rollout import base_forecast, forecast, rollout_backward
from met2net_ops.models.training.samples import row_weights
from met2net_ops.models.training.schedule import learning_rate
from met2net_ops.models.training.scores import score
from met2net_ops.models.training.weight_average import WeightAverage
from met2net_ops.models.training.windows import batch_order
from met2net_ops.models.training.workers import Workers
from met2net_ops.progress import Track, silent
from met2net_ops.times import format_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from met2net_ops.models.device import Precision
    from met2net_ops.models.training.end_to_end import EndToEnd
    from met2net_ops.models.training.samples import Batch
    from met2net_ops.models.training.settings import RunSettings, TrainingSettings
    from met2net_ops.models.training.two_stage import Losses, TwoStage


class TrainingDivergedError(ModelError):
    """A loss or gradient stopped being a number."""


class Run:
    """A training run: what changes from step to step.

    Args:
        settings: of the run.
        data: what `prepare` made.
        folder: holds `checkpoint.pt`, `losses.csv`, `validation.csv`; made if missing. A
            checkpoint there is resumed.
        workers: the processes that train together; the first one writes.
        builder: makes the network and the step that trains it; research trains others.
        device: where it computes.
        tensorboard: whether to write TensorBoard's files beside the tables.

    Raises:
        SettingsError: a batch that the processes cannot share evenly.
        ModelError: the checkpoint cannot be read, or belongs to other settings.
    """

    def __init__(
        self,
        settings: TrainingSettings,
        data: Prepared,
        folder: Path,
        workers: Workers = Workers(),  # noqa: B008 - frozen
        builder: MethodBuilder = build_method,
        device: torch.device | str = "cpu",
        *,
        tensorboard: bool = False,
    ) -> None:
        run = settings.run
        self.settings, self.data, self.folder, self.workers = settings, data, folder, workers
        self.builder, self.device = builder, torch.device(device)
        self.precision = run_precision(run, self.device)
        shared = [(run.batch, len(data.train))]
        if run.rollout_steps:
            shared.append((run.rollout_batch, len(data.train_long)))
        for batch, windows in shared:
            if min(batch, windows) % workers.count:
                raise SettingsError(
                    f"batches of {batch} out of {windows} windows cannot be shared evenly by "
                    f"{workers.count} processes; choose run.batch and run.rollout_batch that can, "
                    "or fewer processes"
                )
        folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(run.seed)
        self.samples = data.samples.on(self.device)
        self.weights = row_weights(data.samples.frames) if run.latitude_weighted else None
        config = network_config(settings, data.samples.frames.grid)
        self.method: EndToEnd | TwoStage = builder(run, config, self.weights).to(self.device)
        self.weights = self.method.row_weights
        self.network = self.method.network
        self.method.train()
        self.average = WeightAverage(self.network, run.ema_decay)
        self.optimiser = torch.optim.AdamW(
            decay_groups(self.network, run.weight_decay), lr=run.learning_rate, fused=True
        )
        on_cuda = self.device.type == "cuda"
        self._batches: Prefetcher[Batch] = Prefetcher(self.total_steps, ahead=on_cuda)
        self.step, self.seconds, self.best, self.stale = 0, 0.0, math.inf, 0
        self._settings_text = settings.identity()
        if self.checkpoint_file.exists():
            self._resume()
        self._log = RunLog(folder, self.step, tensorboard=tensorboard) if workers.is_first else None

    @property
    def checkpoint_file(self) -> Path:
        """Where the run continues from."""
        return self.folder / "checkpoint.pt"

    @property
    def total_steps(self) -> int:
        """Of both phases."""
        return self.settings.run.steps + self.settings.run.rollout_steps

    def train(
        self,
        on_validation: Callable[[ValidationReport], None] = lambda _: None,
        track: Track = silent,
        on_step: Callable[[StepReport], None] = lambda _: None,
    ) -> None:
        """Run to the last step.

        Raises:
            TrainingDivergedError: a loss or gradient is not finite; the batch is named.
            OutOfMemoryError: a step does not fit into memory; a batch that would is named.
            ModelError: a checkpoint cannot be written.
        """
        run = self.settings.run
        saved = started = time.monotonic() - self.seconds
        saved += self.seconds
        rate = Rate()
        for step in track(self._steps(), "training", self.total_steps - self.step):
            losses, norm, windows = self._guarded_step(step)
            self.step, self.seconds = step + 1, time.monotonic() - started
            validates = self.step % run.validate_steps == 0 or self.step == self.total_steps
            if self._log is not None:
                self._log.step(self.step, self.seconds, learning_rate(run, step), losses, norm)
                on_step(rate.report(self.step, self.total_steps, self.seconds, windows, losses))
                if validates:
                    on_validation(self._validate())
            if validates and self.workers.broadcast(self._ends_early()):
                self._end_phase()
            last = self.step == self.total_steps
            if self.workers.is_first and (
                last or time.monotonic() - saved > 60 * run.checkpoint_minutes
            ):
                self.save()
                saved = time.monotonic()

    def save(self) -> None:
        """Write a checkpoint.

        Raises:
            ModelError: the disk refuses.
        """
        on_cuda = self.device.type == "cuda"
        state = {
            "method": self.method.state_dict(),
            "average": self.average.network.state_dict(),
            "updates": self.average.updates,
            "optimiser": self.optimiser.state_dict(),
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state(self.device) if on_cuda else None,
            "best_score": self.best,
            "stale": self.stale,
            "data": self.data.fingerprint(),
        }
        checkpoint = Checkpoint(self.step, self.seconds, self._settings_text, state)
        save_checkpoint(self.checkpoint_file, checkpoint)

    def forecast(self, starts: NDArray[np.int64], leads: int) -> NDArray[np.float32]:
        """(n, lead, variable, latitude, longitude) by the averaged network, physical units."""
        return forecast(self.average.network, self.samples, starts, leads)

    def _steps(self) -> Iterator[int]:
        while self.step < self.total_steps:
            yield self.step

    def _guarded_step(self, step: int) -> tuple[Losses, float, int]:
        try:
            with arithmetic(self.precision, self.device):
                return self._one_step(step)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            message = str(error).splitlines()[0]
        # Outside the handler, whose traceback would keep the step's tensors alive.
        advised = advice(self._fitting_batch(step), rollout=step >= self.settings.run.steps)
        raise OutOfMemoryError(
            f"step {step + 1}: {message.rstrip('.')}. {advised}; with another batch the run starts "
            "again, in another --out"
        )

    def _fitting_batch(self, step: int) -> int:
        """Windows per step that would have fitted; 0 if not even one."""
        run, rollout = self.settings.run, step >= self.settings.run.steps
        share = (run.rollout_batch if rollout else run.batch) // self.workers.count
        self.optimiser.zero_grad(set_to_none=True)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        config = network_config(self.settings, self.samples.frames.grid)
        cost = training_cost(run, config, self.builder, self.workers.count)
        # Weights and copies have their room already.
        room = int(0.9 * available_bytes(self.device)) + cost.fixed_bytes
        # The step did not fit, whatever the estimate says.
        return min(cost.batch_that_fits(room, rollout=rollout), share // 2) * self.workers.count

    def _one_step(self, step: int) -> tuple[Losses, float, int]:
        """Losses, norm of the gradient, windows of all processes."""
        run, samples = self.settings.run, self.samples
        self.workers.seed_process(run.seed, step)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(run, step)
        self.optimiser.zero_grad(set_to_none=True)
        together = self._windows(step)
        starts = self.workers.share(together)
        batch = self._batches.take(step, self._batch)
        if step < run.steps:
            if run.stretch:
                batch = stretch(batch, starts, run.stretch, run.seed, step)
            if run.level_shift:
                batch = shift_level(batch, starts, run.level_shift, run.seed, step)
            target = samples.output_for(batch)
            losses = self.method.backward(samples.inputs(batch.frames, batch.forcings), target)
        else:
            losses = rollout_backward(self.network, samples, batch, self.weights)
        losses = self.workers.average(self.method, losses)
        limit = run.clip_norm or math.inf
        norm = float(torch.nn.utils.clip_grad_norm_(self.network.parameters(), limit))
        if not (math.isfinite(losses.total) and math.isfinite(norm)):
            times = ", ".join(format_time(samples.frames.time(int(start))) for start in together)
            raise TrainingDivergedError(
                f"step {step + 1}: loss {losses.total}, gradient norm {norm}. The batch's windows "
                f"begin at {times}; the smallest input is {float(batch.frames.min()):g}, the "
                f"largest {float(batch.frames.max()):g} in normalised units. Inspect these times; "
                "if they are sound, lower run.learning_rate or set run.clip_norm. The last "
                f"checkpoint is kept: {self.checkpoint_file}"
            )
        self.optimiser.step()
        self.average.update(self.network)
        return losses, norm, len(together)

    def _windows(self, step: int) -> NDArray[np.int64]:
        """First frames of a step's windows, those of all processes."""
        run = self.settings.run
        if step < run.steps:
            windows, batch, seed, place = self.data.train, run.batch, run.seed, step
        else:
            windows, batch = self.data.train_long, run.rollout_batch
            seed, place = run.seed + 1, step - run.steps
        return windows[batch_order(len(windows), batch, seed, place)]

    def _batch(self, step: int) -> Batch:
        """This process's share of a step."""
        run = self.settings.run
        starts = self.workers.share(self._windows(step))
        return self.samples.batch(starts, 1 if step < run.steps else run.rollout_blocks)

    def _validate(self) -> ValidationReport:
        t = self.settings.network.frames
        leads = self.settings.run.validation_leads or t
        frames, starts = self.data.samples.frames, self.data.validation
        corrects = self.settings.network.predict in {"daily", "linear"}
        with arithmetic(self.precision, self.device):
            scores = score(
                lambda some: self.forecast(some, leads), frames, starts, t, leads,
                base=(lambda some: base_forecast(self.samples, some, leads)) if corrects else None,
            )  # fmt: skip
        if self._log is not None:
            self._log.validation(self.step, scores)
        value = scores.mean_ratio("base" if corrects else "persistence")
        best = value < self.best
        self.best, self.stale = min(value, self.best), 0 if best else self.stale + 1
        logging.getLogger(__name__).info(
            "step %d, %.0f s: RMSE over persistence at +%d h: %s", self.step, self.seconds, t,
            ", ".join(
                f"{name} {ratio:.3f}"
                for name, ratio in zip(frames.variables, scores.ratio()[t - 1], strict=True)
            ),
        )  # fmt: skip
        return ValidationReport(self.step, self.seconds, self.average.network, scores, best)

    def _ends_early(self) -> bool:
        return 0 < self.settings.run.patience <= self.stale

    def _end_phase(self) -> None:
        """Continue with the rollout phase, or end the run."""
        steps = self.settings.run.steps
        self.stale = 0
        after = steps if self.step < steps else self.total_steps
        logging.getLogger(__name__).info(
            "step %d: no better for %d validations, this phase ends %d steps early",
            self.step, self.settings.run.patience, after - self.step,
        )  # fmt: skip
        self.step = after

    def _resume(self) -> None:
        checkpoint = load_checkpoint(self.checkpoint_file, self._settings_text)
        state = checkpoint.state
        if "data" in state and not same_data(state["data"], self.data.fingerprint()):
            raise ModelError(
                f"{self.checkpoint_file} belongs to a run on other data: its training windows or "
                "their mean, spread and increments differ. Give it the same frames, or start "
                "again in another --out"
            )
        self.method.load_state_dict(state["method"])
        self.average.network.load_state_dict(state["average"])
        self.average.updates = state["updates"]
        try:
            self.optimiser.load_state_dict(state["optimiser"])
        except ValueError as error:
            raise ModelError(
                f"{self.checkpoint_file} is of an earlier version, in which all parameters "
                "decayed; start again in another --out"
            ) from error
        torch.set_rng_state(state["random"])
        if self.device.type == "cuda" and state.get("random_cuda") is not None:
            torch.cuda.set_rng_state(state["random_cuda"], self.device)
        self.step, self.seconds = checkpoint.step, checkpoint.seconds
        self.best, self.stale = state.get("best_score", math.inf), state.get("stale", 0)


def run_precision(run: RunSettings, device: torch.device) -> Precision:
    """The arithmetic of a run: `auto` is TF32 on CUDA, and a CPU always computes in fp32."""
    if device.type == "cpu":
        return "fp32"
    return "tf32" if run.precision == "auto" else run.precision
