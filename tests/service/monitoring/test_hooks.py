"""Hooks: real commands, and a real HTTP server on loopback."""

from __future__ import annotations

import base64
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
from pydantic import ValidationError

from met2net_ops.paths import WorkspacePaths
from met2net_ops.service.monitoring.hook_process import HookCall, run_call
from met2net_ops.service.monitoring.hooks import Hooks
from met2net_ops.settings import HookSettings

CYCLE = datetime(2026, 11, 22, tzinfo=UTC)
FACTS = {"model": "m", "cycle": CYCLE, "reason": "no disk\0left", "attempt": 3, "gone": None}


class Server(ThreadingHTTPServer):
    """Remembers what it was sent; `answers` says how it behaves, one request after the other."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[dict] = []
        self.answers: list[str] = []
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/tell?key=secret"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(
            {
                "path": self.path,
                "type": self.headers["Content-Type"],
                "body": json.loads(body),
                "authorization": self.headers["Authorization"],
            }
        )
        match self.server.answers.pop(0) if self.server.answers else "200":
            case "hang":
                self.server.released.wait(30)
            case "drip":
                self.wfile.write(b"HTTP/1.1 200 OK\r\n")
                for number in range(600):
                    if self.server.released.wait(0.05):
                        return
                    self.wfile.write(f"X-{number}: 1\r\n".encode())
            case "close":
                self.close_connection = True
            case "redirect":
                self.send_response(302)
                self.send_header("Location", "/elsewhere")
                self.end_headers()
            case code:
                self.send_response(int(code))
                self.end_headers()
                self.wfile.write(b"as you say")

    def do_GET(self) -> None:
        self.server.got.append({"path": self.path})
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.02,))
        thread.start()
        yield running
        running.released.set()
        running.shutdown()
        thread.join()


@pytest.fixture
def hooks(tmp_path) -> Iterator[Callable[..., Hooks]]:
    made: list[Hooks] = []

    def make(*settings: HookSettings) -> Hooks:
        made.append(Hooks(WorkspacePaths(tmp_path), settings))
        return made[-1]

    yield make
    for each in made:
        each.close(0)


def python(code: str, **more: object) -> HookSettings:
    return HookSettings(name="h", command=(sys.executable, "-c", code), **more)


def counts(hooks: Hooks, name: str = "h") -> dict[str, int]:
    return {how: n for (hook, how), n in hooks.counts().items() if hook == name}


def test_a_command_gets_the_facts_on_stdin_and_in_its_environment(hooks, tmp_path):
    code = (
        "import json, os, sys; e = {k: v for k, v in os.environ.items() if k.startswith('HOOK_')};"
        "json.dump([json.load(sys.stdin), e, os.getcwd(), os.environ['MET2NET_WORKSPACE']],"
        "open('told.json', 'w'))"
    )
    fired = hooks(python(code))
    fired.fire("failed", FACTS)
    fired.close(20)
    body, environment, folder, workspace = json.loads((tmp_path / "told.json").read_text())
    assert body == {
        "event": "failed", "model": "m", "cycle": "2026-11-22T00:00:00+00:00", "attempt": 3,
        "reason": "no disk\0left", "gone": None, "hook": "h", "workspace": str(tmp_path),
    }  # fmt: skip
    assert environment == {
        "HOOK_EVENT": "failed", "HOOK_MODEL": "m", "HOOK_CYCLE": "2026-11-22T00:00:00+00:00",
        "HOOK_ATTEMPT": "3", "HOOK_REASON": "no disk left", "HOOK_HOOK": "h",
        "HOOK_WORKSPACE": str(tmp_path),
    }  # fmt: skip
    assert Path(folder) == Path(workspace) == tmp_path
    assert counts(fired) == {"delivered": 1}


def test_only_events_asked_for_are_told(hooks, tmp_path):
    code = "import os; open('told', 'a').write(os.environ['HOOK_EVENT'] + '\\n')"
    fired = hooks(python(code, on=("late", "recovered")))
    for event in ("late", "failed", "rejected", "recovered"):
        fired.fire(event, {})
    fired.close(20)
    assert (tmp_path / "told").read_text().split() == ["late", "recovered"]


def test_a_webhook_posts_json(hooks, server, caplog):
    fired = hooks(HookSettings(name="h", url=server.url))
    fired.fire("late", FACTS)
    fired.close(20)
    (got,) = server.got
    assert got["path"] == "/tell?key=secret"
    assert got["type"] == "application/json"
    assert (got["body"]["event"], got["body"]["cycle"]) == ("late", "2026-11-22T00:00:00+00:00")
    assert counts(fired) == {"delivered": 1}
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("500", "answered 500 Internal Server Error: as you say"),
        ("redirect", "answered 302"),
        ("close", "cannot be reached"),
        ("hang", "took longer than 0.8 s"),
        ("drip", "took longer than 0.8 s"),
    ],
)
def test_a_webhook_that_fails_is_logged(hooks, server, caplog, answer, said):
    server.answers = [answer]
    patience = 0.8 if "0.8" in said else 20
    fired = hooks(HookSettings(name="h", url=server.url, timeout_seconds=patience, attempts=1))
    fired.fire("late", FACTS)
    fired.close(20)
    assert counts(fired) == {"failed": 1}
    assert said in caplog.text
    assert "secret" not in caplog.text
    assert all(got["path"] != "/elsewhere" for got in server.got)


def test_nobody_at_the_other_end_is_logged(hooks, caplog):
    fired = hooks(HookSettings(name="h", url="http://127.0.0.1:9/", attempts=1))
    fired.fire("late", FACTS)
    fired.close(20)
    assert "the webhook cannot be reached" in caplog.text


def test_a_call_is_tried_again(hooks, server):
    server.answers = ["503"]
    fired = hooks(HookSettings(name="h", url=server.url, attempts=2))
    fired.fire("late", FACTS)
    fired.close(20)
    assert len(server.got) == 2
    assert counts(fired) == {"delivered": 1}


def test_firing_returns_at_once_and_one_hook_holds_up_no_other(hooks, tmp_path):
    quick = HookSettings(name="quick", command=("/bin/sh", "-c", "echo . >> told"))
    fired = hooks(python("import time; time.sleep(60)"), quick)
    begun = time.monotonic()
    for _ in range(5):
        fired.fire("late", FACTS)
    assert time.monotonic() - begun < 1
    while len(counts(fired, "quick")) == 0 or counts(fired, "quick")["delivered"] < 5:
        assert time.monotonic() - begun < 30
        time.sleep(0.02)
    assert (tmp_path / "told").read_text().count(".") == 5
    fired.close(0)
    assert counts(fired) == {"failed": 1, "dropped": 4}


def test_the_oldest_calls_go_where_there_is_no_room(hooks, tmp_path, caplog):
    (tmp_path / "go").unlink(missing_ok=True)
    wait = "while [ ! -e go ]; do sleep 0.02; done; echo $HOOK_NUMBER >> told"
    fired = hooks(HookSettings(name="h", command=("/bin/sh", "-c", wait)))
    for number in range(150):
        fired.fire("late", {"number": number})
        if number == 0:
            while not any("sleep" in " ".join(c.cmdline()) for c in children()):
                time.sleep(0.01)
    (tmp_path / "go").touch()
    fired.close(60)
    told = [int(line) for line in (tmp_path / "told").read_text().split()]
    assert told == [0, *range(50, 150)]
    assert counts(fired) == {"delivered": 101, "dropped": 49}
    assert "hook dropped" in caplog.text


def test_a_retired_hook_finishes_what_is_queued(hooks, tmp_path):
    fired = hooks(HookSettings(name="h", command=("/bin/sh", "-c", "sleep 0.1; echo . >> told")))
    for _ in range(3):
        fired.fire("late", FACTS)
    fired.retire()
    begun = time.monotonic()
    while counts(fired).get("delivered") != 3:
        assert time.monotonic() - begun < 30
        time.sleep(0.02)


def test_facts_that_json_does_not_know_are_told_as_text(hooks, tmp_path):
    fired = hooks(HookSettings(name="h", command=("/bin/sh", "-c", "cat > told")))
    fired.fire("late", {"path": tmp_path, "odd": {1}, "surrogate": "\udcff", "nan": float("nan")})
    fired.close(20)
    assert counts(fired) == {"delivered": 1}
    told = json.loads((tmp_path / "told").read_text())
    assert (told["path"], told["nan"]) == (str(tmp_path), None)


def call(code: str, folder: Path, seconds: float = 20.0, body: bytes = b"{}") -> str:
    return run_call(HookCall((sys.executable, "-c", code), {}, body, folder, seconds))


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("", ""),
        ("print('fine')", ""),
        ("import sys; print('no', file=sys.stderr); sys.exit(3)", "ended with status 3: no"),
        ("import os; os.kill(os.getpid(), 9)", "was killed by signal 9"),
        ("import os; os.write(1, b'x' * 10_000_000); os._exit(1)", "status 1: xxx"),
    ],
)
def test_how_a_command_ends_is_told(tmp_path, code, said):
    problem = call(code, tmp_path)
    assert said in problem
    assert bool(problem) == bool(said)
    assert len(problem) < 3000


def test_a_program_that_is_not_there_is_told(tmp_path):
    assert "could not be started" in run_call(HookCall(("/no/such",), {}, b"", tmp_path, 1.0))


def test_input_that_is_never_read_blocks_no_one(tmp_path):
    assert call("", tmp_path, body=bytes(5_000_000)) == ""


def children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def test_a_command_out_of_time_is_ended_with_its_children_even_if_it_refuses(tmp_path):
    code = (
        "import signal, subprocess, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "subprocess.Popen(['/bin/sh', '-c', 'trap \"\" TERM; while :; do sleep 60; done']);"
        "print('on', flush=True); time.sleep(60)"
    )
    before = set(children())  # a browser of other tests, say
    begun = time.monotonic()
    assert "took longer than 1 s and was ended: on" in call(code, tmp_path, 1.0)
    assert time.monotonic() - begun < 10
    time.sleep(0.1)
    left = set(children()) - before
    assert not [child for child in left if child.status() != psutil.STATUS_ZOMBIE]


def test_a_child_left_behind_with_the_output_open_holds_up_no_one(tmp_path):
    code = "import subprocess; print(subprocess.Popen(['sleep', '30'], start_new_session=True).pid)"
    told = tmp_path / "pid"
    begun = time.monotonic()
    assert call(f"import sys; sys.stdout = open({str(told)!r}, 'w'); {code}", tmp_path) == ""
    assert time.monotonic() - begun < 10
    os.kill(int(told.read_text()), signal.SIGKILL)


@pytest.mark.parametrize(
    "values",
    [
        {"name": "h"},
        {"name": "h", "command": ["x"], "url": "http://a/"},
        {"name": "h", "url": "file:///etc/passwd"},
        {"name": "h", "url": "http://"},
        {"name": "h", "command": [" "]},
        {"name": "h", "command": ["x"], "on": []},
        {"name": "h", "command": ["x"], "on": ["published"]},
        {"name": "a b", "command": ["x"]},
        {"name": "h", "command": ["x"], "timeout_seconds": 0},
    ],
)
def test_settings_that_make_no_sense_are_refused(values):
    with pytest.raises(ValidationError):
        HookSettings(**values)


def test_a_user_and_a_password_in_a_url_are_sent_as_such_and_told_to_no_one_else(
    hooks, server, caplog
):
    url = server.url.replace("//", "//desk:p%40ss@")
    fired = hooks(HookSettings(name="h", url=url, attempts=1))
    server.answers = ["200", "500"]
    fired.fire("late", FACTS)
    fired.fire("late", FACTS)
    fired.close(30)
    told = base64.b64encode(b"desk:p@ss").decode()
    assert [got["authorization"] for got in server.got] == [f"Basic {told}"] * 2
    assert "answered 500" in caplog.text
    assert "ss@" not in caplog.text


def test_a_reason_longer_than_the_environment_holds_is_told_all_the_same(hooks, tmp_path):
    fired = hooks(HookSettings(name="h", command=("/bin/sh", "-c", "cat > told")))
    fired.fire("failed", {"reason": "x" * 300_000})
    fired.close(20)
    assert counts(fired) == {"delivered": 1}
    assert len(json.loads((tmp_path / "told").read_text())["reason"]) == 300_000


def test_hooks_that_refuse_to_end_are_ended_at_the_same_time(hooks):
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True)"
    )
    stubborn = [python(f"{code}; time.sleep(60)").model_copy(update={"name": f"h{n}"})
                for n in range(6)]  # fmt: skip
    fired = hooks(*stubborn)
    fired.fire("late", FACTS)
    time.sleep(1.0)
    begun = time.monotonic()
    fired.close(0.1)
    assert time.monotonic() - begun < 5
    assert fired.counts().total() == 6
