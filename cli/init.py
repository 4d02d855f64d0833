"""`met2net-ops init`: make a workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from met2net_ops.cli.common import print_lines


def command(
    directory: Annotated[
        Path | None,
        typer.Argument(help="Directory to set up; the current one by default.", show_default=False),
    ] = None,
) -> None:
    """Make a workspace: its folders and a commented met2net.toml."""
    import shlex

    from met2net_ops.workspace import create_workspace

    workspace = create_workspace(directory or Path())
    print_lines(f"Workspace ready: {workspace.root}")
    variables = ", ".join(workspace.settings.archive.variables)
    print_lines(
        f"It archives {variables}. Persistence needs all of them, a model those it was trained on: "
        "set archive.variables to what your feeds deliver."
    )
    doctor = shlex.join(["met2net-ops", "doctor", "-w", str(workspace.root)])
    print_lines(f"Edit {workspace.paths.settings_file}, then run: {doctor}")
