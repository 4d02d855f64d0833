"""Each exit code of the README comes from a command line that deserves it, with a message."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from service_desk import NAMES, Desk, hour_of, make_desk

from met2net_ops.cli import main
from met2net_ops.service.clock import SystemClock
from met2net_ops.times import HOUR

NOW = hour_of(SystemClock().now())
README = Path(__file__).parents[2] / "README.md"
ELSEWHERE = {0, 130}  # in every other test, and in test_main


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit code of a command line."""
    monkeypatch.setattr(sys, "argv", ["met2net-ops", *arguments])
    with pytest.raises(SystemExit) as end:
        main.main()
    assert isinstance(end.value.code, int)
    return end.value.code


def nothing(desk: Desk) -> None:
    """It is as `make_desk` makes it."""


def a_bad_setting(desk: Desk) -> None:
    desk.workspace.settings_file.write_text("[forecast]\nleeds = 1\n", encoding="utf-8")


def junk(desk: Desk) -> None:
    (desk.workspace.root / "feed" / "junk.grib2").write_bytes(b"no GRIB at all")


def a_frame(desk: Desk) -> None:
    desk.fill(NOW, 1)


def heat(desk: Desk) -> None:
    for name in NAMES:
        desk.archive.write(name, NOW, np.full(desk.archive.grid.shape, 2e5, np.float32))


def no_room_for_products(desk: Desk) -> None:
    desk.fill(NOW, 1)
    desk.workspace.products.rmdir()
    desk.workspace.products.touch()


def an_unreachable_archive(desk: Desk) -> None:
    desk.rewrite(archive={"variables": list(NAMES), "url": "ftp://desk:secret@127.0.0.1:9/weather"})


def a_file_of_observations(desk: Desk) -> None:
    (desk.workspace.root / "reports.csv").write_bytes(b"\x00\x01 no table")


CASES: list[tuple[int, Callable[[Desk], None], str, str]] = [
    (1, a_bad_setting, "doctor", "did you mean leads"),
    (2, nothing, "cycles list --state lost", "no such state"),
    (3, a_bad_setting, "forecast", "did you mean leads"),
    (4, junk, "ingest", "junk.grib2"),
    (5, a_frame, "forecast --model persistence-24h", "lacks"),
    (6, a_frame, "forecast --model nobody", "nobody"),
    (7, heat, "forecast", "rejected"),
    (8, no_room_for_products, "forecast", "products"),
    (9, an_unreachable_archive, "forecast", "ftp://desk:…@127.0.0.1:9/weather"),
    (9, an_unreachable_archive, "ingest", "ftp://desk:…@127.0.0.1:9/weather"),
    (10, nothing, "naturerun feed --start 2026-11-20 --hours 1 --out {} --grid nowhere", "nowhere"),
    (11, nothing, "verify --model a --versus a", "itself"),
    (12, nothing, "cycles hold 2026-01-01", "no cycle"),
    (14, nothing, "fetch", "no feed has a source"),
    (15, nothing, "dataset fetch {}/none.nc", "none.nc"),
    (13, a_file_of_observations, "observations import {}/reports.csv", "reports.csv"),
]


@pytest.mark.parametrize(
    ("code", "prepare", "line", "said"), CASES, ids=[f"{case[0]} {case[2]}" for case in CASES]
)
def test_the_exit_code_is_the_documented_one(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    code: int,
    prepare: Callable[[Desk], None],
    line: str,
    said: str,
) -> None:
    desk = make_desk(tmp_path / "desk")
    prepare(desk)
    monkeypatch.setenv("MET2NET_WORKSPACE", str(desk.workspace.root))
    arguments = [part.format(desk.workspace.root) for part in line.split()]
    found = run(monkeypatch, *arguments)
    out, err = capsys.readouterr()
    assert (found, said in out + err) == (code, True), out + err
    assert "secret" not in out + err


def test_every_exit_code_of_the_readme_has_a_case() -> None:
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", README.read_text(), re.M)}
    assert documented == {case[0] for case in CASES} | ELSEWHERE


def test_many_cycles_are_a_step_of_the_archive_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = make_desk(tmp_path / "desk", archive={"variables": list(NAMES), "step_hours": 6})
    first = NOW.replace(hour=0)
    for step in range(3):
        desk.fill(first + 6 * step * HOUR, 1)
    cycles = f"{first:%Y-%m-%dT%H}..{first + 12 * HOUR:%Y-%m-%dT%H}"
    assert run(monkeypatch, "forecast", "--cycles", cycles, "-w", str(desk.workspace.root)) == 0
    assert len(list(desk.workspace.products.rglob("*.nc"))) == 3
