"""Pages that stay open learn of what happens, and keep what their readers chose."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path

import pytest
from dashboard import Served, dashboard_server

from met2net_ops.paths import WorkspacePaths
from met2net_ops.products.index import list_products
from met2net_ops.workspace import create_workspace

MAP = ".st-key-map .js-plotly-plot"
_SOON_MS = 10_000


@pytest.mark.timeout(300)
def test_a_newer_run_is_told_within_ten_seconds_and_nothing_chosen_is_lost(
    served: Served, desk: WorkspacePaths, tmp_path: Path
) -> None:
    earlier, later = list_products(desk)
    aside = tmp_path / later.path.name
    shutil.move(later.path, aside)
    with (
        dashboard_server(desk.root) as address,
        Served(address, served.browser).opened(variable="msl", region="europe") as watched,
    ):
        page = watched.page
        page.locator(f"{MAP} .gtitle", has_text="Mean sea level pressure").first.wait_for()
        watched.wait_until_idle()
        page.get_by_label("last lead time").click()
        page.locator(f"{MAP} .annotation-text", has_text="+6 h").first.wait_for()
        news = page.locator(".st-key-news")
        page.wait_for_timeout(6_000)  # it looks, and there is nothing to say
        assert not news.count()
        shutil.move(aside, later.path)
        news.get_by_text("A newer forecast is here").wait_for(timeout=_SOON_MS)
        assert f"run {earlier.reference_time:%Y-%m-%d %H}" in (
            page.locator(f"{MAP} .annotation-text").first.text_content() or ""
        )  # what is looked at stays
        news.get_by_role("button", name="Show it").click()
        text = f"run {later.reference_time:%Y-%m-%d %H}"
        page.locator(f"{MAP} .annotation-text", has_text=text).first.wait_for()
        page.locator(f"{MAP} .gtitle", has_text="Mean sea level pressure").first.wait_for()
        page.locator(f"{MAP} .annotation-text", has_text="+6 h").first.wait_for()
        news.wait_for(state="detached")
        assert "region=europe" in page.evaluate("location.search")
        watched.assert_quiet()


@pytest.mark.timeout(300)
def test_a_feed_that_is_gone_is_told_on_every_page(served: Served, tmp_path: Path) -> None:
    feed = tmp_path / "in"
    feed.mkdir()
    settings = {"feeds": [{"name": "north", "path": str(feed)}]}
    root = create_workspace(tmp_path / "desk", settings).paths.root
    with dashboard_server(root) as address:
        own = Served(address, served.browser)
        titles = {"": "Forecast", "verification": "Verification", "operations": "Operations",
                  "models": "Models"}  # fmt: skip
        with own.opened("operations", days="7") as watched:
            page = watched.page
            page.locator(".tile", has_text="Service").wait_for()
            assert not page.locator(".st-key-news").count()
            feed.rmdir()
            page.locator(".st-key-news", has_text="feed north").wait_for(timeout=_SOON_MS)
            assert "days=7" in page.evaluate("location.search")
            watched.assert_quiet()
        for path, title in titles.items():
            with own.opened(path) as watched:
                watched.page.locator(".st-key-news", has_text="feed north").wait_for()
                watched.page.wait_for_function(
                    "(title) => document.title === title", arg=f"{title} · met2net-ops"
                )
                assert str(tmp_path) not in watched.page.content()


@pytest.mark.timeout(300)
def test_operations_begin_with_a_row_that_counts_on_and_fit_a_wall(
    served: Served, desk: WorkspacePaths
) -> None:
    with dashboard_server(desk.root) as address:
        own = Served(address, served.browser)
        with own.opened("operations", wall="1", width=1920, height=1080) as watched:
            page = watched.page
            page.locator(".st-key-cycles .js-plotly-plot").wait_for()
            tiles = page.locator(".tile")
            labels = [one.split("\n")[0] for one in tiles.all_inner_texts()]
            assert labels == [
                "Service", "Last good cycle", "Next cycle", "Feeds", "Verification", "Disk",
            ]  # fmt: skip
            size = page.locator(".tile b").first.evaluate(
                "(one) => parseFloat(getComputedStyle(one).fontSize)"
            )
            assert size >= 30
            assert not page.get_by_role("link", name="Forecast").is_visible()
            assert not page.get_by_text("Stage timings").count()
            # A cycle that comes is there without a reload.
            assert "06 UTC" in tiles.nth(1).inner_text()
            last = list_products(desk)[-1].path
            came = last.with_name(last.name.replace("2020112206", "2020112207"))
            shutil.copy(last, came)
            page.locator(".tile", has_text=re.compile("07 UTC")).wait_for(timeout=_SOON_MS)
            until = time.monotonic() + 20
            while "n = 3 cycles" not in page.content() and time.monotonic() < until:
                page.wait_for_timeout(500)
            assert "n = 3 cycles" in page.content()
            watched.assert_quiet()
