"""`met2net-ops demo --live`: a centre, the service that fetches from it, and a clean end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from met2net_ops import demo_live
from met2net_ops.errors import SettingsError
from met2net_ops.products.read import read_header
from met2net_ops.service.ledger.reader import open_ledger_reader
from met2net_ops.service.lock import lock_holder
from met2net_ops.service.monitoring.status import Level, status
from met2net_ops.times import HOUR
from met2net_ops.workspace import create_workspace, find_workspace

pytestmark = pytest.mark.timeout(400)
MODEL = "persistence"


def start(root: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "met2net_ops.cli.main", "demo", "--live", "-w", str(root)]
    return subprocess.Popen(
        [*command, "--model", MODEL, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_cycles_appear_and_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    root = tmp_path / "live"
    began = datetime.now(UTC)
    first = start(root, "--cycles", "2", "--json")
    out, err = first.communicate(timeout=240)
    assert first.returncode == 0, err
    products = [Path(path) for path in json.loads(out)["products"]]
    assert products
    header = read_header(products[-1])
    assert header.attributions == (
        "Contains synthetic weather of met2net-ops, of no real place (licence: none needed)",
    )
    assert began - demo_live.BACK - 6 * HOUR < header.reference_time < began
    place = find_workspace(root)
    cycles = open_ledger_reader(place.paths).cycles(MODEL)
    assert sum(cycle.published_at is not None for cycle in cycles) >= 2
    assert lock_holder(place.paths) is None

    again = start(root)
    try:
        assert again.stdout is not None
        lines = iter(again.stdout.readline, "")
        assert any(line.startswith("Dashboard") for line in lines)
        end = time.monotonic() + 120
        while (found := status(place, datetime.now(UTC))).level is Level.STOPPED:
            assert time.monotonic() < end, found
            time.sleep(0.2)
        family = psutil.Process(again.pid).children(recursive=True)
        again.send_signal(signal.SIGINT)
        _, err = again.communicate(timeout=60)
    finally:
        again.kill()
    assert again.returncode == 0, err
    assert "Traceback" not in err
    assert not [one for one in family if one.is_running() and one.status() != "zombie"]
    assert lock_holder(place.paths) is None


def test_the_clock_catches_up_and_then_keeps_pace() -> None:
    now = datetime.now(UTC)
    clock = demo_live.ReplayClock(now - timedelta(seconds=60), speed=600.0)
    assert clock.seconds_until(600.0) == 1.0
    assert clock.now() < datetime.now(UTC)
    while clock.now() < datetime.now(UTC) - timedelta(seconds=1):
        time.sleep(0.01)
    time.sleep(0.02)
    assert clock.seconds_until(600.0) == pytest.approx(600.0)
    assert datetime.now(UTC) - clock.now() < timedelta(seconds=1)


def test_a_workspace_of_ones_own_is_left_alone(tmp_path: Path) -> None:
    workspace = create_workspace(tmp_path / "desk").paths
    with pytest.raises(SettingsError, match="not a workspace of the live demonstration"):
        demo_live.open_live_demo(workspace.root, MODEL)
