"""The model card: what a model is, what it was made from, and how good it is."""

from __future__ import annotations

import csv
import os
import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from met2net_ops.errors import ModelError
from met2net_ops.times import format_time
from met2net_ops.variables import VARIABLES
from met2net_ops.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from met2net_ops.models.training.frames import FlatFrames
    from met2net_ops.models.training.scores import Scores
    from met2net_ops.models.training.settings import TrainingSettings


_PREDICTS = {
    "state": "predicts the state",
    "increment": "predicts the increment since the last frame",
    "daily": "predicts the departure from yesterday's hours and today's drift",
    "linear": "predicts the departure from linear-online, the linear form of the weeks before",
}
_INIT = {"published": "as in the published code", "torch": "by torch's defaults"}


@dataclass(frozen=True)
class Provenance:
    """How a model was made: its settings, data, and the run.

    Attributes:
        settings: of the run.
        frames: what it was trained on.
        command: that makes it again.
        parameters: of the network.
        windows: training windows.
        steps: optimiser steps behind the weights.
        rollout_steps: how many of them went through several blocks.
        seconds: training time.
        processes: that trained together.
        device: they trained on.
        precision: of the arithmetic.
        increment_fit: how much of the network's change to its base forecast is kept, per variable
            (`references.fit_increment`); empty where that is not fitted.
        attributions: what the sources of the frames ask to be shown, with their licences.
    """

    settings: TrainingSettings
    frames: FlatFrames
    command: str
    parameters: int
    windows: int
    steps: int
    rollout_steps: int
    seconds: float
    processes: int
    device: str
    precision: str
    increment_fit: tuple[float, ...] = ()
    attributions: tuple[str, ...] = ()


