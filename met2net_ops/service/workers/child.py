"""A worker's child process: `python -m met2net_ops.service.workers.child MODULE:FUNC PID FD FD`.

It is a process of its own because networks and NetCDF are C code that may crash, hang, leak or take
all memory: that costs one attempt and never the service. The function named opens what stays warm
and returns what it is (any object that pickles) and how it answers jobs. The child ends when the
service does, however that ends.
"""

from __future__ import annotations

import contextlib
import faulthandler
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from met2net_ops.errors import GateRejectedError, Met2NetOpsError
from met2net_ops.processes import end_with_parent
from met2net_ops.service.ledger.states import ExitKind
from met2net_ops.service.workers.pipe import Inbox, send

if TYPE_CHECKING:
    from met2net_ops.workspace import Workspace

_OOM_SCORE = 500  # when memory runs out, this process goes before the service

Answerer = Callable[[Any], object]
Opener = Callable[["Workspace", str], tuple[object, Answerer]]


@dataclass(frozen=True, slots=True)
class Opening:
    """The first message: what to open."""

    workspace: Workspace
    subject: str


@dataclass(frozen=True, slots=True)
class Opened:
    """It is open; `hello` is what the opener says of it."""

    hello: object


@dataclass(frozen=True, slots=True)
class Answer:
    """What a job came to."""

    value: object


@dataclass(frozen=True, slots=True)
class Failure:
    """A job, or the opening, went wrong.

    Attributes:
        kind: which way.
        reason: for people.
        spoiled: whether the process is not to be trusted with another job.
    """

    kind: ExitKind
    reason: str
    spoiled: bool = False


def failure_of(error: BaseException) -> Failure:
    """What an exception means for the attempt."""
    match error:
        case GateRejectedError():
            return Failure(ExitKind.REJECTED, str(error))
        case Met2NetOpsError():
            return Failure(ExitKind.REFUSED, str(error))
        case MemoryError():
            return Failure(ExitKind.MEMORY, "the system has no memory left", spoiled=True)
    place = traceback.extract_tb(error.__traceback__)[-1:]
    where = f" ({Path(place[0].filename).name}, line {place[0].lineno})" if place else ""
    reason = f"unexpected {type(error).__name__}: {error}{where}"
    return Failure(ExitKind.ERROR, reason, spoiled=True)


def serve(inbox: Inbox, results: int, opener: Opener) -> None:
    """Open, then answer jobs one by one until the service goes away or a job spoils it."""
    answer: Answerer | None = None
    while not inbox.ended:
        for order in inbox.take():
            try:
                if isinstance(order, Opening):
                    hello, answer = opener(order.workspace, order.subject)
                    reply: object = Opened(hello)
                else:
                    assert answer is not None
                    reply = Answer(answer(order))
            except Exception as error:
                traceback.print_exc()
                reply = failure_of(error)
            send(results, reply)
            if answer is None or (isinstance(reply, Failure) and reply.spoiled):
                return


def main() -> None:
    """Take orders from the first descriptor given, send results to the second."""
    target, parent, orders, results = sys.argv[1], *map(int, sys.argv[2:5])
    end_with_parent(parent)
    faulthandler.enable()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the service's to handle
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(_OOM_SCORE), encoding="ascii")
    module, _, name = target.partition(":")
    opener: Opener = getattr(import_module(module), name)
    with contextlib.suppress(BrokenPipeError):
        serve(Inbox(orders, waits=True), results, opener)


if __name__ == "__main__":
    # Under its own name: what goes through the pipe must be the classes the service knows.
    import_module("met2net_ops.service.workers.child").main()
