"""Any file of station reports: what form it has, and its reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from met2net_ops.observations.bulletins import looks_like_bulletin
from met2net_ops.observations.report import ObservationError, Reading
from met2net_ops.observations.table import parse_columns, read_table
from met2net_ops.observations.text import decode_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

_TABLES = (".csv", ".tsv")
_BINARY = (".bufr", ".bfr", ".buf")
_HEAD = 8192  # bytes by which a file is recognised
_LINES = 20


def detect_form(path: Path) -> str:
    """What a file holds: by its first bytes, then its name.

    Raises:
        ObservationError: it looks like none of the three.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if b"BUFR" in head or path.suffix.lower() in _BINARY:
        return "bufr"
    if path.suffix.lower() in _TABLES:
        return "csv"
    text, _ = decode_text(head)
    if looks_like_bulletin(text):
        return "metar"
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if any(separator in line for line in lines[:_LINES] for separator in ",;\t"):
        return "csv"
    if "Z " in text:
        return "metar"
    raise ObservationError(
        f"{path} looks neither like BUFR nor CSV nor METAR; name the form with --form"
    )


def read_file(
    path: Path,
    columns: Sequence[str],
    form: str | None = None,
    received: datetime | None = None,
    places: Path | None = None,
) -> Reading:
    """Read any file of observations.

    Args:
        path: the file.
        columns: column map for CSV, see `table.parse_columns`.
        form: "bufr", "metar" or "csv"; recognised from the file by default.
        received: when METARs were received; the file's modification time by default.
        places: a file with the places of aerodromes, see `aerodromes.read_aerodromes`.

    Raises:
        ObservationError: unreadable, unknown form, or CSV that does not fit the map.
    """
    try:
        match form or detect_form(path):
            case "bufr":
                from met2net_ops.observations.bufr import read_bufr

                return read_bufr(path)
            case "metar":
                from met2net_ops.observations.metar import read_metar

                return read_metar(path, received, places)
            case "csv":
                return read_table(path, parse_columns(columns))
            case other:
                raise ObservationError(f"no form {other!r}; known are bufr, metar, csv")
    except OSError as error:
        raise ObservationError(f"cannot read {path}: {error}") from error
