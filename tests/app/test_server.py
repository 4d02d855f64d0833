"""The dashboard's web server, without a browser."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urljoin

import pytest
from dashboard import wait_for
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.NewSession_pb2 import Config
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from met2net_ops.app.listening import listen
from met2net_ops.errors import ServiceError
from met2net_ops.paths import WorkspacePaths


def _start(root: Path, *options: str) -> tuple[subprocess.Popen[bytes], str]:
    """The command on a free port, and its address."""
    with listen("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "met2net_ops.cli.main", "dashboard", "--workspace", str(root)]
    process = subprocess.Popen([*command, "--port", str(port), *options], stderr=subprocess.PIPE)
    return process, f"127.0.0.1:{port}"


def _read_on(session: ClientConnection) -> None:
    while True:
        session.recv(30)


def test_connections_do_not_hold_small_answers_back() -> None:
    async def option_of_an_accepted_connection() -> int:
        found: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def accepted(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accepted_socket = writer.get_extra_info("socket")
            found.set_result(accepted_socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        with listen("127.0.0.1", 0) as listening:
            async with await asyncio.start_server(accepted, sock=listening):
                _, writer = await asyncio.open_connection(*listening.getsockname())
                option = await found
                writer.close()
                return option

    with ThreadPoolExecutor(1) as alone:  # Playwright's own loop may be running in this thread
        assert alone.submit(asyncio.run, option_of_an_accepted_connection()).result() != 0


@pytest.mark.parametrize(
    ("address", "said"),
    [("127.0.0.1", "--port"), ("203.0.113.7", "--address"), ("no.such.name.invalid", "--address")],
)
def test_where_nothing_can_listen_the_place_is_named(address: str, said: str) -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServiceError, match=said) as refused:
            listen(address, port)
    assert address in str(refused.value)


def test_a_port_in_use_ends_the_command_with_a_message(shown_desk: WorkspacePaths) -> None:
    with listen("127.0.0.1", 0) as taken:
        command = [sys.executable, "-m", "met2net_ops.cli.main", "dashboard", "--workspace"]
        result = subprocess.run(
            [*command, str(shown_desk.root), "--port", str(taken.getsockname()[1])],
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert result.returncode == ServiceError.exit_code
    assert "Address already in use" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_page_and_its_session_below_a_path_until_it_is_interrupted(
    shown_desk: WorkspacePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMLIT_CLIENT_TOOLBAR_MODE", "developer")  # ours counts
    monkeypatch.setenv("STREAMLIT_BROWSER_SERVER_ADDRESS", "desk.example.org")  # theirs does
    process, place = _start(shown_desk.root, "--base-path", "weather")
    with process:
        try:
            wait_for(f"http://{place}/weather/_stcore/health", process)

            # A page names the code that draws figures, and it is there.
            page = f"http://{place}/weather/verification"
            with urllib.request.urlopen(page, timeout=20) as answer:
                script, relation = answer.headers["link"].split("; ")
            assert relation == "rel=modulepreload"
            with urllib.request.urlopen(urljoin(page, script.strip("<>")), timeout=20) as answer:
                assert answer.headers["content-type"].startswith("application/javascript")
                assert answer.headers.get("link") is None

            # A browser is told to send nothing abroad and to offer nothing to developers.
            stream = f"ws://{place}/weather/_stcore/stream"
            origin = "http://desk.example.org"
            with connect(stream, origin=origin, subprotocols=["streamlit"]) as session:  # type: ignore[arg-type, list-item]
                session.send(BackMsg(rerun_script={}).SerializeToString())
                first = ForwardMsg.FromString(bytes(session.recv(30)))  # type: ignore[arg-type]
                assert not first.new_session.config.gather_usage_stats
                assert first.new_session.config.toolbar_mode == Config.ToolbarMode.VIEWER

                # Open pages do not keep it from ending.
                process.send_signal(signal.SIGINT)
                with pytest.raises(ConnectionClosed):
                    _read_on(session)
            assert process.wait(30) == 0
        finally:
            process.kill()
