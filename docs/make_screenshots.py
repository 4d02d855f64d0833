"""Take the pictures of the dashboard that the documentation shows: `make screenshots`.

    python docs/make_screenshots.py WORKSPACE docs/images

WORKSPACE is one that `met2net-ops demo` made. Needs Chromium.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
from dashboard import Served, serve

if TYPE_CHECKING:
    from collections.abc import Mapping

PLOT = ".js-plotly-plot .main-svg"
COLOURS = 256  # of the PNG's palette: a third of the size, and nothing to be seen of it
_BELOW_THE_HEADER = "(e) => { e.style.scrollMarginTop = '68px'; e.scrollIntoView(); }"


@dataclass(frozen=True)
class Shot:
    """One picture.

    Attributes:
        name: of the file.
        path: of the page.
        query: what the address bar says.
        wait_for: what must be there.
        scroll_to: what to bring to the top.
        width: of the window.
        height: of the window.
        scheme: light or dark.
    """

    name: str
    path: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    wait_for: str = f".st-key-map {PLOT}"
    scroll_to: str = ""
    width: int = 1280
    height: int = 960
    scheme: Literal["light", "dark"] = "light"


SHOTS = (
    Shot("dashboard_forecast", query={"lead": "24", "arrows": "yes"}, height=1160),
    Shot(
        "dashboard_difference",
        query={"variable": "t2m", "beside": "analysis", "lead": "36", "isobars": "no"},
        height=840,
    ),
    Shot(
        "dashboard_meteogram",
        query={"at": "S0002", "cycle": "2026112000"},
        wait_for=f".st-key-meteogram {PLOT}",
        scroll_to=".st-key-meteogram",
        scheme="dark",
        height=1000,
    ),
    Shot(
        "dashboard_phone",
        query={"region": "north-atlantic", "lead": "12", "variable": "msl"},
        width=400,
        height=1000,
    ),
    Shot("dashboard_verification", "verification", wait_for=PLOT, height=1100),
    Shot(
        "dashboard_operations",
        "operations",
        wait_for=PLOT,
        scroll_to=".stPlotlyChart",
        height=900,
    ),
    Shot("dashboard_models", "models", wait_for=PLOT, height=1100),
)


def take(served: Served, shot: Shot, folder: Path) -> None:
    """Take one picture."""
    with served.opened(
        shot.path, width=shot.width, height=shot.height, scheme=shot.scheme, **shot.query
    ) as watched:
        page = watched.page
        page.locator(shot.wait_for).first.wait_for(timeout=60_000)
        page.wait_for_function("() => !document.querySelector('[data-stale=true]')")
        watched.wait_until_idle()
        if shot.scroll_to:
            page.locator(shot.scroll_to).first.evaluate(_BELOW_THE_HEADER)
        time.sleep(1.5)  # let transitions end
        target = folder / f"{shot.name}.png"
        page.screenshot(path=target)
        watched.assert_quiet()
    with Image.open(target) as picture:
        picture.convert("RGB").quantize(COLOURS, kmeans=2).save(target, optimize=True)
    sys.stdout.write(f"{target}  {target.stat().st_size / 1e3:.0f} kB\n")


def main(root: Path, folder: Path) -> None:
    """Take all of them."""
    with serve(root) as served:
        for shot in SHOTS:
            take(served, shot, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
