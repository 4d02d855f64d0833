"""Where an archive's keys lie: a local folder, or anything fsspec reaches.

A key is written whole or not at all: locally through a temporary file, fsync and rename; an
object store's put is atomic by itself.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from filelock import FileLock, Timeout

from met2net_ops.durable import place
from met2net_ops.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PATIENCE_S = 900.0  # growing backward over decades of frames takes minutes


class Store(Protocol):
    """Keys with bytes behind them."""

    lock: WriteLock

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


class WriteLock:
    """Held by one writer at a time; who holds it may take it again inside."""

    def __init__(self, path: Path, patience: float = _PATIENCE_S) -> None:
        self._path = path
        self._lock = FileLock(path, timeout=patience)

    def __enter__(self) -> None:
        try:
            self._lock.acquire()
        except Timeout as error:
            raise ArchiveError(
                f"{self._path} is held by another process, longer than any write takes; end that "
                "process (`fuser` names it) and run the same command again"
            ) from error
        except OSError as error:
            raise _cannot("lock", self._path, error) from error

    def __exit__(self, *_: object) -> None:
        self._lock.release()


class FolderStore:
    """A folder on a local (POSIX) file system.

    Whatever the system refuses is raised as ArchiveError that names the file.
    """

    def __init__(self, root: Path, patience: float = _PATIENCE_S) -> None:
        self.root = root
        self.partial = root.with_name(f".{root.name}.partial")
        self.lock = WriteLock(root.with_name(f".{root.name}.lock"), patience)
        self._touched: set[Path] = set()

    def read(self, key: str) -> bytes | None:
        """The bytes of a key; None if there is no such key."""
        try:
            return (self.root / key).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _cannot("read", self.root / key, error) from error

    def make(self) -> None:
        """Make the folder in which the archive is to lie."""
        try:
            self.root.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _cannot("make", self.root.parent, error) from error

    def write(self, key: str, data: bytes) -> None:
        """Temporary file, fsync, rename; `sync` makes the rename durable."""
        target = self.root / key
        temporary = self.partial / uuid.uuid4().hex
        try:
            for folder in (self.partial, target.parent):
                folder.mkdir(parents=True, exist_ok=True)
            try:
                temporary.write_bytes(data)
                place(temporary, target, sync_folder=False)
            except OSError:
                temporary.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise _cannot("write", target, error) from error
        self._touched.add(target.parent)

    def exists(self, key: str) -> bool:
        """Whether the key is there."""
        try:
            return (self.root / key).exists()
        except OSError as error:
            raise _cannot("look at", self.root / key, error) from error

    def names(self, folder: str) -> set[str]:
        """The names in a folder."""
        try:
            return set(os.listdir(self.root / folder))  # noqa: PTH208 - names, not paths: 5x faster
        except FileNotFoundError:
            return set()
        except OSError as error:
            raise _cannot("look into", self.root / folder, error) from error

    def duplicate(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Hard links: no data is copied, and replacing one name leaves the other as it was.

        Where the file system has no links, or not for this user, copies do the same.
        """
        for source, target in pairs:
            try:
                os.link(self.root / source, self.root / target)
            except OSError:
                data = self.read(source)
                if data is not None:
                    self.write(target, data)
            self._touched.add((self.root / target).parent)

    def remove(self, keys: Iterable[str]) -> None:
        """Unlink; `sync` makes it durable."""
        for key in keys:
            target = self.root / key
            try:
                target.unlink(missing_ok=True)
            except OSError as error:
                raise _cannot("remove", target, error) from error
            if target.parent.is_dir():
                self._touched.add(target.parent)

    def sync(self) -> None:
        """Fsync every folder in which a name came or went since the last time."""
        for folder in (*self._touched, self.root):
            try:
                with _descriptor(folder) as descriptor:
                    os.fsync(descriptor)
            except OSError as error:
                raise _cannot("sync", folder, error) from error
        self._touched.clear()

    def sweep(self) -> None:
        """Remove what killed writers left; call it with the lock held."""
        try:
            for leftover in self.partial.iterdir():
                leftover.unlink(missing_ok=True)
        except FileNotFoundError:
            return
        except OSError as error:
            raise _cannot("clear", self.partial, error) from error

    def version(self, key: str) -> object:
        """Inode, size and time."""
        try:
            status = (self.root / key).stat()
        except OSError:  # `read` says what is wrong
            return None
        return status.st_ino, status.st_size, status.st_mtime_ns


