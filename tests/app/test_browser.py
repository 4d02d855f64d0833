"""The dashboard as a person meets it: in Chromium, through the running command."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from dashboard import Served, Watched, dashboard_server

from met2net_ops.forecast.persistence import persistence
from met2net_ops.forecast.run import run_cycle
from met2net_ops.settings import load_settings
from met2net_ops.times import parse_time
from met2net_ops.workspace import Workspace, create_workspace

CYCLE = parse_time("2020-11-22T06")

MAP = ".st-key-map .js-plotly-plot"
PICTURE = f"{MAP} .heatmaplayer image"
TITLE = f"{MAP} :is(.gtitle, .annotation-text)"  # the name, the times
METEOGRAM = ".st-key-meteogram .js-plotly-plot:visible"


def _address(watched: Watched) -> str:
    """What the address bar says; `page.url` lags behind changes made by scripts."""
    return str(watched.page.evaluate("location.href"))


def _query(watched: Watched) -> dict[str, str]:
    return {key: values[0] for key, values in parse_qs(urlsplit(_address(watched)).query).items()}


def _wait_for_title(watched: Watched, text: str) -> str:
    title = watched.page.locator(TITLE, has_text=text).first
    title.wait_for()
    return title.text_content() or ""


def _see_in_passing(watched: Watched, text: str) -> None:
    """As `_wait_for_title`, looking at every frame: a locator may look in step with what plays."""
    watched.page.wait_for_function(
        "([selector, text]) => document.querySelector(selector)?.textContent.includes(text)",
        arg=[f"{MAP} .annotation-text", text],
    )


def _wait_for_query(watched: Watched, **wanted: str) -> None:
    parts = [f"url.searchParams.get('{key}') === '{text}'" for key, text in wanted.items()]
    watched.page.wait_for_function(
        f"() => {{ const url = new URL(location.href); return {' && '.join(parts)}; }}"
    )


@pytest.mark.timeout(300)  # a browser on a busy machine
def test_the_slider_a_click_and_a_copied_link(served: Served) -> None:
    with served.opened(variable="msl", region="whole") as watched:
        page = watched.page
        page.locator(PICTURE).wait_for()
        assert "valid Sun 2020-11-22 07:00 UTC (08:00 CET)" in _wait_for_title(watched, "+1 h")

        # The slider is in the figure; arrow keys and buttons move it, and the address bar follows.
        _wait_for_query(watched, variable="msl", cycle="2020112206", at="-")
        assert page.evaluate("history.length") <= 3  # an empty one, the link, and all choices
        page.get_by_label("one lead time on").click()
        _wait_for_title(watched, "+2 h")
        page.locator(MAP).first.focus()
        page.keyboard.press("ArrowRight")
        _wait_for_title(watched, "+3 h")
        page.keyboard.press("End")
        _wait_for_title(watched, "+6 h")
        page.keyboard.press("ArrowLeft")
        title = _wait_for_title(watched, "+5 h")
        assert "run 2020-11-22 06:00 UTC +5 h, persistence" in title
        _wait_for_query(watched, lead="5")

        # A click on the map brings the meteogram and leaves the map as it is.
        watched.wait_until_idle()
        box = page.locator(PICTURE).bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.3)
        page.locator(METEOGRAM).first.wait_for()
        page.wait_for_function("() => new URL(location.href).searchParams.get('lead') === '5'")
        _wait_for_title(watched, "+5 h")
        query = _query(watched)
        assert query["at"] == "point"
        assert 25 < float(query["lat"]) < 45
        assert 15 < float(query["lon"]) < 55

        # Another variable: the reader stays at their lead.
        box_of_variables = page.get_by_role("combobox", name=re.compile("Variable"))
        box_of_variables.click()
        box_of_variables.press_sequentially("2 metre")
        box_of_variables.press("Enter")
        _wait_for_title(watched, "2 metre temperature")
        _wait_for_title(watched, "+5 h")
        _wait_for_query(watched, variable="t2m", lead="5")
        link = urlsplit(_address(watched))

        # One choice is one step of the browser's history.
        page.go_back()
        _wait_for_title(watched, "Mean sea level pressure")
        _wait_for_query(watched, variable="msl", at="point")
        page.go_forward()
        _wait_for_title(watched, "2 metre temperature")
        watched.assert_quiet()

    query = {key: values[0] for key, values in parse_qs(link.query).items()}
    with served.opened(link.path.lstrip("/"), **query) as copied:
        copied.page.locator(METEOGRAM).first.wait_for()
        _wait_for_title(copied, "2 metre temperature")
        _wait_for_title(copied, "+5 h")
        _wait_for_query(copied, **query)


def test_a_phone_in_the_dark(served: Served) -> None:
    with served.opened(width=400, height=850, scheme="dark", beside="previous", at="HIGH") as shown:
        page = shown.page
        page.locator(METEOGRAM).first.wait_for()
        _wait_for_title(shown, "+1 h")
        overflow = "() => document.scrollingElement.scrollWidth - window.innerWidth"
        assert page.evaluate(overflow) <= 0
        colours = "() => getComputedStyle(document.querySelector('.stApp')).backgroundColor"
        channels = [int(part) for part in re.findall(r"\d+", page.evaluate(colours))[:3]]
        assert max(channels) < 60
        # The two maps stand one above the other.
        page.wait_for_function(
            f"() => document.querySelector('{MAP}')._fullLayout.yaxis2.domain[1] < 0.6"
        )
        assert page.get_by_role("figure", name=re.compile("Map of 2 metre temperature")).count()
        for width in page.locator(".stPlotlyChart").evaluate_all(
            "charts => charts.map((chart) => chart.getBoundingClientRect().width)"
        ):
            assert width <= 400
        shown.assert_quiet()


def test_the_keyboard_plays_and_stops(served: Served) -> None:
    with served.opened(variable="t2m", lead="5") as watched:
        page = watched.page
        _wait_for_title(watched, "+5 h")
        watched.wait_until_idle()
        page.get_by_role("button", name="play").focus()
        page.keyboard.press("Enter")
        _see_in_passing(watched, "+1 h")  # after the last lead comes the first
        page.keyboard.press("Enter")
        page.get_by_role("button", name="play").wait_for()
        page.locator(MAP).first.focus()
        page.keyboard.press("Space")
        page.get_by_role("button", name="pause").wait_for()
        _see_in_passing(watched, "+4 h")
        page.keyboard.press("End")
        _wait_for_title(watched, "+6 h")
        page.wait_for_timeout(600)  # twice the time to the next lead
        _wait_for_title(watched, "+6 h")
        _wait_for_query(watched, lead="6")

        # Keys of the browser, and of buttons on the map, are theirs.
        page.keyboard.press("Control+ArrowLeft")
        page.locator(f"{MAP} .modebar-btn[data-title^='Zoom in']").focus()
        page.keyboard.press("Space")
        page.wait_for_timeout(600)
        _wait_for_title(watched, "+6 h")
        page.locator(MAP).first.focus()

        # It plays on in another variable's map.
        page.keyboard.press("Space")
        box = page.get_by_role("combobox", name=re.compile("Variable"))
        box.click()
        box.press_sequentially("mean sea")
        box.press("Enter")
        _wait_for_title(watched, "Mean sea level pressure")
        watched.wait_until_idle()
        for lead in ("+2 h", "+3 h", "+4 h"):
            _see_in_passing(watched, lead)
        page.locator(MAP).click(position={"x": 300, "y": 200})  # as any other use of the map
        page.get_by_role("button", name="play").wait_for()
        watched.assert_quiet()


def test_a_phone_is_sent_its_map_once(served: Served) -> None:
    agent = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 Chrome/140 Mobile Safari/537.36"
    context = served.browser.new_context(
        user_agent=agent, viewport={"width": 400, "height": 850}, has_touch=True
    )
    sizes: list[int] = []
    page = context.new_page()
    page.on(
        "websocket", lambda opened: opened.on("framereceived", lambda it: sizes.append(len(it)))
    )
    page.goto(served.address)
    page.locator("[data-step=last]:enabled").wait_for(timeout=90_000)
    page.wait_for_load_state("networkidle")
    drag = f"() => document.querySelector('{MAP}')._fullLayout.dragmode"
    assert page.evaluate(drag) is False  # as on phones, where a finger scrolls
    context.close()
    assert sum(size > 50_000 for size in sizes) == 1


def test_one_lead_alone_and_the_same_model_on_the_next_page(served: Served, tmp_path: Path) -> None:
    name = "naturerun-5p625"  # as a model that ships, which is not the first of them
    workspace = create_workspace(tmp_path / "desk", {"forecast": {"leads": 1, "model": name}}).paths
    settings = load_settings(workspace.settings_file)
    archive = Workspace(workspace, settings).create_archive()
    field = np.full(archive.grid.shape, 280.0, np.float32)
    archive.write_frames([archive.encode("t2m", CYCLE, field)])
    forecaster = persistence("persistence", ("t2m",), archive.grid)
    forecaster = replace(forecaster, spec=replace(forecaster.spec, name=name))
    run_cycle(forecaster, archive, Workspace(workspace, settings), CYCLE)
    with (
        dashboard_server(workspace.root) as address,
        Served(address, served.browser).opened("forecast") as watched,
    ):
        page = watched.page
        _wait_for_title(watched, "+1 h")
        watched.wait_until_idle()
        box = page.locator(PICTURE).bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.3)
        # A single value is a point: a line would not show it.
        page.locator(f"{METEOGRAM} .points path").first.wait_for()
        assert not page.get_by_role("dialog").count()
        page.get_by_role("link", name="Models").click()
        page.get_by_role("heading", name="Checksums").wait_for()
        _wait_for_query(watched, model=name)
        watched.assert_quiet()


def test_the_view_stays_while_the_lead_time_moves_and_everything_can_be_taken_home(
    served: Served, tmp_path: Path
) -> None:
    with served.opened(at="HIGH", variable="t2m") as watched:
        page = watched.page
        page.locator(METEOGRAM).first.wait_for()
        _wait_for_title(watched, "+1 h")
        watched.wait_until_idle()
        box = page.locator(PICTURE).bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.3)
        range_now = f"() => document.querySelector('{MAP}')._fullLayout.xaxis.range.join()"
        before = page.evaluate(range_now)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.45, box["y"] + box["height"] * 0.32, steps=4)
        page.mouse.up()
        page.wait_for_function(f"(was) => ({range_now})() !== was", arg=before)
        page.wait_for_timeout(1000)  # so small a move needs no new map
        watched.wait_until_idle()
        moved = page.evaluate(range_now)
        page.get_by_label("last lead time").click()
        _wait_for_title(watched, "+6 h")
        assert page.evaluate(range_now) == moved

        # The table comes when it is opened, and the map stays as it is.
        page.locator("summary", has_text="The same as a table").first.click()
        page.locator(".st-key-map-opened .stDataFrame").wait_for()
        _wait_for_title(watched, "+6 h")
        assert page.evaluate(range_now) == moved

        found = {}
        for name in ("Download the NetCDF", "Download the place as CSV", "save the picture as PNG"):
            with page.expect_download() as waiting:
                page.get_by_role("button", name=name).click()
            target = tmp_path / waiting.value.suggested_filename
            waiting.value.save_as(target)
            found[target.suffix] = target.read_bytes()
        assert found[".nc"][:4] == b"\x89HDF"
        assert found[".png"][:4] == b"\x89PNG"
        header, *lines = found[".csv"].decode().splitlines()
        assert header.startswith('valid time,"lead, h"')
        assert len(lines) == 6
        watched.assert_quiet()


@pytest.mark.parametrize(
    "path",
    ["/../met2net.toml", "/..%2fmet2net.toml", "/static/..%2f..%2fmet2net.toml",
     "/media/..%2f..%2fmet2net.toml", "/app/static/../../met2net.toml", "/component/x/..%2fy"],
)  # fmt: skip
def test_no_address_reads_the_workspace(served: Served, shown_desk: object, path: str) -> None:
    try:
        with urllib.request.urlopen(served.address + path, timeout=10) as answer:
            text = answer.read()
    except urllib.error.HTTPError as error:
        text = error.read()
    assert b"[forecast]" not in text
