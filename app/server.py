"""The dashboard's web server: Streamlit's application on a socket that was made for it.

Run by `met2net-ops dashboard`. It takes every setting of Streamlit that `streamlit run` takes, as
an option or from the environment.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import uvicorn
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from streamlit import config
from streamlit.starlette import App
from streamlit.web import bootstrap
from streamlit.web.cli import configurator_options

from met2net_ops.app.views import import_all

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HOME = Path(__file__).with_name("home.py")
_MEBIBYTE = 2**20
_PING = 30  # seconds
_LEAVE = 5  # seconds that open pages get to close their connections


def figure_code() -> str | None:
    """Where a page finds the code that draws figures; None if this Streamlit keeps it elsewhere.

    >>> figure_code()  # doctest: +ELLIPSIS
    './static/js/PlotlyChart....js'
    """
    scripts = Path(str(files("streamlit"))) / "static" / "static" / "js"
    found = sorted(scripts.glob("PlotlyChart.*.js"))
    return f"./static/js/{found[0].name}" if len(found) == 1 else None


class Preloading:
    """Names a script in the head of every page, for browsers to fetch beside the page's own.

    They would ask for the code that draws figures, five megabytes, when the first figure has come.
    """

    def __init__(self, app: ASGIApp, script: str) -> None:
        self._app = app
        self._link = f"<{script}>; rel=modulepreload"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, as ASGI has it."""

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith("text/html"):
                    headers.append("link", self._link)
            await send(message)

        await self._app(scope, receive, send_named)


@click.command()
@click.option("--listening", type=int, required=True, help="Descriptor of a socket that listens.")
@configurator_options
def main(listening: int, **settings: Any) -> None:
    """Serve the dashboard on a socket that is handed over, until SIGINT or SIGTERM."""
    bootstrap.load_config_options(settings)
    for name in ("server.sslCertFile", "server.sslKeyFile"):
        if (file := config.get_option(name)) and not Path(file).is_file():
            raise click.UsageError(f"Streamlit's setting {name} names {file}, which is no file.")
    ping = config.get_option("server.websocketPingInterval") or _PING
    script = figure_code()
    app = App(_HOME, middleware=[Middleware(Preloading, script=script)] if script else [])
    settings_of_server = uvicorn.Config(
        app,
        ws="websockets-sansio",
        ws_ping_interval=ping,
        ws_ping_timeout=ping,
        ws_max_size=config.get_option("server.maxMessageSize") * _MEBIBYTE,
        ws_per_message_deflate=config.get_option("server.enableWebsocketCompression"),
        ssl_certfile=config.get_option("server.sslCertFile"),
        ssl_keyfile=config.get_option("server.sslKeyFile"),
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=_LEAVE,
    )
    threading.Thread(target=import_all, name="import-pages", daemon=True).start()
    with socket.socket(fileno=listening) as handed_over, contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(settings_of_server).run(sockets=[handed_over])


if __name__ == "__main__":
    main()
