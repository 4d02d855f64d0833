"""How much memory and arithmetic a run takes, before it starts; and keeping freed memory.

Nothing is computed for it: the network runs on torch's `meta` device, where tensors have shapes
and no values, while the library counts operations and keeps a list of what backward would need.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch.utils.flop_counter import FlopCounterMode

from met2net_ops.errors import ModelError
from met2net_ops.models.training.end_to_end import EndToEnd

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from met2net_ops.models.met2net.config import NetworkConfig
    from met2net_ops.models.training.methods import MethodBuilder
    from met2net_ops.models.training.settings import RunSettings
    from met2net_ops.models.training.two_stage import TwoStage

_FLOAT = 4
# What backward holds beside the saved tensors: gradients in transit and working space. Measured
# by `python bench/training_memory.py`.
_WORKING_SPACE = 1.3
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


class OutOfMemoryError(ModelError):
    """A step needs more memory than the device has."""


@dataclass(frozen=True)
class Cost:
    """What a run takes.

    Attributes:
        parameters: of the network that forecasts.
        forecast_flops: of one forecast of one block; 2 per multiply-add.
        step_flops: of one window's share of an optimiser step.
        fixed_bytes: weights, gradients, optimiser, copies and average.
        window_bytes: what one window of a batch adds in fp32, at the peak.
        rollout_window_bytes: the same in the rollout phase; 0 without it.
        batch: windows per step.
        rollout_batch: the same in the rollout phase.
    """

    parameters: int
    forecast_flops: int
    step_flops: int
    fixed_bytes: int
    window_bytes: int
    rollout_window_bytes: int
    batch: int
    rollout_batch: int

    @property
    def peak_bytes(self) -> int:
        """Of a step of the phase that takes more, one process."""
        phases = (
            self.batch * self.window_bytes,
            self.rollout_batch * self.rollout_window_bytes,
        )
        return self.fixed_bytes + max(phases)

    def batch_that_fits(self, available: int, *, rollout: bool = False) -> int:
        """Windows per step that stay below so many bytes; 0 if not even one does."""
        each = self.rollout_window_bytes if rollout else self.window_bytes
        return max(0, (available - self.fixed_bytes) // max(1, each))


def training_cost(
    run: RunSettings, config: NetworkConfig, builder: MethodBuilder, processes: int = 1
) -> Cost:
    """Count a run's arithmetic and memory without running it.

    Args:
        run: method and batch.
        config: the network's shape.
        builder: makes the network and the step.
        processes: that share each batch.
    """
    shape = (1, config.input_frames, config.tokens, config.height, config.width)
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        method = builder(run, config, None)
        x, y = torch.zeros(shape), torch.zeros((*shape[:2], config.variables, *shape[3:]))
        forecast, step = _operations(method, x, y)
        saved, plain = _Saved(method), _Saved(method)
        with torch.autograd.graph.saved_tensors_hooks(saved.keep, _as_it_is):
            method.loss(x, y)
        with torch.autograd.graph.saved_tensors_hooks(plain.keep, _as_it_is):
            method.network(x)
    learnt = sum(parameter.numel() for parameter in method.network.parameters())
    held = sum(parameter.numel() for parameter in method.parameters())
    return Cost(
        parameters=learnt,
        forecast_flops=forecast,
        step_flops=step,
        # All weights and copies; gradients, two moments and the average of what is learnt.
        fixed_bytes=_FLOAT * (held + 4 * learnt),
        window_bytes=round(_WORKING_SPACE * saved.bytes),
        rollout_window_bytes=(
            round(_WORKING_SPACE * plain.bytes) * run.rollout_blocks if run.rollout_steps else 0
        ),
        batch=-(-run.batch // processes),
        rollout_batch=-(-run.rollout_batch // processes) if run.rollout_steps else 0,
    )


def _operations(method: EndToEnd | TwoStage, x: Tensor, y: Tensor) -> tuple[int, int]:
    """Of a forecast, and of a step, one window each.

    Backward takes as many again as forward for the gradient of what goes in, and once more for
    that of the weights.
    """
    network = method.network
    if isinstance(method, EndToEnd):
        forward = _count(lambda: network(x))
        return forward, 3 * forward
    with torch.no_grad():
        latent = network.encode(x)
    inputs, targets = _count(lambda: network.encode(x)), _count(lambda: network.encode(y))
    translate = _count(lambda: network.translate(latent))
    decode = _count(lambda: network.decode(latent[:, : y.shape[2]]))
    slow = inputs if method.momentum_encoders is not None else 0
    # Stage 1 passes the translator forward and back to its input, stage 2 forward and back to its
    # weights too.
    step = 3 * inputs + targets + slow + 5 * translate + 3 * decode
    return inputs + translate + decode, step


def _count(work: Callable[[], object]) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        work()
    return int(counter.get_total_flops())


def _as_it_is(tensor: Tensor) -> Tensor:
    return tensor


class _Saved:
    """Adds up what autograd keeps for backward, each storage once, weights not at all."""

    def __init__(self, module: nn.Module) -> None:
        tensors = (*module.parameters(), *module.buffers())
        self._seen = {id(storage): storage for storage in map(_storage, tensors)}
        self.bytes = 0

    def keep(self, tensor: Tensor) -> Tensor:
        """Count a tensor; hold on to its storage, so that no other gets the same identity."""
        storage = _storage(tensor)
        if id(storage) not in self._seen:
            self._seen[id(storage)] = storage
            self.bytes += storage.nbytes()
        return tensor


def _storage(tensor: Tensor) -> torch.UntypedStorage:
    """The one object of a tensor's storage as long as someone holds it (torch 2.1 and later)."""
    return tensor.untyped_storage()


