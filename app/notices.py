"""The line on every page that says what happened since it was drawn."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import streamlit as st

from met2net_ops.app.choices import set_choice
from met2net_ops.app.data.news import newest_run, news, title_of
from met2net_ops.app.show import errors_shown
from met2net_ops.app.text import plain, without_folders

if TYPE_CHECKING:
    from met2net_ops.app.context import PageContext
    from met2net_ops.products.index import ProductEntry

LOOKS_S = 5  # seconds from one look to the next
_SEEN = "met2net seen"  # in the session: the newest cycle that the reader knows of
_MOST = 3  # troubles told; the Operations page has all


def tell_news(context: PageContext, forecasts: Any, operations: Any) -> None:
    """Draw the line, which looks again by itself while the page is open.

    Args:
        context: of the page.
        forecasts: the page that a newer run is shown on.
        operations: the page that says more of what is wrong.
    """
    if _SEEN not in st.session_state:
        newest = newest_run(context.workspace, None, None)
        st.session_state[_SEEN] = None if newest is None else newest.reference_time
    _look(context, forecasts, operations)


def saw_newest(run: ProductEntry) -> None:
    """The reader looks at the newest run of a model: it is no news."""
    seen = st.session_state.get(_SEEN)
    if seen is None or run.reference_time > seen:
        st.session_state[_SEEN] = run.reference_time


@st.fragment(run_every=LOOKS_S)
def _look(context: PageContext, forecasts: Any, operations: Any) -> None:
    with errors_shown("What is new"):
        seen = st.session_state.get(_SEEN)
        found = news(context.workspace, datetime.now(UTC), None, seen)
        if found.run is None and not found.troubles:
            return
        row = st.container(horizontal=True, vertical_alignment="center", key="news")
        if found.run is not None:
            _newer(found.run, row, forecasts)
        if found.troubles:
            more = len(found.troubles) - _MOST
            text = without_folders("; ".join(found.troubles[:_MOST]))
            text += f"; and {more} more" if more > 0 else ""
            (row.error if found.failing else row.warning)(plain(text))
            if row.button("Operations", key="news-operations"):
                st.switch_page(operations)


def _newer(run: ProductEntry, row: Any, forecasts: Any) -> None:
    def choose() -> None:
        set_choice("model", run.model)
        set_choice("cycle", f"{run.reference_time:%Y%m%d%H}")

    row.info(plain(f"A newer forecast is here: {title_of(run)}."))
    if row.button("Show it", key="news-run", on_click=choose):
        st.switch_page(forecasts)
