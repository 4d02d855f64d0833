from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result
from verification_desk import HOUR, START, Desk, make_desk

from met2net_ops.cli.main import build
from met2net_ops.models.registry import SHIPPED
from met2net_ops.models.selection import find_spec
from met2net_ops.products.index import list_products
from met2net_ops.workspace import Workspace


@pytest.fixture
def desk(tmp_path) -> Desk:
    """Products and frames of six days in January 2026; days count from a day after the last."""
    desk = make_desk(tmp_path / "desk")
    desk.observe(START, 24 * 6 + 1, ("t2m",))
    for day in range(7):
        desk.forecast(START + 24 * day * HOUR)
    file = desk.workspace.settings_file
    text = file.read_text().replace("#archive_days =", "archive_days = 3")
    text = text.replace("#products_days =", "products_days = 3")
    file.write_text(text.replace("#verify_days = 5.0", "verify_days = 0.0"))
    return desk


def prune(desk: Desk, *options: str) -> Result:
    arguments = ["prune", *options, "-w", str(desk.workspace.root)]
    return CliRunner().invoke(build(arguments), arguments)


def test_a_dry_run_shows_what_would_go_and_removes_nothing(desk):
    done = prune(desk, "--dry-run")
    assert done.exit_code == 0, done.output
    assert "Days are counted from 2026-01-12T00:00Z" in done.stdout
    assert "2026-01-05T00:00Z … 2026-01-08T00:00Z" in done.stdout
    assert len(list_products(desk.workspace)) == 7
    assert len(desk.archive.times("t2m")) == 145


def test_what_is_old_goes_and_is_told(desk):
    done = prune(desk, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["removed"] == {"products": 4, "frames": 96}
    assert len(told["files"]) == 4
    assert [entry.reference_time.day for entry in list_products(desk.workspace)] == [9, 10, 11]
    assert desk.archive.times("t2m")[0] == START + 96 * HOUR
    again = prune(desk)
    assert "Nothing was removed." in again.stdout


def test_what_cannot_go_ends_with_an_exit_code(desk):
    desk.workspace.catalog.mkdir()
    done = prune(desk)
    assert done.exit_code == 1
    assert "frames stay: " in done.stderr


@pytest.mark.parametrize("name", ["naturerun-5p625", "persistence-24h", "none"])
def test_what_a_model_needs_is_known_without_torch(desk, name):
    spec = find_spec(Workspace(desk.workspace, desk.settings), name)
    if name == "none":
        assert spec is None
    elif name == "persistence-24h":
        assert spec is not None
        assert spec.input_frames == 24
    else:
        assert spec is not None
        assert spec.input_frames == 12
        file = SHIPPED / name / "model.json"
        assert spec.checksum == hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_model_that_cannot_be_read_is_none(desk):
    (desk.workspace.models / "naturerun-5p625").mkdir(parents=True)
    assert find_spec(Workspace(desk.workspace, desk.settings), "naturerun-5p625") is None
    Path(desk.workspace.models / "naturerun-5p625" / "model.json").write_text("{}")
    assert find_spec(Workspace(desk.workspace, desk.settings), "naturerun-5p625") is None


def test_pruning_and_specs_never_load_torch():
    code = (
        "import sys, met2net_ops.models.selection, met2net_ops.service.integrations;"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
