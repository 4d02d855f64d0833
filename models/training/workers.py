"""Several processes that train one network: each takes its share of every batch.

Started by `torchrun --nproc-per-node N`, which sets the environment this reads. On a CPU one
process per core beats one process with as many threads: they synchronise once a step, not at every
operation.
"""

from __future__ import annotations

import atexit
import os
import time
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import distributed

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from met2net_ops.models.training.two_stage import Losses


_LAST_MESSAGE_S = 0.2


@dataclass(frozen=True)
class Workers:
    """This process's place among those that train together."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0

    @property
    def is_first(self) -> bool:
        """Whether this process validates, logs and saves; the others only compute."""
        return self.rank == 0

    def share(self, windows: NDArray[np.int64]) -> NDArray[np.int64]:
        """This process's part of a batch."""
        return windows[self.rank :: self.count]

    def seed_process(self, seed: int, step: int) -> None:
        """Give every process but the first random numbers of its own for this step.

        All begin with the same seed, so that they make the same weights; without this they would
        also drop the same paths for different windows. A run that resumes draws the same again.
        """
        if not self.is_first:
            drawn = np.random.SeedSequence((seed, step, self.rank)).generate_state(1)
            torch.manual_seed(int(drawn[0]))

    def wait(self) -> None:
        """Wait for all processes."""
        if self.count > 1:
            distributed.barrier()

    def average(self, module: nn.Module, losses: Losses) -> Losses:
        """Gradients, BatchNorm statistics and losses become the mean over all processes.

        With shares of one size that mean is the gradient of the whole batch's loss, save that
        BatchNorm normalises within each share. One message carries it all.
        """
        if self.count == 1:
            return losses
        tensors = [p.grad for p in module.parameters() if p.grad is not None]
        tensors += [buffer for buffer in module.buffers() if buffer.is_floating_point()]
        values = torch.tensor(astuple(losses), device=tensors[0].device)
        flat = torch.cat([tensor.flatten() for tensor in (*tensors, values)])
        distributed.all_reduce(flat)
        flat /= self.count
        _scatter(flat, [*tensors, values])
        return type(losses)(*values.tolist())

    def broadcast(self, value: bool) -> bool:
        """The first process's value, in every process."""
        if self.count == 1:
            return value
        shared = [value]
        distributed.broadcast_object_list(shared, src=0)
        return shared[0]


def join_workers() -> Workers:
    """Join the process group, if torchrun started one."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        return Workers()
    if not distributed.is_initialized():
        # NCCL averages tensors on GPUs, gloo the others.
        cards = torch.cuda.is_available()
        if cards:  # else every process would open its NCCL communicator on the first card
            local = int(os.environ.get("LOCAL_RANK", "0"))
            torch.cuda.set_device(local % torch.cuda.device_count())
        distributed.init_process_group("cpu:gloo,cuda:nccl" if cards else "gloo")
        # Threads that still listen when the interpreter ends would abort the process.
        atexit.register(_leave)
    return Workers(distributed.get_rank(), count, int(os.environ.get("LOCAL_RANK", "0")))


def _leave() -> None:
    if distributed.is_initialized():
        distributed.destroy_process_group()
        # gloo's thread frees the tensors of the last message a moment after it, and needs the
        # interpreter for that: without it the process would abort.
        time.sleep(_LAST_MESSAGE_S)


@torch.no_grad()
def _scatter(flat: Tensor, tensors: list[Tensor]) -> None:
    first = 0
    for tensor in tensors:
        tensor.copy_(flat[first : first + tensor.numel()].view_as(tensor))
        first += tensor.numel()
