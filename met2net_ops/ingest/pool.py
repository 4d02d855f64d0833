"""The parent's side of the decoding child processes: start, feed, watch, replace."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections import deque
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING

from met2net_ops.errors import IngestError
from met2net_ops.ingest.messages import DecodedFrame, Done, Failed, FileStamp, Job, Tally, TimeBegun

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from met2net_ops.ingest.fingerprint import DecodeSettings
    from met2net_ops.ingest.fork_server import DecoderProcess, ForkServer

_CRASHES_PER_FILE = 5
_FILES_PER_CHILD = 500  # then it is replaced: what C code leaks, goes
_TICK_S = 0.5
_PIPE_BYTES = 1 << 20
_SLOWEST_DISK = 20e6  # bytes per second: hashing and listing a large file are silent work


@dataclass(frozen=True, slots=True)
class PoolEvent:
    """Something that came of a file."""

    path: str
    item: DecodedFrame | Tally | Done | Failed


@dataclass
class _Child:
    process: DecoderProcess
    orders: Connection
    results: Connection
    job: Job | None = None
    begun: datetime | None = None
    any_begun: bool = False
    heard: float = field(default_factory=time.monotonic)
    patience: float = 0.0
    served: int = 0


class DecoderPool:
    """Up to `workers` processes forked from a fork_server, each decoding one file at a time.

    A child that dies or stays silent for `timeout` seconds is replaced, and its file is decoded
    again one valid time at a time: only the valid time that brought it down is lost.
    """

    def __init__(
        self, fork_server: ForkServer, recipe: DecodeSettings, workers: int, timeout: float
    ) -> None:
        self._fork_server = fork_server
        self.recipe = recipe
        self._workers = workers
        self._timeout = timeout
        self._children: list[_Child] = []

    def __enter__(self) -> DecoderPool:
        return self

    def __exit__(self, *_: object) -> None:
        for child in list(self._children):
            self._end(child)

    def start(self, children: int) -> None:
        """Start child processes ahead of the files for them."""
        for _ in range(children - len(self._children)):
            self._start()

    def run(
        self,
        paths: Iterable[str],
        go_on: Callable[[FileStamp], bool],
        should_stop: Callable[[], bool] = lambda: False,
    ) -> Iterator[PoolEvent]:
        """Decode files and yield what comes, files interleaved; each ends in Done or Failed.

        Args:
            paths: absolute.
            go_on: asked with a file's hash before anything is decoded; if it says no, the file
                is done.
            should_stop: asked twice a second and after each event; files not yet done are left.
        """
        waiting = deque(Job(path) for path in paths)
        try:
            while (waiting or self._busy()) and not should_stop():
                self._hand_out(waiting)
                busy = self._busy()
                ready = wait([child.results for child in busy], timeout=_TICK_S)
                for child in busy:
                    if child.results in ready:
                        yield from self._listen(child, go_on, waiting)
                    elif time.monotonic() - child.heard > child.patience:
                        self._end(child)
                        yield from self._lost(child, waiting, f"silent for {child.patience:.0f} s")
        finally:
            for child in self._busy():  # stopped half-way: what they still send is for no one
                self._end(child)

    def _busy(self) -> list[_Child]:
        return [child for child in self._children if child.job]

    def _hand_out(self, waiting: deque[Job]) -> None:
        while waiting:
            idle = next((child for child in self._children if child.job is None), None)
            if idle is None:
                if len(self._children) >= self._workers:
                    return
                idle = self._start()
            idle.job, idle.any_begun, idle.heard = waiting.popleft(), False, time.monotonic()
            idle.patience = self._timeout + _size(idle.job.path) / _SLOWEST_DISK
            try:
                idle.orders.send(idle.job)
            except OSError:  # it died while it had nothing to do
                waiting.appendleft(idle.job)
                self._end(idle)

    def _listen(
        self, child: _Child, go_on: Callable[[FileStamp], bool], waiting: deque[Job]
    ) -> Iterator[PoolEvent]:
        assert child.job is not None
        path = child.job.path
        try:
            item = child.results.recv()
            child.heard = time.monotonic()
            if isinstance(item, FileStamp):
                wanted = go_on(item)
                child.orders.send(wanted)
                if not wanted:
                    self._free(child)
                    yield PoolEvent(path, Done())
                return
        except (EOFError, OSError):
            yield from self._lost(child, waiting, self._end(child))
            return
        if isinstance(item, TimeBegun):
            child.begun, child.any_begun = item.time, True
            return
        if isinstance(item, Done | Failed):
            self._free(child)
        yield PoolEvent(path, item)

    def _lost(self, child: _Child, waiting: deque[Job], how: str) -> Iterator[PoolEvent]:
        job = child.job
        assert job is not None
        if not self._fork_server.loaded:
            raise IngestError(
                f"no decoder can be started ({how}); no file was touched. Run `met2net-ops "
                "doctor`, and install the package again if it finds ecCodes missing."
            )
        found_culprit = job.one_time_at_once and child.any_begun
        lost = job.lost_times | {child.begun} if found_culprit else job.lost_times
        again = found_culprit or not job.one_time_at_once
        if not again or len(lost) >= _CRASHES_PER_FILE:
            reason = (
                f"{job.path}: the decoder died on it ({how}); what was good in it before that is "
                "kept. Look at the copy in quarantine/ with grib_ls, and ask the sender for "
                "another one."
            )
            yield PoolEvent(job.path, Failed(reason, crashed=True))
            return
        waiting.appendleft(Job(job.path, one_time_at_once=True, lost_times=lost))

    def _free(self, child: _Child) -> None:
        child.job = None
        child.served += 1
        if child.served >= _FILES_PER_CHILD:
            self._end(child)

    def _start(self) -> _Child:
        read_orders, give_orders = os.pipe()
        read_results, give_results = os.pipe()
        with contextlib.suppress(OSError):  # more than the system grants: then the default
            # Room for some frames, so that decoding goes on while others are being written.
            fcntl.fcntl(give_results, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        theirs = [read_orders, give_results]
        try:
            process = self._fork_server.fork(*theirs)
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        child = _Child(
            process,
            Connection(give_orders, readable=False),
            Connection(read_results, writable=False),
        )
        with contextlib.suppress(OSError):  # dead already: found out when it gets its job
            child.orders.send(self.recipe)
        self._children.append(child)
        return child

    def _end(self, child: _Child) -> str:
        """End a child, if it has not ended by itself, and say how it did."""
        self._children.remove(child)
        child.orders.close()
        child.results.close()
        return child.process.end()


def _size(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except OSError:
        return 0  # the child finds out and says so
