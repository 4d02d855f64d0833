"""Text from files on pages: shown as it is, never taken for Markdown, HTML or formulae."""

from __future__ import annotations

import re

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>$:~&])")


def plain(text: str) -> str:
    r"""Markdown that shows exactly this text.

    >>> plain("![x](http://y) $a$ :red[b]")
    '\\!\\[x\\]\\(http\\:\\/\\/y\\) \\$a\\$ \\:red\\[b\\]'
    """
    # A slash is escaped as well: bare addresses become links by themselves.
    return _SPECIAL.sub(r"\\\1", text).replace("/", r"\/")
