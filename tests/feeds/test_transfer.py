"""Bytes, rate and time left of a fetch."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import threading
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from met2net_ops.feeds.transfer import Transfer


@given(
    rate=st.integers(1_000, 10**8),
    tenths=st.integers(5, 300),
    files=st.integers(2, 50),
    size=st.integers(1, 10**9),
)
def test_a_steady_rate_is_found_and_the_rest_takes_as_long_as_it_says(
    rate: int, tenths: int, files: int, size: int
) -> None:
    now = [100.0]
    transfer = Transfer(files, lambda: now[0])
    for _ in range(tenths):
        now[0] += 0.125
        transfer.came(rate // 8)
    transfer.ended(size)
    state = transfer.state()
    assert state.bytes == tenths * (rate // 8)
    assert state.rate == pytest.approx(8 * (rate // 8))
    assert state.left is not None
    left = (files - 1) * size / state.rate
    assert state.left.total_seconds() == pytest.approx(left, abs=1e-5)


def test_what_stalls_has_no_rate_and_no_time_left() -> None:
    now = [0.0]
    transfer = Transfer(3, lambda: now[0])
    now[0] = 1.0
    transfer.came(1_000_000)
    assert transfer.state().left is None, "no file came yet"
    transfer.ended(1_000_000)
    assert transfer.state().left == timedelta(seconds=2)
    transfer.ended(0)
    assert transfer.state().left == timedelta(seconds=1), "a file that failed is over"
    now[0] = 60.0
    stalled = transfer.state()
    assert (stalled.rate, stalled.left) == (0.0, None)


def test_the_terminal_shows_bytes_rate_and_time_left(open_centre, make_workspace) -> None:
    workspace = make_workspace(open_centre().url, bytes_per_second=4000.0)
    command = [sys.executable, "-m", "met2net_ops.cli.main", "fetch", "-w", str(workspace.root),
               "--since", "2026-11-20T06", "--until", "2026-11-20T11"]  # fmt: skip
    ours, theirs = pty.openpty()
    shown: list[bytes] = []

    def read() -> None:
        while True:
            try:
                shown.append(os.read(ours, 65_536))
            except OSError:  # the other end is closed
                return

    reader = threading.Thread(target=read)
    reader.start()
    environment = {**os.environ, "COLUMNS": "120", "TERM": "xterm"}
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, env=environment)
    os.close(theirs)
    reader.join(10.0)
    os.close(ours)
    text = b"".join(shown).decode(errors="replace")
    assert done.returncode == 0, text
    assert b"Fetched 6 files" in done.stdout
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    state = r"fetching live .* \d/6 [\d.]+ kB, [\d.]+ (kB|bytes)/s, 0:(?!00:00)\d\d:\d\d left"
    assert re.search(state, text), text
