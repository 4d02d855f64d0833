"""Watching that files are brought to disk before they are put in their place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def watch_renames(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of files renamed from now on whose bytes had not been synced."""
    synced: set[str] = set()
    unsynced: list[str] = []
    sync, replace = os.fsync, Path.replace

    def watched_sync(descriptor: int) -> None:
        synced.add(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        sync(descriptor)

    def watched_replace(self: Path, target: Path) -> Path:
        if str(self) not in synced:
            unsynced.append(target.name)
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", watched_sync)
    monkeypatch.setattr(Path, "replace", watched_replace)
    return unsynced
