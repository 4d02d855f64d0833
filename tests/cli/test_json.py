"""What `--json` prints is JSON, by the letter, whatever the command finds."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any, NoReturn

import pytest
from typer.testing import CliRunner

from met2net_ops.cli.main import build

_OLD = Path(__file__).parents[1] / "data" / "old_workspace" / "workspace.tar.xz"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("json")
    with tarfile.open(_OLD) as archive:
        archive.extractall(folder, filter="data")
    return folder / "desk"


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
