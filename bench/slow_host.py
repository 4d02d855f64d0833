"""A host that publishes files of 500 MB as GFS does, some way off: imported by `fetch.py`.

Every request waits for the latency before it is answered, a new connection once more (the handshake
of TCP; that of TLS, twice as much, is left out), and all bodies share one bandwidth. Only the
messages of the wanted fields have content, the rest of a file is zeros that are never stored.
"""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import numpy as np
import uvicorn
from scipy.ndimage import gaussian_filter
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from met2net_ops.feeds.source import find_source
from met2net_ops.grids import LatLonGrid
from met2net_ops.naturerun.grib import encode_field

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from starlette.requests import Request

GRID = LatLonGrid(90.0, 0.0, 0.5, 0.5, 361, 720, "0.5 degrees")
RUN = datetime.fromisoformat("2026-11-20T06:00:00+00:00")
FIELDS = {"t2m": (280.0, 20.0), "d2m": (275.0, 20.0), "u10": (0.0, 8.0), "v10": (0.0, 8.0),
          "msl": (101_000.0, 1500.0), "sp": (98_000.0, 1500.0)}  # fmt: skip
LEADS = tuple(range(13))
SIZE = 500_000_000
_OTHERS = 740  # fields besides, as in a file of GFS
_CHUNK = 64 * 1024


class SlowHost:
    """Files by path, and what was requested of them."""

    def __init__(self, latency: float, bytes_per_second: float) -> None:
        self._latency, self._rate = latency, bytes_per_second
        self._free_at = 0.0
        self._known: set[tuple[str, int]] = set()
        self.counts = {"requests": 0, "connections": 0, "bytes": 0}
        self._files: dict[str, dict[int, bytes]] = {}
        self._indices: dict[str, bytes] = {}
        self._publish()
        routes = [Route("/counts", self._counted), Route("/{path:path}", self._answer)]
        self.app = Starlette(routes=routes)

    def _publish(self) -> None:
        source = find_source("gfs")
        rng = np.random.default_rng(1)
        noise = gaussian_filter(rng.standard_normal(GRID.shape), 6, mode=("nearest", "wrap"))
        noise /= noise.std()
        for hours in LEADS:
            lead = timedelta(hours=hours)
            path = urlsplit(source.mirrors[0].address(RUN, lead)).path
            window = f"{hours} hour fcst" if hours else "anl"
            bodies = {
                name: encode_field(
                    name, RUN + lead,
                    (mean + spread * np.roll(noise, hours, axis=1)).astype(np.float32), GRID,
                    lead=lead,
                )
                for name, (mean, spread) in FIELDS.items()
            }  # fmt: skip
            other = (SIZE - sum(map(len, bodies.values()))) // _OTHERS
            places = sorted(rng.choice(_OTHERS, len(FIELDS), replace=False))
            wanted = dict(zip(places, FIELDS, strict=True))
            content, lines, at = {}, [], 0
            for number in range(_OTHERS + len(FIELDS)):
                name = wanted.get(number)
                keys, length = {"element": "VAR", "level": f"{number} mb"}, other
                if name is not None:
                    content[at], keys = bodies[name], source.fields[name].keys
                    length = len(bodies[name])
                key = f"{keys['element']}:{keys['level']}:{window}"
                lines.append(f"{number + 1}:{at}:d={RUN:%Y%m%d%H}:{key}:")
                at += length
            self._files[path] = content
            self._indices[f"{path}.idx"] = ("\n".join(lines) + "\n").encode()

    async def _counted(self, _: Request) -> Response:
        seen = dict(self.counts)
        self.counts = dict.fromkeys(seen, 0)
        return JSONResponse(seen)

    async def _answer(self, request: Request) -> Response:
        assert request.client is not None
        await asyncio.sleep(self._latency)
        if request.client not in self._known:
            self._known.add(request.client)
            self.counts["connections"] += 1
            await asyncio.sleep(self._latency)
        self.counts["requests"] += 1
        path = request.url.path
        common = {
            "ETag": '"1"', "Server": "AmazonS3", "Accept-Ranges": "bytes",
            "Content-Type": "binary/octet-stream",
        }  # fmt: skip
        if path in self._indices:
            body = self._indices[path]
            common["Content-Length"] = str(len(body))
            return StreamingResponse(self._paced([body]), 200, common)
        if path not in self._files:
            return PlainTextResponse("no such key", 404)
        span = request.headers.get("Range")
        if span is None:
            common["Content-Length"] = str(SIZE)
            if request.method == "HEAD":
                return Response(b"", 200, common)
            return StreamingResponse(self._paced([bytes(SIZE)]), 200, common)
        first, last = (int(part) for part in span.removeprefix("bytes=").split("-"))
        parts = _cut(self._files[path], first, last)
        common["Content-Range"] = f"bytes {first}-{last}/{SIZE}"
        common["Content-Length"] = str(last - first + 1)
        return StreamingResponse(self._paced(parts), 206, common)

    async def _paced(self, parts: Sequence[bytes]) -> AsyncIterator[bytes]:
        for part in parts:
            for at in range(0, len(part), _CHUNK):
                chunk = part[at : at + _CHUNK]
                now = time.monotonic()
                self._free_at = max(self._free_at, now) + len(chunk) / self._rate
                await asyncio.sleep(self._free_at - now)
                self.counts["bytes"] += len(chunk)
                yield chunk


def _cut(content: dict[int, bytes], first: int, last: int) -> list[bytes]:
    """The bytes from first to last, both included; zeros between messages."""
    parts, at = [], first
    for start, body in sorted(content.items()):
        if start > last or start + len(body) <= at:
            continue
        parts.append(bytes(max(start - at, 0)))
        begin = max(at - start, 0)
        parts.append(body[begin : last - start + 1])
        at = start + begin + len(parts[-1])
    return [*parts, bytes(max(last + 1 - at, 0))]


def run(port: int, latency: float, bytes_per_second: float) -> None:
    """Serve until the process is ended."""
    host = SlowHost(latency, bytes_per_second)
    uvicorn.run(
        host.app, host="127.0.0.1", port=port, log_level="critical", server_header=False,
        lifespan="off",
    )  # fmt: skip
