"""Permissions of files that may hold secrets or show what happens; the umask still applies."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def owner_only(path: str, flags: int) -> int:
    """Opener for `open`: a file it makes can be read by its owner alone (0600)."""
    return os.open(path, flags, 0o600)


def owner_and_group(path: str, flags: int) -> int:
    """Opener for `open`: a file it makes can be read by its owner and group (0640)."""
    return os.open(path, flags, 0o640)


def readers(file: Path) -> str:
    """Who may read a file besides its owner: "everyone", "its group", or ""."""
    mode = file.stat().st_mode
    if mode & stat.S_IROTH:
        return "everyone"
    return "its group" if mode & stat.S_IRGRP else ""
