"""Metrics as Prometheus' own parser reads them, over real HTTP."""

from __future__ import annotations

import json
import socket
import struct
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from met2net_ops.errors import ServiceError
from met2net_ops.service.ledger.states import CycleState
from met2net_ops.service.monitoring.listeners import ServiceSnapshot
from met2net_ops.service.monitoring.metrics import MetricsBoard, MetricsServer, Seen

AT = datetime(2026, 11, 22, 6, 1, tzinfo=UTC)
ODD = 'näme"\\\n'
SNAPSHOT = ServiceSnapshot(
    at=AT,
    started=datetime(2026, 11, 22, tzinfo=UTC),
    states={("m", CycleState.PUBLISHED): 3, (ODD, CycleState.LATE): 1},
    newest_published={"m": datetime(2026, 11, 22, 5, tzinfo=UTC)},
    next_expected={"m": datetime(2026, 11, 22, 7, tzinfo=UTC)},
    attempts={("m", "published"): 3, ("m", "timeout"): 1},
    children_started={"m": 2},
    seconds={"m": {"rollout": 0.25}},
    files_read=9,
    files_refused=1,
    problems={"ingest": "no such folder"},
    round_seconds=0.02,
)


@pytest.fixture
def board(tmp_path) -> MetricsBoard:
    return MetricsBoard(tmp_path)


@pytest.fixture
def server(board) -> Iterator[MetricsServer]:
    running = MetricsServer(board, "127.0.0.1", 0)
    yield running
    running.close()


def get(server: MetricsServer, path: str) -> tuple[int, str, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=10) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"], error.read().decode()


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_everything_in_a_snapshot_is_there_as_prometheus_reads_it(board, server):
    board.seen = Seen(SNAPSHOT, {("pager", "failed"): 2})
    status, kind, text = get(server, "/metrics")
    assert status == 200
    assert kind.startswith("text/plain; version=0.0.4")
    found = samples(text)

    def value(name: str, **labels: str) -> float:
        return found[f"met2net_{name}", tuple(sorted(labels.items()))]

    assert value("cycles", model="m", state="published") == 3
    assert value("cycles", model=ODD, state="late") == 1
    assert value("newest_published_time_seconds", model="m") == AT.timestamp() - 3660
    assert value("next_expected_time_seconds", model="m") == AT.timestamp() + 3540
    assert value("attempts_total", model="m", kind="timeout") == 1
    assert value("children_started_total", model="m") == 2
    assert value("stage_seconds", model="m", stage="rollout") == 0.25
    assert value("files_read_total") == 9
    assert value("files_refused_total") == 1
    assert value("problem", component="ingest") == 1
    assert value("round_seconds") == 0.02
    assert value("last_round_time_seconds") == AT.timestamp()
    assert value("hook_calls_total", hook="pager", how="failed") == 2
    assert value("workspace_free_bytes") > 0
    status = Path("/proc/self/status").read_text()
    resident = int(status.split("VmRSS:")[1].split()[0]) * 1024
    assert found["process_resident_memory_bytes", ()] == pytest.approx(resident, rel=0.2)
    open_files = len(list(Path("/proc/self/fd").iterdir()))
    assert found["process_open_fds", ()] == pytest.approx(open_files, abs=5)


def test_before_the_first_round_there_are_metrics_but_no_health(board, server):
    assert get(server, "/metrics")[0] == 200
    status, _, body = get(server, "/healthz")
    assert status == 503
    assert json.loads(body)["alive"] is False


def test_health_says_whether_the_loop_goes_round_and_what_is_wrong(board, server):
    board.seen = Seen(SNAPSHOT)
    board.round_completed()
    status, _, body = get(server, "/healthz")
    assert status == 200
    assert json.loads(body)["problems"] == {"ingest": "no such folder"}
    board.last_round = time.monotonic() - 121
    status, _, body = get(server, "/healthz?verbose")
    assert status == 503
    assert json.loads(body)["seconds_since_round"] > 120


def test_other_paths_are_not_found(server):
    assert get(server, "/")[0] == 404
    assert get(server, "/metrics/../etc")[0] == 404


def test_silent_and_odd_clients_hold_up_no_one(board, server):
    board.seen = Seen(SNAPSHOT)
    board.round_completed()
    address = ("127.0.0.1", server.port)
    silent = [socket.create_connection(address) for _ in range(20)]
    with socket.create_connection(address) as odd:
        odd.sendall(b"\x00\xff nonsense\r\n\r\n")
        begun = time.monotonic()
        assert get(server, "/healthz")[0] == 200
        assert time.monotonic() - begun < 4
    for each in silent:
        each.close()


def test_a_port_in_use_is_a_clear_error(board, server):
    with pytest.raises(ServiceError, match=rf"port {server.port}.*\[monitor\]"):
        MetricsServer(board, "127.0.0.1", server.port)


def test_a_disk_that_is_gone_takes_only_its_own_metric_with_it(tmp_path):
    assert b"workspace_free_bytes" not in MetricsBoard(tmp_path / "gone").metrics()


def test_a_client_that_goes_away_leaves_no_traceback(server, capsys):
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.sendall(b"GET /metrics HT")
    for _ in range(20):
        assert get(server, "/metrics")[0] == 200
    assert capsys.readouterr().err == ""


def test_it_listens_without_asking_a_name_server_and_on_the_newer_loopback_too(board, monkeypatch):
    def hang(*_: object) -> str:
        raise AssertionError("a name server was asked")

    monkeypatch.setattr(socket, "getfqdn", hang)
    try:
        running = MetricsServer(board, "::1", 0)
    except ServiceError:
        running = MetricsServer(board, "127.0.0.1", 0)  # a machine without IPv6
        host = "127.0.0.1"
    else:
        host = "[::1]"
    with urllib.request.urlopen(f"http://{host}:{running.port}/metrics", timeout=10) as answer:
        assert answer.status == 200
    running.close()
