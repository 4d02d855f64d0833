"""Putting a finished folder in the place of an older one, with nothing in between."""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_AT_CURRENT_FOLDER, _EXCHANGE = -100, 2  # of renameat2(2)


def put_in_place(new: Path, target: Path) -> None:
    """`target` becomes `new`; what was there before, if anything, lies at `new` afterwards.

    On Linux the two change places in one step, so whoever looks finds the old folder or the new
    one. Elsewhere, and on file systems that cannot do it, there is a moment without either.

    Raises:
        OSError: the disk refuses.
    """
    if not target.exists():
        new.rename(target)
        return
    exchange = getattr(ctypes.CDLL(None), "renameat2", None)
    places = _AT_CURRENT_FOLDER, os.fsencode(new), _AT_CURRENT_FOLDER, os.fsencode(target)
    if exchange is not None and exchange(*places, _EXCHANGE) == 0:
        return
    old = new.with_name(f".old-{new.name}")
    target.rename(old)
    new.rename(target)
    old.rename(new)
