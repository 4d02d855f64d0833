"""Verification, Operations and Models in Chromium: clicks, copied links, phones, and silence."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from dashboard import Served, Watched, dashboard_server
from pages_desk import NOW, make_ledger

from met2net_ops.models.registry import SHIPPED
from met2net_ops.paths import WorkspacePaths
from met2net_ops.settings import load_settings
from met2net_ops.verification.run_analyses import verify_analyses
from met2net_ops.workspace import Workspace

CARD = """# A card
![spy](http://example.org/spy.png) <img src="http://example.org/spy2.png">
<script src="http://example.org/spy.js"></script>

| lead | RMSE |
|---|---|
| 6 | 1.0 |
"""
# Where the first failed cycle of the model "desk" is drawn, as fractions of the plot's area.
_WHERE_FAILED = """() => {
    const chart = document.querySelector('.st-key-cycles .js-plotly-plot');
    const points = chart.data.at(-1), {xaxis, yaxis} = chart._fullLayout;
    const at = points.customdata.findIndex((data) => data[1] === 'desk' && data[2] === 'failed');
    const place = (axis, value) => axis.d2p(value) / axis._length;
    return [place(xaxis, points.x[at]), place(yaxis, points.y[at])];
}"""


@pytest.fixture(scope="module")
def pages(
    served: Served,
    shown_desk: WorkspacePaths,
    scored: WorkspacePaths,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Served]:
    """A dashboard of a desk with scores, real and made up, a ledger, and a model."""
    root = tmp_path_factory.mktemp("pages") / "desk"
    shutil.copytree(shown_desk.root, root, ignore=shutil.ignore_patterns("dashboard.log"))
    workspace = WorkspacePaths(root)
    shutil.copytree(scored.verification, workspace.verification, dirs_exist_ok=True)
    verify_analyses(Workspace(workspace, load_settings(workspace.settings_file)))
    make_ledger(workspace, NOW)
    make_ledger(workspace, NOW, 12, "rival", every=6)
    shutil.copytree(SHIPPED / "naturerun-5p625", workspace.models / "naturerun-5p625")
    (workspace.models / "naturerun-5p625" / "CARD.md").write_text(CARD)
    with dashboard_server(root) as address:
        yield Served(address, served.browser)


def _query(watched: Watched) -> dict[str, str]:
    return {key: values[0] for key, values in parse_qs(urlsplit(watched.page.url).query).items()}


def _heading(watched: Watched, text: str) -> None:
    watched.page.get_by_role("heading", name=text).wait_for()


def _click_into(watched: Watched, key: str, x: float, y: float) -> None:
    """Click at a fraction of the plot's area, from its upper left."""
    area = watched.page.locator(f".st-key-{key} .js-plotly-plot .nsewdrag").first
    area.wait_for()
    watched.page.wait_for_load_state("networkidle")
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    assert box is not None
    watched.page.mouse.click(box["x"] + box["width"] * x, box["y"] + box["height"] * y)


def test_a_cell_of_the_scorecard_lists_its_cases_and_a_copied_link_does_too(pages: Served) -> None:
    with pages.opened("verification", model="desk", view="scorecard") as watched:
        _click_into(watched, "scorecard", 2.1 / 4, 1.7 / 3)  # the third lead, the second variable
        _heading(watched, "12 cases behind msl +18 h")
        # The server writes the address at the end of a run.
        watched.page.wait_for_function(
            "() => new URL(location.href).searchParams.get('cell') === 'msl.18'"
        )
        query = _query(watched)
        # The box makes the same choice from the keyboard.
        box = watched.page.get_by_role("combobox", name="Cases behind")
        box.click()
        box.fill("t2m +6 h")
        box.press("Enter")
        _heading(watched, "12 cases behind t2m +6 h")
        watched.assert_quiet()
    with pages.opened("verification", **query) as copied:
        _heading(copied, "12 cases behind msl +18 h")
        assert _query(copied) == query
        copied.assert_quiet()


def test_a_case_opens_on_the_forecast_page(pages: Served) -> None:
    with pages.opened("verification", model="persistence", cell="2") as watched:
        _heading(watched, "2 cases behind +2 h")
        link = watched.page.get_by_role("link", name="2020-11-22T06:00Z +2 h")
        with watched.page.context.expect_page() as opened:
            link.click()
        forecast = opened.value
        title = forecast.locator(".st-key-map .js-plotly-plot .annotation-text", has_text="+2 h")
        title.wait_for()
        assert "2020-11-22 06:00 UTC" in (title.first.text_content() or "")
        forecast.close()
        watched.assert_quiet()


def test_a_click_on_the_strip_tells_why_a_cycle_failed(pages: Served) -> None:
    with pages.opened("operations", days="1") as watched:
        page = watched.page
        page.locator(".st-key-cycles .heatmaplayer image").first.wait_for()
        assert page.locator(".st-key-cycles .heatmaplayer image").count() == 2  # two models
        x, y = page.evaluate(_WHERE_FAILED)
        _click_into(watched, "cycles", x, y)
        page.wait_for_function(
            "() => (new URL(location.href).searchParams.get('look') || '').startsWith('desk@')"
        )
        page.get_by_text(re.compile(r"^desk \S+: failed$")).first.wait_for()
        page.get_by_text("History", exact=True).wait_for()
        watched.assert_quiet()


@pytest.mark.parametrize("path", ["verification", "operations", "models"])
def test_a_phone_in_the_dark(pages: Served, path: str) -> None:
    query = {"model": "desk"} if path == "verification" else {}
    with pages.opened(path, width=400, height=850, scheme="dark", **query) as watched:
        page = watched.page
        page.locator(".stPlotlyChart, .stDataFrame").first.wait_for()
        page.wait_for_load_state("networkidle")
        overflow = "() => document.scrollingElement.scrollWidth - window.innerWidth"
        assert page.evaluate(overflow) <= 0
        for width in page.locator(".stPlotlyChart").evaluate_all(
            "charts => charts.map((chart) => chart.getBoundingClientRect().width)"
        ):
            assert width <= 400
        watched.assert_quiet()


def test_a_card_asks_nobody_for_anything(pages: Served) -> None:
    with pages.opened("models", model="naturerun-5p625") as watched:
        _heading(watched, "A card")
        watched.page.wait_for_load_state("networkidle")
        assert not watched.page.locator(".stMarkdown img, .stMarkdown script").count()
        assert watched.page.get_by_text('<img src="http://example.org/spy2.png">').count()
        watched.page.get_by_role("button", name="Check the weights on disk").click()
        watched.page.get_by_text("are those that model.json describes").wait_for()
        watched.assert_quiet()
