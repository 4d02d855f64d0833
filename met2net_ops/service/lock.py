"""One service per workspace: a lock that ends with its holder, names it and carries its heartbeat.

The heartbeat in the lock file is written in place, into blocks that the file has already: that
works while the disk is full, the ledger locked or gone, or the workspace read-only for the user of
the service. `status` reads it first.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from met2net_ops.errors import ServiceError
from met2net_ops.times import format_time

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from met2net_ops.paths import WorkspacePaths

_TRIES, _PAUSE_S = 5, 0.1  # another process may be reading who holds it at this moment
_BLOCK_BYTES = 65_536  # of the lock file, written whole each time
_MOST_PROBLEMS, _PROBLEM_CHARACTERS = 20, 400


@dataclass(frozen=True, slots=True)
class LockHeartbeat:
    """How the holder of the lock is, independent of the ledger.

    Attributes:
        at: when it last completed a round of its loop, UTC.
        problems: component → what is wrong with it now.
        models: those it has on schedule.
        archive: path or URL of its archive.
    """

    at: datetime
    problems: Mapping[str, str] = field(default_factory=dict)
    models: tuple[str, ...] = ()
    archive: str = ""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the lock.

    Attributes:
        pid: process, on its host; 0 if that is not known.
        host: its name; "" if that is not known.
        since: when it took the lock; None if that is not known.
        serves: whether it serves the workspace; otherwise it runs some cycles by hand, and ends.
        heartbeat: how it is; None before its first round.
    """

    pid: int = 0
    host: str = ""
    since: datetime | None = None
    serves: bool = True
    heartbeat: LockHeartbeat | None = None

    def __str__(self) -> str:
        """For messages."""
        if not self.pid or self.since is None:
            return "another process"
        return f"process {self.pid} on {self.host}, since {format_time(self.since)}"


class ServiceLock:
    """Held from `take_lock` until it is closed, or its process ends in whatever way.

    The system itself releases it then: after kill -9 or a reboot nothing has to be cleaned up.
    """

    def __init__(self, descriptor: int, holder: Mapping[str, object]) -> None:
        self._descriptor = descriptor
        self._holder = holder

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def write_heartbeat(self, heartbeat: LockHeartbeat) -> None:
        """Replace the heartbeat in the lock file.

        Raises:
            OSError: the file cannot be written, because its disk is read-only for instance.
        """
        problems = list(heartbeat.problems.items())[:_MOST_PROBLEMS]
        beat = {
            "at": heartbeat.at.isoformat(),
            "problems": {part: why[:_PROBLEM_CHARACTERS] for part, why in problems},
            "models": heartbeat.models,
            "archive": heartbeat.archive,
        }
        _write_block(self._descriptor, {**self._holder, "heartbeat": beat})

    def close(self) -> None:
        """Release it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def take_lock(
    paths: WorkspacePaths, *, serves: bool = True, since: datetime | None = None
) -> ServiceLock:
    """Become the one process that makes forecasts in a workspace.

    Args:
        paths: which.
        serves: whether it is the service; otherwise it runs some cycles by hand.
        since: what time it is; by default what the system's clock says.

    Raises:
        ServiceError: another one is; the message says who. Or nothing can be written there.
    """
    path = lock_file(paths)
    try:
        # Never removed: two processes could then hold "the" lock on two files.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise ServiceError(
            f"cannot make {path}: {error.strerror}. The service needs a workspace it may write to."
        ) from error
    for attempt in range(_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if attempt < _TRIES - 1:
                time.sleep(_PAUSE_S)
        except OSError as error:
            os.close(descriptor)
            raise ServiceError(
                f"cannot lock {path}: {error.strerror}. The workspace has to lie on a file system "
                "with locks (flock)."
            ) from error
    else:
        os.close(descriptor)
        raise ServiceError(_taken(paths, _read(path)))
    holder = {
        "pid": os.getpid(), "host": socket.gethostname(), "serves": serves,
        "since": (since or datetime.now(UTC)).isoformat(),
    }  # fmt: skip
    try:
        _write_block(descriptor, holder)
    except OSError:  # a full disk: the lock is held, but the file does not say by whom
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
    return ServiceLock(descriptor, holder)


def _write_block(descriptor: int, content: Mapping[str, object]) -> None:
    os.pwrite(descriptor, json.dumps(content).encode().ljust(_BLOCK_BYTES), 0)


def _taken(paths: WorkspacePaths, holder: Holder) -> str:
    if not holder.serves:
        return (
            f"{holder} is running cycles by hand in {paths.root}. One process at a time makes "
            "forecasts there: wait until it ends."
        )
    return (
        f"{paths.root} is being served already, by {holder}. There can be one service per "
        "workspace: stop that one first, or ask `met2net-ops status` about it."
    )


def lock_holder(paths: WorkspacePaths) -> Holder | None:
    """Who makes forecasts in the workspace now; None if nobody does.

    Raises:
        ServiceError: the lock file cannot be read, for lack of permission for instance.
    """
    path = lock_file(paths)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ServiceError(
            f"cannot see who serves the workspace: {path}: {error.strerror}. Run this as a user "
            "who may read that file."
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(path)
    else:
        return None
    finally:
        os.close(descriptor)


def lock_file(paths: WorkspacePaths) -> Path:
    """The file that is locked."""
    return paths.root / ".serve.lock"


def _read(path: Path) -> Holder:
    for _ in range(_TRIES):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            since = datetime.fromisoformat(content["since"])
            serves, told = content.get("serves", True), content.get("heartbeat")
            heartbeat = told and LockHeartbeat(
                datetime.fromisoformat(told["at"]),
                told["problems"],
                tuple(told["models"]),
                told["archive"],
            )
            return Holder(content["pid"], content["host"], since, serves, heartbeat)
        except (OSError, ValueError, KeyError, TypeError):
            time.sleep(_PAUSE_S / 10)  # it is being written at this moment
    return Holder()
