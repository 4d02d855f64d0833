"""Files of rows and cells: where the header is, what separates cells, which lines are comments."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from met2net_ops.observations.report import ObservationError, RefusedRecordError
from met2net_ops.observations.text import decode_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_SEPARATORS = ",;\t|"
_PREAMBLE = 100  # lines in which the header is looked for
_MOST_SHOWN = 200  # characters of a header


@dataclass(frozen=True)
class Delimited:
    """A file of rows and cells.

    Attributes:
        header: the names of the columns, without empty ones at the end.
        separator: what separates cells.
        lines: the lines below the header that hold something, without comments.
        notes: what had to be assumed to read it.
    """

    header: tuple[str, ...]
    separator: str
    lines: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def places(self, name: str) -> list[int]:
        """Where the columns of a name are; upper and lower case count as equal if need be.

        >>> Delimited(("T", "t", "LAT"), ",", ()).places("t")
        [1]
        >>> Delimited(("T", "t", "LAT"), ",", ()).places("lat")
        [2]
        """
        return _places(self.header, name)

    def cells(self, line: str) -> list[str]:
        """The cells of a line, as many as the header has; empty ones beyond it do not count.

        Raises:
            RefusedRecordError: it has more or fewer cells, or cannot be split.
        """
        cells = _split(line, self.separator)
        width = len(self.header)
        if len(cells) < width or any(cell.strip() for cell in cells[width:]):
            raise RefusedRecordError(f"line has {len(cells)} cells, the header {width}")
        return cells[:width]


def read_delimited(path: Path, needed: Sequence[str], remedy: str) -> Delimited:
    """Read a file whose header is the first line with all needed columns.

    Lines that begin with # are comments, but the header may be one of them. Cells are separated by
    commas, semicolons, tabs or bars, whichever gives the columns.

    Args:
        path: the file.
        needed: names of columns.
        remedy: what to do where they are not found, for the message.

    Raises:
        ObservationError: no such header.
        OSError: the file cannot be read.
    """
    text, notes = decode_text(path.read_bytes())
    lines = re.split(r"\r\n|\n|\r", text)
    for at, line in enumerate(lines[:_PREAMBLE]):
        for separator in _SEPARATORS:
            header = _header(line, separator)
            if all(_places(header, name) for name in needed):
                rest = (other for other in lines[at + 1 :] if not other.startswith("#"))
                kept = tuple(other for other in rest if other.strip(f" \t\ufeff{separator}"))
                return Delimited(header, separator, kept, notes)
    first = next((line for line in lines if line.strip() and not line.startswith("#")), "")
    header = _header(first, max(_SEPARATORS, key=first.count))
    lacking = [name for name in needed if not _places(header, name)]
    raise ObservationError(
        f"{path} has no column {', '.join(lacking)}; its header is {_shown(header)}. {remedy}"
    )


def _header(line: str, separator: str) -> tuple[str, ...]:
    """The names in a header, without empty ones at the end.

    >>> _header("# id;lat;", ";")
    ('id', 'lat')
    """
    try:
        names = [" ".join(cell.split()) for cell in _split(line.lstrip("#\ufeff "), separator)]
    except RefusedRecordError:
        return ()
    while names and not names[-1]:
        names.pop()
    return tuple(names)


def _places(header: Sequence[str], name: str) -> list[int]:
    exact = [at for at, found in enumerate(header) if found == name]
    return exact or [at for at, found in enumerate(header) if found.casefold() == name.casefold()]


def _shown(header: Sequence[str]) -> str:
    """A header in an error: of a file that is no table it may be anything.

    >>> _shown(["a", "b"]), _shown([])
    ("'a, b'", 'empty')
    """
    text = ", ".join(header)
    return repr(text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…") if text else "empty"


def _split(line: str, separator: str) -> list[str]:
    """The cells of one line, which is a record: reports hold no line breaks.

    >>> _split('A,"Oslo, port",270.5', ",")
    ['A', 'Oslo, port', '270.5']
    """
    try:
        return next(csv.reader([line.replace("\0", "\ufffd")], delimiter=separator), [])
    except csv.Error as error:
        raise RefusedRecordError(f"line cannot be split into cells: {error}") from error
