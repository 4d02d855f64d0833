"""The dashboard's entry: navigation, units, and a boundary that errors do not cross.

Run by `met2net-ops dashboard`; the workspace comes from $MET2NET_WORKSPACE.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from met2net_ops.app.choices import choose_one_of, show_address, start_address, text_of
from met2net_ops.app.context import PageContext, zone_of
from met2net_ops.app.notices import tell_news
from met2net_ops.app.show import errors_shown
from met2net_ops.app.text import plain
from met2net_ops.app.units import TEMPERATURES, WINDS, Units
from met2net_ops.app.views import VIEWS, View
from met2net_ops.catalog.credits import attributions, known_credits
from met2net_ops.workspace import find_workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from met2net_ops.workspace import Workspace


# Streamlit fetches emoji and Material symbols for the browser's tab from the internet; not a file.
_ICON = Path(__file__).with_name("assets") / "icon.png"


# Less empty space above the page, so that maps are seen without scrolling.
# And where the keyboard is: Streamlit hardly shows it on links and switches.
_STYLE = """<style>
.stMainBlockContainer { padding: 4.2rem 1rem 1.5rem; }
.stMainBlockContainer > .stVerticalBlock { gap: 0.5rem; }
.stApp a:focus-visible, .stApp label:has(input:focus-visible) {
  outline: 3px solid currentColor; outline-offset: 1px;
}
</style>"""

# For a screen on the wall, ?wall=1: nothing to click, and large enough to be read from afar.
_WALL = """<style>
html { font-size: 24px; }
[data-testid="stHeader"], .st-key-head { display: none; }
.stMainBlockContainer { padding: 0.5rem; }
</style>"""


def _head(view: View) -> Units:
    """The page's name, and the units everything on it is shown in."""
    row = st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", key="head"
    )
    row.markdown(f"#### {view.title}", width="content")
    inside = row.popover("Units", icon=":material/straighten:")
    temperature = choose_one_of(
        "Temperature", _same(TEMPERATURES), key="temperature", place=inside, folded=True
    )
    wind = choose_one_of("Wind", _same(WINDS), key="wind", place=inside, folded=True)
    return Units(temperature, wind)


def _same(texts: Sequence[str]) -> dict[str, str]:
    return {text: text for text in texts}


def _draw(view: View, pages: Sequence[Any]) -> None:
    """One page; whatever goes wrong with its files becomes a message on it."""
    start_address()
    with errors_shown(f"The page {view.title}"):
        wall = text_of("wall") == "1"
        if wall:
            st.html(_WALL)
        units = _head(view)
        context = PageContext(find_workspace(), units, zone_of(st.context.timezone), wall)
        places = {one.module: page for one, page in zip(VIEWS, pages, strict=False)}
        tell_news(context, places["forecast"], places["operations"])
        view.render(context)
        _foot(context.workspace)
    show_address()


def _foot(workspace: Workspace) -> None:
    """What the sources of the data ask to be shown."""
    catalog = workspace.catalog
    try:
        owed = attributions(known_credits(catalog.engine))
    finally:
        catalog.dispose()
    if owed:
        st.caption("  \n".join(map(plain, owed)))


def _main() -> None:
    # Before the pages, whose icons would be fetched for the browser's tab.
    st.set_page_config(page_icon=str(_ICON), layout="wide")
    pages: list[Any] = []
    pages += [
        st.Page(
            partial(_draw, view, pages),
            title=view.title,
            icon=view.icon,
            url_path=view.path if at else "start",  # the first is at / whatever it is called
            default=not at,
        )
        for at, view in enumerate(VIEWS)
    ]
    first = VIEWS[0]  # for links that name it by its path all the same
    page = partial(_draw, first, pages)
    pages.append(st.Page(page, title=first.title, url_path=first.path, visibility="hidden"))
    shown = st.navigation(pages, position="top")
    st.set_page_config(page_title=f"{shown.title} · met2net-ops")
    st.html(_STYLE)
    shown.run()


_main()
