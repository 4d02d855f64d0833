from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from met2net_ops import demo
from met2net_ops.errors import SettingsError
from met2net_ops.products.read import read_fields
from met2net_ops.settings import load_settings
from met2net_ops.workspace import Workspace, create_workspace, find_workspace

pytestmark = pytest.mark.timeout(300)


def _run(workspace: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "met2net_ops.cli.main", "demo", "--workspace", str(workspace)]
    return subprocess.run(
        [*command, "--model", "persistence", *arguments],
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demonstration that has run once, with persistence, which needs no torch."""
    root = tmp_path_factory.mktemp("demo") / "desk"
    first = _run(root)
    assert first.returncode == 0, first.stderr
    assert "7 new GRIB files" in first.stdout
    assert "against the analyses" in first.stdout
    assert f"dashboard --workspace {root}" in first.stdout
    return root


def test_again_changes_nothing_and_its_scores_are_those_of_its_files(root: Path) -> None:
    before = _times(root)
    again = _run(root, "--json")
    assert again.returncode == 0, again.stderr
    assert _times(root) == before
    report = json.loads(again.stdout)
    workspace = find_workspace(root).paths
    archive = Workspace(workspace, load_settings(workspace.settings_file)).archive
    assert (root / "report.html").is_file()
    errors = []
    for cycle in demo.CYCLES:
        header, values = read_fields(workspace.product("persistence", cycle), ["t2m"])
        truth = archive.read(["t2m"], header.valid_times)
        errors.append((values[:, 0].astype(float) - truth[:, 0]) ** 2)
    weights = archive.grid.cell_areas
    mean = np.average(np.mean(errors, axis=0), axis=(1, 2), weights=np.tile(weights, (48, 1, 1)))
    stored = {
        line["lead_hours"]: line
        for line in report["scores"]
        if (line["variable"], line["truth"]) == ("t2m", "analysis")
    }
    np.testing.assert_allclose(
        [stored[lead]["rmse"] for lead in range(1, 49)], np.sqrt(mean), rtol=1e-6
    )
    stations = [line for line in report["scores"] if line["truth"] == "stations"]
    assert min(line["n"] for line in stations if line["variable"] == "t2m") > 300
    assert report["product"] == str(workspace.product("persistence", demo.CYCLES[-1]))


def test_a_damaged_file_of_the_feed_is_named(root: Path) -> None:
    (first, *_) = sorted((root / "feed").iterdir())
    content = first.read_bytes()
    first.write_bytes(content[:5000])
    done = _run(root)
    first.write_bytes(content)
    assert done.returncode == 4, done.stdout
    assert str(first) in done.stderr
    assert "remove it" in done.stderr


def test_a_deleted_file_of_the_feed_is_delivered_again(root: Path) -> None:
    workspace = demo.open_demo(root)
    (lost, *_) = sorted((root / "feed").iterdir())
    content = lost.read_bytes()
    lost.unlink()
    assert demo.deliver(workspace, demo.FEED_START, demo.CYCLES[-1]) == 1
    assert lost.read_bytes() == content


def test_a_workspace_of_ones_own_is_left_alone(tmp_path: Path) -> None:
    workspace = create_workspace(tmp_path / "desk").paths
    with pytest.raises(SettingsError, match="not a workspace of the demonstration"):
        demo.open_demo(workspace.root)


def _times(root: Path) -> dict[str, int]:
    """Modification times of everything that was made, but for databases' own housekeeping."""
    return {
        str(path): path.stat().st_mtime_ns
        for folder in ("feed", "observations", "archive.zarr", "products", "verification")
        for path in (root / folder).rglob("*")
        if path.is_file()
    }
