"""`met2net-ops dashboard`: forecasts, scores and states in a browser."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from met2net_ops.cli.common import WorkspaceOption, print_lines


def command(
    workspace: WorkspaceOption = None,
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8501,
    address: Annotated[
        str, typer.Option(help="Address to listen on; the default is this machine alone.")
    ] = "127.0.0.1",
    base_path: Annotated[
        str, typer.Option(help="Path below which a proxy serves it, such as weather.")
    ] = "",
) -> None:
    """Show forecasts, scores and the state of everything in a browser, until Ctrl-C."""
    from met2net_ops.app.listening import listen
    from met2net_ops.workspace import ENVIRONMENT_VARIABLE, find_workspace

    place = find_workspace(workspace)
    listening = listen(address, port)
    listening.set_inheritable(True)
    arguments = [
        *("-m", "met2net_ops.app.server", f"--listening={listening.fileno()}"),
        f"--server.address={address}",
        f"--server.port={port}",
        f"--server.baseUrlPath={base_path.strip('/')}",
        "--server.headless=true",
        "--server.fileWatcherType=none",
        "--runner.magicEnabled=false",  # a bare expression in a page's code is no output
        "--browser.gatherUsageStats=false",
        "--client.showErrorDetails=none",
        "--client.toolbarMode=viewer",  # light or dark can be chosen, nothing for developers
    ]
    host = f"[{address}]" if ":" in address else address
    url = "/".join(part for part in (f"http://{host}:{port}", base_path.strip("/")) if part)
    print_lines(f"Dashboard of {place.root} on {url} — Ctrl-C ends it.", err=True)
    sys.stderr.flush()
    environment = {**os.environ, ENVIRONMENT_VARIABLE: str(place.root)}
    # Every session's thread would keep a heap of its own, as large as its largest figure; and
    # glibc would cut figures out of heaps, where what lies between them keeps them from shrinking.
    environment.setdefault("MALLOC_ARENA_MAX", "2")
    environment.setdefault("MALLOC_MMAP_THRESHOLD_", "131072")
    environment.setdefault("MALLOC_TRIM_THRESHOLD_", "131072")
    # The server takes this process's place: signals and exit code are its own.
    os.execve(sys.executable, [sys.executable, *arguments], environment)