def write_card(made: Provenance, scores: Scores | None, *, tested: bool) -> str:
    """Text of `CARD.md`.

    Args:
        made: how the model was made.
        scores: on the test period, or while training goes on, on the validation windows; None if
            there are none yet.
        tested: which of the two.
    """
    settings = made.settings
    data, network, run = settings.data, settings.network, settings.run
    grid = made.frames.grid
    options = [
        _PREDICTS[network.predict],
        f"forcings: {', '.join(network.forcings) or 'none'}",
        f"longitude {'wraps' if network.periodic_longitude else 'does not wrap'}",
        f"loss {'weighted by cell area' if run.latitude_weighted else 'not weighted'}",
        f"drop path {network.drop_path:g}",
    ]
    how = "mean and standard deviation" if data.normalise == "mean-std" else "minimum and maximum"
    rollout = (
        f", the last {made.rollout_steps} of them through {run.rollout_blocks} blocks"
        if made.rollout_steps
        else ""
    )
    parts = [
        f"# {settings.name}",
        settings.description,
        "## Data",
        _list(
            [
                f"variables: {', '.join(f'{v} ({_units(v)})' for v in data.variables)}",
                (f"grid: {grid.name or 'unnamed'}, {grid.nlat} x {grid.nlon}, "
                f"{grid.dlat:g}° x {grid.dlon:g}°, a frame every {_hours(made):g} h"),
                (f"training: {', '.join(data.train)} ({made.windows} windows of "
                f"{network.frames} + {network.frames} frames)"),
                f"validation: {', '.join(data.validation)}",
                f"test: {', '.join(data.test)}",
                (f"at least {data.guard_hours:g} h between the parts; {how} and increment scales "
                "from the training part alone"),
            ]
        ),
        "## Network",
        f"Met2Net (Li et al., ICCV 2025, arXiv 2507.17189): {network.frames} frames in, "
        f"{network.frames} out, hid_S {network.hid_s}, hid_T {network.hid_t}, "
        f"{network.n_t} translator blocks, N_S {network.n_s}; {made.parameters:,} parameters. "
        + "; ".join(options).capitalize()
        + ".",
        "## Training",
        _list(
            [
                f"method: {_method(made)}, {made.steps} steps{rollout}",
                (f"{run.batch} windows per step, AdamW, peak learning rate {run.learning_rate:g}, "
                f"warm-up {run.warmup_steps} steps, weight decay {run.weight_decay:g}, gradients "
                f"{f'clipped to {run.clip_norm:g}' if run.clip_norm else 'not clipped'}, average "
                f"of weights {run.ema_decay:g}, initial weights {_INIT[run.init]}, "
                f"seed {run.seed}"),
                *_fit(made),
                (f"time: {made.seconds / 60:.0f} min, {made.processes} process(es) on "
                f"{_device(made)}, {made.precision}"),
                (f"software: met2net-ops {__version__}, torch {torch.__version__}, "
                f"NumPy {np.__version__}, Python {platform.python_version()}"),
                f"again: `{made.command}`",
            ]
        ),
        *(_scores(made, scores, tested=tested) if scores is not None else ()),
        "## Licence",
        f"{settings.licence}, weights included. {settings.attribution}".strip(),
        *([_list(made.attributions)] if made.attributions else []),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def write_scores(path: Path, scores: Scores) -> None:
    """Every lead and variable as CSV, with 95 % intervals of the ratios.

    Raises:
        ModelError: the disk refuses.
    """
    references = [name for name, _ in _references(scores)]
    head = ["variable", "lead", "n", "rmse"]
    for name in references:
        head += [f"rmse_{name}", f"ratio_{name}", f"low_{name}", f"high_{name}"]
    columns = [
        (scores.rmse(name), scores.ratio(name), *scores.ratio_interval(name)) for name in references
    ]
    rmse, count = scores.rmse(), len(scores.starts)
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(head)
            for number, variable_name in enumerate(scores.variables):
                for lead in range(len(rmse)):
                    row: list[object] = [variable_name, lead + 1, count, rmse[lead, number]]
                    row += [part[lead, number] for parts in columns for part in parts]
                    table.writerow(row)
    except OSError as error:
        raise ModelError(f"cannot write {path}: {error}") from error


def _method(made: Provenance) -> str:
    run = made.settings.run
    if run.method == "end-to-end":
        return run.method
    copies = "translator" if run.momentum_of == "translator" else "translator and encoders"
    return (
        f"{run.method} with slow copies of the {copies}, momentum {run.momentum:g}, moved "
        f"{'after' if run.momentum_update == 'after-backward' else 'before'} backward"
    )


def _fit(made: Provenance) -> list[str]:
    """A line on the part of the network's change that is kept."""
    if not made.increment_fit:
        return []
    names = made.settings.data.variables
    parts = (f"{n} {part:.2f}" for n, part in zip(names, made.increment_fit, strict=True))
    return [
        "kept of the network's change to its base forecast, fitted on the validation windows: "
        + ", ".join(parts)
    ]


def _units(name: str) -> str:
    return VARIABLES[name].units if name in VARIABLES else "1"


def _hours(made: Provenance) -> float:
    return made.frames.step.total_seconds() / 3600


def _device(made: Provenance) -> str:
    if made.device == "cpu":
        return f"a {os.cpu_count()}-core {platform.machine()} CPU"
    return made.device


def _references(scores: Scores) -> list[tuple[str, str]]:
    """The references that have scores, with their usual names."""
    known = {
        "persistence": "persistence",
        "climatology": "climatology",
        "day_before": "24-hour persistence",
        "linear": "linear-online",
    }
    return [(key, title) for key, title in known.items() if getattr(scores, key) is not None]


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _scores(made: Provenance, scores: Scores, *, tested: bool) -> list[str]:
    cases = len(scores.starts)
    first, last = (made.frames.time(int(scores.starts[i])) for i in (0, -1))
    what = "test period, never used before" if tested else "validation windows (still training)"
    text = (
        f"n = {cases} forecasts from {format_time(first)} to {format_time(last)} (first input "
        "frame), evenly spaced; RMSE weighted by cell area. In brackets: the model's RMSE as a "
        "part of the reference's, with its 95 % interval (circular block bootstrap, "
        f"{scores.block()} forecasts a block); below 1 the model is better"
    )
    if scores.climatology is not None:
        text += ". Climatology is fitted to the training periods"
    if scores.linear is not None:
        fitted = len(scores.pairs("linear")[0])
        text += (
            ". linear-online is the linear form that is fitted to the 30 days before each forecast"
            + ("" if fitted == cases else f"; the {fitted} forecasts with 3 such days count")
        )
    return [f"## Scores: {what}", text + ".", *_tables(scores)]


def _tables(scores: Scores) -> list[str]:
    rmse, leads = scores.rmse(), len(scores.rmse())
    references = [
        (title, scores.rmse(key), scores.ratio(key), *scores.ratio_interval(key))
        for key, title in _references(scores)
    ]
    shown = [lead for lead in range(1, leads + 1) if lead <= 12 or lead % 6 == 0 or lead == leads]
    tables = []
    for number, name in enumerate(scores.variables):
        head = ["lead (h)", "n", "model", *(title for title, *_ in references)]
        rows = [head, ["---:"] * len(head)]
        for lead in shown:
            at = (lead - 1, number)
            row = [str(lead), str(len(scores.starts)), f"{rmse[at]:.4g}"]
            row += [
                f"{other[at]:.4g} ({ratio[at]:.3f}, {low[at]:.3f} to {high[at]:.3f})"
                for _, other, ratio, low, high in references
            ]
            rows.append(row)
        table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
        tables.append(f"**{name}**, RMSE in {_units(name)}\n\n{table}")
    return tables
