"""A model for the service whose process gets into real trouble where a file tells it to.

`trouble/<YYYYMMDDHH>` in the workspace holds one word per attempt of that cycle; each attempt takes
the first line. `trouble/open` holds words for the opening.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from met2net_ops.errors import GateRejectedError, ModelError
from met2net_ops.service.workers.jobs import ForecastDone, ForecastJob

if TYPE_CHECKING:
    from met2net_ops.paths import WorkspacePaths
    from met2net_ops.workspace import Workspace

OPENER = "troubled_model:open_model"
LIGHT_OPENER = "troubled_model:open_light"
Opened = tuple[object, Callable[[ForecastJob], ForecastDone]]


def plan(workspace: WorkspacePaths, what: str, *words: str) -> None:
    """Foresee trouble for a cycle (`YYYYMMDDHH`), or for "open"."""
    folder = workspace.root / "trouble"
    folder.mkdir(exist_ok=True)
    (folder / what).write_text("\n".join(words), encoding="utf-8")


def open_model(workspace: Workspace, model: str) -> Opened:
    """A real model, in trouble."""
    from met2net_ops.models.serving import open_model as open_real_model

    return _in_trouble(workspace.paths, *open_real_model(workspace, model))


def open_light(workspace: Workspace, model: str) -> Opened:
    """Nothing but trouble: it opens quickly, needs one frame, and its forecasts are none."""
    from met2net_ops.forecast.forecaster import ForecasterSpec

    settings = workspace.settings
    spec = ForecasterSpec(model, "", settings.archive.variables, settings.grid.grid(), 1)

    def answer(job: ForecastJob) -> ForecastDone:
        return ForecastDone(path=str(job.reference_time), leads=1, unchanged=False)

    return _in_trouble(workspace.paths, spec, answer)


def _in_trouble(
    workspace: WorkspacePaths, hello: object, run: Callable[[ForecastJob], ForecastDone]
) -> Opened:
    _trouble(workspace.root / "trouble" / "open")

    def troubled(job: ForecastJob) -> ForecastDone:
        _trouble(workspace.root / "trouble" / f"{job.reference_time:%Y%m%d%H}")
        return run(job)

    return hello, troubled


def _trouble(file: Path) -> None:
    if not file.exists():
        return
    words = file.read_text(encoding="utf-8").split("\n")
    file.write_text("\n".join(words[1:]), encoding="utf-8")
    match words[0]:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "exit":
            os._exit(3)
        case "hang":
            while True:
                time.sleep(60)
        case "slow":
            time.sleep(1.5)
        case "memory":
            held = [bytearray(b"x") * 10_000_000 for _ in range(100)]
            time.sleep(60)
            raise AssertionError(len(held))
        case "signal 40":  # a real-time signal: it has no name
            os.kill(os.getpid(), 40)
        case "nonsense":
            for descriptor in range(3, 64):
                with suppress(OSError):
                    os.write(descriptor, (8).to_bytes(8, "big") + b"nonsense")
            time.sleep(60)
        case "chatter":
            for _ in range(40):
                os.write(2, b"x" * 999_999 + b"\n")
            os.write(2, b"the last line\n")
            os._exit(3)
        case "error":
            raise ZeroDivisionError("by design")
        case "refuse":
            raise ModelError("this model does not like this cycle")
        case "reject":
            raise GateRejectedError("t2m at +3 h has collapsed")
        case "":
            pass
        case word:
            raise AssertionError(word)
