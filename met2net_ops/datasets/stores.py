"""Zarr stores, near and far, that count what is read and note which chunks are not there."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zarr.storage import LocalStore, WrapperStore

from met2net_ops.errors import DatasetError

if TYPE_CHECKING:
    from zarr.abc.store import ByteRequest, Store
    from zarr.core.buffer import Buffer, BufferPrototype

SCHEMES = ("http://", "https://", "s3://", "gs://")
_METADATA = ("zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata")
_PATIENCE = timedelta(minutes=2)  # with a host that refuses or resets, as obstore waits and retries
_WAITS = (0.5, 2.0, 8.0, None)  # seconds before a body is asked for again
_TIMEOUT = timedelta(seconds=60)  # of one request


@dataclass
class Traffic:
    """What has come from a store.

    Attributes:
        bytes: of chunks and shard indices; metadata are not counted.
        requests: for them.
        absent: keys of chunks that were asked for and are not there.
    """

    bytes: int = 0
    requests: int = 0
    absent: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, key: str, size: int | None) -> None:
        """A request was answered with so many bytes, or by None with nothing."""
        if key.endswith(_METADATA):
            return
        with self._lock:
            self.requests += 1
            if size is None:
                self.absent.add(key)
            else:
                self.bytes += size


class WatchedStore(WrapperStore["Store"]):
    """A store whose traffic is counted."""

    def __init__(self, store: Store, traffic: Traffic | None = None) -> None:
        super().__init__(store)
        self.traffic = traffic or Traffic()

    def _with_store(self, store: Store) -> WatchedStore:
        return WatchedStore(store, self.traffic)

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """As the store within, counted; a body that breaks off is asked for again.

        obstore retries whatever fails before the body comes.
        """
        for wait in _WAITS:
            try:
                found = await super().get(key, prototype, byte_range)
                break
            except Exception as error:
                if not is_of_the_host(error) or wait is None:
                    raise
                await asyncio.sleep(wait)
        self.traffic.note(key, None if found is None else len(found))
        return found

    async def getsize(self, key: str) -> int:
        """Bytes of a chunk, without reading it where the host can say."""
        return await self._store.getsize(key)


def is_of_the_host(error: Exception) -> bool:
    """Whether an error is the host's or the network's, and not the data's."""
    return type(error).__module__.startswith("obstore") or isinstance(error, OSError)


def is_remote(location: str) -> bool:
    """Whether a location is a URL of a store and not a path."""
    return location.startswith(SCHEMES)


def open_store(location: str, region: str = "us-east-1") -> WatchedStore:
    """A store to read, over the network by obstore, which retries what may pass.

    Args:
        location: a folder, or an http, https, s3 or gs address. Public buckets need no key; where
            AWS_ACCESS_KEY_ID or GOOGLE_APPLICATION_CREDENTIALS is set it is used.
        region: of an S3 bucket.

    Raises:
        DatasetError: no such folder, or obstore is not installed.
    """
    if not is_remote(location):
        folder = Path(location).expanduser()
        if not folder.is_dir():
            raise DatasetError(f"there is no Zarr store at {location}")
        return WatchedStore(LocalStore(folder, read_only=True))
    try:
        from zarr.storage import ObjectStore
    except ImportError as error:
        raise _no_obstore(location) from error
    return WatchedStore(ObjectStore(_object_store(location, region), read_only=True))


def _object_store(location: str, region: str) -> Any:
    import os

    try:
        from obstore.store import from_url
    except ImportError as error:
        raise _no_obstore(location) from error
    options: dict[str, Any] = {
        "client_options": {"allow_http": True, "timeout": _TIMEOUT},
        "retry_config": {"max_retries": 8, "retry_timeout": _PATIENCE},
    }
    if location.startswith("s3://"):
        keyless = not os.environ.get("AWS_ACCESS_KEY_ID")
        options |= {"region": region, "skip_signature": keyless}
    elif location.startswith("gs://"):
        options["skip_signature"] = not os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    return from_url(location.rstrip("/"), **options)


def _no_obstore(location: str) -> DatasetError:
    return DatasetError(
        f"{location} needs obstore, which is not installed: pip install 'met2net-ops[datasets]'"
    )
