"""How quick the dashboard is in a browser: first map, slider step, page switch, payload, memory.

    python bench/dashboard.py [--repeat 3] [--leads 24]

Starts `met2net-ops dashboard` on a workspace of 32 x 64 and on one of 721 x 1440 points, and looks
at it with Chromium. The first visit of each server is not counted: it imports. The peer of the
payload is `plotly.express.imshow(…, animation_frame=0)`, the usual way to such a map, on the same
fields, without isobars, coastlines or arrows.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import plotly.express as px
import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
from dashboard import Served, open_page, rerun, serve

from met2net_ops.app.views import VIEWS
from met2net_ops.archive.frames import create_archive
from met2net_ops.forecast.persistence import persistence
from met2net_ops.forecast.run import run_cycle
from met2net_ops.products.index import list_products
from met2net_ops.products.read import read_fields
from met2net_ops.settings import load_settings
from met2net_ops.times import HOUR, parse_time, time_range
from met2net_ops.workspace import create_workspace

if TYPE_CHECKING:
    from met2net_ops.workspace import Workspace

CYCLE = parse_time("2026-11-22T00")
WAVES = {"t2m": (280.0, 20.0, 3), "u10": (0.0, 12.0, 5), "v10": (0.0, 9.0, 4),
         "msl": (101_000.0, 2_500.0, 6)}  # fmt: skip
MAP = ".st-key-map .js-plotly-plot"
PICTURE = f"{MAP} .heatmaplayer image"
# From the slider's event to the frame on the screen, in milliseconds.
STEP = """(selector) => new Promise((done) => {
  const plot = document.querySelector(selector);
  const start = performance.now();
  plot.once("plotly_animated", () => requestAnimationFrame(() => done(performance.now() - start)));
  const rail = plot.querySelector(".slider-rail-touch-rect");
  const box = rail.getBoundingClientRect();
  const slider = plot._fullLayout.sliders[0];
  const share = (((slider.active || 0) + 1) % slider.steps.length) / (slider.steps.length - 1);
  const at = { bubbles: true, clientX: box.left + 10 + share * (box.width - 20),
               clientY: box.top + box.height / 2 };
  rail.dispatchEvent(new MouseEvent("mousedown", at));
  plot.dispatchEvent(new MouseEvent("mouseup", at));
})"""


def workspace(root: Path, grid: str, leads: int) -> Workspace:
    """A workspace with one forecast of smooth waves with a little noise."""
    values = {"grid": {"name": grid}, "forecast": {"leads": leads, "model": "persistence"}}
    made = create_workspace(root, values)
    settings = load_settings(made)
    archive = create_archive(made, settings)
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
    run_cycle(forecaster, archive, made, CYCLE, settings)
    return made


def first_map(served: Served) -> tuple[float, float]:
    """Seconds from asking for the page to a map on the screen, and kilobytes of the figure."""
    start = time.perf_counter()
    with served.opened() as watched:
        received: list[int] = []
        watched.page.on(
            "websocket",
            lambda socket: socket.on("framereceived", lambda data: received.append(len(data))),
        )
        watched.page.locator(PICTURE).wait_for()
        return time.perf_counter() - start, max(received, default=0) / 1e3


def steps(served: Served, repeat: int) -> float:
    """Milliseconds of a slider step, median."""
    with served.opened() as watched:
        watched.page.locator(PICTURE).wait_for()
        time.sleep(1)
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


def peer(made: Workspace) -> tuple[float, float]:
    """Seconds and kilobytes of Plotly Express' map of the same fields."""
    start = time.perf_counter()
    _, values = read_fields(list_products(made)[-1].path, ["t2m"])
    size = len(px.imshow(values[:, 0] - 273.15, animation_frame=0).to_json())
    return time.perf_counter() - start, size / 1e3


def memory(made: Workspace, reruns: int) -> float:
    """Megabytes this process grows by over that many reruns, after twenty to warm up."""
    process, page = psutil.Process(), open_page(made.root)
    names = ("t2m", "msl", "u10", "v10")
    before = 0
    for count in range(reruns + 20):
        if count == 20:
            gc.collect()
            before = process.memory_info().rss
        next(box for box in page.selectbox if box.label == "Variable").select(names[count % 4])
        rerun(page, made.root)
    gc.collect()
    return (process.memory_info().rss - before) / 1e6


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--leads", type=int, default=24)
    parser.add_argument("--reruns", type=int, default=200)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        small = None
        for grid, leads in (("global-5p625", 48), ("global-0p25", chosen.leads)):
            made = workspace(Path(folder) / grid, grid, leads)
            small = small or made
            with serve(made.root) as served:
                first_map(served)
                seen = [first_map(served) for _ in range(chosen.repeat)]
                seconds, kilobytes = (statistics.median(of) for of in zip(*seen, strict=True))
                print(f"{grid}, {leads} leads")
                print(f"  first map visible  {seconds:6.2f} s    (warm server, median)")
                print(f"  slider step        {steps(served, chosen.repeat):6.0f} ms   (median)")
                switch = switches(served)
                print(f"  page switch        {max(switch):6.2f} s    (slowest of {len(switch)})")
            theirs = peer(made)
            print(
                f"  payload            {kilobytes:6.0f} kB   (Plotly Express: {theirs[1]:.0f} kB, "
                f"{theirs[1] / kilobytes:.1f} times as much)"
            )
        assert small is not None
        print(f"{chosen.reruns} reruns grow memory by {memory(small, chosen.reruns):.1f} MB")


if __name__ == "__main__":
    main()
