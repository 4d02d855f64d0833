"""Run a hook once: a process that gets JSON on stdin and is ended when its time is up."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_LOOK_S = 0.05
_GRACE_S = 1.0  # between being asked to end and being killed
_KEPT = 2000  # bytes of output

# Not inherited: a hook must not send messages to systemd in the name of the service.
_PRIVATE = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


@dataclass(frozen=True, slots=True)
class HookCall:
    """A process to run.

    Attributes:
        argv: program and arguments; no shell is involved.
        environment: variables besides those of the service.
        body: what it finds on stdin.
        folder: where it runs.
        seconds: how long it may take.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    body: bytes
    folder: Path
    seconds: float


def post_call(
    url: str, environment: Mapping[str, str], body: bytes, folder: Path, seconds: float
) -> HookCall:
    """The call that POSTs `body` to a URL.

    The URL may hold a secret: other users see the arguments of a process, but not its environment.
    """
    # -P: a file json.py in the workspace shall not be taken for the library's.
    argv = (sys.executable, "-P", "-m", "met2net_ops.service.monitoring.webhook")
    return HookCall(argv, {**environment, "HOOK_URL": url}, body, folder, seconds)


def run_call(call: HookCall, should_stop: Callable[[], bool] = lambda: False) -> str:
    """Run it to its end; on time-out, or when asked to stop, it and its children are ended.

    Returns:
        What went wrong, with the end of what it printed; "" if it ended with status 0.
    """
    inherited = {name: value for name, value in os.environ.items() if name not in _PRIVATE}
    try:
        with tempfile.TemporaryFile() as stdin:  # a file: a process that never reads blocks no one
            stdin.write(call.body)
            stdin.seek(0)
            process = subprocess.Popen(
                call.argv,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**inherited, **call.environment},
                cwd=call.folder,
                start_new_session=True,
            )
    except (OSError, ValueError) as error:
        return f"could not be started: {error}"
    with process:
        assert process.stdout is not None
        return _attend(process, process.stdout.fileno(), call, should_stop)


def _attend(
    process: subprocess.Popen[bytes], output: int, call: HookCall, should_stop: Callable[[], bool]
) -> str:
    """Read along, so that it never waits for us, until it ends or has to be ended."""
    os.set_blocking(output, False)
    printed = b""
    open_ = True
    deadline = time.monotonic() + call.seconds
    why = ""
    while process.poll() is None and not why:
        chunk = _read(output, _LOOK_S) if open_ else None
        open_ = open_ and chunk != b""
        if not open_:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_LOOK_S)
        printed = (printed + (chunk or b""))[-_KEPT:]
        if time.monotonic() > deadline:
            why = f"took longer than {call.seconds:g} s and was ended"
        elif should_stop():
            why = "was ended because the service ends"
    if why:
        _end(process)
    # Not to the end of the stream: a child left behind may keep it open for ever.
    for _ in range(_KEPT):
        chunk = _read(output, 0)
        if not chunk:
            break
        printed = (printed + chunk)[-_KEPT:]
    if not why and process.returncode:
        code = process.returncode
        why = f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"
    output_text = printed.decode(errors="replace").strip()
    return f"{why}: {output_text}" if why and output_text else why


def _read(descriptor: int, wait: float) -> bytes | None:
    """What is there; None if nothing comes, b"" at the end of the stream."""
    if not select.select([descriptor], [], [], wait)[0]:
        return None
    try:
        return os.read(descriptor, 65_536)
    except BlockingIOError:
        return None


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask it and its children to end, then kill them."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)  # it leads a group of its own
        except ProcessLookupError:
            break
        try:
            process.wait(_GRACE_S if number == signal.SIGTERM else None)
        except subprocess.TimeoutExpired:
            continue
