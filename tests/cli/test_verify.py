"""`met2net-ops verify` as a person and as a script meet it."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from verification_desk import START, Desk, make_desk

from met2net_ops.cli.main import main
from met2net_ops.cli.verify_tables import print_explanation
from met2net_ops.errors import VerificationError
from met2net_ops.times import HOUR
from met2net_ops.verification.results.scores import SCORES


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it said."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def run(
    desk: Desk, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Ended]:
    """The command in this process, as `main` ends it."""

    def call(*arguments: str) -> Ended:
        command = ["met2net-ops", "verify", "-w", str(desk.workspace.root), *arguments]
        monkeypatch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return Ended(int(ended.value.code or 0), told.out, told.err)

    return call


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = make_desk(tmp_path / "desk")
    made.observe(START, 40)
    made.forecast(START + 24 * HOUR, error=lambda name, lead: 1.5, leads=2)
    return made


def test_a_table_a_csv_and_what_was_done(run: Callable[..., Ended], tmp_path: Path) -> None:
    result = run("--csv", str(tmp_path / "scores.csv"))
    assert result.returncode == 0, result.stderr
    assert "tester against analysis" in result.stdout
    assert "1.500" in result.stdout
    assert "No 95 % intervals: 1 cycles, 10 needed." in result.stdout
    assert "analysis: 1 cycles final, 1 of them computed now" in result.stdout
    rows = list(csv.DictReader((tmp_path / "scores.csv").read_text().splitlines()))
    assert {(row["variable"], row["lead_hours"]) for row in rows} >= {("t2m", "1"), ("wind10", "2")}
    assert all(float(row["rmse"]) > 1.49 for row in rows)
    assert rows[0]["acc"] == ""


def test_json_and_failure(desk: Desk) -> None:
    broken = desk.forecast(START + 30 * HOUR)
    broken.write_bytes(b"no NetCDF")
    result = subprocess.run(
        [sys.executable, "-m", "met2net_ops.cli.main", "verify", "-w",
         str(desk.workspace.root), "--json", "--quiet"],
        capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    assert result.returncode == VerificationError.exit_code
    assert "1 of 2 products could not be compared" in result.stderr
    answer = json.loads(result.stdout)
    assert [cycle["status"] for cycle in answer["cycles"]] == ["final", "failed"]
    assert answer["scores"][0]["n"] == 48
    assert answer["scores"][0]["acc"] is None


def test_any_score_by_any_group(run: Callable[..., Ended]) -> None:
    result = run("--score", "fss", "--by", "hour", "--lead", "2", "--json")
    assert result.returncode == 0, result.stderr
    values = json.loads(result.stdout)["values"]
    assert {(x["variable"], x["threshold"], x["neighbourhood"]) for x in values} == {
        ("t2m", 281.0, 3), ("wind10", 5.0, 3),
    }  # fmt: skip
    assert {(x["group"], x["lead_hours"], x["n"]) for x in values} == {("02 UTC", 2, 32)}
    assert all(0 <= x["value"] <= 1 for x in values)


def test_a_score_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    print_explanation("fss")
    assert "1 - Σw(p_f - p_o)² / Σw(p_f² + p_o²)" in capsys.readouterr().out
    print_explanation("all")
    printed = capsys.readouterr().out
    assert all(row.label in printed for row in SCORES.values())


WRONG = [
    (["--cycle", "2026-01-06", "--since", "2026-01-06"], 2, "not both"),
    (["--by", "station"], 2, "--against stations"),
    (["--since", "2026-01-07", "--until", "2026-01-06"], 2, "--since"),
    (["--region", "atlantis"], 11, "no region is called 'atlantis'"),
    (["--export", "wmo", "--centre", "toolong"], 11, "four letters or digits"),
    (["--export", "wmo", "--json"], 2, "give --to FILE"),
    (["--report", "."], 11, "it is a folder"),
    (["--model", "tester", "--versus", "tester"], 11, "with itself"),
    (["--model", "tester", "--versus", "b", "--score", "skill"], 2, "compares with a baseline"),
]


def test_wrong_usage(run: Callable[..., Ended]) -> None:
    for arguments, code, said in WRONG:
        ended = run(*arguments)
        assert (ended.returncode, said in ended.stderr) == (code, True), arguments


def test_two_models_by_the_scores_asked_for(desk: Desk, run: Callable[..., Ended]) -> None:
    desk.forecast(START + 24 * HOUR, error=lambda name, lead: 2.5, model="other", leads=2)
    result = run("--model", "tester", "--versus", "other", "--score", "mae", "--score", "ets")
    assert result.returncode == 0, result.stderr
    assert "Mean absolute error difference" in result.stdout
    assert "-1.000" in result.stdout
    assert "≥ 281" in result.stdout
    assert "1 cycles in common, 10 needed" in result.stdout


def test_old_cycles_are_verified_once_and_shown_on_request(
    desk: Desk, run: Callable[..., Ended]
) -> None:
    old = START + 20 * HOUR
    desk.forecast(old, leads=2)
    first = json.loads(run("--json").stdout)
    assert [line["computed"] for line in first["cycles"]] == [True, True]
    desk.observe(START + 40 * 24 * HOUR, 30)
    desk.forecast(START + (40 * 24 + 25) * HOUR, leads=2)
    later = START + 21 * HOUR
    desk.forecast(later, leads=2)
    found = json.loads(run("--json").stdout)
    assert [(line["cycle"][:13], line["computed"]) for line in found["cycles"]] == [
        (f"{later:%Y-%m-%dT%H}", True),  # old, but without sums
        (f"{START + (40 * 24 + 25) * HOUR:%Y-%m-%dT%H}", True),
    ]
    everything = json.loads(run("--json", "--all").stdout)
    assert [line["computed"] for line in everything["cycles"]] == [False] * 4
    n = [
        next(line["n"] for line in scores["scores"] if line["variable"] == "t2m")
        for scores in (found, everything)
    ]
    assert n[1] == 4 * n[0]
    assert run("--all", "--since", "2026-01-01T00").returncode == 2
