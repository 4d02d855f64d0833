"""What goes between the ingest and its decoding child processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections import Counter
    from datetime import datetime

    from met2net_ops.archive.codec import EncodedFrame
    from met2net_ops.catalog.origin import Origin
    from met2net_ops.grib.records import VerdictKind


@dataclass(frozen=True, slots=True)
class FileStamp:
    """A file's content at one moment.

    Attributes:
        path: absolute.
        size: bytes.
        mtime_ns: nanoseconds since 1970.
        sha256: of the SHA-256 of every message and every range between messages, in turn.
    """

    path: str
    size: int
    mtime_ns: int
    sha256: str


@dataclass(frozen=True, slots=True)
class DecodedFrame:
    """A frame ready for the archive, and where it came from."""

    frame: EncodedFrame
    origin: Origin
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FieldRefusal:
    """Bytes of a file that were refused."""

    offset: int
    length: int
    reason: str


@dataclass(frozen=True, slots=True)
class Tally:
    """The verdicts of a file; counts add up to its fields and damaged byte ranges.

    Attributes:
        fields: fields in the file.
        damaged: damaged byte ranges in the file.
        verdicts: how many ended how and why.
        refusals: which bytes were refused.
    """

    fields: int
    damaged: int
    verdicts: Counter[tuple[VerdictKind, str]]
    refusals: tuple[FieldRefusal, ...]


@dataclass(frozen=True, slots=True)
class Job:
    """One file to decode.

    Attributes:
        path: absolute.
        one_time_at_once: announce each valid time before decoding it, so that a crash can be
            put down to one of them.
        lost_times: valid times that crashed the decoder before.
    """

    path: str
    one_time_at_once: bool = False
    lost_times: frozenset[datetime | None] = frozenset()


@dataclass(frozen=True, slots=True)
class Failed:
    """The file could not be read to its end; `crashed` if it brought the decoder down."""

    reason: str
    crashed: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """Everything of the file has been sent."""


@dataclass(frozen=True, slots=True)
class TimeBegun:
    """The fields of this valid time are decoded next."""

    time: datetime | None
