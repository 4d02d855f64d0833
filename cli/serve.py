"""`met2net-ops serve`: cycles on a schedule."""

from __future__ import annotations

from typing import Annotated

import typer

from met2net_ops.cli.common import WorkspaceOption, open_workspace


def command(
    workspace: WorkspaceOption = None,
    json_log: Annotated[
        bool, typer.Option("--json-log", help="JSON lines on stderr, as service managers want.")
    ] = False,
) -> None:
    """Run the cycles of [[schedules]]: read the feeds, forecast, verify, until stopped.

    Logs go to stderr and, as JSON lines, to logs/. SIGTERM or Ctrl-C ends in good order within
    serve.stop_seconds, a second one at once; SIGHUP reads met2net.toml again. Exit code 12: this
    workspace is being served already.
    """
    from met2net_ops.api import serve

    serve(open_workspace(workspace), json_log=json_log)
