"""One service per workspace: a lock that dies with its holder and says who that is."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from met2net_ops.errors import ServiceError
from met2net_ops.times import format_time

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from met2net_ops.paths import WorkspacePaths

_TRIES, _PAUSE_S = 5, 0.1  # someone may be looking who holds it at this very moment


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the lock.

    Attributes:
        pid: process, on its host; 0 if that is not known.
        host: its name; "" if that is not known.
        since: when it took the lock; None if that is not known.
        serves: whether it serves the workspace; otherwise it runs some cycles by hand, and ends.
    """

    pid: int = 0
    host: str = ""
    since: datetime | None = None
    serves: bool = True

    def __str__(self) -> str:
        """For messages."""
        if not self.pid or self.since is None:
            return "another process"
        return f"process {self.pid} on {self.host}, since {format_time(self.since)}"


class ServiceLock:
    """Held from `take_lock` until it is closed, or its process ends in whatever way.

    The system itself lets go of it then: after kill -9 or a reboot nothing has to be cleared away.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def take_lock(
    workspace: WorkspacePaths, *, serves: bool = True, since: datetime | None = None
) -> ServiceLock:
    """Become the one process that makes forecasts in a workspace.

    Args:
        workspace: which.
        serves: whether it is the service; otherwise it runs some cycles by hand.
        since: what time it is; by default what the system's clock says.

    Raises:
        ServiceError: another one is; the message says who. Or nothing can be written there.
    """
    path = lock_file(workspace)
    try:
        # Never removed: two processes could then hold "the" lock on two files.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
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
        raise ServiceError(_taken(workspace, _read(path)))
    text = json.dumps({
        "pid": os.getpid(), "host": socket.gethostname(), "serves": serves,
        "since": (since or datetime.now(UTC)).isoformat(),
    })  # fmt: skip
    with contextlib.suppress(OSError):  # a full disk: held all the same, by one unnamed
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text.encode(), 0)
    return ServiceLock(descriptor)


def _taken(workspace: WorkspacePaths, holder: Holder) -> str:
    if not holder.serves:
        return (
            f"{holder} is running cycles by hand in {workspace.root}. One process at a time makes "
            "forecasts there: wait until it has ended."
        )
    return (
        f"{workspace.root} is being served already, by {holder}. There can be one service per "
        "workspace: stop that one first, or use `met2net-ops status` to look at it."
    )


def lock_holder(workspace: WorkspacePaths) -> Holder | None:
    """Who makes forecasts in the workspace now; None if nobody does.

    Raises:
        ServiceError: that cannot be told, for want of a permission say.
    """
    path = lock_file(workspace)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ServiceError(
            f"cannot look who serves the workspace: {path}: {error.strerror}. Whoever asks needs "
            "to be allowed to read that file."
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(path)
    else:
        return None
    finally:
        os.close(descriptor)


def lock_file(workspace: WorkspacePaths) -> Path:
    """The file that is locked."""
    return workspace.root / ".serve.lock"


def _read(path: Path) -> Holder:
    try:
        text = json.loads(path.read_text(encoding="utf-8"))
        since = datetime.fromisoformat(text["since"])
        return Holder(text["pid"], text["host"], since, text.get("serves", True))
    except (OSError, ValueError, KeyError, TypeError):
        return Holder()  # it is writing that at this moment
