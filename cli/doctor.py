"""`met2net-ops doctor`: check a deployment."""

from __future__ import annotations

from datetime import UTC, datetime

import typer

from met2net_ops.cli.common import JsonOption, WorkspaceOption, print_json, print_table

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def command(workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """Check configuration, model, device, feeds, archive, disk, permissions and clock.

    Ends with exit code 1 if anything fails; warnings alone end with 0.
    """
    from rich.text import Text

    from met2net_ops.doctor import check_configuration, check_workspace
    from met2net_ops.health import CheckState, worst
    from met2net_ops.models.doctor import check_device, check_model
    from met2net_ops.workspace import Workspace, find_paths

    place = find_paths(workspace)
    configuration, settings = check_configuration(place)
    checks = [configuration]
    if settings is not None:
        opened = Workspace(place, settings)
        model, spec = check_model(opened)
        checks += [model, check_device(settings)]
        checks += check_workspace(opened, spec, datetime.now(UTC))
    state = worst(checks)
    if json:
        print_json({"workspace": place.root, "state": state, "checks": checks})
    else:
        rows = [
            (
                check.name,
                Text(check.state, style=_COLOURS[check.state]),
                check.finding.split("\n"),
                check.advice.split("\n"),
            )
            for check in checks
        ]
        print_table(str(place.root), ["check", "state", "found", "what to do"], rows)
    if state is CheckState.FAIL:
        raise typer.Exit(1)
