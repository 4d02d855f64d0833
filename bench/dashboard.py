"""How quick the dashboard is in a browser: first map, slider step, page switch, payload, memory.

    python bench/dashboard.py [--repeat 3] [--leads 24] [--beside CHECKOUT]

Starts `met2net-ops dashboard` on a workspace of 32 x 64 and on one of 721 x 1440 points, and looks
at it with Chromium. The first visit of each server is not counted: it imports. A new browser has to
fetch and compile six megabytes of Streamlit's and Plotly's code; a known one kept them. The peer is
`plotly.express.imshow(…, animation_frame=0)`, the usual way to such a map, of the same fields,
without isobars, coastlines or anything to choose, alone on a page of `streamlit run`. --beside
measures another checkout of this project in turn with this one, on the same workspaces.
"""

from __future__ import annotations

import argparse
import gc
import http.client
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import numpy as np
import plotly.express as px
import psutil

from met2net_ops.workspace import Workspace

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
from dashboard import Served, open_page, rerun, serve, wait_for

from met2net_ops.app.views import VIEWS
from met2net_ops.forecast.persistence import persistence
from met2net_ops.forecast.run import run_cycle
from met2net_ops.products.index import list_products
from met2net_ops.products.read import read_fields
from met2net_ops.settings import load_settings
from met2net_ops.times import HOUR, parse_time, time_range
from met2net_ops.workspace import create_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

    from met2net_ops.paths import WorkspacePaths

CYCLE = parse_time("2026-11-22T00")
WAVES = {"t2m": (280.0, 20.0, 3), "u10": (0.0, 12.0, 5), "v10": (0.0, 9.0, 4),
         "msl": (101_000.0, 2_500.0, 6)}  # fmt: skip
MAP = ".st-key-map .js-plotly-plot"
PICTURE = f"{MAP} .heatmaplayer image"
# Milliseconds from the beginning of the visit to the map, by the browser's clock; asked at every
# frame it draws: to look for the map from here would round up to half a second.
DRAWN = """(selector) => {
  const picture = document.querySelector(selector);
  return picture && picture.getBoundingClientRect().width > 0 && performance.now();
}"""
# From the slider's event to the frame on the screen, in milliseconds.
STEP = """(selector) => new Promise((done) => {
  const plot = document.querySelector(selector);
  const start = performance.now();
  plot.once("plotly_afterplot", () => requestAnimationFrame(() => done(performance.now() - start)));
  const rail = plot.querySelector(".slider-rail-touch-rect");
  const box = rail.getBoundingClientRect();
  const slider = plot._fullLayout.sliders[0];
  const share = (((slider.active || 0) + 1) % slider.steps.length) / (slider.steps.length - 1);
  const at = { bubbles: true, clientX: box.left + 10 + share * (box.width - 20),
               clientY: box.top + box.height / 2 };
  rail.dispatchEvent(new MouseEvent("mousedown", at));
  plot.dispatchEvent(new MouseEvent("mouseup", at));
})"""


def workspace(root: Path, grid: str, leads: int) -> WorkspacePaths:
    """A workspace with one forecast of smooth waves with a little noise."""
    values = {"grid": {"name": grid}, "forecast": {"leads": leads, "model": "persistence"}}
    made = create_workspace(root, values).paths
    settings = load_settings(made.settings_file)
    archive = Workspace(made, settings).create_archive()
    x, y = np.meshgrid(*map(np.deg2rad, (archive.grid.longitudes, archive.grid.latitudes)))
    random = np.random.default_rng(0)
    frames = []
    for name, (mean, spread, number) in WAVES.items():
        for time_ in time_range(CYCLE - HOUR, CYCLE):
            field = mean + spread * np.cos(y) * np.cos(number * x + 3 * y)
            field += random.normal(0, spread / 100, field.shape)
            frames.append(archive.encode(name, time_, field.astype(np.float32)))
    archive.write_frames(frames)
    forecaster = persistence("persistence", settings.archive.variables, archive.grid)
    run_cycle(forecaster, archive, Workspace(made, settings), CYCLE)
    return made


