"""A workspace made by an earlier version opens, and says what it said then."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from met2net_ops.cli.main import build

_DATA = Path(__file__).parent / "data" / "old_workspace"
_EXPECTED = json.loads((_DATA / "expected.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(_DATA / "workspace.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder / "desk"


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(build(list(arguments)), list(arguments))


def _json(*arguments: str) -> Any:
    result = _run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_its_frames_are_there(workspace: Path) -> None:
    found = _json("coverage", "--until", "2026-11-20T18", "-w", str(workspace))
    assert found["counts"] == _EXPECTED["counts"]


def test_its_ledger_is_read(workspace: Path) -> None:
    cycles = _json("cycles", "list", "-w", str(workspace))
    keys = ("model", "reference_time", "state")
    assert [[cycle[key] for key in keys] for cycle in cycles] == _EXPECTED["cycles"]


def test_its_forecasts_are_published_and_verified_and_nothing_is_computed_anew(
    workspace: Path,
) -> None:
    found = _json("verify", "--against", "all", "-w", str(workspace))
    keys = ("truth", "cycle", "status", "matched")
    assert [[cycle[key] for key in keys] for cycle in found["cycles"]] == _EXPECTED["verified"]
    assert not any(cycle["computed"] for cycle in found["cycles"])
    keys = ("truth", "variable", "lead_hours", "n", "rmse", "bias")
    scores = [[line[key] for key in keys] for line in found["scores"]]
    assert [line[:4] for line in scores] == [line[:4] for line in _EXPECTED["scores"]]
    np.testing.assert_allclose(
        np.array([line[4:] for line in scores], float),
        np.array([line[4:] for line in _EXPECTED["scores"]], float),
        rtol=1e-9,
    )


def test_its_sums_are_those_that_computing_them_again_gives(workspace: Path) -> None:
    found = _json("verify", "--against", "all", "--again", "-w", str(workspace))
    values = [[line[key] for key in ("n", "rmse", "bias")] for line in found["scores"]]
    expected = [[line[3], *line[4:]] for line in _EXPECTED["scores"]]
    np.testing.assert_allclose(np.array(values, float), np.array(expected, float), rtol=1e-6)


def test_a_published_cycle_is_left_alone_and_a_new_one_is_made(workspace: Path) -> None:
    product = workspace / "products/persistence/2026/11/20/persistence_2026112006.nc"
    before = product.read_bytes()
    place = ("--model", "persistence", "-w", str(workspace))
    assert _json("forecast", "--cycle", "2026-11-20T06", *place)["note"]
    assert product.read_bytes() == before
    made = _json("forecast", "--cycle", "2026-11-20T12", *place)
    assert made["error"] is None
    assert Path(made["path"]).is_file()


def test_the_others_read_it_too(workspace: Path) -> None:
    status = json.loads(_run("status", "--json", "-w", str(workspace)).stdout)
    assert {line["model"] for line in status["status"]["models"]} == {"persistence", "absent"}
    assert _run("prune", "-n", "-w", str(workspace)).exit_code == 0
    imported = _json("observations", "import", "-w", str(workspace))
    assert [item["new"] for item in imported] == [False]
