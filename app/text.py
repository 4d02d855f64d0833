"""Text from files on pages: shown as it is, never taken for Markdown, HTML or formulae.

An address in it may become a link; nothing is loaded from there unless someone follows it.
"""

from __future__ import annotations

import re

from met2net_ops.visible import visible

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+\-=.!|<>$:~&])")


def plain(text: str) -> str:
    r"""Markdown that shows exactly this text, and characters that do not print as escapes.

    >>> plain("![x](http://y) $a$ :red[b]")
    '\\!\\[x\\]\\(http\\://y\\) \\$a\\$ \\:red\\[b\\]'
    >>> plain("\u202ea")
    '\\\\u202ea'
    """
    return _SPECIAL.sub(r"\\\1", visible(text, keep="\n"))
