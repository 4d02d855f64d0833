"""The service under soak, as a process: `python -m soak_service WORKSPACE CLOCK SABOTAGE`.

It is the service that `met2net-ops serve` runs, but for its clock, and for its models
(`soak_model`), which go wrong where the sabotage plan says so: a JSON object from cycle to a list
of ways, one per attempt.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from functools import partial
from pathlib import Path

from soak_clock import SetClock
from soak_model import SABOTAGE

from met2net_ops.models.selection import find_spec
from met2net_ops.service.integrations import Integrations
from met2net_ops.service.ledger import writer
from met2net_ops.service.monitoring.daily_log import log_daily
from met2net_ops.service.service import Service
from met2net_ops.workspace import find_workspace

BUSY_S = 1.0  # how long the ledger is waited for; less than in earnest, so that a lock lasts longer


def main() -> None:
    root, clock_file, folder = map(Path, sys.argv[1:4])
    os.environ[SABOTAGE] = str(folder)
    workspace = find_workspace(root)
    clock = SetClock(clock_file)
    writer._BUSY_TIMEOUT_S = BUSY_S
    integrations = Integrations(workspace, partial(find_spec, workspace))
    with log_daily(workspace.paths), contextlib.suppress(KeyboardInterrupt):
        service = Service(
            workspace,
            opener="soak_model:open_model",
            clock=clock,
            listeners=integrations.listeners,
        )
        signal.signal(signal.SIGTERM, lambda *_: service.stop())
        signal.signal(signal.SIGHUP, lambda *_: service.reload())
        service.run()


if __name__ == "__main__":
    main()
