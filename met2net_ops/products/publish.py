"""Putting a file in its place whole or not at all.

A claim locks the destination against other processes, clears what killed ones left behind, hands
out a temporary path in the same folder, and either moves the finished file into place or removes
it. Whoever lists the folder sees the old file or the new one, never a part.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from met2net_ops.durable import place, sync
from met2net_ops.errors import ProductError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LOOK_AGAIN = 0.05  # seconds between looks at a claim somebody else holds


class Claim:
    """The right to put one file in place; made by `claim`."""

    def __init__(self, destination: Path) -> None:
        self.destination = destination
        self.temporary = destination.with_name(f".{destination.name}.{os.getpid()}.tmp")

    def place(self, destination: Path) -> None:
        """Move the finished temporary file to `destination`, in the same folder.

        Raises:
            OSError: the disk refused; what was there before is still there.
        """
        place(self.temporary, destination)


@contextmanager
def claim(destination: Path, wait: float = 0.0) -> Iterator[Claim]:
    """Lock `destination`, and leave nothing but finished files when done.

    Args:
        destination: the file.
        wait: seconds to wait for another process that holds it.

    Raises:
        ProductError: another process holds it, or its folder cannot be made or written.
    """
    try:
        _make_folder(destination.parent)
        lock = _lock(destination, time.monotonic() + wait)
    except OSError as error:
        raise explained(error, destination) from error
    held = Claim(destination)
    try:
        for stale in leftovers(destination):
            discard(stale)
        yield held
    finally:
        try:
            discard(held.temporary)
        finally:
            _lock_path(destination).unlink(missing_ok=True)
            os.close(lock)


def leftovers(destination: Path) -> list[Path]:
    """Temporary files of this destination: debris, unless someone holds its claim."""
    # Not a glob: model names may hold characters that mean something there.
    start, end = f".{destination.name}.", ".tmp"
    return [
        path
        for path in destination.parent.iterdir()
        if path.name.startswith(start) and path.name.endswith(end)
    ]


def discard(path: Path) -> None:
    """Remove a temporary file, if there is one, and free its blocks at once."""
    with suppress(FileNotFoundError):
        # After a failed close HDF5 keeps the file open: unlinking alone would not free the disk.
        os.truncate(path, 0)
        path.unlink()


def explained(error: Exception, path: Path) -> ProductError:
    """An error of the disk or of the NetCDF library in words, with what to do about it."""
    if isinstance(error, ProductError):
        return error
    folder = path.parent
    while not folder.is_dir():
        folder = folder.parent
    # Below a megabyte nothing useful can be written; the library only says "HDF error" then.
    free = shutil.disk_usage(folder).free
    if free < 1_000_000 or "No space left" in str(error):
        return ProductError(
            f"cannot write {path}: the disk is full ({free / 1e6:.1f} MB free); make room and "
            "run the cycle again. Nothing was left behind, an earlier product is untouched."
        )
    return ProductError(
        f"cannot write {path}: {error} ({free / 1e6:.0f} MB free); check permissions, quota and "
        "disk, and run the cycle again. An earlier product is untouched."
    )


def _lock_path(destination: Path) -> Path:
    return destination.with_name(f".{destination.name}.lock")


def _lock(destination: Path, deadline: float) -> int:
    path = _lock_path(destination)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The holder before us removes the file when done: what we locked must still be it.
            if path.exists() and path.stat().st_ino == os.fstat(descriptor).st_ino:
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            if time.monotonic() < deadline:
                time.sleep(_LOOK_AGAIN)
                continue
            raise ProductError(
                f"another process is writing {destination} at this moment; wait for it to end"
            ) from None
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _make_folder(folder: Path) -> None:
    """Make a folder and its parents so that a power cut cannot lose them."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync(folder.parent)
