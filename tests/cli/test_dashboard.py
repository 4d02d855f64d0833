from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.error import URLError

import psutil

from met2net_ops.workspace import create_workspace


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert isinstance(port, int)
    return port


def _answer(url: str, process: subprocess.Popen[bytes]) -> str:
    for _ in range(600):
        assert process.poll() is None, "the dashboard ended by itself"
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                return str(response.read().decode())
        except (URLError, ConnectionError):
            time.sleep(0.1)
    raise AssertionError(f"{url} did not answer within a minute")


def test_the_dashboard_listens_on_this_machine_alone(tmp_path: Path) -> None:
    workspace = create_workspace(tmp_path / "desk").paths
    port = _free_port()
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "met2net_ops.cli.main", "dashboard"),
            *("--workspace", str(workspace.root), "--port", str(port)),
        ],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            assert _answer(f"http://127.0.0.1:{port}/_stcore/health", process) == "ok"
            listening = {
                connection.laddr.ip
                for connection in psutil.Process(process.pid).net_connections("inet")
                if connection.status == psutil.CONN_LISTEN
            }
            arguments = psutil.Process(process.pid).cmdline()
        finally:
            process.terminate()
            process.wait(timeout=30)
    assert listening == {"127.0.0.1"}
    assert "--browser.gatherUsageStats=false" in arguments
    assert "--client.showErrorDetails=none" in arguments


def test_no_workspace_is_a_message_before_anything_starts(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "met2net_ops.cli.main", "dashboard", "-w", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 3
    assert "met2net-ops init" in result.stderr
