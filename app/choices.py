"""Choices that live in the address bar: a copied link opens the same view.

A choice is a code (a short text such as `t2m`) out of a closed list. What the address bar says is
compared with that list and never used for anything else, so it cannot name a file; what is not in
the list falls back to the default, with a note. Every choice is written back, defaults included:
"the latest cycle" of today's link is another one tomorrow.

The session's own memory is what counts. The address bar is asked when a session first meets a
choice and when the reader goes back, and at no other time: in every other request it may be older
than the choice just made, which the browser has not heard back about. `show_address` writes it, all
of a page's choices at once, so that one choice is one step of the browser's history. Where a page
does not have what was chosen on another, the usual stands in for it, and the choice is kept.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streamlit.delta_generator import DeltaGenerator

_CODES, _TEXTS = "met2net choices", "met2net texts"  # in the session: name → what was last chosen
_STANDINS = "met2net stand-ins"  # name → code shown where what was chosen is not to be had
_OFFERED = "met2net offered"  # name → options, as the last page had them
_SHOWN = "met2net shown"  # of this run: name → what belongs into the address bar
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
    note_gone: bool = False,
    folded: bool = False,
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
        note_gone: whether to say so when what was chosen is no longer among the options.
        folded: whether it stands in a box that opens. The browser meets such a widget when the box
            is opened, and without being told again would show Streamlit's default.

    Returns:
        The code chosen.
    """
    value = (place or st).selectbox(
        label,
        **_prepared(key, options, default, note_gone=note_gone, folded=folded),
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
    folded: bool = False,
) -> str:
    """As `choose`, as a row of buttons: for two to four short options."""
    value = (place or st).segmented_control(
        label, **_prepared(key, options, default, folded=folded), required=True
    )
    return _keep(key, value if value is not None else default or next(iter(options)))


def switch(
    label: str,
    *,
    key: str,
    default: bool = False,
    place: DeltaGenerator | None = None,
    help: str | None = None,  # noqa: A002 - Streamlit's word
    folded: bool = False,
) -> bool:
    """An on-off choice; `yes` or `no` in the address bar. See `choose` for the arguments."""
    widget = _prepare(key, ["no", "yes"], "yes" if default else "no", of_switch=True)
    if folded:
        st.session_state[widget] = st.session_state[widget]
    value = (place or st).toggle(label, key=widget, help=help)
    return _keep(key, "yes" if value else "no") == "yes"


def set_choice(key: str, code: str) -> None:
    """Choose for the reader, before the page draws the widget; if need be from a callback."""
    _memory(_CODES)[key] = code
    _memory(_STANDINS).pop(key, None)
    st.session_state[_widget(key)] = code


def text_of(key: str, *, longest: int = 64) -> str | None:
    """What a link or the page itself put beside the choices; None if nothing, or too long.

    The caller compares it with what there is; it must never become a path or a query.
    """
    texts = _memory(_TEXTS)
    if key not in texts or _went_back():
        texts[key] = st.query_params.get(key)
    text: str | None = texts[key]
    if text is not None and len(text) > longest:
        text = None
    _memory(_SHOWN)[key] = text
    return text


def number_of(key: str, low: float, high: float) -> float | None:
    """A number beside the choices; None where there is none within the limits."""
    text = text_of(key)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if low <= value <= high:
        return value
    _note(key, text)
    set_text(key, None)
    _memory(_SHOWN)[key] = None
    return None


def set_text(key: str, text: str | None) -> None:
    """Put a text beside the choices, or take it out."""
    _memory(_TEXTS)[key] = text


def start_address() -> None:
    """Forget which choices the page before this run had; call it before any choice."""
    st.session_state[_SHOWN] = {}


def show_address() -> None:
    """Write the choices of this run into the address bar, in one step; others stay as they are."""
    now = st.query_params.to_dict()
    shown = _memory(_SHOWN)
    wanted = {**now, **shown}
    wanted = {key: text for key, text in wanted.items() if text is not None}
    if wanted != now:
        st.query_params.from_dict(wanted)


def show_own_address() -> None:
    """As `show_address`, where a part of the page runs alone: of the whole, it follows later."""
    context = get_script_run_ctx()
    if context is not None and context.fragment_ids_this_run:
        show_address()


def _memory(name: str) -> dict[str, Any]:
    found: dict[str, Any] = st.session_state.setdefault(name, {})
    return found


def _widget(key: str) -> str:
    return f"choice-{key}"


def _went_back() -> bool:
    """Whether the reader used the browser's history: then its address is news."""
    context = get_script_run_ctx()
    return context is not None and context.is_history_navigation


def _prepared(
    key: str,
    options: Mapping[str, str],
    default: str | None,
    *,
    note_gone: bool = False,
    folded: bool = False,
) -> dict[str, Any]:
    widget = _prepare(key, list(options), default, note_gone=note_gone)
    # Streamlit takes a box whose options differ from those of the page before for a new one.
    offered, now = _memory(_OFFERED), tuple(options.items())
    if folded or offered.get(key) != now:
        st.session_state[widget] = st.session_state[widget]
    offered[key] = now
    return {
        "options": list(options),
        "key": widget,
        "format_func": lambda code: options.get(code, code),
    }


def _prepare(
    key: str,
    codes: Sequence[str],
    default: str | None,
    *,
    of_switch: bool = False,
    note_gone: bool = False,
) -> str:
    """Give the widget its value before it is drawn; returns the widget's key."""
    memory, standins, widget = _memory(_CODES), _memory(_STANDINS), _widget(key)
    fallback = default if default in codes else codes[0]
    current: object = st.session_state.get(widget)
    if of_switch and current is not None:
        current = "yes" if current else "no"
    asked = st.query_params.get(key) if key not in memory or _went_back() else None
    standin = standins.pop(key, None)
    if asked is not None and asked != memory.get(key):
        wanted = asked if asked in codes else fallback
        if wanted != asked:
            _note(key, asked)
    elif current in codes and current != standin:
        return widget
    elif memory.get(key) in codes:
        wanted = memory[key]
    else:
        wanted = str(current) if current in codes else fallback
        if key in memory:
            standins[key] = wanted
            if note_gone and current not in codes:
                _note(key, memory[key])
    st.session_state[widget] = (wanted == "yes") if of_switch else wanted
    return widget


def _keep(key: str, code: str) -> str:
    """Remember a choice; one that only stands in for another is shown, and the other remembered."""
    standins = _memory(_STANDINS)
    if standins.get(key) != code:
        standins.pop(key, None)
        _memory(_CODES)[key] = code
    _memory(_SHOWN)[key] = code
    return code


def _note(key: str, asked: str) -> None:
    shown = "".join(c if c.isalnum() or c in "-_.: " else "?" for c in asked[:_LONGEST_NOTE])
    st.info(f"There is no {key} `{shown}` here; the usual is shown instead.")
