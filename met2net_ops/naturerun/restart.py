"""States on disk: a run goes on tomorrow where it stopped today, bit for bit."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from met2net_ops.durable import replacing
from met2net_ops.errors import Met2NetOpsError
from met2net_ops.naturerun.dynamics import Spectral
from met2net_ops.naturerun.run import STEP, AtmosphereState, NatureRun
from met2net_ops.progress import Track, silent
from met2net_ops.times import format_time, from_datetime64, to_datetime64

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

VERSION = 1


def state_at(
    run: NatureRun, time: datetime, path: Path | None = None, *, track: Track = silent
) -> AtmosphereState:
    """The state of a run at a time, reached from the epoch or from what `path` holds.

    Args:
        run: the atmosphere.
        time: on a step of the run, after its epoch.
        path: a file to go on from where it is early enough, and to keep the result in.
        track: shows the steps.

    Raises:
        Met2NetOpsError: the file is unreadable or of another run.
    """
    state = load_state(path, run) if path is not None and path.exists() else run.start()
    if state.time > time:
        state = run.start()
    for _ in track(range((time - state.time) // STEP), "spinning up"):
        state = run.step(state)
    if path is not None:
        save_state(path, run, state)
    return state


def save_state(path: Path, run: NatureRun, state: AtmosphereState) -> None:
    """Write a state as `.npz`; the old file is replaced whole or not at all."""
    arrays: dict[str, Any] = {
        "identity": _identity(run),
        "time": to_datetime64(state.time),
        "ground": state.ground,
        "stirring": state.stirring,
    }
    for label, variables in (("now", state.now), ("before", state.before)):
        for item in fields(variables):
            arrays[f"{label}_{item.name}"] = getattr(variables, item.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        np.savez_compressed(file, **arrays)


def load_state(path: Path, run: NatureRun) -> AtmosphereState:
    """Read a state of that very run.

    Raises:
        Met2NetOpsError: unreadable, or a state of another run; delete the file to start anew.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        if not np.array_equal(arrays["identity"], _identity(run)):
            raise Met2NetOpsError(
                f"{path} is a state of another synthetic atmosphere than seed {run.seed}, epoch "
                f"{format_time(run.epoch)}, truncation {run.truncation}; name another file"
            )
        now, before = (
            Spectral(**{item.name: arrays[f"{label}_{item.name}"] for item in fields(Spectral)})
            for label in ("now", "before")
        )
        time = from_datetime64(arrays["time"][()])
        return AtmosphereState(time, now, before, arrays["ground"], arrays["stirring"])
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise Met2NetOpsError(
            f"cannot read the state {path}: {error}; delete it to spin up anew"
        ) from error


def _identity(run: NatureRun) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    seconds = int(run.epoch.timestamp())
    return np.array([VERSION, run.seed, seconds, run.truncation], dtype=np.int64)
