"""The service under soak as its driver sees it: a process that is started, killed and stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import psutil
from soak_checks import Vitals

_END_S = 60.0


class ServiceProcess:
    """`soak_service` in a process of its own, one at a time."""

    def __init__(self, folder: Path, workspace: Path, wrong: Callable[[str], None]) -> None:
        """Nothing is started yet.

        Args:
            folder: with the clock and the sabotage plan; the log goes there.
            workspace: to serve.
            wrong: told what should not be.
        """
        self._folder = folder
        self._workspace = workspace
        self._wrong = wrong
        self._process: subprocess.Popen[bytes] | None = None
        self._log = (folder / "service.log").open("ab")

    @property
    def runs(self) -> bool:
        """Whether it was started, and neither killed nor stopped since."""
        return self._process is not None

    def start(self) -> None:
        """Serve."""
        command = [
            sys.executable, "-m", "soak_service", str(self._workspace),
            str(self._folder / "clock"), str(self._folder),
        ]  # fmt: skip
        path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
        environment = {**os.environ, "PYTHONPATH": path, "SOAK_ID": str(self._folder)}
        self._process = subprocess.Popen(
            command, env=environment, stdout=self._log, stderr=self._log
        )

    def reload(self) -> None:
        """Have it read its settings again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def kill(self) -> None:
        """SIGKILL, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """SIGTERM: it has to end in good order, and in time."""
        assert self._process is not None
        self._process.terminate()
        try:
            code = self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._wrong("the service did not end within a minute of being asked to")
            self.kill()
            return
        if code:
            self._wrong(f"the service ended with status {code}")
        self._process = None

    def vitals(self, at: datetime) -> list[Vitals]:
        """What it holds now; nothing if it is gone, which is wrong."""
        assert self._process is not None
        try:
            process = psutil.Process(self._process.pid)
            with process.oneshot():
                memory = process.memory_info().rss
                return [Vitals(at, process.pid, memory, process.num_fds(), process.num_threads())]
        except psutil.NoSuchProcess:
            self._wrong(f"the service has ended by itself at {at:%Y-%m-%dT%H:%M}Z")
            return []

    def close(self) -> None:
        """Kill it and close its log."""
        self.kill()
        self._log.close()
