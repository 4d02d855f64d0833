"""What `doctor` and errors advise is done as they say, and then all is well."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from met2net_ops import demo
from met2net_ops.cli.main import build
from met2net_ops.doctor_storage import check_catalog, check_frames
from met2net_ops.errors import Met2NetOpsError
from met2net_ops.health import CheckState
from met2net_ops.times import HOUR
from met2net_ops.workspace import Workspace, find_workspace

FRAMES = 6


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with some hours of a feed, all of them read."""
    root = tmp_path_factory.mktemp("delivered") / "desk"
    workspace = demo.open_demo(root)
    demo.deliver(workspace, demo.FEED_START, demo.FEED_START + (FRAMES - 1) * HOUR)
    assert run(root, "ingest")[0] == 0
    return root


@pytest.fixture
def root(delivered: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return shutil.copytree(delivered, tmp_path / "desk", copy_function=shutil.copy2)


def run(root: Path, *arguments: str) -> tuple[int, str]:
    given = [*arguments, "--workspace", str(root)]
    result = CliRunner().invoke(build(given), given)
    if isinstance(result.exception, Met2NetOpsError):
        return result.exception.exit_code, str(result.exception)
    return result.exit_code, result.output


def doctor(root: Path, name: str) -> tuple[str, str, str]:
    """State, finding and advice of one check."""
    checks = {one["name"]: one for one in json.loads(run(root, "doctor", "--json")[1])["checks"]}
    return checks[name]["state"], checks[name]["finding"], checks[name]["advice"]


def origins(workspace: Workspace) -> int:
    with closing(sqlite3.connect(workspace.paths.catalog)) as catalog:
        (count,) = catalog.execute("SELECT count(*) FROM frame_origins").fetchone()
    return int(count)


def test_damaged_frames_are_removed_and_ingested_again(root: Path) -> None:
    workspace = find_workspace(root)
    (chunk, *_) = sorted((workspace.paths.archive / "msl").glob("*.0.0"))
    good = chunk.read_bytes()
    chunk.write_bytes(good[:-3])
    state, finding, advice = doctor(root, "frames")
    assert (state, str(chunk) in finding) == ("fail", True)
    assert "remove the damaged files named and run `met2net-ops ingest`" in advice
    chunk.unlink()
    assert run(root, "ingest")[0] == 0
    assert chunk.read_bytes() == good
    assert check_frames(find_workspace(root)).state is CheckState.OK


def test_a_damaged_catalog_is_moved_away_and_ingested_again(root: Path) -> None:
    workspace = find_workspace(root)
    before = origins(workspace)
    catalog = workspace.paths.catalog
    catalog.write_bytes(b"not a database at all " * 200)
    for log in root.glob("catalog.sqlite-*"):
        log.unlink()
    state, _, advice = doctor(root, "catalog")
    assert (state, f"mv {catalog}" in advice, "`met2net-ops ingest`" in advice) == (
        "fail", True, True,
    )  # fmt: skip
    catalog.rename(root / "bad")
    assert run(root, "ingest")[0] == 0
    assert check_catalog(workspace).state is CheckState.OK
    assert origins(workspace) == before > 0


def test_a_damaged_ledger_is_moved_away(root: Path) -> None:
    workspace = find_workspace(root)
    workspace.paths.ledger.write_bytes(b"no database at all " * 100)
    code, said = run(root, "cycles", "list")
    assert (code, "move it away" in said) == (12, True)
    workspace.paths.ledger.rename(root / "bad")
    assert run(root, "cycles", "list")[0] == 0


def bad_settings(root: Path) -> Callable[[], object]:
    file = root / "met2net.toml"
    text = file.read_text(encoding="utf-8")
    file.write_text("[forecast]\nleeds = 1\n", encoding="utf-8")
    return lambda: file.write_text(text, encoding="utf-8")


def no_feed(root: Path) -> Callable[[], object]:
    shutil.rmtree(root / "feed")
    return (root / "feed").mkdir


@pytest.mark.parametrize(
    ("spoil", "name", "advised"),
    [(bad_settings, "configuration", "correct the file"), (no_feed, "feed", "make the folder")],
)
def test_what_doctor_advises_makes_it_well(
    root: Path, spoil: Callable[[Path], Callable[[], object]], name: str, advised: str
) -> None:
    remedy = spoil(root)
    name = f"feed {demo.FEED_NAME}" if name == "feed" else name
    state, _, advice = doctor(root, name)
    assert (state, advised in advice) == ("fail", True)
    remedy()
    assert doctor(root, name)[0] == "ok"


def test_a_workspace_that_is_none_is_made_as_the_error_says(tmp_path: Path) -> None:
    code, said = run(tmp_path / "new", "doctor")
    assert (code, f"`met2net-ops init {tmp_path / 'new'}`" in said) == (3, True)
    given = ["init", str(tmp_path / "new")]
    assert CliRunner().invoke(build(given), given).exit_code == 0
    assert run(tmp_path / "new", "cycles", "list")[0] == 0
