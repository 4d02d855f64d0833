"""Text from files, as it may be shown in a terminal, a log or a page."""

from __future__ import annotations

import unicodedata


def literal(text: str) -> str:
    r"""The text with control characters written as escapes; line feeds and tabs stay.

    A model's card or a tensor's name may come from anyone, and an escape sequence in it must not
    reach the terminal.

    >>> print(literal("a\x1b[31mb\u202ec"))
    a\x1b[31mb\u202ec
    """
    return "".join(letter if _visible(letter) else ascii(letter)[1:-1] for letter in text)


def _visible(letter: str) -> bool:
    return letter.isprintable() or letter in "\n\t" or unicodedata.category(letter) == "Zs"