def first_map(served: Served) -> tuple[float, float, float]:
    """Seconds to a map on the screen in a new browser and again in the same; kB of the figure."""
    with served.opened(fresh=True) as watched:
        new = drawn(watched.page)
        again = watched.page.context.new_page()
        received: list[int] = []
        again.on(
            "websocket",
            lambda socket: socket.on("framereceived", lambda data: received.append(len(data))),
        )
        watched.page.close()
        again.goto(served.address)
        return new, drawn(again), max(received, default=0) / 1e3


def drawn(page: Page) -> float:
    """Seconds from the beginning of a visit to a map on the screen."""
    return float(page.wait_for_function(DRAWN, arg=PICTURE).json_value()) / 1e3


def scripts(address: str) -> float:
    """Seconds to fetch the scripts that the head of a page names, one after another."""
    with closing(http.client.HTTPConnection(urlsplit(address).netloc)) as connection:

        def fetch(path: str) -> bytes:
            connection.request("GET", path)
            return connection.getresponse().read()

        named = re.findall(r'"\./(static/js/[^"]+)"', fetch("/").decode())
        start = time.perf_counter()
        for path in named:
            fetch(f"/{path}")
        return time.perf_counter() - start


def steps(served: Served, repeat: int) -> float:
    """Milliseconds of a slider step, median."""
    with served.opened() as watched:
        watched.wait_until_idle()
        taken = [watched.page.evaluate(STEP, MAP) for _ in range(repeat * 5)]
    return statistics.median(taken)


def switches(served: Served) -> list[float]:
    """Seconds from a click on a page's name to its heading, per page, second visits."""
    with served.opened() as watched:
        page = watched.page
        page.locator(PICTURE).wait_for()
        taken = []
        for turn in range(2):
            for view in (*VIEWS[1:], VIEWS[0]):
                page.get_by_role("link", name=view.title).click()
                start = time.perf_counter()
                page.get_by_role("heading", name=view.title, exact=True).first.wait_for()
                page.wait_for_function("() => !document.querySelector('[data-stale=true]')")
                if turn:
                    taken.append(time.perf_counter() - start)
    return taken


def express(made: WorkspacePaths) -> float:
    """Kilobytes of Plotly Express' map of the same fields."""
    _, values = read_fields(list_products(made)[-1].path, ["t2m"])
    return len(px.imshow(values[:, 0] - 273.15, animation_frame=0).to_json()) / 1e3


PEER = """
import plotly.express as px, streamlit as st
from pathlib import Path
from met2net_ops.products.read import read_fields
_, values = read_fields(Path({path!r}), ["t2m"])
st.plotly_chart(px.imshow(values[:, 0] - 273.15, animation_frame=0), key="map")
"""


def peer(made: WorkspacePaths, served: Served, repeat: int) -> list[tuple[float, float, float]]:
    """As `first_map`, of a page of `streamlit run` that holds that map alone; and `scripts`."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "peer.py"
        script.write_text(PEER.format(path=str(list_products(made)[-1].path)))
        with streamlit_server(script) as address:
            other = Served(address, served.browser)
            first_map(other)
            return [(*first_map(other)[:2], scripts(address)) for _ in range(repeat)]


@contextmanager
def streamlit_server(script: Path) -> Iterator[str]:
    """The address of a script that Streamlit serves."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    flags = [f"--server.port={port}", "--server.address=127.0.0.1", "--server.headless=true"]
    flags += ["--browser.gatherUsageStats=false", "--server.fileWatcherType=none"]
    command = [sys.executable, "-m", "streamlit", "run", str(script), *flags]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{address}/_stcore/health", server)
        yield address
    finally:
        server.terminate()
        server.wait(20)


def memory(root: Path, reruns: int) -> float:
    """Megabytes a process with the server's settings grows by, after forty runs to warm up."""
    command = [sys.executable, __file__, "--memory-of", str(root), "--reruns", str(reruns)]
    settings = {"ARENA_MAX": "2", "MMAP_THRESHOLD_": "131072", "TRIM_THRESHOLD_": "131072"}
    environment = {**os.environ, **{f"MALLOC_{name}": text for name, text in settings.items()}}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    return float(done.stdout)


