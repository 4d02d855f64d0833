from __future__ import annotations

from pathlib import Path

import pytest
from pages_desk import CYCLES, NOW, make_ledger, make_scores

from met2net_ops.paths import WorkspacePaths
from met2net_ops.workspace import create_workspace


@pytest.fixture(scope="session")
def scored(tmp_path_factory: pytest.TempPathFactory) -> WorkspacePaths:
    """Sums of two models against both truths; to look at only."""
    workspace = create_workspace(tmp_path_factory.mktemp("scored") / "desk").paths
    make_scores(workspace)
    return workspace


@pytest.fixture(scope="session")
def ledgered(tmp_path_factory: pytest.TempPathFactory) -> WorkspacePaths:
    """A ledger of hourly cycles with one in every state; to look at only."""
    values = {"schedules": [{"model": "desk", "cron": "0 * * * *"}]}
    workspace = create_workspace(tmp_path_factory.mktemp("ledgered") / "desk", values).paths
    make_ledger(workspace, NOW)
    return workspace


@pytest.fixture
def few(tmp_path: Path) -> WorkspacePaths:
    """Sums of two cycles of one model, to damage."""
    workspace = create_workspace(tmp_path / "desk").paths
    make_scores(workspace, ("desk",), CYCLES[:2])
    return workspace
