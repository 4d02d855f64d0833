"""Hooks, metrics, service manager and retention as the service's listeners move them."""

from __future__ import annotations

import json
import socket
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from verification_desk import HOUR, START, Desk, make_desk

from met2net_ops.errors import ServiceError
from met2net_ops.products.index import list_products
from met2net_ops.service.integrations import Integrations
from met2net_ops.service.ledger.events import CycleEvent, EventKind
from met2net_ops.service.ledger.states import CycleState
from met2net_ops.service.monitoring.listeners import ServicePhase, ServiceSnapshot
from met2net_ops.service.monitoring.systemd import SystemdNotifier
from met2net_ops.settings import (
    HookSettings,
    MonitorSettings,
    RetentionSettings,
    ServeSettings,
    Settings,
)
from met2net_ops.workspace import Workspace

EVENT = CycleEvent(
    7,
    EventKind.REJECTED,
    START,
    "m",
    START,
    CycleState.FAILED,
    "msl explodes",
    2,
    "products/m/x.nc",
)


def shown(at: datetime) -> ServiceSnapshot:
    return ServiceSnapshot(at=at, started=at)


@pytest.fixture
def desk(tmp_path) -> Desk:
    return make_desk(tmp_path / "desk")


@pytest.fixture
def alive() -> Iterator[Callable[..., Integrations]]:
    made: list[Integrations] = []

    def make(
        desk: Desk, settings: Settings, manager: SystemdNotifier | None = None
    ) -> Integrations:
        integrations = Integrations(
            Workspace(desk.workspace, desk.settings),
            lambda model: None,
            manager or SystemdNotifier(),
        )
        made.append(integrations)
        integrations.listeners.on_settings(settings)
        return integrations

    yield make
    for integrations in made:
        integrations.listeners.on_phase(ServicePhase.STOPPED, "")


def eventually(look: Callable[[], bool]) -> None:
    begun = time.monotonic()
    while not look():
        assert time.monotonic() - begun < 30
        time.sleep(0.02)


def hook(name: str, file: str) -> HookSettings:
    return HookSettings(
        name=name, command=("/bin/sh", "-c", f"cat > {file}.new; mv {file}.new {file}")
    )


def test_an_event_reaches_the_hooks_of_the_settings_of_now(desk, alive):
    first = desk.settings.model_copy(update={"hooks": (hook("a", "first"),)})
    second = desk.settings.model_copy(update={"hooks": (hook("b", "second"),)})
    integrations = alive(desk, first)
    integrations.listeners.on_event(EVENT)
    integrations.listeners.on_settings(second)  # what is queued is still told
    integrations.listeners.on_event(replace(EVENT, id=8))
    root = desk.workspace.root
    eventually(lambda: (root / "first").exists() and (root / "second").exists())
    assert json.loads((root / "first").read_text()) == {
        "event": "rejected", "id": 7, "at": START.isoformat(), "model": "m",
        "cycle": START.isoformat(), "state": "failed", "reason": "msl explodes", "attempts": 2,
        "product": "products/m/x.nc", "hook": "a", "workspace": str(root),
    }  # fmt: skip
    assert json.loads((root / "second").read_text())["id"] == 8


def test_metrics_can_be_had_when_asked_for_and_move_with_the_settings(desk, alive):
    integrations = alive(desk, desk.settings)
    assert integrations.server is None
    integrations.listeners.on_settings(
        desk.settings.model_copy(update={"monitor": MonitorSettings(port=0)})
    )
    assert integrations.server is not None
    integrations.listeners.on_snapshot(shown(START))
    integrations.listeners.on_round()
    with urllib.request.urlopen(f"http://127.0.0.1:{integrations.server.port}/healthz") as answer:
        assert json.load(answer)["alive"] is True
    integrations.listeners.on_settings(desk.settings)
    assert integrations.server is None


