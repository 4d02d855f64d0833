"""The command as a person or a script runs it: a real process, its output and exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from met2net_ops.cli.forecast import command
from met2net_ops.products.read import read_header
from met2net_ops.times import HOUR, format_time

TOML = """
[grid]
name = "little"
north = 60.0
west = 0.0
dlat = 5.0
dlon = 5.0
nlat = 8
nlon = 16

[archive]
variables = ["t2m", "u10", "msl"]

[forecast]
model = "persistence"
leads = 6
"""


@pytest.fixture
def place(desk) -> Path:
    """A workspace on disk with eight hours of frames, one field missing in the last."""
    desk.workspace.settings_file.write_text(TOML)
    desk.fill(8, but=[("u10", 7)])
    return desk.workspace.root


def forecast(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "met2net_ops.cli.main", "forecast", *arguments]
    return subprocess.run(
        [*command, "--workspace", str(place)], capture_output=True, text=True, timeout=100
    )


def test_the_latest_cycle_is_forecast_and_its_place_printed(place, start) -> None:
    run = forecast(place)
    assert (run.returncode, run.stderr) == (0, "")
    lines = run.stdout.splitlines()
    path, latest = Path(lines[0]), start + 6 * HOUR
    header = read_header(path)
    assert header.reference_time == latest
    assert header.model == "persistence"
    assert lines[1] == (
        f"persistence from {format_time(latest)}: 6 leads, valid "
        f"{format_time(latest + HOUR)} to {format_time(latest + 6 * HOUR)}"
    )
    for stage in ("read", "window", "rollout", "gate", "write", "verify"):
        assert f" {stage} " in run.stdout
    again = forecast(place, "--quiet")
    assert again.stdout == f"{path}\n"
    fewer = forecast(place, "--leads", "2")
    assert "covers the 2 requested" in fewer.stdout
    assert read_header(path).leads == 6


def test_missing_input_shows_the_table_and_has_its_own_exit_code(place) -> None:
    run = forecast(place, "--cycle", "2026-11-22T07", "--json")
    assert run.returncode == 5
    assert " u10   ✗" in run.stderr
    document = json.loads(run.stdout)
    assert document["state"] == "failed"
    assert document["missing"] == [["u10", "2026-11-22T07:00:00+00:00"]]


def test_many_cycles_are_all_tried(place) -> None:
    run = forecast(place, "--cycles", "2026-11-22T05..2026-11-22T07", "--leads", "3", "--json")
    assert run.returncode == 5
    documents = json.loads(run.stdout)
    assert [document["state"] for document in documents] == ["published", "published", "failed"]
    for document in documents[:2]:
        assert read_header(Path(document["path"])).leads == 3
    lines = forecast(place, "--cycles", "2026-11-22T05..2026-11-22T06", "--leads", "3").stdout
    assert [line.split()[1] for line in lines.splitlines()] == ["unchanged", "unchanged"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--model", "no-such-model"], 6, "no-such-model"),
        (["--cycle", "yesterday"], 2, "cannot read the time 'yesterday'"),
    ],
)
def test_what_cannot_be_done_is_said(place, arguments: list[str], code: int, message: str) -> None:
    run = forecast(place, *arguments)
    assert run.returncode == code
    assert message in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--cycle", "2026-11-22T04:30"], "2026-11-22T04:30Z is no cycle: the archive has frames"),
        (["--cycles", "2026-11-22T04:30..2026-11-22T06:30"], "2026-11-22T04:30Z is no cycle"),
        (["--model", ""], "--model is empty"),
        (["--device", " "], "--device is empty"),
    ],
)
def test_wrong_usage_is_named(place, arguments: list[str], message: str) -> None:
    app = typer.Typer(rich_markup_mode=None)
    app.command()(command)
    run = CliRunner().invoke(app, [*arguments, "--workspace", str(place)])
    assert run.exit_code == 2
    assert message in run.output
    assert not any((place / "products").iterdir())


def test_a_linear_form_needs_three_days_of_archive_and_no_model(place, desk, start) -> None:
    refused = forecast(place, "--model", "linear-online")
    assert refused.returncode == 5
    assert "the window of linear-online" in refused.stderr
    desk.fill(73 - 7, first=7)
    run = forecast(place, "--model", "linear-online", "--leads", "30", "--quiet")
    assert (run.returncode, run.stderr) == (0, "")
    header = read_header(Path(run.stdout.strip()))
    assert (header.model, header.leads, header.precision) == ("linear-online", 30, "fp64")
    assert header.reference_time == start + 72 * HOUR