def grow(root: Path, reruns: int) -> float:
    """Megabytes this process grows by."""
    process, page = psutil.Process(), open_page(root)
    names = ("t2m", "msl", "u10", "v10")
    before = 0
    for count in range(reruns + 40):
        if count == 40:
            gc.collect()
            before = process.memory_info().rss
        next(box for box in page.selectbox if box.label == "Variable").select(names[count % 4])
        rerun(page, root)
    gc.collect()
    return (process.memory_info().rss - before) / 1e6


def report(made: WorkspacePaths, repeat: int, *, against_peer: bool) -> None:
    """Print what a browser sees of one workspace."""
    with serve(made.root) as served:
        first_map(served)
        seen = [first_map(served) for _ in range(repeat)]
        new, again, kilobytes = (statistics.median(of) for of in zip(*seen, strict=True))
        lines = [("first map, new browser", f"{new:6.2f} s"),
                 ("first map, known browser", f"{again:6.2f} s")]  # fmt: skip
        if against_peer:
            theirs = [statistics.median(of) for of in zip(*peer(made, served, repeat), strict=True)]
            for index, ours in enumerate((new, again)):
                name, text = lines[index]
                ratio = f"we take {ours / theirs[index]:.1f} times as long"
                lines[index] = name, f"{text}   (bare page: {theirs[index]:.2f} s, {ratio})"
            turn = scripts(served.address)
            ratio = f"(streamlit run: {theirs[2]:.2f} s, {theirs[2] / turn:.0f} times as long)"
            lines.append(("scripts of the head in turn", f"{turn:6.2f} s   {ratio}"))
        lines.append(("slider step, median", f"{steps(served, repeat):6.0f} ms"))
        switch = switches(served)
        lines.append((f"page switch, slowest of {len(switch)}", f"{max(switch):6.2f} s"))
    theirs_kb = express(made)
    ratio = f"(Plotly Express: {theirs_kb:.0f} kB, {theirs_kb / kilobytes:.1f} times as much)"
    lines.append(("payload", f"{kilobytes:6.0f} kB   {ratio}"))
    for name, text in lines:
        print(f"  {name:27} {text}", flush=True)


def compare(made: WorkspacePaths, repeat: int, other: Path) -> None:
    """Print first maps, steps and payload of this checkout and of another, taken in turn."""
    taken: dict[str, list[tuple[float, ...]]] = {"this": [], "other": []}
    for turn in range(repeat + 1):
        for name, code in (("this", None), ("other", other)):
            with serve(made.root, code) as served:
                seen = (*first_map(served), steps(served, 1))
            if turn:  # of the first, Python's own caches are cold
                taken[name].append(seen)
    ours, theirs = (
        [statistics.median(of) for of in zip(*taken[name], strict=True)] for name in taken
    )
    names = ("first map, new browser, s", "first map, known browser, s", "payload, kB",
             "slider step, ms")  # fmt: skip
    for name, here, there in zip(names, ours, theirs, strict=True):
        ratio = f"{here / there:.2f} times the other"
        print(f"  {name:27} {here:8.2f}   (other: {there:.2f}; {ratio})", flush=True)


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--leads", type=int, default=24)
    parser.add_argument("--reruns", type=int, default=200)
    parser.add_argument("--beside", type=Path, help="another checkout, to measure in turn")
    parser.add_argument("--memory-of", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.memory_of is not None:
        print(grow(chosen.memory_of, chosen.reruns))
        return
    with tempfile.TemporaryDirectory() as folder:
        for grid, leads in (("global-5p625", 48), ("global-0p25", chosen.leads)):
            print(f"{grid}, {leads} leads", flush=True)
            made = workspace(Path(folder) / grid, grid, leads)
            small = grid == "global-5p625"
            if chosen.beside is not None:
                compare(made, chosen.repeat, chosen.beside.resolve())
                continue
            report(made, chosen.repeat, against_peer=small)
            if small:
                grown = memory(made.root, chosen.reruns)
                print(f"  {chosen.reruns} reruns grow memory by {grown:.1f} MB", flush=True)


if __name__ == "__main__":
    main()
