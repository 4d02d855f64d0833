"""Checkpoints: everything a run needs to continue as if it had never stopped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from met2net_ops.durable import replacing
from met2net_ops.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = 1


@dataclass(frozen=True)
class Checkpoint:
    """A run after some steps.

    Attributes:
        step: optimiser steps made.
        seconds: training time spent so far.
        settings: text that identifies the run; a run with other settings must not resume it.
        state: state dicts of method, optimiser and average, and torch's random state.
    """

    step: int
    seconds: float
    settings: str
    state: dict[str, Any]


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write to a temporary file, sync, rename: a reader finds the old checkpoint or the new one.

    Raises:
        ModelError: the disk refuses.
    """
    content = {"format": FORMAT, **vars(checkpoint)}
    try:
        with replacing(path) as file:
            torch.save(content, file)
    except OSError as error:
        raise ModelError(f"cannot write the checkpoint {path}: {error}") from error


def load_checkpoint(path: Path, settings: str) -> Checkpoint:
    """Read a checkpoint of the run with these settings; nothing in it is executed.

    Raises:
        ModelError: unreadable, damaged, or of a run with other settings.
    """
    try:
        content = torch.load(path, weights_only=True, map_location="cpu")
        version = content.pop("format")
        checkpoint = Checkpoint(**content)
    except Exception as error:  # torch raises many kinds of error on damaged files
        raise ModelError(
            f"cannot read the checkpoint {path}: {error}. Remove it to start the run again"
        ) from error
    if version != FORMAT:
        raise ModelError(f"{path} was written by another version; remove it to start again")
    if checkpoint.settings != settings:
        raise ModelError(
            f"{path} belongs to a run with other settings; write to another folder, or remove it "
            "to start again"
        )
    return checkpoint
