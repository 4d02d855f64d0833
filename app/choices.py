"""Choices that live in the address bar: a copied link opens the same view.

A choice is a code (a short text such as `t2m`) out of a closed list. What the address bar says is
compared with that list and never used for anything else, so it cannot name a file; what is not in
the list falls back to the default, with a note. Every choice is written back, defaults included:
"the latest cycle" of today's link is another one tomorrow.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import streamlit as st

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streamlit.delta_generator import DeltaGenerator

_MEMORY = "met2net choices"  # in the session: choice → code last shown
_LONGEST_NOTE = 40


def choose(
    label: str,
    options: Mapping[str, str],
    *,
    key: str,
    default: str | None = None,
    place: DeltaGenerator | None = None,
    width: int | Literal["stretch"] = "stretch",
    help: str | None = None,  # noqa: A002 - Streamlit's word
) -> str:
    """A select box whose value lives in the address bar.

    Args:
        label: above it.
        options: code → text shown; not empty.
        key: name in the address bar. Pages that share a key share the choice.
        default: code; the first by default.
        place: where to draw; the page by default.
        width: in pixels, or all there is.
        help: shown on hovering.

    Returns:
        The code chosen.
    """
    widget = _prepare(key, list(options), default)
    value = (place or st).selectbox(
        label,
        list(options),
        key=widget,
        format_func=lambda code: options.get(code, code),
        help=help,
        width=width,
    )
    return _keep(key, value)


def choose_one_of(
    label: str,
    options: Mapping[str, str],
    *,
    key: str,
    default: str | None = None,
    place: DeltaGenerator | None = None,
) -> str:
    """As `choose`, as a row of buttons: for two to four short options."""
    widget = _prepare(key, list(options), default)
    value = (place or st).segmented_control(
        label,
        list(options),
        key=widget,
        format_func=lambda code: options.get(code, code),
        required=True,
    )
    return _keep(key, value if value is not None else default or next(iter(options)))


def switch(
    label: str,
    *,
    key: str,
    default: bool = False,
    place: DeltaGenerator | None = None,
    help: str | None = None,  # noqa: A002 - Streamlit's word
) -> bool:
    """An on-off choice; `yes` or `no` in the address bar."""
    widget = _prepare(key, ["no", "yes"], "yes" if default else "no", of_switch=True)
    value = (place or st).toggle(label, key=widget, help=help)
    return _keep(key, "yes" if value else "no") == "yes"


def set_choice(key: str, code: str) -> None:
    """Choose for the reader, from a callback: before the page runs again and draws the widget."""
    st.session_state.setdefault(_MEMORY, {})[key] = code
    st.session_state[f"choice-{key}"] = code
    write({key: code})


def text_of(key: str, *, longest: int = 64) -> str | None:
    """What the address bar holds for something without a widget; None if nothing or too long.

    The caller compares it with what there is; it must never become a path or a query.
    """
    text = st.query_params.get(key)
    return text if text is not None and len(text) <= longest else None


def number_of(key: str, low: float, high: float) -> float | None:
    """A number in the address bar; None where there is none within the limits."""
    try:
        value = float(text_of(key) or "nan")
    except ValueError:
        return None
    return value if math.isfinite(value) and low <= value <= high else None


def write(values: Mapping[str, str | None]) -> None:
    """Put values without a widget into the address bar; None takes one out."""
    for key, text in values.items():
        if text is None:
            if key in st.query_params:
                del st.query_params[key]
        elif st.query_params.get(key) != text:
            st.query_params[key] = text


def _prepare(
    key: str, codes: Sequence[str], default: str | None, *, of_switch: bool = False
) -> str:
    """Give the widget its value before it is drawn; returns the widget's key.

    The address bar wins when it says something else than was last written there (a link was
    opened, or the reader went back); then the widget; then what was last chosen in this session.
    """
    memory: dict[str, str] = st.session_state.setdefault(_MEMORY, {})
    widget = f"choice-{key}"
    fallback = default if default in codes else codes[0]
    asked, known = st.query_params.get(key), memory.get(key)
    current: object = st.session_state.get(widget)
    if of_switch and current is not None:
        current = "yes" if current else "no"
    if asked is not None and asked != known:
        wanted = asked if asked in codes else fallback
        if wanted != asked:
            _note(key, asked)
    elif current in codes:
        return widget
    else:
        wanted = known if known in codes else fallback
    st.session_state[widget] = (wanted == "yes") if of_switch else wanted
    return widget


def _keep(key: str, code: str) -> str:
    st.session_state[_MEMORY][key] = code
    write({key: code})
    return code


def _note(key: str, asked: str) -> None:
    shown = "".join(c if c.isalnum() or c in "-_.: " else "?" for c in asked[:_LONGEST_NOTE])
    st.info(f"The link asks for {key} `{shown}`, which is not here; the usual is shown instead.")
