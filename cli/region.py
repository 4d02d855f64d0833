"""`met2net-ops region`: a workspace for an area, ready to be filled, trained and served."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from met2net_ops.cli.common import print_lines


def command(
    name: Annotated[str, typer.Argument(help="Of the workspace's folder, its grid and its model.")],
    area: Annotated[str, typer.Option(help="North,west,south,east in degrees: 61,-12,49,4.")],
    source: Annotated[
        str, typer.Option(help="A dataset (`dataset list`), or the feed that continues one.")
    ],
    spacing: Annotated[
        float | None, typer.Option(min=0.01, help="Of the grid, degrees; the dataset's by default.")
    ] = None,
    variables: Annotated[
        str, typer.Option(help="Canonical names, separated by commas.")
    ] = "t2m,u10,v10,msl",
    into: Annotated[
        Path | None, typer.Option(help="Folder for the workspace; the current one by default.")
    ] = None,
) -> None:
    """Make a workspace for an area: grid, dataset, feed, model name and schedule.

    Then `dataset fetch`, `train` and `serve` need nothing but the workspace.
    """
    from met2net_ops.models.names import is_model_name
    from met2net_ops.proposal import propose_region
    from met2net_ops.variables import variable
    from met2net_ops.workspace import create_workspace

    if not is_model_name(name):
        raise typer.BadParameter(
            f"{name!r} is also the model's name: lower case, digits, '.', '_' and '-' only"
        )
    try:
        north, west, south, east = (float(part) for part in area.split(","))
    except ValueError as error:
        raise typer.BadParameter(
            f"--area {area!r} is not north,west,south,east, such as 61,-12,49,4"
        ) from error
    wanted = [variable(part.strip()).name for part in variables.split(",")]
    proposal = propose_region(name, (north, west, south, east), source, spacing, wanted)
    place = create_workspace((into or Path()) / name, proposal.values)
    grid = place.settings.grid.grid()
    at = shlex.quote(str((into or Path()) / name))
    archived = ", ".join(place.settings.archive.variables)
    print_lines(
        f"Workspace ready: {place.root}: {archived} on {grid.nlat} by {grid.nlon} points",
        *proposal.notes,
        "Next:",
        f"  met2net-ops dataset plan -w {at}          # what the past will take",
        f"  met2net-ops dataset fetch -w {at} --years 2021..2025",
        f"  met2net-ops train -w {at} && met2net-ops serve -w {at}",
    )
