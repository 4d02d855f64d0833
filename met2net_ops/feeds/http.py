"""HTTP as feeds need it: bounded requests, exact ranges, retries that respect the host.

Every reply is checked before its body is read: a range is used only with status 206 and the
Content-Range that was requested, so that a host that ignores ranges never sends a whole file.
"""

from __future__ import annotations

import random
import ssl
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import httpx

from met2net_ops.errors import FeedError
from met2net_ops.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Self

    from met2net_ops.feeds.source import Mirror

_TRANSIENT = frozenset({302, 408, 425, 429, 500, 502, 503, 504})  # 302: the bot wall of NOMADS
_ABSENT = frozenset({403, 404, 410})  # object stores say 403 where listing is not allowed
_LARGEST_INDEX = 32_000_000  # bytes; the largest known is a hundredth of that


class NotPublishedError(FeedError):
    """The file is not there, or is still empty: try again later."""


class UnusableError(FeedError):
    """The host answered, but what it sent cannot be what was requested: try another mirror."""


class UnreachableError(FeedError):
    """No usable answer within the retry policy: try another mirror."""


@dataclass(frozen=True, slots=True)
class Retries:
    """The retry policy of one request.

    Attributes:
        attempts: at most.
        first_wait: seconds before the second attempt; then twice as long each time.
        longest_wait: seconds; also the most that a Retry-After is waited for.
        total: seconds after which no further attempt begins.
    """

    attempts: int = 5
    first_wait: float = 1.0
    longest_wait: float = 60.0
    total: float = 300.0


