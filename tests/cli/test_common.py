from __future__ import annotations

import json
import math
import os
import pty
import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

import numpy as np
import pytest

from met2net_ops.cli.common import plain, print_json, print_table, track_for
from met2net_ops.progress import silent


class _Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class _Thing:
    time: datetime
    values: tuple[float, ...]


def test_json_of_data_classes_times_and_arrays(capsys: pytest.CaptureFixture[str]) -> None:
    thing = _Thing(datetime(2026, 11, 22, 6, tzinfo=UTC), (1.5, math.nan))
    print_json(
        {
            "thing": thing,
            "array": np.array([[1.0, np.inf]], np.float32),
            "scalar": np.int64(3),
            "colour": _Colour.RED,
            "wait": timedelta(hours=1),
            "path": Path("a") / "b",
        }
    )
    assert json.loads(capsys.readouterr().out) == {
        "thing": {"time": "2026-11-22T06:00:00+00:00", "values": [1.5, None]},
        "array": [[1.0, None]],
        "scalar": 3,
        "colour": "red",
        "wait": 3600.0,
        "path": "a/b",
    }


def test_json_of_something_else_is_an_error() -> None:
    with pytest.raises(TypeError, match="object"):
        plain(object())


def test_a_piped_table_is_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 500
    print_table("Title", ["name", "n"], [[long, "3"]], right=["n"])
    out = capsys.readouterr().out
    assert long in out
    assert max(len(line) for line in out.splitlines()) < 600


def test_no_bars_when_quiet_or_unwatched() -> None:
    assert track_for(quiet=True) is silent
    assert track_for(quiet=False) is silent  # pytest's stderr is no terminal


def test_bars_on_a_terminal_pass_everything_through_and_end_after_an_error() -> None:
    program = (
        "import time\n"
        "from met2net_ops.cli.common import track_for\n"
        "track = track_for(False)\n"
        "print([[j for j in track(range(2), 'inner')] for i in track(iter('ab'), 'outer', 2)])\n"
        "try:\n"
        "    for i in track([1], 'broken'):\n"
        "        raise ValueError\n"
        "except ValueError:\n"
        "    print('raised')\n"
        "print(sum(track(range(4), 'again')))\n"
        "sizes = iter(range(0, 10**9, 10**6))\n"
        "track = track_for(False, received=lambda: next(sizes))\n"
        "print(sum(track([time.sleep(0.3) or 1 for _ in track(range(2), 'bytes')], 'more')))\n"
    )
    ours, theirs = pty.openpty()
    try:
        result = subprocess.run(
            [sys.executable, "-c", program],
            stdout=subprocess.PIPE,
            stderr=theirs,
            text=True,
            timeout=60,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
        )
        drawn = os.read(ours, 100_000).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert result.stdout == "[[0, 1], [0, 1]]\nraised\n6\n2\n"
    assert "outer" in drawn
    assert re.search(r"[1-9][0-9]*\.0 MB, [0-9.]+ MB/s", drawn)
