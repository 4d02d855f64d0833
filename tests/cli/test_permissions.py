"""What a service writes is for its user and group alone; a stricter umask is respected."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from service_desk import eventually, hour_of, make_desk, serving

from met2net_ops.service.clock import SystemClock
from met2net_ops.service.monitoring.daily_log import log_daily
from met2net_ops.times import HOUR

NOW = hour_of(SystemClock().now())


@pytest.fixture(params=[0o022, 0o077], ids=["umask 022", "umask 077"])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_settings_ledger_and_logs_are_not_for_everyone(tmp_path: Path, umask: int) -> None:
    desk = make_desk(tmp_path / "desk")
    desk.fill(NOW - 3 * HOUR, 4)
    root = desk.workspace.root
    with log_daily(desk.workspace), serving(desk.service()):
        eventually(desk.ledger.heartbeat)
        found = {path: path.stat().st_mode & 0o777 for path in root.glob("cycles.sqlite*")}
        assert len(found) == 3
    found |= {path: path.stat().st_mode & 0o777 for path in (root / "logs").iterdir()}
    found[root / ".serve.lock"] = (root / ".serve.lock").stat().st_mode & 0o777
    assert set(found.values()) == {0o640 & ~umask}, found
    assert (root / "met2net.toml").stat().st_mode & 0o777 == 0o600
