"""The service as people run it: processes, signals, kill -9, and commands beside it."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from service_desk import MODEL, Desk, command, eventually, hour_of, make_desk
from typer.testing import CliRunner

from met2net_ops.cli.main import build
from met2net_ops.errors import Met2NetOpsError
from met2net_ops.service.clock import SystemClock
from met2net_ops.service.ledger.writer import open_ledger_writer
from met2net_ops.service.lock import take_lock
from met2net_ops.service.scheduler.actions import carry_out
from met2net_ops.service.scheduler.decisions import Start
from met2net_ops.times import HOUR

pytestmark = pytest.mark.timeout(400)  # it waits for processes, which a busy machine starts slowly
NOW = hour_of(SystemClock().now())
STAMP = f"{NOW - HOUR:%Y-%m-%dT%H}"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = make_desk(tmp_path / "desk")
    made.fill(NOW - 5 * HOUR, 6)
    return made


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


def run(desk: Desk, *arguments: str) -> tuple[int, str, str]:
    """A command in this process: exit code, stdout and what it says of an error."""
    given = [*arguments, "--workspace", str(desk.workspace.root)]
    result = CliRunner().invoke(build(given), given)
    if isinstance(result.exception, Met2NetOpsError):
        return result.exception.exit_code, result.stdout, str(result.exception)
    return result.exit_code, result.stdout, result.stderr


def serve(desk: Desk, started: list[subprocess.Popen[str]]) -> subprocess.Popen[str]:
    before = desk.ledger.heartbeat()
    process = command("serve", "--workspace", str(desk.workspace.root))
    started.append(process)

    def new_pulse() -> bool:
        assert process.poll() is None, process.communicate()
        return desk.ledger.heartbeat() not in (before, None)

    eventually(new_pulse, 60)
    return process


def test_the_life_of_a_service(desk: Desk, started: list[subprocess.Popen[str]]) -> None:
    code, out, _ = run(desk, "status")
    assert code == 3
    assert "never run" in out
    first = serve(desk, started)
    eventually(lambda: (one := desk.ledger.cycle(MODEL, NOW)) and one.state == "published", 60)
    code, out, _ = run(desk, "status", "--json")
    assert code == 0, out
    told = json.loads(out)["status"]
    assert (told["level"], told["holder"]["pid"]) == ("fine", first.pid)

    code, _, err = run(desk, "serve")  # a second one
    assert code == 12
    assert f"process {first.pid} on" in err

    code, out, _ = run(desk, "cycles", "run", STAMP)  # beside the service: it does the work
    assert code == 0
    assert str(first.pid) in out
    eventually(lambda: desk.cycle(NOW - HOUR).state == "published", 60)

    desk.workspace.settings_file.write_text("[forecast]\nleeds = 1\n", encoding="utf-8")
    first.send_signal(signal.SIGHUP)
    eventually(lambda: "reload" in desk.ledger.heartbeat().problems)  # type: ignore[union-attr]
    desk.rewrite()
    code, out, _ = run(desk, "status")
    assert code == 2
    assert "did you mean leads" in out
    first.send_signal(signal.SIGHUP)
    eventually(lambda: not desk.ledger.heartbeat().problems)  # type: ignore[union-attr]

    first.kill()
    first.wait(10)
    code, out, _ = run(desk, "status", "--quiet")
    assert (code, out) == (3, "stopped\n")
    second = serve(desk, started)  # the lock of the killed one is no obstacle
    second.terminate()
    begun = time.monotonic()
    assert second.wait(30) == 0
    assert time.monotonic() - begun < 20
    heartbeat = desk.ledger.heartbeat()
    assert heartbeat is not None
    assert heartbeat.ended is not None
    assert len(desk.cycle(NOW).attempts) == 1


def test_cycles_by_hand_without_a_service(desk: Desk) -> None:
    code, out, err = run(desk, "cycles", "run", STAMP)
    assert code == 0, err
    assert Path(out.strip()).is_file()
    code, _, err = run(desk, "cycles", "run", STAMP)
    assert code == 12
    assert "rerun" in err
    code, out, _ = run(desk, "cycles", "show", STAMP)
    assert code == 0
    assert "published" in out
    assert "run by hand" in out
    code, _, err = run(desk, "cycles", "run", "2020-01-01")
    assert code == 12
    assert "not published" in err
    code, out, _ = run(desk, "cycles", "list", "--json")
    listed = json.loads(out)
    assert [one["state"] for one in listed] == ["published", "ready"]
    assert "lacks" in listed[1]["attempts"][0]["reason"]


def test_what_an_ended_run_left_can_be_run_again(desk: Desk) -> None:
    early = NOW - 6 * HOUR  # before the archive begins
    stamp = f"{early:%Y-%m-%dT%H}"
    assert run(desk, "cycles", "run", stamp)[0] == 12
    assert desk.cycle(early).state == "ready"
    assert run(desk, "cycles", "run", stamp)[0] == 12  # tried at once, not refused
    ledger = open_ledger_writer(desk.workspace)  # a third one, as one that is killed leaves it
    carry_out(ledger, NOW, [Start(MODEL, early)])
    ledger.close()
    desk.fill(NOW - 40 * HOUR, 36)
    code, out, err = run(desk, "cycles", "run", stamp)
    assert code == 0, err
    assert Path(out.strip()).is_file()
    kinds = [one.kind for one in desk.cycle(early).attempts]
    assert kinds == ["refused", "refused", "lost", "published"]


def test_while_cycles_are_run_by_hand_no_others_are_entered(desk: Desk) -> None:
    with take_lock(desk.workspace, serves=False):
        code, _, err = run(desk, "cycles", "run", STAMP)
        assert code == 12
        assert "by hand" in err
        assert desk.ledger.cycle(MODEL, NOW - HOUR) is None
        code, out, _ = run(desk, "status")
        assert code == 3
        assert "never run" in out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("hold", "2026-01-01"), 12, "no cycle"),
        (("hold", "yesterday"), 2, "cannot read the time"),
        (("run", "2026-01-01", "--model", "nobody"), 3, "not on schedule"),
        (("run", "2026-01-01T00:30"), 2, "every 1 h"),
        (("backfill", "2099-01-01..2099-01-02"), 2, "past"),
        (("backfill", "1800-01-01..2026-01-01"), 2, "shorter range"),
        (("run", "0001-01-01"), 2, "years"),
        (("run", "2026-01-01T00:00:30"), 2, "every 1 h"),
        (("list", "--state", "lost"), 2, "no such state"),
    ],
)
def test_what_cannot_be_is_said(desk: Desk, arguments, code: int, said: str) -> None:
    ended, _, error = run(desk, "cycles", *arguments)
    assert (ended, said in error) == (code, True), error


def test_status_knows_no_other_exit_codes(desk: Desk) -> None:
    desk.workspace.ledger.write_bytes(b"no database at all " * 100)
    code, _, error = run(desk, "status")
    assert code == 3
    assert "moved away" in error or "move it away" in error
    code, out, _ = run(desk, "status", "--json")
    told = json.loads(out)
    assert (code, told["exit_code"], "move it away" in told["error"]) == (3, 3, True)
    code, _, error = run(desk, "cycles", "hold", STAMP)
    assert code == 12
    assert "moved away" in error


def test_a_first_start_calls_no_hook_for_cycles_before_it(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    hook = {"name": "pager", "command": ["/bin/sh", "-c", f"echo $HOOK_EVENT >> {calls}"]}
    schedule = {"model": MODEL, "cron": "0 * * * *", "deadline_minutes": 0.01, "expire_hours": 1.0}
    desk = make_desk(tmp_path / "desk", hooks=[hook], schedules=[schedule])
    service = command("serve", "--workspace", str(desk.workspace.root))
    try:
        first = eventually(lambda: desk.ledger.cycles(MODEL, states=["waiting"]))[0]
        assert "before the first start" in first.history[0].reason
        time.sleep(2)
        assert run(desk, "status")[0] == 0
    finally:
        service.terminate()
        service.communicate(timeout=60)
    assert not calls.exists()
