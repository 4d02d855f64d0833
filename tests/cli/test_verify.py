"""`met2net-ops verify` as a person and as a script meet it."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from verification_desk import START, Desk, make_desk

from met2net_ops.cli.verify_tables import print_explanation
from met2net_ops.errors import VerificationError
from met2net_ops.times import HOUR
from met2net_ops.verification.scores import SCORES


def run(desk: Desk, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "met2net_ops.cli.main", "verify", "-w",
         str(desk.workspace.root), *arguments],
        capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = make_desk(tmp_path / "desk")
    made.observe(START, 40)
    made.forecast(START + 24 * HOUR, error=lambda name, lead: 1.5, leads=2)
    return made


def test_a_table_a_csv_and_what_was_done(desk: Desk, tmp_path: Path) -> None:
    result = run(desk, "--csv", str(tmp_path / "scores.csv"))
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
    result = run(desk, "--json", "--quiet")
    assert result.returncode == VerificationError.exit_code
    assert "1 of 2 products could not be compared" in result.stderr
    answer = json.loads(result.stdout)
    assert [cycle["status"] for cycle in answer["cycles"]] == ["final", "failed"]
    assert answer["scores"][0]["n"] == 48
    assert answer["scores"][0]["acc"] is None


def test_any_score_by_any_group(desk: Desk) -> None:
    result = run(desk, "--score", "fss", "--by", "hour", "--lead", "2", "--json")
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


def test_wrong_usage(desk: Desk) -> None:
    assert run(desk, "--cycle", "2026-01-06", "--since", "2026-01-06").returncode == 2
    assert run(desk, "--by", "station").returncode == 2
    backwards = run(desk, "--since", "2026-01-07", "--until", "2026-01-06")
    assert backwards.returncode == 2
    assert "--since" in backwards.stderr
