"""Earlier runs that cannot be used cost themselves alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from dashboard import open_page

from met2net_ops.forecast.persistence import persistence
from met2net_ops.forecast.run import run_cycle
from met2net_ops.paths import WorkspacePaths
from met2net_ops.products.index import list_products
from met2net_ops.settings import load_settings
from met2net_ops.workspace import Workspace


@pytest.fixture
def broken(shown_desk: WorkspacePaths, tmp_path: Path) -> WorkspacePaths:
    """Two runs, of which the earlier one is damaged."""
    shutil.copytree(shown_desk.root, tmp_path / "desk")
    workspace = WorkspacePaths(tmp_path / "desk")
    earlier = list_products(workspace)[0].path
    with earlier.open("r+b") as file:
        file.truncate(2000)
    return workspace


@pytest.mark.parametrize("beside", ["previous", "change"])
def test_a_damaged_run_before_leaves_the_map(broken: WorkspacePaths, beside: str) -> None:
    page = open_page(broken.root, beside=beside)
    assert len(page.get("plotly_chart")) == 1
    assert not page.error
    (said,) = [text.value for text in page.info]
    assert "The run before" in said
    assert "cannot be shown" in said


def test_a_damaged_earlier_run_leaves_the_meteogram(broken: WorkspacePaths) -> None:
    page = open_page(broken.root, at="HIGH")
    assert len(page.get("plotly_chart")) == 2
    assert not page.error
    assert any("An earlier run cannot be shown" in text.value for text in page.info)


def test_a_run_before_without_the_variable_leaves_the_map(
    shown_desk: WorkspacePaths, tmp_path: Path
) -> None:
    shutil.copytree(shown_desk.root, tmp_path / "desk")
    workspace = WorkspacePaths(tmp_path / "desk")
    settings, archive = (
        load_settings(workspace.settings_file),
        Workspace(workspace, load_settings(workspace.settings_file)).archive,
    )
    earlier = list_products(workspace)[0]
    earlier.path.unlink()
    fewer = persistence("persistence", ("t2m", "msl"), archive.grid)
    run_cycle(fewer, archive, Workspace(workspace, settings), earlier.reference_time)
    page = open_page(workspace.root, beside="previous", variable="u10")
    assert len(page.get("plotly_chart")) == 1
    assert not page.error