def test_the_service_manager_hears_of_every_phase_and_of_life(desk, alive):
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server,
    ):
        server.settimeout(20)
        server.bind(f"{folder}/n")
        integrations = alive(
            desk, desk.settings, SystemdNotifier(f"{folder}/n", timedelta(seconds=1.0))
        )
        for phase in (
            ServicePhase.READY,
            ServicePhase.RELOADING,
            ServicePhase.READY,
            ServicePhase.STOPPING,
        ):
            integrations.listeners.on_phase(phase, "a line")
        heard = [server.recv(200).decode().split("\n")[0] for _ in range(4)]
        assert heard == ["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]
        for _ in range(20):
            integrations.listeners.on_round()
        assert server.recv(200) == b"WATCHDOG=1"
        # not with every round, and without rounds never: only the loop itself shows life
        assert not _waiting(server)
        time.sleep(0.5)
        assert not _waiting(server)
        integrations.listeners.on_round()
        assert server.recv(200) == b"WATCHDOG=1"


def test_a_port_that_is_taken_is_a_problem_until_it_is_free(desk, alive):
    with socket.create_server(("127.0.0.1", 0)) as other:
        monitor = MonitorSettings(port=other.getsockname()[1])
        integrations = alive(desk, desk.settings)
        settings = desk.settings.model_copy(update={"monitor": monitor})
        for again in (lambda: integrations.listeners.on_settings(settings),
                      lambda: integrations.listeners.on_snapshot(shown(START))):  # fmt: skip
            with pytest.raises(ServiceError, match="cannot listen"):
                again()
    integrations.listeners.on_snapshot(shown(START))
    assert integrations.server is not None


def test_hooks_of_before_a_reload_are_ended_with_the_service(desk, alive):
    slow = HookSettings(name="slow", command=("sleep", "654"))
    integrations = alive(desk, desk.settings.model_copy(update={"hooks": (slow,)}))
    integrations.listeners.on_event(EVENT)
    eventually(lambda: bool(_sleeping()))
    integrations.listeners.on_settings(desk.settings)
    integrations.listeners.on_phase(ServicePhase.STOPPED, "")
    assert not _sleeping()


def _sleeping() -> list[psutil.Process]:
    children = psutil.Process().children(recursive=True)
    return [one for one in children if one.cmdline() == ["sleep", "654"]]


def _waiting(server: socket.socket) -> bool:
    server.setblocking(False)
    try:
        return bool(server.recv(200))
    except BlockingIOError:
        return False
    finally:
        server.settimeout(20)


def old_products(desk: Desk, alive: Callable[..., Integrations]) -> Integrations:
    """Three days of products, of which two days would be kept; nothing is waited for."""
    for day in range(4):
        desk.forecast(START + 24 * day * HOUR)
    desk.observe(START, 80, ("t2m",))
    rules = RetentionSettings(products_days=2)
    serve = ServeSettings(verify_days=0)
    return alive(desk, desk.settings.model_copy(update={"retention": rules, "serve": serve}))


def count(desk: Desk) -> int:
    return len(list_products(desk.workspace))


def test_old_products_go_once_a_day(desk, alive):
    integrations = old_products(desk, alive)
    integrations.listeners.on_snapshot(shown(START + 73 * HOUR))
    eventually(lambda: count(desk) == 2)
    desk.forecast(START)
    integrations.listeners.on_snapshot(shown(START + 96 * HOUR))
    time.sleep(0.3)
    assert count(desk) == 3  # it has not been a day
    integrations.listeners.on_snapshot(shown(START + 97 * HOUR))
    eventually(lambda: count(desk) == 1)


def test_a_clock_that_has_run_ahead_empties_nothing(desk, alive):
    """The newest frame is of hour 79: days are counted back from a day later at most."""
    integrations = old_products(desk, alive)
    integrations.listeners.on_snapshot(shown(START + 5000 * 24 * HOUR))
    eventually(lambda: count(desk) == 1)
    time.sleep(0.3)
    (left,) = list_products(desk.workspace)
    assert left.reference_time == START + 72 * HOUR


def test_what_goes_wrong_with_retention_is_logged_and_costs_nothing_else(desk, alive, caplog):
    (desk.workspace.archive / "zarr.json").write_text("{}")
    integrations = alive(desk, desk.settings)
    integrations.listeners.on_snapshot(shown(START))
    eventually(lambda: "nothing was removed" in caplog.text)
    integrations.listeners.on_snapshot(shown(datetime.now(UTC)))
    assert integrations.board.seen is not None


def test_stopping_does_not_wait_for_a_hook_that_hangs(desk, alive, monkeypatch):
    monkeypatch.setattr("met2net_ops.service.integrations._CLOSING_S", 0.3)
    slow = HookSettings(name="slow", command=("sleep", "600"))
    integrations = alive(desk, desk.settings.model_copy(update={"hooks": (slow,)}))
    integrations.listeners.on_event(EVENT)
    begun = time.monotonic()
    integrations.listeners.on_phase(ServicePhase.STOPPED, "")
    assert time.monotonic() - begun < 20


def test_nothing_is_left_open(desk):
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    settings = desk.settings.model_copy(
        update={"hooks": (hook("a", "told"),), "monitor": MonitorSettings(port=0)}
    )
    before = 0
    for turn in range(4):
        integrations = Integrations(
            Workspace(desk.workspace, desk.settings), lambda model: None, SystemdNotifier()
        )
        integrations.listeners.on_settings(settings)
        integrations.listeners.on_event(EVENT)
        integrations.listeners.on_snapshot(shown(START))
        integrations.listeners.on_phase(ServicePhase.STOPPED, "")
        if turn == 0:
            before = open_files()
    assert open_files() == before
