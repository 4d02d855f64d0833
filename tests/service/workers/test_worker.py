"""Child processes that are really killed, crash, hang and eat memory: each costs one failure."""

from __future__ import annotations

import os
import signal
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from service_desk import MODEL, Desk, hour_of, make_desk
from troubled_model import LIGHT_OPENER, plan

from met2net_ops.forecast.forecaster import ForecasterSpec
from met2net_ops.service.clock import SystemClock
from met2net_ops.service.ledger.states import ExitKind
from met2net_ops.service.workers.child import Answer, Failure, Opened
from met2net_ops.service.workers.jobs import ForecastDone, ForecastJob
from met2net_ops.service.workers.pipe import Inbox, send
from met2net_ops.service.workers.worker import Message, Worker, WorkerLimits, WorkerState
from met2net_ops.times import HOUR
from met2net_ops.workspace import Workspace

pytestmark = pytest.mark.timeout(400)  # it waits for processes, which a busy machine starts slowly
NOW = hour_of(SystemClock().now())


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return make_desk(tmp_path_factory.mktemp("desk"), serve={"recycle_runs": 3})


@pytest.fixture
def worker(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    support = Path(__file__).parents[2] / "support"
    monkeypatch.setenv("PYTHONPATH", str(support), prepend=":")
    made = Worker(LIGHT_OPENER, MODEL, Workspace(desk.workspace, desk.settings), SystemClock())
    yield made
    made.close()


def poll_until(worker: Worker, seconds: float = 90) -> Message:
    """The next piece of news."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        messages = worker.poll()
        if messages:
            (one,) = messages
            return one
        time.sleep(0.02)
    raise AssertionError(f"no news after {seconds} s, {worker.status} {worker.problem}")


def opened(worker: Worker) -> Worker:
    while worker.status is not WorkerState.IDLE:
        assert isinstance(poll_until(worker), Opened)
    return worker


def test_it_works_stays_warm_and_is_replaced_after_so_many_runs(worker: Worker) -> None:
    opened(worker)
    assert isinstance(worker.hello, ForecasterSpec)
    for hour in range(3):
        assert worker.submit(ForecastJob(NOW - hour * HOUR, force=True))
        answer = poll_until(worker)
        assert isinstance(answer, Answer)
        assert isinstance(answer.value, ForecastDone)
        assert answer.value.path == str(NOW - hour * HOUR)
    assert worker.started == 2
    opened(worker)


def test_every_bad_end_is_one_failure_and_the_next_run_is_fine(desk: Desk, worker: Worker) -> None:
    stamp = f"{NOW:%Y%m%d%H}"
    troubles = {
        "kill": (ExitKind.CRASHED, "SIGKILL"),
        "exit": (ExitKind.CRASHED, "exit code 3"),
        "error": (ExitKind.ERROR, "ZeroDivisionError: by design"),
        "refuse": (ExitKind.REFUSED, "does not like"),
        "reject": (ExitKind.REJECTED, "collapsed"),
    }
    plan(desk.workspace, stamp, *troubles)
    for kind, said in troubles.values():
        opened(worker).submit(ForecastJob(NOW, force=True))
        failure = poll_until(worker)
        assert isinstance(failure, Failure)
        assert failure.kind is kind
        assert said in failure.reason
    opened(worker).submit(ForecastJob(NOW, force=True))
    assert isinstance(poll_until(worker), Answer)


def test_one_that_hangs_or_eats_memory_is_ended(desk: Desk, worker: Worker) -> None:
    plan(desk.workspace, f"{NOW:%Y%m%d%H}", "hang", "memory")
    opened(worker)
    worker._limits = replace(worker._limits, job_seconds=0.3)
    child = worker._child
    assert child is not None
    worker.submit(ForecastJob(NOW))
    failure = poll_until(worker)
    assert isinstance(failure, Failure)
    assert failure.kind is ExitKind.TIMEOUT
    assert not psutil.pid_exists(child.process.pid)
    opened(worker)
    held = psutil.Process(worker._child.process.pid).memory_info().rss  # type: ignore[union-attr]
    worker._limits = WorkerLimits(30.0, 30.0, held + 200_000_000, 10)
    worker.submit(ForecastJob(NOW))
    failure = poll_until(worker)
    assert isinstance(failure, Failure)
    assert failure.kind is ExitKind.MEMORY
    assert "are allowed" in failure.reason


def test_one_stopped_in_the_middle_of_an_answer_does_not_stop_the_service() -> None:
    read, write = os.pipe()
    inbox = Inbox(read)
    data = b"x" * 10_000
    sent = os.fork()
    if not sent:
        send(write, ("first", data))
        os.write(write, b"\0\0\0\0\0\0\0\xff half")
        os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(0)
    try:
        end = time.monotonic() + 10
        items: list[object] = []
        while not items and time.monotonic() < end:
            items = inbox.take()
        assert items == [("first", data)]
        assert inbox.take() == []
        assert not inbox.ended
    finally:
        os.kill(sent, signal.SIGKILL)
        os.waitpid(sent, 0)
        os.close(write)
    assert inbox.take() == []
    assert inbox.ended
    inbox.close()


def test_a_model_that_cannot_be_opened_is_a_problem_and_not_a_loop(
    desk: Desk, worker: Worker
) -> None:
    plan(desk.workspace, "open", "refuse", "segfault")
    assert isinstance(poll_until(worker), Failure)
    assert "does not like" in worker.problem
    for _ in range(5):
        assert worker.poll() == []
    assert worker.started == 1
    worker._next_start = 0.0
    end = time.monotonic() + 20
    while "SIGSEGV" not in worker.problem and time.monotonic() < end:
        worker.poll()
        time.sleep(0.02)
    assert "SIGSEGV" in worker.problem
    worker._next_start = 0.0
    opened(worker)
    assert worker.problem == ""


def test_a_child_dies_with_its_parent(desk: Desk, worker: Worker) -> None:
    plan(desk.workspace, f"{NOW:%Y%m%d%H}", "hang")
    parent = os.fork()
    if not parent:
        inner = Worker(LIGHT_OPENER, MODEL, Workspace(desk.workspace, desk.settings), SystemClock())
        opened(inner).submit(ForecastJob(NOW))
        assert inner._child is not None
        (desk.workspace.root / "child").write_text(str(inner._child.process.pid))
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(parent, 0)
    child = int((desk.workspace.root / "child").read_text())
    end = time.monotonic() + 10
    while psutil.pid_exists(child) and time.monotonic() < end:
        time.sleep(0.02)
    assert not psutil.pid_exists(child)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_no_room_for_its_messages_is_a_problem_and_leaves_nothing_open(
    worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    before = open_files()
    for _ in range(3):
        assert worker.poll() == []
        assert "gone" in worker.problem
        worker._next_start = 0.0
    assert open_files() == before


def test_a_signal_without_a_name_and_an_answer_that_cannot_be_read_are_failures(
    desk: Desk, worker: Worker
) -> None:
    plan(desk.workspace, f"{NOW:%Y%m%d%H}", "signal 40", "nonsense")
    for said in ("signal 40", "cannot be read"):
        opened(worker).submit(ForecastJob(NOW))
        failure = poll_until(worker)
        assert isinstance(failure, Failure)
        assert failure.kind is ExitKind.CRASHED
        assert said in failure.reason
    opened(worker)


def test_what_lies_in_the_folder_it_was_started_in_is_not_taken_for_a_library(
    worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "decimal.py").write_text("raise SystemExit('not the library')")
    monkeypatch.chdir(tmp_path)
    assert isinstance(poll_until(worker), Opened), worker.problem


def test_a_model_that_takes_more_memory_than_allowed_is_a_problem_and_not_a_loop(
    worker: Worker,
) -> None:
    worker._limits = WorkerLimits(30.0, 30.0, 1_000_000_000, 10)
    opened(worker)
    worker._limits = WorkerLimits(30.0, 30.0, 1_000_000, 10)
    assert worker.poll() == []
    assert "are allowed" in worker.problem
    assert worker.status is WorkerState.OFF
    started = worker.started
    assert worker.poll() == []
    assert worker.started == started  # not at once


def test_one_that_ends_before_it_gets_work_is_not_started_at_once_for_ever(worker: Worker) -> None:
    opened(worker)
    assert worker._child is not None
    worker._child.process.kill()
    worker._child.process.wait()
    assert not worker.submit(ForecastJob(NOW))
    assert "nothing to do" in worker.problem
    started = worker.started
    assert worker.poll() == []
    assert worker.started == started


def test_of_endless_messages_only_the_end_is_read(desk: Desk, worker: Worker) -> None:
    plan(desk.workspace, f"{NOW:%Y%m%d%H}", "chatter")
    opened(worker).submit(ForecastJob(NOW))
    tracemalloc.start()
    failure = poll_until(worker)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(failure, Failure)
    assert failure.reason.endswith(": the last line")
    assert most < 20_000_000
