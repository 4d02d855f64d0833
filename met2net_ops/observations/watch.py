"""A watched folder: files are imported once they are complete."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from met2net_ops.observations.store import files_in, import_each

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path
    from threading import Event

    from met2net_ops.observations.accounts import Import


def watch_folder(
    folder: Path,
    folders: Sequence[Path],
    columns: Sequence[str],
    *,
    form: str | None = None,
    received: datetime | None = None,
    places: Path | None = None,
    stop: Event | None = None,
    interval: float = 2.0,
) -> Iterator[Import]:
    """Import what is delivered, until `stop` is set; forever without it.

    A file is complete when its size and time have stayed the same between two rounds. One that
    cannot be read at all is named once in the yielded account, with its reason, and tried again
    only when it changes.

    Args:
        folder: where reports are kept: the workspace's folder of observations.
        folders: where files are delivered; hidden files are left alone.
        columns: column map for CSV.
        form: of all files; recognised from each by default.
        received: when METARs were received; a file's modification time by default.
        places: a file with the places of aerodromes, see `aerodromes.read_aerodromes`.
        stop: ends the watch.
        interval: seconds between rounds.
    """
    seen: dict[Path, tuple[int, int]] = {}
    done: dict[Path, tuple[int, int]] = {}
    while stop is None or not stop.is_set():
        for path in [file for watched in folders for file in files_in(watched)]:
            try:
                stat = path.stat()
            except FileNotFoundError:  # taken away since it was listed
                continue
            state = stat.st_size, stat.st_mtime_ns
            if seen.get(path) == state and done.get(path) != state:
                done[path] = state
                yield from import_each(
                    folder, [path], columns, form=form, received=received, places=places
                )
            seen[path] = state
        if stop is None:
            time.sleep(interval)
        else:
            stop.wait(interval)
