"""What `--json` prints is JSON, by the letter, whatever the command finds."""

from __future__ import annotations

import json
import sys
import tarfile
from pathlib import Path
from typing import Any, NoReturn

import pytest
from typer.testing import CliRunner

from met2net_ops.cli.main import build, main

_OLD = Path(__file__).parents[1] / "data" / "old_workspace" / "workspace.tar.xz"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("json")
    with tarfile.open(_OLD) as archive:
        archive.extractall(folder, filter="data")
    return folder / "desk"


# They fail after they have printed what they found.
_WITH_RESULT = (
    "forecast --cycle 1999-01-01T00 --model persistence",
    "observations import nowhere.csv",
)


def _strictly(text: str) -> Any:
    def refuse(constant: str) -> NoReturn:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize(
    "line",
    [
        "coverage",
        "cycles list",
        "cycles show 2026-11-20T03 --model persistence",
        "doctor",
        "forecast --cycle 2026-11-20T06 --model persistence",
        "forecast --cycles 2026-11-20T06..2026-11-20T08 --model persistence",
        "ingest",
        "models list",
        "models show naturerun-5p625",
        "models check naturerun-5p625",
        "observations import",
        "prune --dry-run",
        "status",
        "verify --against all",
        "verify --score ets --by hour",
        "verify --by region",
        "verify --explain all",
    ],
)
def test_every_command_prints_json(workspace: Path, line: str) -> None:
    arguments = [*line.split(), "--json", "-w", str(workspace)]
    result = CliRunner().invoke(build(arguments), arguments)
    assert _strictly(result.stdout), result.output


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("coverage --every", 2),
        ("cycles list --until never", 2),
        ("forecast --cycle 1999-01-01T00 --model persistence", 5),
        ("forecast --model nobody", 6),
        ("ingest --colour red", 2),
        ("models show nobody", 6),
        ("observations import nowhere.csv", 13),
        ("verify --since never", 2),
        ("verify --score nonsense", 11),
        ("verify --explain nonsense", 11),
    ],
)
def test_a_failure_is_one_object_with_the_exit_code(
    workspace: Path, line: str, code: int, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["met2net-ops", *line.split(), "--json", "-w", str(workspace)])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == code
    shown = capsys.readouterr()
    assert shown.err
    document = _strictly(shown.out)
    if line in _WITH_RESULT:
        assert document  # which says by itself what went wrong
    else:
        assert document == {"exit_code": code, "error": document["error"]}
        assert document["error"]


@pytest.mark.parametrize("line", ["coverage", "cycles list", "doctor", "models list", "verify"])
def test_without_a_workspace_too(
    tmp_path: Path, line: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["met2net-ops", *line.split(), "--json", "-w", str(tmp_path)])
    with pytest.raises(SystemExit) as end:
        main()
    document = _strictly(capsys.readouterr().out)
    assert document["exit_code"] == end.value.code == 3
    assert "is not a workspace" in document["error"]
