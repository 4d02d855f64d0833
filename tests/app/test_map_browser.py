"""The map under a reader's hands: clicks, the wheel, what the pointer reads."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from dashboard import Served, Watched

MAP = ".st-key-map .js-plotly-plot"
READING = "[data-reading]"
# The middle of a pixel and the plane, by Plotly's own axes: an account apart from ours.
PLANE = f"""([left, top]) => {{
  const gd = document.querySelector("{MAP}");
  const {{ xaxis, yaxis }} = gd._fullLayout;
  const box = gd.getBoundingClientRect();
  return {{ x: xaxis.p2l(left - box.left - xaxis._offset),
           y: yaxis.p2l(top - box.top - yaxis._offset),
           pixel: (xaxis.range[1] - xaxis.range[0]) / xaxis._length }};
}}"""
RANGE = f"() => document.querySelector('{MAP}')._fullLayout.xaxis.range"
DRAWN = f"() => document.querySelector('{MAP}')?._fullLayout?.meta"
DEFINITIONS = {
    "whole/robinson": "+proj=robin +lon_0=0",
    "whole/globe": "+proj=ortho +lat_0=20 +lon_0=0",
    "whole/plate": "+proj=eqc +lon_0=0 +lat_ts=0",
    "europe/lambert": "+proj=lcc +lon_0=10 +lat_1=39.5 +lat_2=65.5 +lat_0=52.5",
    "arctic/polar": "+proj=stere +lat_0=90 +lon_0=0 +lat_ts=72.5",
    "africa/plate": "+proj=eqc +lon_0=17.5 +lat_ts=1",
}
# pyproj brings a second PROJ, which cannot live in a process that has loaded ecCodes'.
_PROJ = """
import json, sys
from pyproj import Proj
definition, longitude, latitude = json.load(sys.stdin)
print(json.dumps(Proj(definition)(longitude, latitude)))
"""


def _proj(definition: str, longitude: float, latitude: float) -> tuple[float, float]:
    asked = json.dumps([f"{definition} +R={180 / np.pi!r}", longitude, latitude])
    done = subprocess.run(
        [sys.executable, "-c", _PROJ], input=asked, capture_output=True, text=True, check=False
    )
    if "No module named 'pyproj'" in done.stderr:
        pytest.skip("pyproj is not installed (it comes with compliance-checker)")
    x, y = json.loads(done.stdout)
    return x, y


def _middle(watched: Watched, right: float, down: float) -> tuple[float, float]:
    box = watched.page.locator(f"{MAP} .nsewdrag").first.bounding_box()
    assert box is not None
    return round(box["x"] + right * box["width"]), round(box["y"] + down * box["height"])


def _clicked(watched: Watched, right: float, down: float) -> tuple[dict[str, Any], float, float]:
    """Where a click was on the plane, and the longitude and latitude that the page made of it."""
    page, at = watched.page, _middle(watched, right, down)
    plane = page.evaluate(PLANE, at)
    before = page.evaluate("() => new URL(location.href).searchParams.get('lat')")
    page.mouse.click(*at)
    page.wait_for_function(
        "(was) => { const now = new URL(location.href).searchParams.get('lat');"
        " return now && now !== was; }",
        arg=before,
    )
    watched.wait_until_idle()
    place = page.evaluate(
        "() => ['lon', 'lat'].map((key) => Number(new URL(location.href).searchParams.get(key)))"
    )
    return plane, *place


def _zoom(watched: Watched, right: float, down: float) -> None:
    watched.page.mouse.move(*_middle(watched, right, down))
    for _ in range(8):  # Plotly takes a tenth at a time
        watched.page.mouse.wheel(0, -120)
        watched.page.wait_for_timeout(40)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", DEFINITIONS)
def test_a_click_is_where_it_was_also_after_zooming(served: Served, name: str) -> None:
    region, kind = name.split("/")
    with served.opened(region=region, projection=kind, stations="no") as watched:
        page = watched.page
        watched.wait_until_idle()
        for turn in range(2):
            plane, longitude, latitude = _clicked(watched, 0.55 - 0.1 * turn, 0.42)
            x, y = _proj(DEFINITIONS[name], longitude, latitude)
            assert abs(x - plane["x"]) <= plane["pixel"], (name, turn)
            assert abs(y - plane["y"]) <= plane["pixel"], (name, turn)
            if turn:
                break
            before = page.evaluate(RANGE)
            _zoom(watched, 0.5, 0.4)
            page.wait_for_function(
                f"(width) => {{ const [west, east] = ({RANGE})(); return east - west < width; }}",
                arg=0.8 * (before[1] - before[0]),
            )
            page.wait_for_timeout(1500)  # the finer map comes
            watched.wait_until_idle()
        watched.assert_quiet()


@pytest.mark.timeout(300)
def test_the_readers_zoom_stays_whatever_they_choose(served: Served) -> None:
    with served.opened(region="europe", variable="t2m", arrows="yes") as watched:
        page = watched.page
        watched.wait_until_idle()
        coast = f"""() => document.querySelector('{MAP}')._fullData
            .find((trace) => trace.name === 'coast').x.length"""
        whole, figure = page.evaluate(RANGE), page.evaluate(DRAWN)
        barbs = f"""() => document.querySelector('{MAP}')._fullData
            .find((trace) => trace.name === 'wind').x"""
        _zoom(watched, 0.5, 0.5)
        page.wait_for_function(f"(was) => ({DRAWN})() !== was", arg=figure)
        watched.wait_until_idle()
        zoomed = page.evaluate(RANGE)
        assert zoomed[1] - zoomed[0] < 0.6 * (whole[1] - whole[0])
        # What is drawn is drawn for this view: barbs as close together on the screen as before.
        across = np.array(page.evaluate(f"() => Array.from(({barbs})(), Number)"), dtype=float)
        inside = (across > zoomed[0]) & (across < zoomed[1])
        assert inside.sum() > 200
        assert page.evaluate(coast) > 0

        page.get_by_label("last lead time").click()
        page.locator(f"{MAP} .annotation-text", has_text="+6 h").first.wait_for()
        np.testing.assert_allclose(page.evaluate(RANGE), zoomed)
        box = page.get_by_role("combobox", name=re.compile("Variable"))
        box.click()
        box.press_sequentially("10 metre wind speed")
        box.press("Enter")
        page.locator(f"{MAP} .gtitle", has_text="10 metre wind speed").first.wait_for()
        watched.wait_until_idle()
        np.testing.assert_allclose(page.evaluate(RANGE), zoomed, rtol=1e-3)
        page.get_by_role("button", name="Layers").click()
        page.locator(".stCheckbox p", has_text="Isobars").click()
        page.wait_for_function(
            f"() => !document.querySelector('{MAP}').data.some((trace) => trace.name === 'isobars')"
        )
        watched.wait_until_idle()
        np.testing.assert_allclose(page.evaluate(RANGE), zoomed, rtol=1e-3)
        page.keyboard.press("Escape")
        page.get_by_label("show the whole region").click()
        page.wait_for_function(
            f"(width) => {{ const [west, east] = ({RANGE})(); return east - west > width; }}",
            arg=0.95 * (whole[1] - whole[0]),
        )
        page.locator(f"{MAP} .annotation-text", has_text="+6 h").first.wait_for()
        watched.assert_quiet()


@pytest.mark.timeout(300)
def test_the_pointer_reads_value_unit_and_place(served: Served) -> None:
    with served.opened(region="whole", projection="plate", variable="msl") as watched:
        page = watched.page
        watched.wait_until_idle()
        at = _middle(watched, 0.6, 0.4)
        page.mouse.move(*at)
        page.locator(READING, has_text="hPa").wait_for()
        text = page.locator(READING).text_content() or ""
        plane = page.evaluate(PLANE, at)
        found = re.fullmatch(r"([\d.]+) hPa, ([\d.]+)° N ([\d.]+)° E", text)
        assert found, text
        value, latitude, longitude = map(float, found.groups())
        assert abs(latitude - plane["y"]) < 0.02
        assert abs(longitude - plane["x"]) < 0.02
        # As the fields of this desk are made, of waves; persistence keeps the last one.
        x, y = np.radians([longitude, latitude])
        expected = 1010 + 30 * np.cos(y) * np.cos(3 * x - 32 / 6 + 2 * y)
        assert abs(value - expected) < 1.5  # between points of a grid of 5.6 degrees
        watched.assert_quiet()


@pytest.mark.timeout(300)
def test_stations_catch_what_is_clicked_on_them_and_nothing_beside(served: Served) -> None:
    marker = f"""(at) => {{
      const gd = document.querySelector('{MAP}');
      const trace = gd.data.find((one) => one.name === 'stations');
      const {{ xaxis, yaxis }} = gd._fullLayout;
      const box = gd.getBoundingClientRect();
      const index = trace.customdata.indexOf('HIGH');
      return [box.left + xaxis._offset + xaxis.l2p(trace.x[index]),
              box.top + yaxis._offset + yaxis.l2p(trace.y[index])];
    }}"""
    chosen = "(text) => new URL(location.href).searchParams.get('at') === text"
    with served.opened(region="europe") as watched:
        page = watched.page
        watched.wait_until_idle()
        left, top = page.evaluate(marker)
        page.mouse.move(left + 40, top + 12)
        figure = page.evaluate(DRAWN)
        page.mouse.click(left + 8, top)
        page.wait_for_function(chosen, arg="point")
        page.wait_for_function(f"(was) => ({DRAWN})() !== was", arg=figure)
        watched.wait_until_idle()
        left, top = page.evaluate(marker)
        page.mouse.move(left + 40, top + 12)
        page.mouse.click(left + 3, top + 1)
        page.wait_for_function(chosen, arg="HIGH")
        watched.assert_quiet()
    with served.opened(region="europe", stations="no") as hidden:
        hidden.wait_until_idle()
        names = f"() => document.querySelector('{MAP}').data.map((trace) => trace.name)"
        assert "stations" not in hidden.page.evaluate(names)


@pytest.mark.timeout(300)
def test_the_meteogram_stands_beside_the_map_and_follows_its_slider(served: Served) -> None:
    line = """() => {
      const plot = document.querySelector(".st-key-meteogram .js-plotly-plot");
      const line = plot?.querySelector(".lead-line");
      const { xaxis } = plot?._fullLayout || {};
      return line && xaxis && plot.getBoundingClientRect().left + xaxis._offset
        - line.getBoundingClientRect().left - 1
        + xaxis.d2p(LEAD_TIME);
    }"""
    with served.opened(at="HIGH", width=1440, height=900) as watched:
        page = watched.page
        watched.wait_until_idle()
        page.locator(".lead-line").wait_for(state="attached")
        for label, time in (("last lead time", "12:00"), ("one lead time back", "11:00")):
            page.get_by_label(label).click()
            off = line.replace("LEAD_TIME", f"'2020-11-22 {time}'")
            page.wait_for_function(
                f"() => {{ const off = ({off})(); return Math.abs(off) < 1.5; }}"
            )
        boxes = [
            page.locator(f".st-key-{key} .js-plotly-plot").bounding_box()
            for key in ("map", "meteogram")
        ]
        controls = page.locator("[data-step=last]").bounding_box()
        assert boxes[0]
        assert boxes[1]
        assert controls
        assert boxes[1]["x"] > boxes[0]["x"] + boxes[0]["width"] - 1  # beside
        assert controls["y"] + controls["height"] <= 900  # map, slider and buttons on one screen
        watched.assert_quiet()
    with served.opened(at="HIGH", width=390, height=844) as phone:
        phone.wait_until_idle()
        below = phone.page.locator(".st-key-meteogram .js-plotly-plot").bounding_box()
        above = phone.page.locator(f"{MAP}").bounding_box()
        assert below
        assert above
        assert below["y"] > above["y"] + above["height"]
