"""Which files to read, and when each of them is complete."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from met2net_ops.errors import IngestError
from met2net_ops.settings import FeedSettings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from met2net_ops.settings import Settings
    from met2net_ops.workspace import Workspace

# What others leave beside GRIB files: downloads in progress, index sidecars, checksums.
_NOT_DATA = (".tmp", ".part", ".partial", ".filepart", ".crdownload", ".idx", ".md5", ".sha256")

_SQLITE_ENDS = ("", "-wal", "-shm", "-journal")  # a database and what SQLite lays beside it


@dataclass(frozen=True, slots=True)
class Offer:
    """A file that may be read, and the rules of the feed it lies in."""

    path: Path
    feed: FeedSettings


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
            return f"it cannot be looked at: {error.strerror or error}"
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


def feed_folders(workspace: Workspace, settings: Settings) -> dict[Path, FeedSettings]:
    """The configured feeds by their absolute folder."""
    return {(workspace.root / feed.path).resolve(): feed for feed in settings.feeds}


def missing_feeds(workspace: Workspace, settings: Settings) -> dict[Path, FeedSettings]:
    """The configured feeds that are not there, by their absolute folder."""
    feeds = feed_folders(workspace, settings)
    return {folder: feed for folder, feed in feeds.items() if not folder.exists()}


def find_files(workspace: Workspace, settings: Settings, paths: Sequence[Path]) -> list[Offer]:
    """The files under `paths`, or in all feeds if there are none, sorted by path.

    A folder is searched with the pattern of the feed it belongs to, but never where the workspace
    keeps files of its own; a file named as such is taken whatever it is called. A feed that is not
    there has no files.

    Raises:
        IngestError: a path does not exist, or is neither file nor folder, or a folder of the
            workspace's own; or there is neither path nor feed.
    """
    feeds = feed_folders(workspace, settings)
    if not paths and not feeds:
        raise IngestError(
            "nothing to read: name files or folders, or configure [[feeds]] in met2net.toml"
        )
    found: dict[Path, Offer] = {}
    own = _own_places(workspace, settings)
    for path in paths or list(feeds):
        given = path.expanduser().resolve()
        feed = _feed_of(given, feeds)
        if given.is_dir():
            if _within(given, own):
                raise IngestError(
                    f"{path} belongs to the workspace itself; name the file you mean, or the "
                    "folder into which files are delivered"
                )
            inner = [place for place in own if place.is_relative_to(given)]
            for file in _search(given, feed):
                if not _within(file, inner):
                    found[file] = Offer(file, feed)
        elif given.is_file():
            found[given] = Offer(given, feed)
        elif given.exists():
            raise IngestError(f"{path} is no regular file or folder; name one that is")
        elif given not in feeds:
            raise IngestError(f"{path} does not exist; check the path and run it again")
    return [found[path] for path in sorted(found)]


def _own_places(workspace: Workspace, settings: Settings) -> list[Path]:
    """Files and folders in which the workspace keeps what it makes, symbolic links followed too."""
    places = [*workspace.folders, workspace.archive, workspace.cache, workspace.settings_file]
    for database in (workspace.catalog, workspace.ledger):
        places += [database.with_name(database.name + end) for end in _SQLITE_ENDS]
    if settings.archive.url and "://" not in settings.archive.url:
        places.append(Path(settings.archive.url).absolute())
    return list(dict.fromkeys([*places, *(place.resolve() for place in places)]))


def _within(path: Path, places: Sequence[Path]) -> bool:
    return any(path.is_relative_to(place) for place in places)


def _feed_of(path: Path, feeds: dict[Path, FeedSettings]) -> FeedSettings:
    for folder in (path, *path.parents):
        if folder in feeds:
            return feeds[folder]
    return FeedSettings(name="", path=str(path))


def _search(folder: Path, feed: FeedSettings) -> Iterator[Path]:
    ignored = (*_NOT_DATA, feed.done_marker) if feed.done_marker else _NOT_DATA
    for path in folder.rglob(feed.pattern):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and not path.name.endswith(ignored) and path.is_file():
            yield path
