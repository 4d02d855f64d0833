"""Which files to read, and when each of them is complete."""

from __future__ import annotations

import os
import time
from collections import deque
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from met2net_ops.archive.store import is_url
from met2net_ops.errors import IngestError
from met2net_ops.settings import FeedSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from met2net_ops.workspace import Workspace

# What others leave beside GRIB files: downloads in progress, index sidecars, checksums.
_NOT_DATA = (".tmp", ".part", ".partial", ".filepart", ".crdownload", ".idx", ".md5", ".sha256")

_SQLITE_ENDS = ("", "-wal", "-shm", "-journal")  # a database and what SQLite lays beside it


@dataclass(frozen=True, slots=True)
class Offer:
    """A file that may be read, and the rules of the feed it lies in."""

    path: Path
    feed: FeedSettings


@dataclass(frozen=True, slots=True)
class Found:
    """What there is to read.

    Attributes:
        offers: files, sorted by path.
        unreadable: folders that cannot be read, and why.
    """

    offers: list[Offer]
    unreadable: dict[Path, str]


class Completeness:
    """Says whether files have been delivered to the end; remembers what it saw before."""

    def __init__(self) -> None:
        self._seen: dict[Path, tuple[int, int, float]] = {}

    def why_not(self, offer: Offer) -> str:
        """Why a file is not to be read yet, or "".

        With a done-marker configured, its presence decides. Otherwise size and modification time
        must have stayed the same for the feed's `settle_seconds`: by the clock, or where clocks
        differ, by two looks that far apart.
        """
        marker = offer.feed.done_marker
        if marker:
            beside = offer.path.with_name(offer.path.name + marker)
            return "" if beside.exists() else f"there is no {beside.name} beside it yet"
        try:
            status = offer.path.stat()
        except OSError as error:
            return f"its state cannot be read: {error.strerror or error}"
        now = time.monotonic()
        size, mtime_ns, since = self._seen.get(offer.path, (-1, -1, now))
        if (size, mtime_ns) != (status.st_size, status.st_mtime_ns):
            since = now
        self._seen[offer.path] = (status.st_size, status.st_mtime_ns, since)
        settle = offer.feed.settle_seconds
        if time.time() - status.st_mtime >= settle or now - since >= settle:
            del self._seen[offer.path]
            return ""
        return f"it was written to less than {settle:g} s ago"

    @property
    def unsettled(self) -> bool:
        """Whether some file seen may become complete just by time passing."""
        return bool(self._seen)

    def keep_only(self, offers: Collection[Offer]) -> None:
        """Forget files that are no longer offered."""
        paths = {offer.path for offer in offers}
        self._seen = {path: look for path, look in self._seen.items() if path in paths}


def feed_folders(workspace: Workspace) -> dict[Path, FeedSettings]:
    """The configured feeds by their absolute folder."""
    return {(workspace.root / feed.path).resolve(): feed for feed in workspace.settings.feeds}


def missing_feeds(workspace: Workspace) -> dict[Path, FeedSettings]:
    """The configured feeds that are not there, by their absolute folder."""
    feeds = feed_folders(workspace)
    return {
        folder: feed
        for folder, feed in feeds.items()
        if feed.source is None and not folder.exists()
    }


def find_files(workspace: Workspace, paths: Sequence[Path]) -> Found:
    """The files under `paths`, or in all feeds if there are none.

    A folder is searched with the pattern of the feed it belongs to, links to folders followed, but
    never where the workspace keeps files of its own; a file named as such is taken whatever it is
    called. A feed that is not there has no files.

    Raises:
        IngestError: a path does not exist, or is neither file nor folder, or a folder of the
            workspace's own; or there is neither path nor feed.
    """
    feeds = feed_folders(workspace)
    if not paths and not feeds:
        raise IngestError(
            "nothing to read: name files or folders, or configure [[feeds]] in met2net.toml"
        )
    found: dict[Path, Offer] = {}
    unreadable: dict[Path, str] = {}
    own = _own_places(workspace)
    for path in paths or list(feeds):
        given = path.expanduser().resolve()
        feed = _feed_of(given, feeds)
        if given.is_dir():
            if _within(given, own):
                raise IngestError(
                    f"{path} belongs to the workspace itself; name the file you mean, or the "
                    "folder into which files are delivered"
                )
            for file in _search(given, feed, own, unreadable):
                found[file] = Offer(file, feed)
        elif given.is_file():
            found[given] = Offer(given, feed)
        elif given.exists():
            raise IngestError(f"{path} is no regular file or folder; name one that is")
        elif given not in feeds:
            raise IngestError(f"{path} does not exist; check the path and run it again")
    return Found([found[path] for path in sorted(found)], unreadable)


def _own_places(workspace: Workspace) -> list[Path]:
    """Files and folders in which the workspace keeps what it makes, symbolic links followed too."""
    places = [
        *workspace.paths.folders,
        workspace.paths.archive,
        workspace.paths.cache,
        workspace.paths.settings_file,
    ]
    for database in (workspace.paths.catalog, workspace.paths.ledger):
        places += [database.with_name(database.name + end) for end in _SQLITE_ENDS]
    if not is_url(url := workspace.archive_url):
        places.append(Path(url))
    return list(dict.fromkeys([*places, *(place.resolve() for place in places)]))


def _within(path: Path, places: Sequence[Path]) -> bool:
    return any(path.is_relative_to(place) for place in places)


def _feed_of(path: Path, feeds: dict[Path, FeedSettings]) -> FeedSettings:
    for folder in (path, *path.parents):
        if folder in feeds:
            return feeds[folder]
    return FeedSettings(name="", path=str(path))


def _search(
    folder: Path, feed: FeedSettings, own: Sequence[Path], unreadable: dict[Path, str]
) -> Iterator[Path]:
    ignored = (*_NOT_DATA, feed.done_marker) if feed.done_marker else _NOT_DATA
    pattern = ("**", *PurePath(feed.pattern).parts)
    for entry in _entries(folder, own, unreadable):
        path = Path(entry.path)
        if (
            not entry.name.endswith(ignored)
            and _fits(path.relative_to(folder).parts, pattern)
            and not _within(path, own)
            and _is(entry.is_file)
        ):
            yield path


def _entries(
    folder: Path, own: Sequence[Path], unreadable: dict[Path, str]
) -> Iterator[os.DirEntry[str]]:
    """All that is in a folder and below and is neither hidden nor a folder.

    Links to folders are followed; a folder that can be reached in several ways is read once.
    """
    seen: set[tuple[int, int]] = set()
    folders, links = deque([folder]), deque[Path]()
    while folders or links:  # links last: what lies below the folder itself keeps its own path
        here = folders.popleft() if folders else links.popleft()
        try:
            status = here.stat()
            if (status.st_dev, status.st_ino) in seen or _within(here.resolve(), own):
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(here) as listing:
                entries = list(listing)
        except OSError as error:
            unreadable[here] = error.strerror or str(error)
            continue
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if _is(entry.is_dir):
                (links if entry.is_symlink() else folders).append(Path(entry.path))
            else:
                yield entry


def _is(kind: Callable[[], bool]) -> bool:
    try:
        return kind()
    except OSError:  # a link in a circle, or to where one may not look
        return False


def _fits(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether a path fits a pattern in which `**` stands for any number of folders.

    >>> _fits(("a", "b", "c.grib"), ("**", "b", "*.grib")), _fits(("a", "c.grib"), ("*.grib",))
    (True, False)
    """
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_fits(parts[begin:], pattern[1:]) for begin in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _fits(parts[1:], pattern[1:])
