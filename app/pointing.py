"""What a reader points at in a figure: by a click, by a select box beside it, or by a link."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from met2net_ops.app.choices import choose, set_choice

if TYPE_CHECKING:
    from collections.abc import Mapping

NONE = "none"  # nothing is pointed at


def pointed_at(state: Any, figure: str, options: Mapping[str, str], *, key: str, label: str) -> str:
    """The code of what is pointed at, or `NONE`.

    The select box makes the same choice from the keyboard. A click counts once: what was clicked
    stays selected in the figure, and must not overrule a later choice in the box.

    Args:
        state: of the figure, from `show.plot`; `customdata` of its points begins with the code,
            or with the two parts of a code that a dot joins.
        figure: which figure it is.
        options: code → text shown.
        key: name in the address bar.
        label: above the select box.
    """
    clicked = _clicked(state, options)
    memory = f"clicked-{figure}"
    if clicked is not None and st.session_state.get(memory) != clicked:
        set_choice(key, clicked)
    st.session_state[memory] = clicked
    return choose(label, {NONE: "none: click in the figure or choose here", **options}, key=key)


def _clicked(state: Any, options: Mapping[str, str]) -> str | None:
    points = state.selection.points if state is not None else []
    data = points[0].get("customdata") if points else None
    if not data:
        return None
    # Streamlit hands lists over as {"0": …, "1": …}.
    values = [str(value) for value in (data.values() if isinstance(data, dict) else data)]
    return next((code for code in (values[0], ".".join(values[:2])) if code in options), None)
