"""Text from files on pages: shown as it is, never taken for Markdown, HTML or formulae.

An address in it may become a link; nothing is loaded from there unless someone follows it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from met2net_ops.visible import visible
from met2net_ops.workspace import ENVIRONMENT_VARIABLE

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+\-=.!|<>$:~&])")
_FOLDERS = re.compile(r"(?<![\w./:])(?:/[^\s/:;,'\"`]+)+/(?=[^\s/])")


def without_folders(text: str) -> str:
    """A message without the server's folders: files below the workspace as they lie in it.

    >>> without_folders("cannot read /srv/desk/products/a.nc: no such file; see https://x.org/y/z")
    'cannot read a.nc: no such file; see https://x.org/y/z'
    """
    root = Path(os.environ.get(ENVIRONMENT_VARIABLE) or ".").expanduser().resolve()
    for known in {str(root), os.environ.get(ENVIRONMENT_VARIABLE) or str(root)}:
        if len(known) > 1:
            text = text.replace(f"{known}/", "").replace(known, Path(known).name)
    return _FOLDERS.sub("", text)


def told(error: Exception) -> str:
    """What went wrong, as Markdown that shows exactly this, without the server's folders."""
    return plain(without_folders(str(error)))


def plain(text: str) -> str:
    r"""Markdown that shows exactly this text, and characters that do not print as escapes.

    >>> plain("![x](http://y) $a$ :red[b]")
    '\\!\\[x\\]\\(http\\://y\\) \\$a\\$ \\:red\\[b\\]'
    >>> plain("\u202ea")
    '\\\\u202ea'
    """
    return _SPECIAL.sub(r"\\\1", visible(text, keep="\n"))