def available_bytes(device: torch.device) -> int:
    """Memory that a run on a device may take; a very large number where it is unknown."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free + torch.cuda.memory_reserved(device))
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return 2**62
    kilobytes = next((line.split()[1] for line in lines if line.startswith("MemAvailable")), None)
    return int(kilobytes) * 1024 if kilobytes else 2**62


def check_memory(cost: Cost, device: torch.device, processes: int = 1) -> None:
    """Refuse a run whose estimate exceeds the memory.

    Args:
        cost: of one process.
        device: it runs on.
        processes: that share the memory of a CPU.

    Raises:
        OutOfMemoryError: too much; a batch that fits is named.
    """
    shared = processes if device.type == "cpu" else 1
    available = available_bytes(device) // shared
    for rollout, batch, each in (
        (False, cost.batch, cost.window_bytes),
        (True, cost.rollout_batch, cost.rollout_window_bytes),
    ):
        needed = cost.fixed_bytes + batch * each
        if needed > available:
            fits = cost.batch_that_fits(available, rollout=rollout) * processes
            raise OutOfMemoryError(
                f"a step of {batch * processes} windows would take about "
                f"{needed * shared / 1e9:.1f} GB, and {available * shared / 1e9:.1f} GB are free "
                f"on {device}. {advice(fits, rollout=rollout)}"
            )


def advice(fits: int, *, rollout: bool) -> str:
    """What to do about too large a batch."""
    if fits < 1:
        return (
            "Not even a batch of 1 window would fit: make the network smaller, take fewer frames, "
            "a coarser grid or another device"
        )
    key = "rollout_batch" if rollout else "batch"
    return (
        f"A batch of {fits} would fit: --set run.{key}={fits}. The best learning rate depends on "
        "the batch"
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error is a lack of memory: a type of its own on CUDA, a text on the CPU."""
    words = ("can't allocate memory", "not enough memory")
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or any(
        word in str(error) for word in words
    )


def keep_memory() -> None:
    """Let this process keep all memory it frees, for its next step.

    glibc returns large freed blocks to the system and gets them back page by page: a sixth of a
    step's time on a CPU (`python bench/train.py`). The most a step needs is then held until the
    process ends. Elsewhere than under glibc this does nothing.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 2**30)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
