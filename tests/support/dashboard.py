"""Pages of the dashboard, with and without a browser."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from unittest.mock import patch
from urllib.parse import urlencode, urlsplit

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from met2net_ops import app
from met2net_ops.workspace import ENVIRONMENT_VARIABLE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Request

HOME = Path(app.__file__).with_name("home.py")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
# Opened at a page's address, Streamlit's browser side first asks below it where its server is.
_LOOKS_FOR_ITSELF = re.compile(r"/[a-z]+/_stcore/(health|host-config)$")
_PATIENCE_MS = 90_000  # of a machine with other things to do
_OF_THE_PAGE = ("data:", "blob:", "about:")


def open_page(root: Path, path: str = "forecast", **query: str) -> AppTest:
    """Open a page by its path in the address bar; no page may end in an exception."""
    page = AppTest.from_file(str(HOME), default_timeout=60)
    page._page_hash = calc_hash(path)  # AppTest can only switch to pages that are files
    for key, text in query.items():
        page.query_params[key] = text
    return rerun(page, root)


def rerun(page: AppTest, root: Path) -> AppTest:
    """Run a page again, after a widget was set."""
    with patch.dict(os.environ, {ENVIRONMENT_VARIABLE: str(root)}):
        page.run()
    assert not page.exception
    return page


@dataclass
class Watched:
    """A page in a browser, and what it should not do.

    Attributes:
        page: to act on.
        complaints: errors in its console, and failed requests.
        abroad: addresses outside this machine that it asked for.
    """

    page: Page
    complaints: list[str] = field(default_factory=list)
    abroad: list[str] = field(default_factory=list)

    def wait_until_idle(self) -> None:
        """Until the page has run, its map can be moved and nothing is being fetched or drawn."""
        self.page.wait_for_selector('.stApp[data-test-script-state="notRunning"]')
        if self.page.locator(".st-key-map").count():
            self.page.locator("[data-step=last]:enabled").wait_for()
        self.page.wait_for_load_state("networkidle")
        self.page.evaluate("() => new Promise((done) => requestIdleCallback(() => done()))")

    def assert_quiet(self) -> None:
        """Nothing went wrong and nothing left the machine."""
        assert not self.abroad, self.abroad
        assert not self.complaints, self.complaints


@dataclass
class Served:
    """A running dashboard.

    Attributes:
        address: http://127.0.0.1:port
        browser: to look at it with.
    """

    address: str
    browser: Browser

    @contextmanager
    def opened(
        self,
        path: str = "",
        *,
        width: int = 1280,
        height: int = 1000,
        scheme: Literal["light", "dark"] = "light",
        fresh: bool = False,
        **query: str,
    ) -> Iterator[Watched]:
        """A page in a window of its own; `fresh` in a browser that has fetched nothing before."""
        if fresh or not self.browser.contexts:
            context = self.browser.new_context(timezone_id="Europe/Berlin", locale="en-GB")
            context.set_default_timeout(_PATIENCE_MS)
        else:
            context = self.browser.contexts[0]
        watched = Watched(context.new_page())
        watched.page.set_viewport_size({"width": width, "height": height})
        watched.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        host = urlsplit(self.address).netloc

        def hear(message: ConsoleMessage) -> None:
            if message.type == "error" and not _LOOKS_FOR_ITSELF.search(message.location["url"]):
                watched.complaints.append(f"{message.text} {message.location['url']}")

        def see(request: Request) -> None:
            if not request.url.startswith(_OF_THE_PAGE) and urlsplit(request.url).netloc != host:
                watched.abroad.append(request.url)

        watched.page.on("console", hear)
        watched.page.on("pageerror", lambda error: watched.complaints.append(str(error)))
        watched.page.on("request", see)
        try:
            watched.page.goto(f"{self.address}/{path}?{urlencode(query)}")
            yield watched
        finally:
            (context if fresh else watched.page).close()


@contextmanager
def serve(root: Path, code: Path | None = None) -> Iterator[Served]:
    """Start `met2net-ops dashboard` on a free port, and a browser; both end with the block.

    Args:
        root: of the workspace.
        code: another checkout to run; this one by default.

    Skips the test where there is no Chromium.
    """
    sync_playwright = pytest.importorskip("playwright.sync_api").sync_playwright
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed (Debian: apt-get install chromium)")
    with dashboard_server(root, code) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_FLAGS))
        try:
            yield Served(address, browser)
        finally:
            browser.close()


@contextmanager
def dashboard_server(root: Path, code: Path | None = None) -> Iterator[str]:
    """The address of a dashboard that runs as people start it; see `serve`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "met2net_ops.cli.main", "dashboard"]
    arguments = ["--workspace", str(root), "--port", str(port)]
    log = root / "dashboard.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [*command, *arguments], stdout=output, stderr=subprocess.STDOUT,
            env=os.environ | ({} if code is None else {"PYTHONPATH": str(code)}), cwd=code,
        )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{address}/_stcore/health", server, log)
        yield address
    finally:
        server.terminate()
        server.wait(20)


def wait_for(url: str, server: subprocess.Popen[bytes], log: Path | None = None) -> None:
    """Until a server answers.

    Raises:
        AssertionError: it did not, or ended.
    """
    until = time.monotonic() + 60
    while time.monotonic() < until and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise AssertionError(f"the server did not start:\n{log.read_text() if log else ''}")
