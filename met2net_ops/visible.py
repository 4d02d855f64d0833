"""Text from outside, made safe to show: characters that steer a terminal or hide become visible.

File names, model cards, station identifiers and settings may hold escape sequences, newlines or
marks that reverse the direction of writing. What prints or logs such text passes it through here.
"""

from __future__ import annotations

import html
import json
import unicodedata


def visible(text: str, *, keep: str = "") -> str:
    r"""The text with every character that does not print written as an escape, as Python does.

    Control and format characters (the marks of bidirectional text among them), line and paragraph
    separators and unassigned code points are escaped. A byte of a file name that is no UTF-8
    appears as that byte.

    Args:
        text: from anywhere.
        keep: characters to leave as they are, such as "\n" for a text of several lines.

    >>> visible("a\x1b[31m\nb\u202e\udcff°")
    'a\\x1b[31m\\nb\\u202e\\xff°'
    """
    if text.isprintable():
        return text
    return "".join(char if _prints(char) or char in keep else _escape(char) for char in text)


def escape_html(text: str) -> str:
    r"""The text as HTML that shows it, in elements and attributes.

    >>> escape_html("<b>\x1b\u202e")
    '&lt;b&gt;\\x1b\\u202e'
    """
    return html.escape(visible(text, keep="\n"))


def in_figure(text: str) -> str:
    """Text for Plotly, which takes some HTML: shown as it is.

    >>> in_figure('<a href="http://y">x</a> & co')
    '&lt;a href="http://y"&gt;x&lt;/a&gt; &amp; co'
    """
    return visible(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def json_text(value: object, *, indent: int | None = None) -> str:
    r"""JSON in which every character prints, besides the newlines that `indent` brings.

    Args:
        value: what `json.dumps` takes; anything else becomes its `str`, and numbers that JSON
            does not have become "NaN", "Infinity" and "-Infinity".
        indent: spaces per level, or None for one line.

    >>> json_text({"name": "a\x1b\x9f\u202e°", "rmse": float("nan")})
    '{"name": "a\\u001b\\u009f\\u202e°", "rmse": "NaN"}'
    """
    try:
        text = json.dumps(value, indent=indent, default=str, ensure_ascii=False, allow_nan=False)
    except ValueError:
        finite = json.loads(json.dumps(value, default=str), parse_constant=str)
        text = json.dumps(finite, indent=indent, ensure_ascii=False)
    if text.isprintable():
        return text
    # Such a character can stand inside a string only, where JSON's own escape means the same.
    return "".join(
        char if _prints(char) or char == "\n" else json.dumps(char)[1:-1] for char in text
    )


def _prints(char: str) -> bool:
    return char.isprintable() or unicodedata.category(char) == "Zs"


def _escape(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # Python's stand-in for a byte that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return repr(char)[1:-1]
