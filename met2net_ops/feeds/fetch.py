"""Fetch the wanted messages of one published file: index, ranges, proof, spool."""

from __future__ import annotations

import bz2
import hashlib
import os
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import repeat
from typing import TYPE_CHECKING

from met2net_ops.durable import place
from met2net_ops.errors import FeedError
from met2net_ops.feeds.http import NotPublishedError, UnusableError, Validators
from met2net_ops.feeds.index import PARSERS
from met2net_ops.feeds.plan import Piece, check_size, pieces_of, spans_of
from met2net_ops.feeds.proof import prove
from met2net_ops.feeds.record import FetchedMessage
from met2net_ops.observations.reading import detect_form
from met2net_ops.observations.report import ObservationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from met2net_ops.feeds.http import Host
    from met2net_ops.feeds.plan import Span, WantedFile
    from met2net_ops.feeds.source import Mirror

_LATER_REPORTS = timedelta(hours=6)  # after the deadline, for reports that came late
_LARGEST_FILE = 500_000_000  # bytes of a file fetched whole, packed or not


@dataclass(frozen=True, slots=True)
class Fetched:
    """What became of one file.

    Attributes:
        file: that was wanted.
        path: in the spool; None if it could not be fetched.
        messages: one row for every variable.
        published: whether any mirror has it; it is waited for if not.
        failures: mirror → why it was of no use.
    """

    file: WantedFile
    path: Path | None
    messages: tuple[FetchedMessage, ...]
    published: bool
    failures: Mapping[str, str]

    @property
    def size(self) -> int:
        """Bytes of its messages."""
        return sum({message.first_byte: message.bytes for message in self.messages}.values())


@dataclass(frozen=True, slots=True)
class _Message:
    """A message as it came: what it is to hold, its bytes, and the object they are from."""

    piece: Piece
    body: bytes
    seconds: float
    url: str
    of: Validators


def fetch_file(
    file: WantedFile, mirrors: Sequence[Mirror], hosts: Mapping[str, Host], spool: Path
) -> Fetched:
    """Fetch a file's wanted messages from the first mirror that has them whole.

    Nothing appears in the spool unless every message is what the plan says.

    Args:
        file: what is wanted.
        mirrors: to try, in order.
        hosts: mirror → connections to it.
        spool: folder that receives the messages as one GRIB file.

    Raises:
        OSError: the spool cannot be written.
    """
    failures: dict[str, str] = {}
    published = False
    for mirror in mirrors:
        host = hosts[mirror.name]
        try:
            if file.source.index == "none":
                messages = _whole_files(file, mirror, host)
            else:
                messages = _ranges(file, mirror, host)
            path = _deliver(file, messages, spool)
        except NotPublishedError as error:
            failures[mirror.name] = str(error)
        except FeedError as error:
            published = True
            failures[mirror.name] = str(error)
        else:
            return Fetched(file, path, _rows(file, mirror, messages), True, failures)
    return Fetched(file, None, (), published, failures)


def _ranges(file: WantedFile, mirror: Mirror, host: Host) -> list[_Message]:
    """By the index: the ranges of an object that hold what is wanted, several at a time."""
    url = mirror.address(file.reference_time, file.lead)
    index_url = mirror.index_address(url)
    text = host.get(index_url).body.decode("utf-8", errors="replace")
    entries = PARSERS[file.source.index](text, index_url)
    first, *others = spans_of(pieces_of(file, entries, index_url))

    def read(span: Span, of: Validators) -> list[_Message]:
        began = time.monotonic()
        reply = host.get_range(url, span.first, span.last, of)
        seconds, about = time.monotonic() - began, reply.validators
        parts = _split(span, reply.body)
        return [_Message(piece, part, seconds, url, about) for piece, part in parts]

    # The first range tells what the host is like and which version it has; then the others.
    messages = read(first, Validators())
    about = messages[0].of
    check_size(about.size, entries, url)
    with ThreadPoolExecutor(mirror.connections) as pool:
        for more in pool.map(read, others, repeat(about)):
            messages += more
    return messages


