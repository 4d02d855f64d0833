"""`observations import` at the command line: what it prints, and that its advice works."""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from met2net_ops.cli.main import build
from met2net_ops.observations.loading import load_reports
from met2net_ops.workspace import Workspace, create_workspace

HEADER = "station,latitude,longitude,height_m,time,t2m_k,wind_speed_ms\n"
FIRST, LAST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return create_workspace(tmp_path / "desk")


def run(workspace: Workspace, *words: str | Path) -> str:
    words = ("observations", "import", "-w", workspace.root, *words)
    command = [str(word) for word in words]
    result = CliRunner().invoke(build(command), command)
    assert result.exit_code == 0, result.output
    return result.output


def stations(workspace: Workspace) -> list[str]:
    return sorted(set(load_reports(workspace.paths.observations, FIRST, LAST).station.tolist()))


def test_lost_values_and_assumptions_are_printed(workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "reports.csv"
    rows = ["Köln,50,7,5,2026-01-05T06,warm,3", "B,51,7,5,2026-01-05T06,270,3", "C,51,7,,x,270,3"]
    path.write_bytes((HEADER + "\n".join(rows)).encode("latin-1"))
    output = run(workspace, path)
    assert "1 line is not UTF-8 and was read as Latin-1" in output
    assert "1 lost: t2m is 'warm', not a number (record 1 (station Köln))" in output
    assert "1 refused: cannot read the time 'x'" in output
    assert stations(workspace) == ["B", "Köln"]
    (account,) = json.loads(run(workspace, path, "--json"))
    assert account["lost_values"] == ["record 1 (station Köln): t2m is 'warm', not a number"]
    assert account["lost"] == {"t2m is 'warm', not a number": 1}
    assert account["notes"]


def test_a_taf_is_counted_as_refused(workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "TAFDSM.txt"
    path.write_text(
        "313 \nFTUS43 KDMX 311721\nTAFDSM\nTAF\nKDSM 311721Z 3118/0118 16014KT P6SM OVC007\n"
        "     FM010200 14005KT P6SM BKN015=\n",
        encoding="utf-8",
    )
    output = run(workspace, path, "--received", "1999-12-31T18:00")
    assert "it is a forecast (TAF), not an observation (record 1 (station KDSM))" in output
    assert stations(workspace) == []


def test_places_of_the_desk(workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "metar.txt"
    path.write_text("METAR ZZZZ 020100Z 26006KT 15/14=\n", encoding="utf-8")
    assert "the place of ZZZZ is not known" in run(workspace, path)
    settings = workspace.paths.settings_file
    text = settings.read_text(encoding="utf-8")
    named, count = re.subn(r"^#places =.*$", 'places = "places.csv"', text, flags=re.MULTILINE)
    assert count == 1
    settings.write_text(named, encoding="utf-8")
    own = workspace.root / "places.csv"
    own.write_text("id,latitude,longitude,height\nZZZZ,-10.5,20.25,7\n", encoding="utf-8")
    run(workspace, path, "--again")
    reports = load_reports(workspace.paths.observations, FIRST, LAST)
    assert set(zip(reports.station, reports.latitude, reports.height, strict=True)) == {
        ("ZZZZ", -10.5, 7.0)
    }


def test_a_month_that_was_assumed_can_be_corrected(workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "metar.txt"
    path.write_text("METAR LFBD 290100Z 26006KT 15/14=\n", encoding="utf-8")
    came = datetime(2026, 11, 30, tzinfo=UTC).timestamp()
    os.utime(path, (came, came))
    output = run(workspace, path)
    assert "the month of 1 report is that before 2026-11-30T00:00Z" in output
    assert "give --received and --again" in output
    run(workspace, path, "--received", "2024-03-01", "--again")
    reports = load_reports(workspace.paths.observations, FIRST, LAST)
    assert {str(time)[:13] for time in reports.time} == {"2024-02-29T01"}


def test_advice_for_exchanged_columns(workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "reports.csv"
    path.write_text(f"{HEADER}10384,13.4,52.47,48,2026-01-05T06,270,3\n", encoding="utf-8")
    options = re.findall(r'--column "(.*?)"', run(workspace, path))
    assert options == ["latitude = longitude", "longitude = latitude"]
    run(workspace, path, "--again", *(word for text in options for word in ("--column", text)))
    reports = load_reports(workspace.paths.observations, FIRST, LAST)
    assert set(zip(reports.latitude, reports.longitude, strict=True)) == {(52.47, 13.4)}
