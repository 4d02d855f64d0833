"""Another user, for tests that root runs: one who may do nothing by himself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534


@contextmanager
def as_nobody(within: Path) -> Iterator[None]:
    """Act as that user in the block; the folders that `within` lies in let him through."""
    for folder in (within, *within.parents):
        mode = folder.stat().st_mode
        if mode & 0o011 != 0o011:  # he keeps root's group
            folder.chmod(mode | 0o055)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