def _whole_files(file: WantedFile, mirror: Mirror, host: Host) -> list[_Message]:
    """Without an index: a file for each variable, fetched whole and unpacked."""
    messages = []
    for variable in file.variables:
        name = file.source.fields[variable].name
        url = mirror.address(file.reference_time, file.lead, name)
        began = time.monotonic()
        reply = host.get(url, _LARGEST_FILE)
        modified, now = reply.validators.modified_at, reply.date or datetime.now(UTC)
        if file.source.reports and modified is not None:
            _check_hour(file, modified, url)
        if modified is not None and (now - modified).total_seconds() < mirror.settle_seconds:
            raise NotPublishedError(f"{url} was modified a moment ago, at {modified:%H:%M:%SZ}")
        body = _unpacked(reply.body, url)
        piece = Piece((variable,), 0, len(body) - 1)
        messages.append(_Message(piece, body, time.monotonic() - began, url, reply.validators))
    return messages


def _check_hour(file: WantedFile, modified: datetime, url: str) -> None:
    """Hosts publish the reports of each hour or day under the same names."""
    if not file.reference_time <= modified <= file.deadline + _LATER_REPORTS:
        raise NotPublishedError(f"{url} is that of {modified:%Y-%m-%dT%H:%MZ}, not of {file}")


def _unpacked(body: bytes, url: str) -> bytes:
    if body.startswith(b"\x1f\x8b"):
        return _gunzipped(body, url)
    if not body.startswith(b"BZh"):
        return body
    unpacker = bz2.BZ2Decompressor()
    try:
        found = unpacker.decompress(body, _LARGEST_FILE)
    except OSError as error:
        raise UnusableError(f"{url} is damaged bzip2: {error}") from error
    if not unpacker.eof:
        raise UnusableError(f"{url} is cut short, or larger than {_LARGEST_FILE} bytes unpacked")
    return found


def _gunzipped(body: bytes, url: str) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        found = unpacker.decompress(body, _LARGEST_FILE)
    except zlib.error as error:
        raise UnusableError(f"{url} is damaged gzip: {error}") from error
    if not unpacker.eof:
        raise UnusableError(f"{url} is cut short, or larger than {_LARGEST_FILE} bytes unpacked")
    return found


def _split(span: Span, body: bytes) -> list[tuple[Piece, bytes]]:
    found = []
    for piece in span.pieces:
        begin = piece.first - span.first
        end = len(body) if piece.last is None else piece.last - span.first + 1
        found.append((piece, body[begin:end]))
    return found


def _deliver(file: WantedFile, messages: Sequence[_Message], spool: Path) -> Path:
    """Put the messages into the spool as one file, after they have proven what they are."""
    spool.mkdir(parents=True, exist_ok=True)
    path = spool / file.file_name
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as stream:
            for message in messages:
                stream.write(message.body)
        if file.source.reports:
            _prove_reports(part, file)
            _stamp(part, messages[0].of)
        else:
            prove(
                part, file, [(message.piece.variables, len(message.body)) for message in messages]
            )
        place(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _prove_reports(part: Path, file: WantedFile) -> None:
    """Raise UnusableError if a file does not have the form of station reports that it should."""
    wanted = file.source.reports
    found = wanted if wanted == "csv" else _form_of(part, file)
    if found != wanted:
        raise UnusableError(f"{file}: what was fetched looks like {found}, not like {wanted}")


def _form_of(part: Path, file: WantedFile) -> str:
    try:
        return detect_form(part)
    except ObservationError as error:
        raise UnusableError(f"{file}: what was fetched is no file of station reports") from error


def _stamp(part: Path, of: Validators) -> None:
    """When reports were published tells the month of those that state only a day."""
    if of.modified_at is not None:
        stamp = of.modified_at.timestamp()
        os.utime(part, (stamp, stamp))


def _rows(
    file: WantedFile, mirror: Mirror, messages: Sequence[_Message]
) -> tuple[FetchedMessage, ...]:
    return tuple(
        FetchedMessage(
            source=file.source.name,
            reference_time=file.reference_time,
            lead_seconds=int(file.lead.total_seconds()),
            variable=variable,
            valid_time=file.valid_time,
            mirror=mirror.name,
            url=message.url,
            etag=message.of.etag,
            modified=message.of.modified,
            first_byte=message.piece.first,
            bytes=len(message.body),
            sha256=hashlib.sha256(message.body).hexdigest(),
            seconds=message.seconds,
            file=file.file_name,
        )
        for message in messages
        for variable in message.piece.variables
    )