@dataclass(frozen=True, slots=True)
class Validators:
    """What identifies one version of an object.

    Attributes:
        etag: "" where the host sends none.
        modified: Last-Modified as sent, "" likewise.
        size: bytes of the whole object; None where the host does not say.
    """

    etag: str = ""
    modified: str = ""
    size: int | None = None

    @property
    def modified_at(self) -> datetime | None:
        """Last-Modified as aware UTC; None where there is none that can be read."""
        try:
            return parsedate_to_datetime(self.modified).astimezone(UTC)
        except (TypeError, ValueError):
            return None

    def conflict(self, other: Validators) -> str:
        """What tells that the two are of different versions; "" if nothing does."""
        for name in ("etag", "modified", "size"):
            ours, theirs = getattr(self, name), getattr(other, name)
            if ours not in ("", None) and theirs not in ("", None) and ours != theirs:
                return f"{name} was {ours} and is {theirs}"
        return ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a request brought.

    Attributes:
        body: its bytes.
        validators: of the object.
        date: when the host answered, by its own clock; None if it does not say.
    """

    body: bytes
    validators: Validators
    date: datetime | None = None


class RequestRate:
    """A token bucket: so many requests a minute, a tenth of them at once."""

    def __init__(self, per_minute: float) -> None:
        self._rate = per_minute / 60.0
        self._most = max(per_minute / 10.0, 1.0)
        self._tokens, self._at = self._most, time.monotonic()
        self._lock = threading.Lock()

    def wait(self, pause: Callable[[float], object]) -> None:
        """Take a token, waiting for it if need be."""
        with self._lock:
            now = time.monotonic()
            self._tokens = min(self._most, self._tokens + (now - self._at) * self._rate)
            self._at = now
            self._tokens -= 1.0
            missing = -self._tokens / self._rate
        if missing > 0:
            pause(missing)


class Bandwidth:
    """Bytes a second, shared by all connections; None for any.

    Attributes:
        received: bytes so far.
    """

    def __init__(self, bytes_per_second: float | None) -> None:
        self.received = 0
        self._rate = bytes_per_second
        self._free_at = time.monotonic()
        self._lock = threading.Lock()

    def take(self, count: int, pause: Callable[[float], object]) -> None:
        """Count that many bytes, and wait until they are within the limit."""
        with self._lock:
            self.received += count
            if self._rate is None:
                return
            now = time.monotonic()
            self._free_at = max(self._free_at, now - 1.0) + count / self._rate
            ahead = self._free_at - now
        if ahead > 0:
            pause(ahead)


class Host:
    """One mirror, reached over kept-alive connections.

    Proxies (`HTTPS_PROXY`, `NO_PROXY`) and CA bundles (`SSL_CERT_FILE`) are taken from the
    environment.
    """

    def __init__(
        self,
        mirror: Mirror,
        *,
        retries: Retries | None = None,
        bandwidth: Bandwidth | None = None,
        timeout: float = 30.0,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        """Prepare; nothing is connected yet.

        Args:
            mirror: how many requests and connections the host allows.
            retries: when to try again.
            bandwidth: shared with other hosts.
            timeout: seconds without a byte after which a connection is given up.
            pause: waits; tests and a service that stops pass their own.
        """
        self.name = mirror.name
        self._retries = retries or Retries()
        self._bandwidth = bandwidth or Bandwidth(None)
        self._rate = RequestRate(mirror.requests_per_minute)
        self._pause = pause
        self._client = httpx.Client(
            timeout=timeout,
            follow_redirects=False,
            limits=httpx.Limits(max_connections=mirror.connections),
            headers={"User-Agent": f"met2net-ops/{__version__}", "Accept-Encoding": "identity"},
        )
        self.requests = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(self, url: str, most: int = _LARGEST_INDEX) -> Reply:
        """A whole object, of so many bytes at most.

        Raises:
            NotPublishedError: it is not there, or empty.
            UnusableError: it is a web page, compressed, cut short or too large.
            UnreachableError: the retry policy is exhausted.
        """
        return self._try(url, lambda: self._whole(url, most))

    def get_range(self, url: str, first: int, last: int | None, of: Validators) -> Reply:
        """Some bytes of an object.

        Args:
            url: of the object.
            first: offset of the first byte.
            last: of the last one, included; None for the rest of the object, whose size `of` has.
            of: validators of the version that is meant; those known must be the same.

        Raises:
            NotPublishedError: it is not there, or ends before `first`.
            UnusableError: the reply is not that range of that version.
            UnreachableError: the retry policy is exhausted.
        """
        return self._try(url, lambda: self._range(url, first, last, of))

    def head(self, url: str) -> Reply:
        """An object's validators alone.

        Raises:
            NotPublishedError: it is not there, or empty.
            UnusableError: the answer makes no sense.
            UnreachableError: the retry policy is exhausted.
        """
        return self._try(url, lambda: self._head(url))

    def _try(self, url: str, ask: Callable[[], Reply]) -> Reply:
        began, wait, why = time.monotonic(), self._retries.first_wait, ""
        for attempt in range(1, self._retries.attempts + 1):
            asked_for: float | None = None
            self._rate.wait(self._pause)
            self.requests += 1
            try:
                return ask()
            except _TransientError as error:
                why, asked_for = str(error), error.retry_after
            except httpx.TransportError as error:
                why = _plainly(error)
            pause = wait * random.uniform(0.5, 1.0) if asked_for is None else asked_for
            pause = min(pause, self._retries.longest_wait)
            wait = min(2 * wait, self._retries.longest_wait)
            spent = time.monotonic() - began
            if attempt == self._retries.attempts or spent + pause > self._retries.total:
                break
            self._pause(pause)
        raise UnreachableError(f"{url}: {why}; tried {attempt} times")

    def _whole(self, url: str, most: int) -> Reply:
        with self._client.stream("GET", url) as answer:
            found = _validators(answer.headers)
            _check_status(url, answer)
            if answer.status_code != 200:
                raise UnusableError(f"{url}: status {answer.status_code} to a plain request")
            if found.size is not None and found.size > most:
                raise UnusableError(f"{url}: {found.size} bytes, at most {most} are expected")
            body = self._body(answer, most)
        if not body:
            raise NotPublishedError(f"{url} is empty")
        if len(body) > most:
            raise UnusableError(f"{url}: more than the {most} bytes that are expected")
        if found.size is not None and found.size != len(body):
            raise UnusableError(f"{url}: {len(body)} bytes came of {found.size}")
        if body.lstrip()[:1] == b"<":
            raise UnusableError(f"{url}: the answer is a web page, not the file")
        return Reply(body, found, _date(answer.headers))

    def _range(self, url: str, first: int, last: int | None, of: Validators) -> Reply:
        end = last if last is not None else (None if of.size is None else of.size - 1)
        headers = {"Range": f"bytes={first}-{'' if last is None else last}"}
        if of.etag and not of.etag.startswith("W/"):
            headers["If-Match"] = of.etag
        with self._client.stream("GET", url, headers=headers) as answer:
            if answer.status_code == 412:
                raise UnusableError(f"{url} was replaced while it was read (ETag {of.etag})")
            if answer.status_code == 416:
                raise NotPublishedError(f"{url} ends before byte {first}")
            _check_status(url, answer)
            if answer.status_code != 206:
                raise UnusableError(
                    f"{url}: status {answer.status_code} instead of 206, the host ignores ranges"
                )
            total = _content_range(url, answer.headers, first, end)
            found = _validators(answer.headers, total)
            if why := of.conflict(found):
                raise UnusableError(f"{url} was replaced while it was read: {why}")
            wanted = (end if end is not None else total - 1) - first + 1
            body = self._body(answer, wanted)
        if len(body) != wanted:
            raise UnusableError(f"{url}: {len(body)} bytes came of the {wanted} from {first}")
        return Reply(body, found, _date(answer.headers))

    def _head(self, url: str) -> Reply:
        answer = self._client.head(url)
        _check_status(url, answer)
        found = _validators(answer.headers)
        if found.size == 0:
            raise NotPublishedError(f"{url} is empty")
        return Reply(b"", found, _date(answer.headers))

    def _body(self, answer: httpx.Response, most: int) -> bytes:
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            raise UnusableError(
                f"{answer.url}: Content-Encoding {answer.headers['Content-Encoding']!r}, "
                "though none was accepted"
            )
        parts, count = [], 0
        for part in _bounded(answer.iter_raw(), self._retries.total):
            parts.append(part)
            count += len(part)
            if count > most:
                break
            self._bandwidth.take(len(part), self._pause)
        return b"".join(parts)


class _TransientError(Exception):
    """An answer that may be another one soon."""

    def __init__(self, why: str, retry_after: float | None) -> None:
        super().__init__(why)
        self.retry_after = retry_after


def _bounded(parts: Iterator[bytes], seconds: float) -> Iterator[bytes]:
    """A body that drips for longer than that is given up, however lively the connection."""
    until = time.monotonic() + seconds
    for part in parts:
        yield part
        if time.monotonic() > until:
            raise _TransientError(f"the transfer took more than {seconds:.0f} s", None)


def _check_status(url: str, answer: httpx.Response) -> None:
    status = answer.status_code
    if status in _TRANSIENT:
        raise _TransientError(f"status {status}", _retry_after(answer.headers))
    if status in _ABSENT:
        raise NotPublishedError(f"{url}: status {status}")
    if status >= 300:
        raise UnusableError(f"{url}: status {status}")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    text = headers.get("Retry-After", "").strip()
    if text.isdigit():
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return max((when - datetime.now(UTC)).total_seconds(), 0.0)


def _validators(headers: Mapping[str, str], size: int | None = None) -> Validators:
    length = headers.get("Content-Length", "")
    if size is None and length.isdigit():
        size = int(length)
    return Validators(headers.get("ETag", ""), headers.get("Last-Modified", ""), size)


def _date(headers: Mapping[str, str]) -> datetime | None:
    return Validators(modified=headers.get("Date", "")).modified_at


def _content_range(url: str, headers: Mapping[str, str], first: int, end: int | None) -> int:
    """Total size of the object, from a Content-Range that is exactly the one requested."""
    text = headers.get("Content-Range", "")
    unit, _, rest = text.partition(" ")
    span, _, total = rest.partition("/")
    begin, _, last = span.partition("-")
    if unit == "bytes" and begin.isdigit() and last.isdigit() and total.isdigit():
        expected = int(total) - 1 if end is None else end
        if (int(begin), int(last)) == (first, expected) and expected < int(total):
            return int(total)
    wanted = f"bytes {first}-{'' if end is None else end}"
    raise UnusableError(f"{url}: Content-Range {text!r} instead of {wanted}")


def _plainly(error: httpx.TransportError) -> str:
    """What went wrong, in words that say where to look."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"its TLS certificate is not trusted ({cause.verify_message}); a CA bundle of "
                "your own goes into $SSL_CERT_FILE"
            )
        if type(cause).__name__ == "gaierror":
            return f"its name cannot be resolved ({cause}); check DNS and the proxy settings"
        cause = cause.__cause__ or cause.__context__
    match error:
        case httpx.ProxyError():
            return f"the proxy refuses ({error}); check $HTTPS_PROXY and $NO_PROXY"
        case httpx.ConnectTimeout() | httpx.ConnectError():
            return f"no connection ({error}); check network and firewall"
        case httpx.TimeoutException():
            return "no byte came before the time-out"
    return f"the connection broke ({error})"
