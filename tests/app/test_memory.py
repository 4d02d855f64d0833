"""Looking at a page again and again keeps nothing: 200 times in bench/dashboard.py, fewer here."""

from __future__ import annotations

import gc
import tracemalloc

from dashboard import open_page, rerun

from met2net_ops.paths import WorkspacePaths

NAMES = ("t2m", "msl", "u10", "v10")


def test_reruns_keep_memory_flat(shown_desk: WorkspacePaths) -> None:
    page = open_page(shown_desk.root, every="1")

    def look(times: int) -> int:
        for count in range(times):
            next(box for box in page.selectbox if box.label == "Variable").select(NAMES[count % 4])
            rerun(page, shown_desk.root)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()  # before caches fill: what they let go again counts as well
    try:
        warm = look(8)
        grown = look(20) - warm
    finally:
        tracemalloc.stop()
    figure = len(page.get("plotly_chart")[0].proto.spec)
    assert figure > 200_000
    assert grown < figure  # of twenty that were made, not one was kept
