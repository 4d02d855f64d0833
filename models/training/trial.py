"""How long a step of a network takes here, measured before anything is decided."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import torch

from met2net_ops.models.device import arithmetic
from met2net_ops.models.training.loop import run_precision
from met2net_ops.models.training.methods import build_method
from met2net_ops.models.training.preparation import network_config

if TYPE_CHECKING:
    from met2net_ops.grids import LatLonGrid
    from met2net_ops.models.training.settings import TrainingSettings

_STEPS = 3  # after one that is not counted: it sets up caches


def seconds_per_step(settings: TrainingSettings, grid: LatLonGrid, device: torch.device) -> float:
    """The mean of a few optimiser steps on random frames.

    Raises:
        ModelError: the network does not fit the grid.
    """
    config, run = network_config(settings, grid), settings.run
    shape = (run.batch, config.input_frames, config.tokens, config.height, config.width)
    with torch.random.fork_rng(devices=[]):
        method = build_method(run, config, None).to(device)
        method.train()
        optimiser = torch.optim.AdamW(method.network.parameters(), lr=1e-4, fused=True)
        x = torch.randn(shape, device=device)
        y = torch.randn((*shape[:2], config.variables, *shape[3:]), device=device)
        took = []
        for _ in range(1 + _STEPS):
            started = time.perf_counter()
            with arithmetic(run_precision(run, device), device):
                optimiser.zero_grad(set_to_none=True)
                torch.autograd.backward(method.loss(x, y))
                optimiser.step()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            took.append(time.perf_counter() - started)
    return sum(took[1:]) / _STEPS
