"""Where an archive's keys lie: a local folder, or anything fsspec reaches.

A key is written whole or not at all: locally through a temporary file, fsync and rename; an
object store's put is atomic by itself.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from filelock import FileLock

from met2net_ops.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Store(Protocol):
    """Keys with bytes behind them."""

    lock: FileLock

    def read(self, key: str) -> bytes | None:
        """The bytes of a key; None if there is no such key."""
        ...

    def write(self, key: str, data: bytes) -> None:
        """Replace a key, atomically and durably."""
        ...

    def exists(self, key: str) -> bool:
        """Whether the key is there."""
        ...

    def names(self, folder: str) -> set[str]:
        """The last parts of all keys directly under `folder`."""
        ...

    def duplicate(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Give keys a second name, without copying where that can be avoided."""
        ...

    def remove(self, keys: Iterable[str]) -> None:
        """Remove keys; absent ones are no error."""
        ...

    def sync(self) -> None:
        """Make renames and removals durable."""
        ...

    def version(self, key: str) -> object:
        """Something that changes whenever the key is replaced, or None if that cannot be told."""
        ...


class FolderStore:
    """A folder on a local (POSIX) file system."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.partial = root.with_name(f".{root.name}.partial")
        self.lock = FileLock(root.with_name(f".{root.name}.lock"))
        self._touched: set[Path] = set()

    def read(self, key: str) -> bytes | None:
        """The bytes of a key; None if there is no such key."""
        try:
            return (self.root / key).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, key: str, data: bytes) -> None:
        """Temporary file, fsync, rename; `sync` makes the rename durable."""
        target = self.root / key
        temporary = self.partial / uuid.uuid4().hex
        for folder in (self.partial, target.parent):
            folder.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(target)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise ArchiveError(
                f"cannot write {target}: {error.strerror or error}. Nothing was changed there; "
                "free space or mend permissions and run the same command again."
            ) from error
        self._touched.add(target.parent)

    def exists(self, key: str) -> bool:
        """Whether the key is there."""
        return (self.root / key).exists()

    def names(self, folder: str) -> set[str]:
        """The names in a folder."""
        try:
            return set(os.listdir(self.root / folder))  # noqa: PTH208 - names, not paths: 5x faster
        except FileNotFoundError:
            return set()

    def duplicate(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Hard links: no data is copied, and replacing one name leaves the other as it was."""
        for source, target in pairs:
            os.link(self.root / source, self.root / target)
            self._touched.add((self.root / target).parent)

    def remove(self, keys: Iterable[str]) -> None:
        """Unlink; `sync` makes it durable."""
        for key in keys:
            target = self.root / key
            target.unlink(missing_ok=True)
            if target.parent.is_dir():
                self._touched.add(target.parent)

    def sync(self) -> None:
        """Fsync every folder in which a name came or went since the last time."""
        for folder in (*self._touched, self.root):
            with _descriptor(folder) as descriptor:
                os.fsync(descriptor)
        self._touched.clear()

    def sweep(self) -> None:
        """Remove what killed writers left; call it with the lock held."""
        with contextlib.suppress(FileNotFoundError):
            for leftover in self.partial.iterdir():
                leftover.unlink(missing_ok=True)

    def version(self, key: str) -> object:
        """Inode, size and time."""
        try:
            status = (self.root / key).stat()
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_size, status.st_mtime_ns


class RemoteStore:
    """An fsspec URL. The lock holds among the processes of one machine only."""

    def __init__(self, url: str) -> None:
        import fsspec

        self._fs: Any
        try:
            self._fs, self._root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise ArchiveError(
                f"the archive {url} (archive.url in met2net.toml) cannot be opened: {error}. "
                "Set it to a path or to a URL that fsspec knows, and install the package for that "
                "kind of URL: pip install s3fs for s3://, gcsfs for gs://, adlfs for az://."
            ) from error
        name = hashlib.sha256(url.encode()).hexdigest()[:16]
        self.lock = FileLock(Path(tempfile.gettempdir()) / f"met2net-ops-{name}.lock")

    def read(self, key: str) -> bytes | None:
        """The bytes of a key; None if there is no such key."""
        try:
            return bytes(self._fs.cat_file(f"{self._root}/{key}"))
        except FileNotFoundError:
            return None

    def write(self, key: str, data: bytes) -> None:
        """One put."""
        path = f"{self._root}/{key}"
        self._fs.makedirs(self._fs._parent(path), exist_ok=True)
        self._fs.pipe_file(path, data)

    def exists(self, key: str) -> bool:
        """Whether the key is there."""
        return bool(self._fs.exists(f"{self._root}/{key}"))

    def names(self, folder: str) -> set[str]:
        """The last parts of all keys directly under `folder`."""
        self._fs.invalidate_cache()
        try:
            listing = self._fs.ls(f"{self._root}/{folder}", detail=False)
        except FileNotFoundError:
            return set()
        return {str(path).rstrip("/").rsplit("/", 1)[-1] for path in listing}

    def duplicate(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Copies made by the store itself where it can."""
        for source, target in pairs:
            self._fs.cp_file(f"{self._root}/{source}", f"{self._root}/{target}")

    def remove(self, keys: Iterable[str]) -> None:
        """Remove keys; absent ones are no error."""
        for key in keys:
            with contextlib.suppress(FileNotFoundError):
                self._fs.rm_file(f"{self._root}/{key}")

    def sync(self) -> None:
        """Puts are durable once they return."""

    def version(self, key: str) -> object:
        """Unknown: the caller reads again."""
        return None


def open_store(url: str) -> Store:
    """The store a path or URL names.

    Raises:
        ArchiveError: nothing installed knows that kind of URL.
    """
    if url.startswith("file://"):
        return FolderStore(Path(url.removeprefix("file://")))
    if "://" in url or "::" in url:
        return RemoteStore(url)
    return FolderStore(Path(url).expanduser().absolute())


@contextlib.contextmanager
def _descriptor(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
