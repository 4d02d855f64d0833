"""Files and folders that appear whole or not at all, and outlive a power cut.

Everything is written beside its place, brought to disk, and renamed; no other module renames.
"""

from __future__ import annotations

import ctypes
import os
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CURRENT_FOLDER, _RENAME_EXCHANGE = -100, 2  # of renameat2(2)


def sync(path: Path) -> None:
    """Have a file's content, or a folder's names, on the disk before going on.

    Raises:
        OSError: the disk refuses.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def place(new: Path, target: Path, *, sync_folder: bool = True) -> None:
    """Move a file, or a folder of files, to where readers look; a file replaces what is there.

    Args:
        new: finished, on the file system of the target.
        target: where it goes; a folder must not be there.
        sync_folder: bring the name to disk as well; False where `sync` of the folder follows.

    Raises:
        OSError: the disk refuses; what was there before is still there.
    """
    if new.is_dir():
        for path in new.iterdir():
            sync(path)
        sync(new)
        new.rename(target)
    else:
        sync(new)
        new.replace(target)
    if sync_folder:
        sync(target.parent)


@contextmanager
def replacing(path: Path, *, text: bool = False) -> Iterator[IO[Any]]:
    """A file to write to, which takes the place of `path` once it is whole and on disk.

    Args:
        path: where it goes; its folder must be there.
        text: whether to write text, in UTF-8 and with line ends as they are, or bytes.

    Raises:
        OSError: the disk refuses; what was there before is still there.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    mode, encoding, newline = ("w", "utf-8", "") if text else ("wb", None, None)
    try:
        with temporary.open(mode, encoding=encoding, newline=newline) as stream:
            yield stream
        place(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def exchange(new: Path, target: Path) -> None:
    """`target` becomes the folder `new`; what was there before, if anything, is at `new` then.

    On Linux the two are exchanged in one step, so a reader finds the old folder or the new one.
    Elsewhere, and on file systems that cannot exchange, there is a moment without either.

    Raises:
        OSError: the disk refuses.
    """
    if not target.exists():
        place(new, target)
        return
    for path in (*new.iterdir(), new):
        sync(path)
    in_one_step = getattr(ctypes.CDLL(None), "renameat2", None)
    paths = _CURRENT_FOLDER, os.fsencode(new), _CURRENT_FOLDER, os.fsencode(target)
    if in_one_step is None or in_one_step(*paths, _RENAME_EXCHANGE) != 0:
        old = new.with_name(f".old-{new.name}")
        target.rename(old)
        new.rename(target)
        old.rename(new)
    for folder in (target.parent, new.parent):
        sync(folder)
