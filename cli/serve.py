"""`met2net-ops serve`: cycles on a schedule."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from met2net_ops.cli.common import WorkspaceOption, open_workspace

if TYPE_CHECKING:
    from met2net_ops.service.service import Service


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
    from functools import partial

    from met2net_ops.models.selection import find_spec
    from met2net_ops.models.serving import OPENER
    from met2net_ops.service.integrations import Integrations
    from met2net_ops.service.monitoring.daily_log import log_daily
    from met2net_ops.service.service import Service

    place = open_workspace(workspace)
    with log_daily(place.paths, json_lines=json_log):
        integrations = Integrations(place, partial(find_spec, place))
        service = Service(place, opener=OPENER, listeners=integrations.listeners)
        with _signals(service):
            service.run()


@contextmanager
def _signals(service: Service) -> Iterator[None]:
    """SIGTERM and SIGINT stop, SIGHUP reloads; as they were before at the end."""

    def stop(*_: object) -> None:
        service.stop()

    def reload(*_: object) -> None:
        service.reload()

    handlers = {signal.SIGTERM: stop, signal.SIGINT: stop, signal.SIGHUP: reload}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
