"""Read the wanted variables of a GRIB file, one decoded field at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from met2net_ops.grib.records import (
    Damage,
    Inventory,
    Kind,
    MessageRecord,
    Outcome,
    SourceField,
    SourceGrid,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

__all__ = [
    "Damage",
    "Inventory",
    "Kind",
    "MessageRecord",
    "Outcome",
    "SourceField",
    "SourceGrid",
    "Verdict",
    "read_fields",
]


def read_fields(
    path: Path,
    wanted: Collection[str],
    *,
    inventory: Inventory | None = None,
    skip: Callable[[MessageRecord], str | None] | None = None,
) -> Iterator[SourceField | Verdict]:
    """Decode the wanted variables of a file.

    Yields decoded fields and verdicts mixed. Every field of the file, and every damaged byte
    range, gets exactly one `Verdict`, so their number is `len(inventory.records) +
    len(inventory.damage)`. A `SourceField` comes before the verdicts of the messages it used.
    At most a handful of fields (the inputs of one derivation) are in memory at a time, plus the
    geometry of each distinct grid. Nothing is decided about which of several fields of one
    variable and valid time wins: all are yielded.

    Args:
        path: the file.
        wanted: canonical variable names.
        inventory: of this very file, where it was already made.
        skip: looks at a record before anything is decoded and says why it is not wanted, or None.

    Raises:
        IngestError: the file cannot be opened or read at all.
        UnknownVariableError: a wanted name is no variable.
    """
    raise NotImplementedError
