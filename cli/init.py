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
    given: Annotated[
        list[Path] | None,
        typer.Option(
            "--from",
            help="GRIB or NetCDF file from which grid, variables, step and feed are taken; may be "
            "repeated.",
            exists=True,
            dir_okay=False,
            show_default=False,
        ),
    ] = None,
) -> None:
    """Make a workspace: its folders and a commented met2net.toml."""
    import shlex

    from met2net_ops.workspace import create_workspace

    place = directory or Path()
    proposal = None
    if given:
        from met2net_ops.proposal import propose

        proposal = propose(given, place.resolve().name)
    workspace = create_workspace(place, proposal.values if proposal else None)
    print_lines(f"Workspace ready: {workspace.root}")
    variables = ", ".join(workspace.settings.archive.variables)
    at = shlex.quote(str(workspace.root))
    if proposal and given:
        grid = workspace.settings.grid.grid()
        print_lines(
            f"It archives {variables} every {workspace.settings.archive.step_hours} h on "
            f"{grid.nlat} by {grid.nlon} points, {grid.dlat:g}° by {grid.dlon:g}°, from "
            f"{grid.north:g}° N {grid.west:g}° E.",
            *proposal.notes,
        )
        verb = "ingest" if proposal.kind == "GRIB" else "dataset fetch"
        files = shlex.join(map(str, given))
        print_lines(
            f"Next: met2net-ops {verb} -w {at} {files}",
            f"Then: met2net-ops train -w {at}",
        )
        return
    print_lines(
        f"It archives {variables}. Persistence needs all of them, a model those it was trained on: "
        "set archive.variables to what your feeds deliver."
    )
    doctor = shlex.join(["met2net-ops", "doctor", "-w", str(workspace.root)])
    print_lines(f"Edit {workspace.paths.settings_file}, then run: {doctor}")
