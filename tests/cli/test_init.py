"""What `init` and its errors say can be pasted into a shell, whatever the folder is called."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from met2net_ops.cli.init import command
from met2net_ops.errors import SettingsError
from met2net_ops.workspace import create_workspace, find_workspace


@pytest.mark.parametrize("name", ["desk", "ein Büro #1 [alt]?", "it's"])
def test_the_next_command_works_as_it_is_printed(tmp_path: Path, name: str) -> None:
    root = tmp_path / name
    with pytest.raises(SettingsError) as caught:
        find_workspace(root)
    assert f"`met2net-ops init {shlex.quote(str(root))}`" in str(caught.value)
    app = typer.Typer()
    app.command()(command)
    result = CliRunner().invoke(app, [str(root)])
    assert result.exit_code == 0, result.output
    _, _, printed = result.output.strip().rpartition("then run: ")
    assert shlex.split(printed) == ["met2net-ops", "doctor", "-w", str(root)]
    assert find_workspace(root).root == root


def test_a_file_in_the_way_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "desk").touch()
    with pytest.raises(SettingsError, match=r"desk.*Not a directory.*[Cc]hoose another directory"):
        create_workspace(tmp_path / "desk")
