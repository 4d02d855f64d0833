"""The few lines of JavaScript that tie a map to its page: see assets/map_link.js."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from met2net_ops.app.data.rasters import Extent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from met2net_ops.app.figures.projections import Projection

_ASSETS = Path(__file__).with_name("assets")
_KEY = "map-link"
_FARTHEST, _SMALLEST = 1e4, 1e-3  # units of a map's plane: numbers beyond are no view of it


@dataclass(frozen=True)
class Click:
    """Where the map was clicked.

    Attributes:
        latitude: degrees north.
        longitude: degrees east, -180 to 180.
        station: the station clicked on; "" for a point of the field.
    """

    latitude: float
    longitude: float
    station: str


def read_click(value: object, projection: Projection) -> Click | None:
    """What the browser sent, if it makes sense: anybody can send anything.

    >>> from met2net_ops.app.figures.projections import PlateCarree
    >>> read_click({"x": 10, "y": 20.5, "station": ""}, PlateCarree(180.0))
    Click(latitude=20.5, longitude=-170.0, station='')
    >>> read_click({"x": "../etc", "y": 1}, PlateCarree())
    >>> read_click({"x": 10**400, "y": 1}, PlateCarree())
    """
    if not isinstance(value, dict):
        return None
    place = projection.inverse(_number(value.get("x")), _number(value.get("y")))
    latitude, longitude = map(float, place)
    if not math.isfinite(latitude):
        return None
    return Click(latitude, longitude, str(value.get("station", ""))[:64])


def read_extent(value: object) -> Extent | None:
    """The part of a map that the browser says is seen, if it makes sense.

    >>> read_extent({"west": 0, "east": 10, "south": -5, "north": 5})
    Extent(west=0.0, east=10.0, south=-5.0, north=5.0)
    >>> read_extent({"west": 0, "east": 0, "south": -5, "north": 5}), read_extent([1])
    (None, None)
    """
    if not isinstance(value, dict):
        return None
    west, east, south, north = (
        _number(value.get(side)) for side in ("west", "east", "south", "north")
    )
    reach = max(map(abs, (west, east, south, north)))
    if not (reach < _FARTHEST and east - west > _SMALLEST and north - south > _SMALLEST):
        return None
    return Extent(west, east, south, north)


def seen_area(area: str) -> tuple[Extent | None, int]:
    """What the reader sees of an area of the map, and how often they asked for all of it.

    Returns:
        None where it is all of it, or another area's.
    """
    said = (st.session_state.get(_KEY) or {}).get("view")
    if not isinstance(said, dict) or said.get("area") != area:
        return None, 0
    asked = _number(said.get("whole"))
    return read_extent(said), int(asked) if 0 <= asked < _FARTHEST else 0


def _number(value: object) -> float:
    try:
        return float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:  # a whole number of hundreds of digits
        return math.nan


def is_narrow() -> bool:
    """Whether the browser's window is a phone's; until it has said so, whether it is on a phone."""
    said = (st.session_state.get(_KEY) or {}).get("narrow")
    return "Mobi" in st.context.headers.get("User-Agent", "") if said is None else bool(said)


@dataclass(frozen=True)
class Linked:
    """The map that is tied to the page.

    Attributes:
        chart: key of the chart.
        figure: `layout.meta` of the figure in it.
        lead: hours, from the address bar when the page was opened.
        area: what a zoom belongs to.
        lattice: places on the map, see `map_view.lattice`.
        start: reference time, ISO 8601.
    """

    chart: str
    figure: str
    lead: str | None
    area: str
    lattice: Mapping[str, object]
    start: str


def link_map(linked: Linked, projection: Projection, on_click: Callable[[Click], None]) -> None:
    """Draw the controls below a map and tie it to the page.

    Args:
        linked: what the browser has to know.
        projection: of the map.
        on_click: called before the page runs again.
    """

    def clicked() -> None:
        said = (st.session_state.get(_KEY) or {}).get("clicked")
        click = read_click(said, projection)
        if click is not None:
            on_click(click)

    _component()(
        key=_KEY,
        data={
            **asdict(linked),
            "lead": linked.lead or "",
            "narrow": is_narrow(),
            "run": st.session_state.setdefault("met2net runs", 0),
        },
        on_clicked_change=clicked,
        on_narrow_change=lambda: None,
        on_view_change=lambda: None,
    )
    st.session_state["met2net runs"] += 1  # so that the script runs again with every page


@st.cache_resource
def _component() -> Any:
    html, css, js = ((_ASSETS / f"map_link.{kind}").read_text() for kind in ("html", "css", "js"))
    return st.components.v2.component("met2net_map_link", html=html, css=css, js=js)
