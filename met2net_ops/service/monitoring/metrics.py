"""`/metrics` in the text format of Prometheus, and `/healthz`, over HTTP.

Requests are answered from the last snapshot, in threads: whoever asks, and however slowly, the
service does not notice.
"""

from __future__ import annotations

import json
import logging
import shutil
import socket
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from met2net_ops.errors import ServiceError
from met2net_ops.version import __version__

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from met2net_ops.service.monitoring.listeners import ServiceSnapshot

_PATIENCE_S = 5.0  # for a client to send its request
_STUCK_S = 120.0  # after the last round the service counts as stuck

_log = logging.getLogger(__name__)

Calls = Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class Seen:
    """What is shown until the next round.

    Attributes:
        snapshot: the state of the service.
        hooks: (hook, how it ended) → calls.
    """

    snapshot: ServiceSnapshot
    hooks: Calls = field(default_factory=dict)


class MetricsBoard:
    """What the service has to show; set by its loop, read by everyone else.

    Attributes:
        seen: what is shown until there is something newer.
        last_round: when the loop last completed a round, by the monotonic clock.
    """

    def __init__(self, root: Path) -> None:
        self.seen: Seen | None = None
        self.last_round: float | None = None
        self._registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._registry)  # memory, CPU time, open files
        self._registry.register(_Service(self, root))

    @property
    def alive(self) -> bool:
        """Whether the loop still completes rounds."""
        last = self.last_round
        return last is not None and time.monotonic() - last <= _STUCK_S

    def round_completed(self) -> None:
        """The loop has completed a round."""
        self.last_round = time.monotonic()

    def metrics(self) -> bytes:
        """All metrics as text."""
        return generate_latest(self._registry)

    def health(self) -> dict[str, Any]:
        """Whether the service is alive, and its problems."""
        seen, last = self.seen, self.last_round
        if seen is None or last is None:
            return {"alive": False, "reason": "the first round is not over"}
        return {
            "alive": self.alive,
            "seconds_since_round": round(time.monotonic() - last, 1),
            "problems": dict(seen.snapshot.problems),
        }


class _Service(Collector):
    def __init__(self, board: MetricsBoard, root: Path) -> None:
        self._board = board
        self._root = root

    def collect(self) -> Iterable[Metric]:
        """Everything that is known now."""
        build = GaugeMetricFamily("met2net_build_info", "Version", labels=["version"])
        build.add_metric([__version__], 1)
        yield build
        try:
            free = shutil.disk_usage(self._root).free
        except OSError:
            pass  # the disk is not there: nor is the metric
        else:
            yield _gauge("workspace_free_bytes", "Free space where the workspace lies", free)
        if self._board.seen is not None:
            yield from _families(self._board.seen)


def _families(seen: Seen) -> Iterable[Metric]:
    """The metrics of one snapshot."""
    shown = seen.snapshot
    yield _gauge("start_time_seconds", "When the service started", shown.started.timestamp())
    yield _gauge("last_round_time_seconds", "When it last completed a round", shown.at.timestamp())
    yield _gauge("round_seconds", "How long that took", shown.round_seconds)
    yield _gauges(
        "cycles", "Cycles by state, open or of the last week", ("model", "state"), shown.states
    )
    yield _gauges(
        "newest_published_time_seconds", "Reference time of the newest forecast", ("model",),
        _stamps(shown.newest_published),
    )  # fmt: skip
    yield _gauges(
        "next_expected_time_seconds", "Next reference time", ("model",),
        _stamps(shown.next_expected),
    )  # fmt: skip
    stages = {
        (model, stage): seconds
        for model, of_model in shown.seconds.items()
        for stage, seconds in of_model.items()
    }
    yield _gauges("stage_seconds", "Stages of the last forecast", ("model", "stage"), stages)
    problems = dict.fromkeys(shown.problems, 1)
    yield _gauges("problem", "What is wrong now; see /healthz", ("component",), problems)
    late = {
        (feed, one.file.source.name): (shown.at - one.since).total_seconds()
        for feed, one in shown.late.items()
    }
    yield _gauges("source_late_seconds", "Since the deadline", ("feed", "source"), late)
    yield _counters("attempts", "Attempts by how they ended", ("model", "kind"), shown.attempts)
    yield _counters(
        "children_started", "Child processes started", ("model",), shown.children_started
    )
    yield _counters("files_read", "GRIB files read", (), {(): shown.files_read})
    yield _counters(
        "files_refused", "Of them, with something refused", (), {(): shown.files_refused}
    )
    yield _counters("hook_calls", "Calls of hooks by how they ended", ("hook", "how"), seen.hooks)


def _stamps(times: Mapping[str, datetime]) -> dict[str, float]:
    return {name: time.timestamp() for name, time in times.items()}


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"met2net_{name}", text, value=value)


def _gauges(name: str, text: str, labels: tuple[str, ...], values: Mapping[Any, float]) -> Metric:
    family = GaugeMetricFamily(f"met2net_{name}", text, labels=labels)
    for key, value in values.items():
        family.add_metric([str(part) for part in _key(key)], value)
    return family


def _counters(name: str, text: str, labels: tuple[str, ...], values: Mapping[Any, float]) -> Metric:
    family = CounterMetricFamily(f"met2net_{name}", text, labels=labels)
    for key, value in values.items():
        family.add_metric([str(part) for part in _key(key)], value)
    return family


def _key(key: object) -> tuple[object, ...]:
    return key if isinstance(key, tuple) else (key,)


class MetricsServer:
    """Answers monitors until closed."""

    def __init__(self, board: MetricsBoard, address: str, port: int) -> None:
        """Start to listen.

        Raises:
            ServiceError: that address cannot be listened on.
        """
        kind = _Server6 if ":" in address else _Server
        try:
            self._server = kind((address, port), board)
        except (OSError, OverflowError) as error:
            raise ServiceError(
                f"cannot listen on {address} port {port}: {error}. Choose another port under "
                "[monitor] in met2net.toml, or remove it there to do without."
            ) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.2,), name="metrics", daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Listen no longer."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64  # with five, silent clients make others wait for seconds

    def __init__(self, address: tuple[str, int], board: MetricsBoard) -> None:
        self.board = board
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind, and nothing else: the library would ask a name server, and wait for it."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that closed the connection is logged for debugging only."""
        _log.debug("request broke off", extra={"from": str(client_address)}, exc_info=True)


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _PATIENCE_S
    server_version = f"met2net-ops/{__version__}"
    sys_version = ""

    def do_GET(self) -> None:
        """`/metrics` and `/healthz`."""
        board = self.server.board
        match self.path.split("?")[0]:
            case "/metrics":
                self._answer(HTTPStatus.OK, CONTENT_TYPE_PLAIN_0_0_4, board.metrics())
            case "/healthz":
                status = HTTPStatus.OK if board.alive else HTTPStatus.SERVICE_UNAVAILABLE
                body = json.dumps(board.health(), ensure_ascii=False) + "\n"
                self._answer(status, "application/json; charset=utf-8", body.encode())
            case _:
                body = "there are /metrics and /healthz\n"
                self._answer(HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", body.encode())

    def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Requests are logged for debugging only."""
        _log.debug("request", extra={"from": self.address_string(), "what": format % args})
