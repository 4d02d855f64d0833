"""Text as programs export it: which encoding a file is in, and what number a cell holds."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

DecimalMark = Literal[".", ",", ""]
"""What separates the fraction: a point, a comma, or not known from the file."""

_MARKS = (  # the longer marks first: that of UTF-16 begins that of UTF-32
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_LINE_END = re.compile(rb"(\r\n|\n|\r)")
_MINUS = str.maketrans(dict.fromkeys("\u2212\u2013\u2012\ufe63\uff0d", "-"))
_SPACES = " \u00a0\u2009\u202f'\u2019"  # between thousands
_PLAIN = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(\.\d*)?", re.ASCII)
_COMMA = re.compile(r"[+-]?(?:\d{1,3}(?:\.\d{3})+|\d*),\d+(?:[eE][+-]?\d{1,3})?", re.ASCII)
_SPACED = re.compile(rf"[+-]?\d{{1,3}}(?:[{_SPACES}]\d{{3}})+(?:[.,]\d*)?", re.ASCII)


def decode_text(data: bytes) -> tuple[str, tuple[str, ...]]:
    r"""The text of a file, and a note where its encoding had to be assumed.

    A byte order mark decides. Without one, text of which every other byte is null is UTF-16, and
    lines that are not UTF-8 are taken for Windows-1252, of which Latin-1 is a part.

    >>> decode_text(b"K\xf6ln\nBonn")
    ('Köln\nBonn', ('1 line is not UTF-8 and was read as Latin-1 (Windows-1252)',))
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            note = () if encoding == "utf-8" else (f"read as {encoding.upper()}",)
            return data[len(mark) :].decode(encoding, errors="replace"), note
    encoding = _wide_encoding(data)
    if encoding:
        note = (f"read as {encoding.upper()}, though it has no byte order mark",)
        return data.decode(encoding, errors="replace"), note
    try:
        return data.decode("utf-8"), ()
    except UnicodeDecodeError:
        pass
    parts, count = [], 0
    for line in _LINE_END.split(data):
        try:
            parts.append(line.decode("utf-8"))
        except UnicodeDecodeError:
            parts.append(line.decode("cp1252", errors="replace"))
            count += 1
    lines = "1 line is" if count == 1 else f"{count} lines are"
    were = "was" if count == 1 else "were"
    return "".join(parts), (f"{lines} not UTF-8 and {were} read as Latin-1 (Windows-1252)",)


def _wide_encoding(data: bytes) -> str:
    """UTF-16 by its null bytes, "" if it is not."""
    even, odd = data[0:4096:2], data[1:4096:2]
    if len(odd) < 8:
        return ""
    if odd.count(0) > 0.8 * len(odd) and even.count(0) < 0.2 * len(even):
        return "utf-16-le"
    if even.count(0) > 0.8 * len(even) and odd.count(0) < 0.2 * len(odd):
        return "utf-16-be"
    return ""


def decimal_mark(cells: Iterable[str]) -> DecimalMark:
    """What most numbers of a file separate their fraction by.

    >>> decimal_mark(["52,47", "1013,2", "48"]), decimal_mark(["52.47", "1,013.2"])
    (',', '.')
    >>> decimal_mark(["1,013", "48"])
    ''
    """
    points = commas = 0
    for cell in cells:
        text = _tidy(cell)
        grouped = _THOUSANDS.fullmatch(text)
        if grouped is not None:
            points += grouped[1] is not None
        elif _COMMA.fullmatch(text):
            commas += 1
        elif "." in text and _PLAIN.fullmatch(text):
            points += 1
    return "" if points == commas else "." if points > commas else ","


def parse_number(cell: str, mark: DecimalMark) -> float:
    """The number in a cell.

    Raises:
        ValueError: it is no number, or one that can be read in two ways.

    >>> parse_number("-5.5", "."), parse_number("1.013,2", ","), parse_number("1,013.2", ".")
    (-5.5, 1013.2, 1013.2)
    """
    text = cell.strip()
    if mark != "," and _PLAIN.fullmatch(text):  # nearly every cell
        return float(text)
    text = _tidy(text)
    if mark == "," and _COMMA.fullmatch(text):
        return float(text.replace(".", "").replace(",", "."))
    if mark == "." and _THOUSANDS.fullmatch(text):
        return float(text.replace(",", ""))
    if not _PLAIN.fullmatch(text):
        raise ValueError(f"{cell!r} is not a number")
    if mark == "," and re.fullmatch(r"[+-]?\d{1,3}\.\d{3}", text):
        raise ValueError(f"{cell!r} may be a fraction or a thousand, as others have a comma")
    return float(text)


def _tidy(cell: str) -> str:
    text = cell.strip().translate(_MINUS)
    return re.sub(f"[{_SPACES}]", "", text) if _SPACED.fullmatch(text) else text
