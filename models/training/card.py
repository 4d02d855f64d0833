"""The model card: what a model is, from what it was made, and how good it is, written by us."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from met2net_ops.times import format_time
from met2net_ops.variables import variable
from met2net_ops.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable

    from met2net_ops.models.training.frames import FlatFrames
    from met2net_ops.models.training.scores import Scores
    from met2net_ops.models.training.settings import TrainingSettings

_TABLE_LEADS = (1, 2, 3, 6, 9, 12, 18, 24, 36, 48)


@dataclass(frozen=True)
class Story:
    """How a model came to be, beside its settings.

    Attributes:
        settings: of the run.
        frames: what it was trained on.
        command: that makes it again.
        parameters: of the network.
        windows: training windows.
        steps: optimiser steps behind the weights.
        seconds: training time.
        processes: that trained together.
    """

    settings: TrainingSettings
    frames: FlatFrames
    command: str
    parameters: int
    windows: int
    steps: int
    seconds: float
    processes: int


def write_card(story: Story, scores: Scores, *, tested: bool) -> str:
    """Text of `CARD.md`.

    Args:
        story: of the model.
        scores: on the test period, or while training goes on, on the validation windows.
        tested: which of the two.
    """
    settings = story.settings
    data, network, run = settings.data, settings.network, settings.run
    grid = story.frames.grid
    options = [
        f"predicts the {network.predict}",
        f"forcings: {', '.join(network.forcings) or 'none'}",
        f"longitude {'wraps' if network.periodic_longitude else 'does not wrap'}",
        f"loss {'weighted by cell area' if run.latitude_weighted else 'not weighted'}",
    ]
    cases = len(scores.starts)
    first, last = (story.frames.time(int(scores.starts[i])) for i in (0, -1))
    what = "test period, never used before" if tested else "validation windows (still training)"
    parts = [
        f"# {settings.name}",
        settings.description,
        "## Data",
        _list(
            [
                f"variables: {', '.join(f'{v} ({variable(v).units})' for v in data.variables)}",
                (f"grid: {grid.name or 'unnamed'}, {grid.nlat} x {grid.nlon}, "
                f"{grid.dlat:g}° x {grid.dlon:g}°"),
                (f"training: {', '.join(data.train)} ({story.windows} windows of "
                f"{network.frames} + {network.frames} frames)"),
                f"validation: {', '.join(data.validation)}",
                f"test: {', '.join(data.test)}",
                (f"at least {data.guard_hours:g} h between the parts; mean, standard deviation and "
                "increment scales from the training part alone"),
            ]
        ),
        "## Network",
        f"Met2Net (Li et al., ICCV 2025, arXiv 2507.17189): {network.frames} frames in, "
        f"{network.frames} out, hid_S {network.hid_s}, hid_T {network.hid_t}, "
        f"{network.n_t} translator blocks, N_S {network.n_s}; {story.parameters:,} parameters. "
        + "; ".join(options).capitalize()
        + ".",
        "## Training",
        _list(
            [
                f"method: {run.method}, {story.steps} steps"
                + (f", the last {_rollout_steps(story)} of them through {run.rollout_blocks} blocks"
                   if _rollout_steps(story) else ""),
                (f"{run.batch} windows per step, AdamW, peak learning rate {run.learning_rate:g}, "
                f"weight decay {run.weight_decay:g}, average of weights {run.ema_decay:g}, "
                f"seed {run.seed}"),
                f"time: {story.seconds / 60:.0f} min, {story.processes} process(es) on {_device()}",
                (f"software: met2net-ops {__version__}, torch {torch.__version__}, "
                f"NumPy {np.__version__}, Python {platform.python_version()}"),
                f"again: `{story.command}`",
            ]
        ),
        f"## Scores: {what}",
        f"n = {cases} forecasts from {format_time(first)} to {format_time(last)} "
        "(first input frame), evenly spaced; RMSE weighted by cell area. In brackets: the RMSE as "
        "a part of persistence's, with its 95 % interval (moving-block bootstrap over forecasts), "
        "below 1 is better than persistence"
        + ("; climatology is fitted to the training years." if _has_climatology(scores) else "."),
        *_tables(scores),
        "## Licence",
        f"{settings.licence}, weights included. {settings.attribution}".strip(),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _rollout_steps(story: Story) -> int:
    return max(0, story.steps - story.settings.run.steps)


def _device() -> str:
    return f"a {os.cpu_count()}-core {platform.machine()} CPU"


def _has_climatology(scores: Scores) -> bool:
    return scores.climatology is not None


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _tables(scores: Scores) -> list[str]:
    rmse, persistence = scores.rmse(), scores.rmse("persistence")
    others = [
        (title, scores.rmse(of))
        for title, of in (("climatology", "climatology"), ("24-hour persistence", "day_before"))
        if getattr(scores, of) is not None
    ]
    ratio, (low, high) = scores.ratio(), scores.ratio_interval()
    leads = [lead for lead in _TABLE_LEADS if lead <= len(rmse)]
    tables = []
    for number, name in enumerate(scores.variables):
        head = ["lead (h)", "model", "persistence", *(name for name, _ in others)]
        rows = [head, ["---:"] * len(head)]
        for lead in leads:
            at = (lead - 1, number)
            spread = f"({ratio[at]:.3f}, {low[at]:.3f} to {high[at]:.3f})"
            cells = [str(lead), f"{rmse[at]:.4g} {spread}", f"{persistence[at]:.4g}"]
            rows.append(cells + [f"{other[at]:.4g}" for _, other in others])
        table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
        tables.append(f"**{name}**, RMSE in {variable(name).units}\n\n{table}")
    return tables
