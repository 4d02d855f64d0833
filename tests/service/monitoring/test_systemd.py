"""Messages to the service manager, over real sockets."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from met2net_ops.service.monitoring.systemd import SystemdNotifier, systemd_notifier


@contextmanager
def listening(address: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.settimeout(5)
        server.bind("\0" + address[1:] if address.startswith("@") else address)
        yield server


@pytest.fixture
def path() -> Iterator[str]:
    # A socket's path may hold 107 bytes; pytest's folders are longer.
    with tempfile.TemporaryDirectory() as folder:
        yield str(Path(folder) / "notify")


def heard(server: socket.socket) -> list[str]:
    return server.recv(4096).decode().splitlines()


def test_each_message_arrives_as_systemd_wants_it(path):
    with listening(path) as server:
        to = SystemdNotifier(path)
        assert to.ready("12 cycles published\nnone late")
        assert heard(server) == ["READY=1", "STATUS=12 cycles published none late"]
        assert to.alive()
        assert heard(server) == ["WATCHDOG=1"]
        assert to.stopping("finishing a cycle")
        assert heard(server) == ["STOPPING=1", "STATUS=finishing a cycle"]


def test_reloading_carries_the_time_of_the_clock_systemd_compares_with(path):
    with listening(path) as server:
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        SystemdNotifier(path).reloading()
        after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        first, second = heard(server)
    assert first == "RELOADING=1"
    name, _, value = second.partition("=")
    assert name == "MONOTONIC_USEC"
    assert before <= int(value) <= after


def test_abstract_names_are_reached():
    address = f"@met2net-ops-test-{os.getpid()}"
    with listening(address) as server:
        assert SystemdNotifier(address).ready()
        assert heard(server) == ["READY=1"]


def test_no_one_listening_is_logged_and_harmless(path, caplog):
    assert not SystemdNotifier(path).alive()
    assert "WATCHDOG=1 cannot be sent" in caplog.text


def test_a_manager_that_does_not_read_never_blocks_us(path):
    with listening(path) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        begun = time.monotonic()
        answers = [SystemdNotifier(path).alive("x" * 500) for _ in range(2000)]
        assert not all(answers)
        assert time.monotonic() - begun < 30


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, SystemdNotifier()),
        ({"WATCHDOG_USEC": "1000000"}, SystemdNotifier()),
        ({"NOTIFY_SOCKET": "/n"}, SystemdNotifier("/n")),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "no"}, SystemdNotifier("/n")),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "0"}, SystemdNotifier("/n")),
        (
            {"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"},
            SystemdNotifier("/n"),
        ),
        (
            {"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "9", "WATCHDOG_PID": str(os.getpid())},
            SystemdNotifier("/n", timedelta(microseconds=9)),
        ),
    ],
)
def test_the_environment_says_whom_to_tell_and_how_often(environment, expected):
    assert systemd_notifier(environment) == expected