class RemoteStore:
    """An fsspec URL. The lock holds among the processes of one machine only."""

    def __init__(self, url: str) -> None:
        import fsspec

        self._fs: Any
        self._shown = _without_password(url)
        try:
            with self._asked("open", ""):
                self._fs, self._root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise ArchiveError(
                f"the archive {self._shown} (archive.url in met2net.toml) cannot be opened: "
                f"{error}. Set it to a path or to a URL that fsspec knows, and install the package "
                "for that kind of URL: pip install s3fs for s3://, gcsfs for gs://, adlfs for az://."
            ) from error
        name = hashlib.sha256(url.encode()).hexdigest()[:16]
        self.lock = WriteLock(Path(tempfile.gettempdir()) / f"met2net-ops-{name}.lock")

    def read(self, key: str) -> bytes | None:
        """The bytes of a key; None if there is no such key."""
        with self._asked("read", key):
            try:
                return bytes(self._fs.cat_file(f"{self._root}/{key}"))
            except FileNotFoundError:
                return None

    def write(self, key: str, data: bytes) -> None:
        """One put."""
        path = f"{self._root}/{key}"
        with self._asked("write", key):
            self._fs.makedirs(self._fs._parent(path), exist_ok=True)
            self._fs.pipe_file(path, data)

    def exists(self, key: str) -> bool:
        """Whether the key is there."""
        with self._asked("look at", key):
            return bool(self._fs.exists(f"{self._root}/{key}"))

    def names(self, folder: str) -> set[str]:
        """The last parts of all keys directly under `folder`."""
        with self._asked("look into", folder):
            self._fs.invalidate_cache()
            try:
                listing = self._fs.ls(f"{self._root}/{folder}", detail=False)
            except FileNotFoundError:
                return set()
        return {str(path).rstrip("/").rsplit("/", 1)[-1] for path in listing}

    def duplicate(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Copies made by the store itself where it can."""
        for source, target in pairs:
            with self._asked("copy", source):
                self._fs.cp_file(f"{self._root}/{source}", f"{self._root}/{target}")

    def remove(self, keys: Iterable[str]) -> None:
        """Remove keys; absent ones are no error."""
        for key in keys:
            with self._asked("remove", key), contextlib.suppress(FileNotFoundError):
                self._fs.rm_file(f"{self._root}/{key}")

    def sync(self) -> None:
        """Puts are durable once they return."""

    def version(self, key: str) -> object:
        """Unknown: the caller reads again."""
        return None

    @contextlib.contextmanager
    def _asked(self, what: str, key: str) -> Iterator[None]:
        try:
            yield
        except (ImportError, ValueError):
            raise  # no matter of the network
        except Exception as error:  # each kind of store has exceptions of its own
            place = f"{self._root}/{key}" if key else "the archive"
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise ArchiveError(
                f"cannot {what} {place}: {reason} (archive {self._shown}). Check that the network, "
                "the address (archive.url in met2net.toml) and the credentials are right, and run "
                "the same command again."
            ) from error


def _without_password(url: str) -> str:
    """A URL for messages.

    >>> _without_password("https://desk:secret@store.example.org/a")
    'https://desk:…@store.example.org/a'
    """
    return re.sub(r"(?<=://)([^/@:]*):[^/@]*@", r"\1:…@", url)


def is_url(text: str) -> bool:
    """Whether it is a URL, and no path."""
    return "://" in text or "::" in text


def open_store(url: str) -> Store:
    """The store a path or URL names.

    Raises:
        ArchiveError: nothing installed knows that kind of URL.
    """
    if url.startswith("file://"):
        return FolderStore(Path(url.removeprefix("file://")))
    if is_url(url):
        return RemoteStore(url)
    return FolderStore(Path(url).expanduser().absolute())


@contextlib.contextmanager
def _descriptor(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _cannot(what: str, path: Path | str, error: OSError) -> ArchiveError:
    return ArchiveError(
        f"cannot {what} {path}: {error.strerror or error}. Nothing was changed there; free space, "
        "correct permissions or move what is in the way, and run the same command again."
    )
