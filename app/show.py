"""How pages put figures and tables on the screen: every plot has words and a table beside it."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import streamlit as st

from met2net_ops.app.text import told, without_folders
from met2net_ops.errors import Met2NetOpsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd
    import plotly.graph_objects as go

_CONFIG = {
    "displaylogo": False,
    "toImageButtonOptions": {"format": "png", "scale": 2},
    "modeBarButtonsToRemove": ["select2d", "lasso2d"],
}
_OF_ONE_VIEW = ["select2d", "lasso2d", "autoScale2d", "resetScale2d"]


def plot(
    figure: go.Figure,
    *,
    key: str,
    alt: str,
    table: pd.DataFrame | None,
    selectable: bool = False,
    file_name: str | None = None,
    wheel: bool = False,
) -> Any:
    """Draw a figure with a description for screen readers and the same numbers as a table.

    Args:
        figure: to draw.
        key: unique on the page.
        alt: what is to be seen, in a sentence.
        table: the numbers behind it; None only where the page shows them elsewhere.
        selectable: whether a click on a point comes back; then the state is returned, see
            `st.plotly_chart`.
        file_name: of the PNG the camera button saves; by default the key.
        wheel: whether the mouse wheel zooms, as on a map, instead of scrolling the page.

    Returns:
        The selection state, if `selectable`.
    """
    image = {**_CONFIG["toImageButtonOptions"], "filename": file_name or key}  # type: ignore[dict-item]
    config = {**_CONFIG, "toImageButtonOptions": image, "scrollZoom": wheel}
    if wheel:  # a double click is the page's: the figure knows no more than the last view
        config |= {"doubleClick": False, "modeBarButtonsToRemove": _OF_ONE_VIEW}
    options: dict[str, Any] = {"on_select": "rerun", "selection_mode": ("points",)}
    state = st.plotly_chart(
        figure,
        key=key,
        alt=alt,
        config=config,
        **(options if selectable else {}),
    )
    if table is not None:
        as_table(table, key=key)
    return state


def as_table(
    table: pd.DataFrame | Callable[[], pd.DataFrame],
    *,
    key: str,
    label: str = "The same as a table",
) -> None:
    """A closed expander with a table, which has its own CSV button.

    The table is made, and sent, when it is opened: the code that draws tables would hold up the
    first figure.
    """
    with st.expander(label, key=f"{key}-opened", on_change="rerun") as shown:
        if shown.open:
            draw_table(table() if callable(table) else table, key=f"{key}-table")


def draw_table(table: pd.DataFrame, *, key: str) -> None:
    """A table, whose texts name no folder of the server."""
    texts = [name for name in table.columns if any(isinstance(one, str) for one in table[name])]
    kept = {
        name: table[name].map(lambda one: without_folders(one) if isinstance(one, str) else one)
        for name in texts
    }
    st.dataframe(table.assign(**kept), key=key, hide_index=True)


@contextmanager
def errors_shown(part: str) -> Iterator[None]:
    """Turn whatever goes wrong inside into a message on the page; the log has the unexpected.

    Args:
        part: what is drawn inside, as the message begins: "The page Models".
    """
    try:
        yield
    except Met2NetOpsError as error:
        st.error(told(error))
    except OSError as error:
        st.error(f"A file could not be read; it may just have been replaced: {told(error)}")
    except Exception:
        logging.getLogger(__name__).exception("drawing failed", extra={"part": part})
        st.error(f"{part} could not be drawn. What went wrong is in the dashboard's log.")


def greet(message: str, commands: list[str]) -> None:
    """Say that there is nothing yet, and which commands bring it about.

    Args:
        message: what is missing.
        commands: to run in the folder of the workspace, which readers are not told.
    """
    st.info(f"{message} In the folder of the workspace:")
    st.code("\n".join(commands), language="bash")
