"""The few lines of JavaScript that tie a map to its page: see assets/map_link.js."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

if TYPE_CHECKING:
    from collections.abc import Callable

_ASSETS = Path(__file__).with_name("assets")
_KEY = "map-link"


@dataclass(frozen=True, slots=True)
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


def read_click(value: object) -> Click | None:
    """What the browser sent, if it makes sense: anybody can send anything.

    >>> read_click({"latitude": 10, "longitude": 190.0, "station": ""})
    Click(latitude=10.0, longitude=-170.0, station='')
    >>> read_click({"latitude": "../etc", "longitude": 1}), read_click({"latitude": 10**400})
    (None, None)
    """
    if not isinstance(value, dict):
        return None
    latitude, longitude = _number(value.get("latitude")), _number(value.get("longitude"))
    if not (-90 <= latitude <= 90 and -720 <= longitude <= 720):
        return None
    east = (longitude + 180.0) % 360.0 - 180.0
    return Click(latitude, east, str(value.get("station", ""))[:64])


def _number(value: object) -> float:
    try:
        return float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:  # a whole number of hundreds of digits
        return math.nan


def is_narrow() -> bool:
    """Whether the browser's window is a phone's; until it has said so, whether it is on a phone."""
    said = (st.session_state.get(_KEY) or {}).get("narrow")
    return "Mobi" in st.context.headers.get("User-Agent", "") if said is None else bool(said)


def link_map(chart: str, figure: str, lead: str | None, on_click: Callable[[Click], None]) -> None:
    """Draw the controls below a map and tie it to the page.

    Args:
        chart: key of the chart.
        figure: `layout.meta` of the figure in it.
        lead: hours, from the address bar when the page was opened.
        on_click: called before the page runs again.
    """

    def clicked() -> None:
        click = read_click((st.session_state.get(_KEY) or {}).get("clicked"))
        if click is not None:
            on_click(click)

    _component()(
        key=_KEY,
        data={
            "chart": chart,
            "figure": figure,
            "lead": lead or "",
            "narrow": is_narrow(),
            "run": st.session_state.setdefault("met2net runs", 0),
        },
        on_clicked_change=clicked,
        on_narrow_change=lambda: None,
    )
    st.session_state["met2net runs"] += 1  # so that the script runs again with every page


@st.cache_resource
def _component() -> Any:
    html, css, js = ((_ASSETS / f"map_link.{kind}").read_text() for kind in ("html", "css", "js"))
    return st.components.v2.component("met2net_map_link", html=html, css=css, js=js)
