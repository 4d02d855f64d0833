"""The centre's HTTP server: objects by path, ranges, a publication schedule, and faults."""

from __future__ import annotations

import asyncio
import gzip
import threading
from collections import Counter
from contextlib import contextmanager
from datetime import UTC
from email.utils import format_datetime
from hashlib import sha256
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from met2net_ops.centre.faults import CentreFault, FaultPlan
from met2net_ops.centre.objects import Message

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Callable, Iterator
    from datetime import datetime

    from starlette.requests import Request

    from met2net_ops.centre.objects import Objects, Published
    from met2net_ops.centre.reports import ReportObjects

_PAGE = b"<!DOCTYPE html><html><body>Please verify that you are not a robot.</body></html>"
_DATA_FAULTS = frozenset(
    {CentreFault.GROWING, CentreFault.EMPTY, CentreFault.SHIFTED, CentreFault.IGNORES_RANGES,
     CentreFault.WRONG_RANGE, CentreFault.DRIP, CentreFault.RESET, CentreFault.COMPRESSED,
     CentreFault.REWRITTEN}
)  # fmt: skip


class Centre:
    """Answers requests for the objects of a source, as far as they are published by now."""

    def __init__(
        self,
        objects: Objects | ReportObjects,
        now: Callable[[], datetime],
        plan: FaultPlan | None = None,
    ) -> None:
        """Prepare.

        Args:
            objects: what there is.
            now: the clock of publication, aware UTC.
            plan: what goes wrong.
        """
        self._objects = objects
        self._now = now
        self._plan = plan or FaultPlan()
        self._lock = threading.Lock()
        self.requests: Counter[str] = Counter()
        self.app = Starlette(routes=[Route("/{path:path}", self._answer, methods=["GET", "HEAD"])])

    async def _answer(self, request: Request) -> Response:
        path = request.url.path
        with self._lock:
            self.requests[path] += 1
        place = self._objects.paths.get(path)
        if place is None:
            return PlainTextResponse("no such key", 404)
        expected = self._objects.source.schedule.expected(place.reference_time, place.lead)
        if self._now() < expected:
            return PlainTextResponse("not there yet", 404)
        fault = self._fault_now(path, place)
        refusal = _refusal(fault)
        if refusal is not None:
            return refusal
        body, version = await asyncio.to_thread(self._body, place, fault)
        if place.index or fault not in _DATA_FAULTS:
            fault = fault if fault in _DATA_FAULTS and not place.index else None
        return _reply(request, body, version, expected, fault)

    def _fault_now(self, path: str, place: Published) -> CentreFault | None:
        """The fault of an object and its index, until they were requested often enough."""
        name = f"{place.reference_time:%Y%m%d%H} {place.lead}"
        fault = self._plan.fault_of(name)
        with self._lock:
            count = self.requests[f"fault {name}"] = self.requests[f"fault {name}"] + 1
        return fault if count <= self._plan.requests else None

    def _body(self, place: Published, fault: CentreFault | None) -> tuple[bytes, str]:
        """Bytes and version of an object or index."""
        objects = self._objects
        messages = list(objects.messages(place.reference_time, place.lead))
        if place.index:
            listed = list(messages)
            if fault is CentreFault.STALE_INDEX:
                listed = [Message(one.variable, one.body + bytes(7)) for one in messages]
            text = objects.index(place.reference_time, place.lead, listed)
            if fault is CentreFault.DUPLICATE_LINES:
                first, *rest = text.decode().splitlines()
                again = _moved(first, sum(len(one.body) for one in messages))
                text = "\n".join([first, *rest, again, ""]).encode()
            return text, "index"
        version = "1"
        if fault is CentreFault.WRONG_FIELD and len(messages) > 1:
            messages = [*messages[1:], messages[0]]
            version = "wrong"
        if fault is CentreFault.MIXED_RUNS:
            messages = list(objects.messages(*objects.other(place)))
            version = "mixed"
        body = b"".join(one.body for one in messages)
        if fault is CentreFault.EMPTY:
            return b"", "empty"
        if fault is CentreFault.GROWING:
            return body[: len(body) // 2], "half"
        if fault is CentreFault.REWRITTEN:
            with self._lock:
                self.requests["rewritten"] += 1
                version = str(self.requests["rewritten"])
        return body, version


def _refusal(fault: CentreFault | None) -> Response | None:
    match fault:
        case CentreFault.LATE:
            return PlainTextResponse("not there yet", 404)
        case CentreFault.FORBIDDEN:
            return PlainTextResponse("access denied", 403)
        case CentreFault.WALL:
            return Response(_PAGE, 302, {"Location": "/robots"})
        case CentreFault.TOO_MANY:
            return PlainTextResponse("too many", 429, {"Retry-After": "1"})
        case CentreFault.SLOW_DOWN:
            return PlainTextResponse("slow down", 503)
        case CentreFault.WEB_PAGE:
            return Response(_PAGE, 200, media_type="text/html")
    return None


def _reply(
    request: Request, body: bytes, version: str, modified: datetime, fault: CentreFault | None
) -> Response:
    etag = f'"{sha256(version.encode() + body).hexdigest()[:16]}"'
    headers = {
        "ETag": etag,
        "Last-Modified": format_datetime(modified.astimezone(UTC), usegmt=True),
        "Accept-Ranges": "bytes",
    }
    if request.headers.get("If-Match", etag) != etag:
        return PlainTextResponse("precondition failed", 412, headers)
    span = _range_of(request.headers.get("Range"), len(body))
    if span is None or fault is CentreFault.IGNORES_RANGES:
        if request.method == "HEAD":
            return Response(b"", 200, {**headers, "Content-Length": str(len(body))})
        return Response(body, 200, headers)
    first, last = span
    if first >= len(body):
        return PlainTextResponse("range", 416, {"Content-Range": f"bytes */{len(body)}"})
    last = min(last, len(body) - 1)
    part, said = body[first : last + 1], first
    if fault is CentreFault.SHIFTED:
        part = body[first + 1 : last + 2].ljust(len(part), b"\0")
    if fault is CentreFault.WRONG_RANGE:
        said = first + 1
    headers["Content-Range"] = f"bytes {said}-{last}/{len(body)}"
    if fault is CentreFault.COMPRESSED:
        return Response(gzip.compress(part), 206, {**headers, "Content-Encoding": "gzip"})
    if fault in (CentreFault.RESET, CentreFault.DRIP):
        headers["Content-Length"] = str(len(part))
        return StreamingResponse(_broken(part, fault), 206, headers)
    return Response(part, 206, headers)


async def _broken(part: bytes, fault: CentreFault) -> AsyncIterator[bytes]:
    if fault is CentreFault.RESET:
        yield part[: len(part) // 2]
        raise ConnectionResetError("as planned")
    for at in range(0, len(part), 8):
        yield part[at : at + 8]
        await asyncio.sleep(0.25)


def _range_of(text: str | None, size: int) -> tuple[int, int] | None:
    """First and last byte of a Range header; None where there is none that is understood."""
    unit, _, span = (text or "").partition("=")
    first, dash, last = span.partition("-")
    if unit != "bytes" or not dash or not first.isdigit() or (last and not last.isdigit()):
        return None
    return int(first), int(last) if last else max(size - 1, int(first))


def _moved(line: str, offset: int) -> str:
    """A line of an index again, at another offset."""
    if line.startswith("{"):
        head, _, tail = line.partition('"_offset": ')
        return f'{head}"_offset": {offset}{tail[tail.index(",") :]}'
    number, _, rest = line.split(":", 2)
    return f"{number}:{offset}:{rest}"


@contextmanager
def serving(centre: Centre, listener: socket.socket) -> Iterator[str]:
    """Answer requests on a bound socket from a thread; gives the address.

    The server has stopped when the block ends.
    """
    config = uvicorn.Config(centre.app, log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    host, port = listener.getsockname()[:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        thread.join(10.0)
