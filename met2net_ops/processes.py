"""Child processes of this package: start, end with the parent, kill, and explain how they ended."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_TAIL_BYTES = 1 << 18
_LINE_CHARACTERS = 300
_WAIT_S = 5.0


def start_module(
    module: str,
    arguments: Sequence[str],
    *,
    descriptors: Sequence[int],
    stderr: IO[bytes],
    stdout: IO[bytes] | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start `python -m MODULE ARGUMENTS…` without standard input.

    Args:
        module: to run.
        arguments: for it.
        descriptors: open files that it inherits under the same numbers.
        stderr: file for its standard error.
        stdout: file for its standard output; None for that of this process.
        environment: variables to add to those of this process, or to replace.

    Raises:
        OSError: the system has no memory, process or descriptor left.
    """
    # -P: a file json.py in the current directory must not hide the library's module.
    return subprocess.Popen(
        [sys.executable, "-P", "-m", module, *arguments],
        pass_fds=descriptors,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        env={**os.environ, **(environment or {})},
    )


def end_with_parent(parent: int | None = None) -> None:
    """Have the kernel kill this process when its parent dies, even in the middle of C code (Linux).

    Args:
        parent: process number of the expected parent; None if it cannot have died yet.

    Raises:
        SystemExit: `parent` has died already.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "prctl"):
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if parent is not None and os.getppid() != parent:
        raise SystemExit(1)


def kill(process: subprocess.Popen[bytes], wait_seconds: float = _WAIT_S) -> int | None:
    """Kill a process and wait for it.

    Returns:
        Its exit code, negative for a signal; None where it does not end within `wait_seconds`,
        as one that hangs on a dead network disk.
    """
    process.kill()
    try:
        return process.wait(wait_seconds)
    except subprocess.TimeoutExpired:
        return None


def tail_lines(output: IO[bytes]) -> list[str]:
    """The last lines of what a process printed to a file."""
    size = output.seek(0, os.SEEK_END)
    output.seek(max(size - _TAIL_BYTES, 0))
    return output.read().decode(errors="replace").strip().splitlines()


def explain_exit(code: int | None, lines: Sequence[str]) -> str:
    """Say how a process ended, for error messages.

    Args:
        code: exit code, negative for a signal; None if the process cannot be killed.
        lines: what it printed, see `tail_lines`.

    >>> explain_exit(3, ["Traceback", "no room"])
    'exit code 3: no room'
    >>> explain_exit(-11, [])
    'signal SIGSEGV'
    """
    if code is None:
        return "it hangs in the kernel and cannot be killed"
    if code >= 0:
        return f"exit code {code}: {lines[-1][:_LINE_CHARACTERS] if lines else 'no message'}"
    if -code == signal.SIGKILL:
        return "signal SIGKILL; the system's log says whether memory ran out"
    return f"signal {_signal_name(-code)}{_innermost_line(lines)}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # most real-time signals have no name
        return str(number)


def _innermost_line(lines: Sequence[str]) -> str:
    """The innermost Python line of a faulthandler report."""
    for line in lines:
        if line.strip().startswith("File "):
            return f" at {line.strip()[:_LINE_CHARACTERS]}"
    return ""
